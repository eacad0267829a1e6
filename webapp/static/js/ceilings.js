/**
 * How much this person lets a call use, and the rungs by name. No DOM. Needs outbox.js before it.
 *
 *   Candil.RUNGS                         // ["text", "emergency", "audio", "stills", "low_video", "video", "hd"], least first
 *   const ceilings = new Candil.Ceilings();
 *   ceilings.choose({ down: "audio", up: "audio" }, "chosen");   // "chosen" | "saving"; remembered on this device
 *   ceilings.choose(null);                // open again
 *   ceilings.budget("low_video");         // what the cap still allows, both directions; "hd": no bound
 *   ceilings.limit                        // {down, up, reason}: the lower of both; {hd, hd, ""} when open
 *   ceilings.isOpen
 *   Candil.keep(name, value) / Candil.kept(name)   // a word that stays on this device; "" takes it away
 */
