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
(function (root) {
  "use strict";

  const Candil = /** @type {any} */ (root.Candil = root.Candil || {});

  const LIMIT_MS = 8000;
  /** One question more for the round trip only if the first was quick: it may have opened the connection. */
  const SLOW_ROUND_MS = 1500;
  /**
   * A little first; more only where the little was quick, and no more than TCP sends before it waits for an answer.
   * Together 23 kB; with the headers of six requests and of every packet, and a TLS handshake, below 50 kB on the wire.
   */
  const STEPS = { down: [3000, 10000], up: [2000, 8000] };
  const QUICK_MS = 400;
  /** Of one request or answer, beside its body. */
  const HEADER_BYTES = 500;
  const LEAST_MS = 4;
  const MOST_BPS = 10e6;
  const LONG_RTT_MS = 1200;
  /** What a rung takes on the wire to be entered, bits per second; the server's ladder has the last word. */
  const ENTER = [
    { rung: "video", bps: 415000 },
    { rung: "low_video", bps: 85000 },
    { rung: "stills", bps: 48000 },
    { rung: "audio", bps: 26000 },
    { rung: "emergency", bps: 13000 },
  ];
  const KEPT_MS = 600000;

  class LineTest {
    /** @param {any} options see the head of this file */
    constructor(options) {
      this._base = options.base;
      this._csrf = options.csrf;
      this._onChange = options.onChange || (() => {});
      this._XMLHttpRequest = options.XMLHttpRequest || root.XMLHttpRequest;
      this._now = options.now || (() => root.performance.now());
      this._fill = options.fill || ((/** @type {Uint8Array} */ bytes) => root.crypto.getRandomValues(bytes));
      this._clearTimeout = options.clearTimeout || ((/** @type {any} */ timer) => root.clearTimeout(timer));
      const later = options.setTimeout || ((/** @type {any} */ fn, /** @type {number} */ ms) => root.setTimeout(fn, ms));
      this.result = { down_bps: null, up_bps: null, rtt_ms: null, bears: "", done: false };
      /** @type {any} */
      this._request = null;
      this._stopped = false;
      this._timer = later(() => this.stop(), LIMIT_MS);
      this.finished = this._run().then(() => this._finish());
    }

    stop() {
      this._stopped = true;
      if (this._request) this._request.cut();
    }

    async _run() {
      const first = await this._ask("GET", 1);
      if (first.status !== 200) return;
      const second = first.ms < SLOW_ROUND_MS && !this._stopped ? await this._ask("GET", 1) : first;
      const rttMs = Math.min(first.ms, second.status === 200 ? second.ms : first.ms);
      this._learn({ rtt_ms: Math.round(rttMs) });
      await this._measure("GET", "down_bps", STEPS.down, rttMs);
      await this._measure("POST", "up_bps", STEPS.up, rttMs);
    }

    /** @param {"GET"|"POST"} method @param {string} name @param {number[]} steps bytes @param {number} rttMs */
    async _measure(method, name, steps, rttMs) {
      for (const bytes of steps) {
        if (this._stopped) return;
        const seen = await this._ask(method, bytes);
        const isCut = seen.status === 0;
        if (isCut && !seen.bytes) return;
        if (!isCut && seen.status >= 300) return;
        // A round trip is not the line's rate; of what was cut it was at most half the time.
        const ms = Math.max(LEAST_MS, seen.ms - rttMs, isCut ? seen.ms / 2 : 0);
        this._learn({ [name]: Math.round(Math.min(MOST_BPS, ((seen.bytes + HEADER_BYTES) * 8000) / ms)) });
        if (isCut || ms > QUICK_MS) return;
      }
    }

    /** @param {any} known */
    _learn(known) {
      Object.assign(this.result, known);
      this.result.bears = bears(this.result);
      this._onChange(this.result);
    }

    _finish() {
      this._clearTimeout(this._timer);
      this.result.done = true;
      this._onChange(this.result);
      return this.result;
    }

    /**
     * One request. Status 0: cut, by us or by the line; `bytes` then says what had gone through.
     * @param {"GET"|"POST"} method @param {number} bytes
     * @returns {Promise<{status: number, bytes: number, ms: number}>}
     */
    _ask(method, bytes) {
      return new Promise((resolve) => {
        const request = new this._XMLHttpRequest();
        const began = this._now();
        let through = 0;
        const end = (/** @type {number} */ status) => {
          this._request = null;
          resolve({ status, bytes: status ? bytes : through, ms: this._now() - began });
        };
        const count = (/** @type {any} */ event) => (through = Math.min(bytes, event.loaded));
        request.open(method, this._base + (method === "GET" ? "/line/down?bytes=" + bytes : "/line/up"));
        if (method === "GET") {
          request.responseType = "arraybuffer";
          request.onprogress = count;
        } else {
          request.setRequestHeader("X-CSRF-Token", this._csrf);
          request.setRequestHeader("Content-Type", "application/octet-stream");
          request.upload.onprogress = count;
        }
        request.onload = () => end(request.status);
        request.onerror = request.onabort = () => end(0);
        this._request = { cut: () => request.abort() };
        request.send(method === "GET" ? null : this._fill(new Uint8Array(bytes)));
      });
    }
  }

  /** @param {any} result @returns {string} */
  function bears(result) {
    const known = [result.down_bps, result.up_bps].filter((bps) => bps !== null);
    if (!known.length) return "";
    const bps = Math.min.apply(null, known);
    const found = ENTER.find((one) => bps >= one.bps);
    const rung = found ? found.rung : "text";
    const isPicture = rung === "video" || rung === "low_video";
    return isPicture && result.rtt_ms > LONG_RTT_MS ? "stills" : rung;
  }

  /** @param {any} options see the head of this file */
  Candil.testLine = (options) => new LineTest(options);

  /** @param {any} result */
  Candil.rememberLine = function (result) {
    if (!result.bears) return;
    try {
      root.sessionStorage.setItem("candil.line", JSON.stringify(Object.assign({ at: Date.now() }, result)));
    } catch (error) {
      // Then the call starts without a guess.
    }
  };

  /** @returns {any} the result, or null */
  Candil.rememberedLine = function () {
    try {
      const kept = JSON.parse(root.sessionStorage.getItem("candil.line") || "null");
      return kept && Date.now() - kept.at < KEPT_MS ? kept : null;
    } catch (error) {
      return null;
    }
  };
})(/** @type {any} */ (self));
