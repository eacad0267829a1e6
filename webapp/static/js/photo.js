/**
 * A photo on its way to the clinic: preview first, then the full picture, in pieces that go on at the byte where they
 * broke. No DOM. Needs outbox.js before it.
 *
 *   const sender = new Candil.PhotoSender({ base, csrf, store, line });
 *   sender.on("photo", (photo) => ...);    // {id, state: "waiting"|"sending"|"kept"|"refused", sent, total, refusal}
 *   sender.on("bytes", (bytes) => ...);    // what a piece has cost, for the meter
 *   sender.start();                        // what an earlier page left goes on
 *   sender.add({ id, preview: {bytes: ArrayBuffer, sha256}, full: {bytes, sha256} });
 *   sender.wake();                         // the line seems to be back: do not wait
 *
 * `line()`: {inCall, capacityBps, soundBps, pictureBps}: what the way up bears (0: not known) and what the call sends.
 * `store`: {load(): Promise<photo[]>, keep(photo): Promise, drop(id): Promise}. A photo stays in it until the clinic
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
  /** Pictures of the call give way, sound does not: they may take all there is, and a photo must still arrive. */
  const SHARE_BESIDE_SOUND = 0.25;
  const LEAST_SHARE_BPS = 2000;
  const UNKNOWN_BPS = 32000;
  const REQUEST_LIMIT_MS = 45000;
  const RETRY_MS = [1000, 2000, 4000, 8000, 15000, 30000];
  const NOT_NOW_MS = 15000;
  const PARTS = ["preview", "full"];

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

    /** @param {any} line @returns {number} what a photo may take of it */
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

  class PhotoSender extends Candil.Emitter {
    /** @param {any} options */
    constructor(options) {
      super();
      this._base = options.base + "/photos/uploads";
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
      for (const photo of left) if (!this._queue.some((other) => other.id === photo.id)) this._queue.push(photo);
      this._run();
    }

    /** @param {any} photo @returns {Promise<void>} when this device keeps it, or cannot */
    async add(photo) {
      this._queue.push(photo);
      this._tell(photo, "waiting", null);
      await this._store.keep(photo).catch(() => {}); // a full or forbidden store: it lasts as long as the page
      this._run();
    }

    wake() {
      if (this._wakeUp) this._wakeUp();
    }

    /** Photos that the clinic does not have yet. */
    get waiting() {
      return this._queue.length;
    }

    async _run() {
      if (this._isRunning) return;
      this._isRunning = true;
      while (this._queue.length) {
        const photo = this._queue[0];
        try {
          const done = await this._send(photo);
          this._failures = 0;
          this._queue.shift();
          await this._store.drop(photo.id).catch(() => {});
          this._tell(photo, done.state, done);
        } catch (error) {
          this._tell(photo, "waiting", photo.progress);
          await this._rest(this._pauseMs(error));
        }
      }
      this._isRunning = false;
    }

    /** @param {any} error @returns {number} */
    _pauseMs(error) {
      if (error.pauseMs) return error.pauseMs;
      const ms = RETRY_MS[Math.min(this._failures, RETRY_MS.length - 1)];
      this._failures += 1;
      return ms * (1 + this._random() / 2);
    }

    /** From wherever it stands to the end. @param {any} photo @returns {Promise<any>} the clinic's last answer */
    async _send(photo) {
      let now = await this._ask(photo, this._base, JSON.stringify(announcement(photo)), "application/json");
      while (now.state === "receiving") {
        const part = PARTS.find((name) => photo[name] && now.received[name] < photo[name].bytes.byteLength);
        if (!part) throw Object.assign(new Error("unsettled"), { pauseMs: RETRY_MS[1] }); // asked again, it is settled
        this._tell(photo, "sending", now);
        now = await this._piece(photo, part, now.received[part]);
        this._failures = 0;
      }
      return now;
    }

    /** @param {any} photo @param {string} part @param {number} start @returns {Promise<any>} */
    async _piece(photo, part, start) {
      const bytes = photo[part].bytes.slice(start, start + this.pace.chunkBytes(this._line()));
      const url = this._base + "/" + photo.id + "/" + part + "?start=" + start;
      const began = this._now();
      const answer = await this._ask(photo, url, bytes, "application/octet-stream");
      const took = this._now() - began;
      this.pace.took(bytes.byteLength, took);
      this.emit("bytes", bytes.byteLength + HEADER_BYTES);
      if (answer.state === "receiving") await this._rest(this.pace.waitMs(bytes.byteLength, took, this._line()));
      return answer;
    }

    /**
     * What the clinic answers. Throws with `pauseMs` for what may work later; what never will comes back as refused.
     * @param {any} photo @param {string} url @param {any} body @param {string} type @returns {Promise<any>}
     */
    async _ask(photo, url, body, type) {
      const { status, data } = await this._request(url, body, type, this._csrf);
      if (status >= 200 && status < 300) {
        photo.progress = data;
        return data;
      }
      if (status === 409 && data.code === "gap") return { state: "receiving", received: restartAt(photo, url, data.received) };
      if (status === 429 || status === 503) {
        throw Object.assign(new Error("later"), { pauseMs: 1000 * (Number(data.retry_after_s) || 5) });
      }
      if (status === 409 && data.code === "not_now") throw Object.assign(new Error("not_now"), { pauseMs: NOT_NOW_MS });
      if (status === 404 && data.code === "no_upload") throw Object.assign(new Error("begin"), { pauseMs: RETRY_MS[0] });
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

    /** @param {any} photo @param {string} state @param {any} progress */
    _tell(photo, state, progress) {
      const received = (progress && progress.received) || {};
      const parts = PARTS.filter((name) => photo[name]);
      const size = (/** @type {string} */ name) => photo[name].bytes.byteLength;
      const total = parts.reduce((sum, name) => sum + size(name), 0);
      const sent = state === "kept" ? total : parts.reduce((sum, name) => sum + (received[name] || 0), 0);
      this.emit("photo", { id: photo.id, state, sent, total, refusal: (progress && progress.refusal) || "" });
    }
  }

  /** @param {any} photo */
  function announcement(photo) {
    /** @type {any} */
    const said = { upload: photo.id };
    for (const name of PARTS) {
      if (photo[name]) said[name] = { bytes: photo[name].bytes.byteLength, sha256: photo[name].sha256 };
    }
    return said;
  }

  /** The clinic has less than this page thought. @param {any} photo @param {string} url @param {number} received */
  function restartAt(photo, url, received) {
    const part = /\/(preview|full)\?/.exec(url);
    const known = Object.assign({}, photo.progress && photo.progress.received);
    if (part) known[part[1]] = received;
    return known;
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

  /** @param {number} width @param {number} height @param {number} longest @returns {{width: number, height: number}} */
  Candil.fitWithin = function (width, height, longest) {
    const scale = Math.min(1, longest / Math.max(width, height));
    return { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) };
  };

  /** What an order of the call takes on the wire, bits per second. @param {any} order as media.order, or null */
  Candil.orderedBps = function (order) {
    const audio = order && order.audio;
    const video = order && order.video;
    return {
      soundBps: audio ? audio.bitrate_bps + (58 * 8 * 1000) / audio.ptime_ms : 0,
      pictureBps: video ? video.max_bitrate_bps * 1.06 : 0,
    };
  };

  Candil.PhotoPace = Pace;
  Candil.PhotoSender = PhotoSender;
})(/** @type {any} */ (self));
