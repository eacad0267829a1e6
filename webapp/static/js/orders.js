/**
 * Carries out `media.order`: what this page sends from now on. No DOM. Needs outbox.js before it.
 *
 *   const orders = new Candil.Orders({ now, onTrouble });
 *   orders.order                         // the newest order, or null before the first: then everything goes by the offer
 *   orders.offer(sdp)                    // a server offer as it is applied: our own audio section with the order's ptime and fmtp
 *   await orders.apply(session, order)   // inside session.work: setParameters, and the last offer again when audio changed
 *   orders.watch(reports, at_ms)         // statistics show what this browser ignores; true: apply again with the next best
 *   orders.abilities                     // {parameters, framerate, degradation, ptime}: true | false | null (not seen yet)
 */
