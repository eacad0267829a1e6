/**
 * The test before the call: what the line bears, for at most 50 kB and 8 s in all, and never in anybody's way. No DOM.
 *
 *   const test = Candil.testLine({ base, csrf, onChange });     // base: "/v/{participant}" or "/consults/{consult}"
 *   test.result                       // {down_bps, up_bps, rtt_ms, bears, done}; a figure is null until it is known
 *        bears: the rung as a word, "text" | "emergency" | "audio" | "stills" | "low_video" | "video", or "" (unknown yet)
 *   await test.finished               // the same result, also when it was cut short; never rejects
 *   test.stop();                      // whoever enters does not wait: what is known so far is the result
 *   new Candil.Call({ connection, line: test.result })          // goes to the server as a first guess
 *   Candil.rememberLine(result) / Candil.rememberedLine()       // across the pages of one visit, 10 minutes at most
 *
 * Injected for tests: XMLHttpRequest, now (ms), setTimeout, clearTimeout, random bytes (fill).
 */
