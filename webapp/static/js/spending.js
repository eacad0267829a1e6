/**
 * What a call costs in bytes of the device's data plan, and a cap on it. Pure: no DOM, no clock, no storage of its own.
 *
 *   Candil.wireBytes(reports)           // bytes on the wire of one RTCPeerConnection so far, from an RTCStatsReport
 *   Candil.monthOf(date)                // "2026-11", by the device's own calendar
 *   const spending = new Candil.Spending({ store, pricePerMb });
 *        store: {read(month) -> bytes, add(month, bytes)}; the month is summed over calls, reloads and tabs
 *   spending.setCap({ megabytes: 15, per: "call" | "month" });   // or null: no cap
 *   spending.note(at_ms, callBytes, rttMs, month)   // the whole call so far; -> what follows, also in spending.now:
 *        { callBytes, monthBytes, price, monthPrice, bps, cap: {megabytes, per} | null, leftBytes: number | null,
 *          ceiling: "hd" | "video" | "low_video" | "stills" | "audio" | "emergency" | "text", nextMs }
 *        ceiling: the most that the cap still allows in both directions; "text": the media session must close.
 *        nextMs: read again after this long, so that no rate up to 1.5 Mbit/s can pass the cap unseen.
 * A megabyte is 1,000,000 bytes, as data plans count.
 */
