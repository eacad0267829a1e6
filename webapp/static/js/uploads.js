/**
 * Photos and voice notes on their way to the clinic: one part after the other, in pieces that go on at the byte where
 * they broke. No DOM. Needs outbox.js before it.
 *
 *   const sender = new Candil.UploadSender({ base, csrf, store, line });
 *   sender.on("upload", (upload, news) => ...);   // news {state: "waiting"|"sending"|"kept"|"refused", sent, total, refusal}
 *   sender.on("left", (upload) => ...);           // an earlier page left it: it goes on
 *   sender.on("bytes", (bytes) => ...);           // what a piece has cost, for the meter
 *   sender.start();
 *   sender.add({ id, kind, parts: { preview: {bytes: ArrayBuffer, sha256}, full: {bytes, sha256} } });
 *   sender.wake();                                // the line seems to be back: do not wait
 *
 * `line()`: {inCall, capacityBps, soundBps, pictureBps}: what the way up bears (0: not known) and what the call sends.
 * `store`: {load(): Promise<upload[]>, keep(upload): Promise, drop(id): Promise}. An upload stays in it until the clinic
 * has it whole. One piece is under way at a time; in a call the pauses between them leave the line to the voice.
 */
(function (root) {
  "use strict";

  const Candil = /** @type {any} */ (root.Candil = root.Candil || {});

  const LEAST_CHUNK_BYTES = 1024;
  const MOST_CHUNK_BYTES = 16384;
  const HEADER_BYTES = 900; // of a request, beside what it carries
  /** How long a piece may fill the line before the voice behind it: the jitter buffer must bridge it. */
  const CHUNK_IN_CALL_MS = 250;
  const CHUNK_ALONE_MS = 1500;
  const SHARE_OF_SPARE = 0.5;
  /** Pictures of the call give way, sound does not: they may take all there is, and an upload must still arrive. */
  const SHARE_BESIDE_SOUND = 0.25;
  const LEAST_SHARE_BPS = 2000;
  const UNKNOWN_BPS = 32000;
  const REQUEST_LIMIT_MS = 45000;
  const RETRY_MS = [1000, 2000, 4000, 8000, 15000, 30000];
  const NOT_NOW_MS = 15000;
  const SIGNED_OUT_MS = 60000;

  /** How large the next piece is and how long to wait after it. */
  class Pace {
    constructor() {
      this.measuredBps = 0;
    }

    /** @param {number} bytes @param {number} ms what one piece took from its first byte to the answer */
    took(bytes, ms) {
      const bps = ((bytes + HEADER_BYTES) * 8000) / Math.max(1, ms);
      this.measuredBps = this.measuredBps ? 0.7 * this.measuredBps + 0.3 * bps : bps;
    }

    /** @param {any} line @returns {number} what the way up bears */
    rateBps(line) {
      return (line.inCall && line.capacityBps) || this.measuredBps || UNKNOWN_BPS;
    }

    /** @param {any} line @returns {number} what an upload may take of it */
    shareBps(line) {
      if (!line.inCall) return this.rateBps(line);
      const rate = this.rateBps(line);
      if (!line.capacityBps) return Math.max(LEAST_SHARE_BPS, SHARE_OF_SPARE * rate); // measured beside the call: spare
      const spare = SHARE_OF_SPARE * (rate - line.soundBps - line.pictureBps);
      return Math.max(LEAST_SHARE_BPS, spare, SHARE_BESIDE_SOUND * (rate - line.soundBps));
    }

    /** @param {any} line @returns {number} */
    chunkBytes(line) {
      const ms = line.inCall ? CHUNK_IN_CALL_MS : CHUNK_ALONE_MS;
      const bytes = Math.floor((this.rateBps(line) * ms) / 8000) - HEADER_BYTES;
      return Math.min(MOST_CHUNK_BYTES, Math.max(LEAST_CHUNK_BYTES, bytes));
    }

    /** @param {number} bytes @param {number} ms it took @param {any} line @returns {number} */
    waitMs(bytes, ms, line) {
      if (!line.inCall) return 0;
      return Math.max(0, ((bytes + HEADER_BYTES) * 8000) / this.shareBps(line) - ms);
    }

    /** About how long so many bytes take. @param {number} bytes @param {any} line @returns {number} seconds */
    seconds(bytes, line) {
      const pieces = Math.ceil(bytes / this.chunkBytes(line));
      return ((bytes + pieces * HEADER_BYTES) * 8) / this.shareBps(line);
    }
  }

  class UploadSender extends Candil.Emitter {
    /** @param {any} options */
    constructor(options) {
      super();
      this._base = options.base + "/attachments/uploads";
      this._csrf = options.csrf;
      this._store = options.store;
      this._line = options.line;
      this._request = options.request || request;
      this._now = options.now || Date.now;
      this._setTimeout = options.setTimeout || root.setTimeout.bind(root);
      this._random = options.random || Math.random;
      this.pace = new Pace();
      /** @type {any[]} */
      this._queue = [];
      this._isRunning = false;
      this._failures = 0;
      /** @type {(() => void)|null} */
      this._wakeUp = null;
    }

    async start() {
      const left = await this._store.load().catch(() => []);
      for (const upload of left) {
        if (this._queue.some((other) => other.id === upload.id)) continue;
        this._queue.push(upload);
        this.emit("left", upload);
      }
      this._run();
    }

    /** @param {any} upload @returns {Promise<void>} when this device keeps it, or cannot */
    async add(upload) {
      this._queue.push(upload);
      this._tell(upload, "waiting", null);
      await this._store.keep(upload).catch(() => {}); // a full or forbidden store: it lasts as long as the page
      this._run();
    }

    wake() {
      for (const upload of this._queue) upload.notBefore = 0;
      if (this._wakeUp) this._wakeUp();
    }

    async _run() {
      if (this._isRunning) return;
      this._isRunning = true;
      while (this._queue.length) {
        const upload = this._next() || this._queue[0];
        try {
          const done = await this._send(upload);
          this._failures = 0;
          this._queue.splice(this._queue.indexOf(upload), 1);
          await this._store.drop(upload.id).catch(() => {});
          this._tell(upload, done.state, done);
        } catch (thrown) {
          const error = /** @type {any} */ (thrown);
          this._tell(upload, "waiting", upload.progress);
          const pauseMs = this._pauseMs(error);
          if (error.isHeld) upload.notBefore = this._now() + pauseMs; // a photo waits for the visit, a voice note need not
          await this._rest(error.isHeld && this._next() ? 0 : pauseMs);
        }
      }
      this._isRunning = false;
    }

    /** The first that is not held back. */
    _next() {
      return this._queue.find((upload) => !(upload.notBefore > this._now()));
    }

    /** @param {any} error @returns {number} */
    _pauseMs(error) {
      if (error.pauseMs) return error.pauseMs;
      const ms = RETRY_MS[Math.min(this._failures, RETRY_MS.length - 1)];
      this._failures += 1;
      return ms * (1 + this._random() / 2);
    }

    /** From wherever it stands to the end. @param {any} upload @returns {Promise<any>} the clinic's last answer */
    async _send(upload) {
      let now = await this._ask(upload, "", JSON.stringify(announcement(upload)), "application/json");
      while (now.state === "receiving") {
        const part = Object.keys(upload.parts).find((name) => now.received[name] < upload.parts[name].bytes.byteLength);
        if (!part) throw Object.assign(new Error("unsettled"), { pauseMs: RETRY_MS[1] }); // asked again, it is settled
        this._tell(upload, "sending", now);
        now = await this._piece(upload, part, now.received[part]);
        this._failures = 0;
      }
      return now;
    }

    /** @param {any} upload @param {string} part @param {number} start @returns {Promise<any>} */
    async _piece(upload, part, start) {
      const bytes = upload.parts[part].bytes.slice(start, start + this.pace.chunkBytes(this._line()));
      const began = this._now();
      const answer = await this._ask(upload, "/" + upload.id + "/" + part + "?start=" + start, bytes, "application/octet-stream", part);
      const took = this._now() - began;
      this.pace.took(bytes.byteLength, took);
      this.emit("bytes", bytes.byteLength + HEADER_BYTES);
      if (answer.state === "receiving") await this._rest(this.pace.waitMs(bytes.byteLength, took, this._line()));
      return answer;
    }

    /**
     * What the clinic answers. Throws with `pauseMs` for what may work later; what never will comes back as refused.
     * @param {any} upload @param {string} path @param {any} body @param {string} type @param {string} [part]
     * @returns {Promise<any>}
     */
    async _ask(upload, path, body, type, part) {
      const { status, data } = await this._request(this._base + path, body, type, this._csrf);
      if (status >= 200 && status < 300) {
        upload.progress = data;
        return data;
      }
      if (status === 409 && data.code === "gap" && part) {
        // The clinic has less than this page thought.
        const received = Object.assign({}, upload.progress && upload.progress.received, { [part]: data.received });
        return { state: "receiving", received };
      }
      const pauseMs = laterMs(status, data);
      if (pauseMs) throw Object.assign(new Error("later"), { pauseMs, isHeld: data.code === "not_now" });
      if (status >= 400 && status < 500) return { state: "refused", refusal: data.code || "failed", received: {} };
      throw new Error("no answer");
    }

    /** @param {number} ms @returns {Promise<void>} */
    _rest(ms) {
      if (ms <= 0) return Promise.resolve();
      return new Promise((resolve) => {
        const go = () => {
          this._wakeUp = null;
          resolve();
        };
        this._wakeUp = go;
        this._setTimeout(go, ms);
      });
    }

    /** @param {any} upload @param {string} state @param {any} progress */
    _tell(upload, state, progress) {
      const received = (progress && progress.received) || {};
      const names = Object.keys(upload.parts);
      const total = names.reduce((sum, name) => sum + upload.parts[name].bytes.byteLength, 0);
      const sent = state === "kept" ? total : names.reduce((sum, name) => sum + (received[name] || 0), 0);
      this.emit("upload", upload, { state, sent, total, refusal: (progress && progress.refusal) || "" });
    }
  }

  /** @param {any} upload */
  function announcement(upload) {
    /** @type {any} */
    const parts = {};
    for (const name of Object.keys(upload.parts)) {
      parts[name] = { bytes: upload.parts[name].bytes.byteLength, sha256: upload.parts[name].sha256 };
    }
    return { upload: upload.id, kind: upload.kind, parts };
  }

  /** How long to wait for what the clinic may take later; 0: it never will. @param {number} status @param {any} data */
  function laterMs(status, data) {
    if (status === 429 || status === 503) return 1000 * (Number(data.retry_after_s) || 5);
    if (status === 409 && data.code === "not_now") return NOT_NOW_MS;
    if (status === 404 && data.code === "no_upload") return RETRY_MS[0];
    return status === 401 || data.code === "csrf" ? SIGNED_OUT_MS : 0; // kept here for whoever signs in again
  }

  /** @param {string} url @param {any} body @param {string} type @param {string} csrf @returns {Promise<{status: number, data: any}>} */
  function request(url, body, type, csrf) {
    return new Promise((resolve, reject) => {
      const asked = new root.XMLHttpRequest();
      asked.open("POST", url);
      asked.timeout = REQUEST_LIMIT_MS;
      asked.setRequestHeader("Content-Type", type);
      asked.setRequestHeader("Accept", "application/json");
      asked.setRequestHeader("X-CSRF-Token", csrf);
      asked.onload = () => {
        let data = {};
        try {
          data = JSON.parse(asked.responseText);
        } catch (error) {
          // Something on the way answered instead of the clinic.
          if (asked.status < 400) return reject(error);
        }
        resolve({ status: asked.status, data });
      };
      asked.onerror = asked.ontimeout = asked.onabort = () => reject(new Error("no connection"));
      asked.send(body);
    });
  }

  /** What an order of the call takes on the wire, bits per second. @param {any} order as media.order, or null */
  Candil.orderedBps = function (order) {
    const audio = order && order.audio;
    const video = order && order.video;
    return {
      soundBps: audio ? audio.bitrate_bps + (58 * 8 * 1000) / audio.ptime_ms : 0,
      pictureBps: video ? video.max_bitrate_bps * 1.06 : 0,
    };
  };

  /** The call's share of the line, for `options.line`; a call in which nothing is sent has none.
   * @param {any} call Candil.Call, or null @param {string} me */
  Candil.uploadLine = function (call, me) {
    const order = call && call.state === "connected" ? call.order : null;
    const flow = Candil.orderedBps(order);
    const inCall = flow.soundBps + flow.pictureBps > 0;
    const line = inCall && call.lines.get(me);
    return Object.assign({ inCall, capacityBps: line ? line.up.capacity_bps : 0 }, flow);
  };

  /** Bytes with what the clinic checks them by. @param {Blob} blob @returns {Promise<{bytes: ArrayBuffer, sha256: string}>} */
  Candil.sealed = async function (blob) {
    const bytes = await readAll(blob);
    const digest = new Uint8Array(await root.crypto.subtle.digest("SHA-256", bytes));
    return { bytes, sha256: Array.from(digest, (b) => (b + 256).toString(16).slice(1)).join("") };
  };

  /** @param {Blob} blob @returns {Promise<ArrayBuffer>} */
  function readAll(blob) {
    return new Promise((resolve, reject) => {
      const reader = new root.FileReader();
      reader.onload = () => resolve(reader.result);
      reader.onerror = () => reject(reader.error);
      reader.readAsArrayBuffer(blob);
    });
  }

  Candil.UploadPace = Pace;
  Candil.UploadSender = UploadSender;
})(/** @type {any} */ (self));
