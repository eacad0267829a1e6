/**
 * Recording a voice note: what a press means, and the recorder. No DOM. Needs outbox.js and devices.js before it.
 *
 *   const press = new Candil.VoicePress();          // held: talk until it is let go; tapped: until it is tapped again
 *   press.down(at, x); press.move(x); press.up(at); press.lost(); press.tap(); press.cancel(); press.tick(at)
 *       // each answers "start" | "keep" | "discard" | ""; press.state: idle | holding | cancelling | free
 *   const recorder = new Candil.VoiceRecorder({ call });       // call: Candil.Call, or null
 *   await recorder.start();                         // "": it records; else why not: denied | missing | busy | unsupported ...
 *   recorder.on("level", (level) => ...);           // 0 to 1, some times a second
 *   recorder.on("cut", () => ...);                  // the microphone was taken away
 *   const note = await recorder.stop();             // {blob, ms, loudest}, or null when nothing came
 *   recorder.drop();
 *
 * A call's microphone is listened to, never opened a second time: a phone gives it to one page once.
 */
(function (root) {
  "use strict";

  const Candil = /** @type {any} */ (root.Candil = root.Candil || {});

  const TAP_MS = 350;
  const SLIDE_PX = 90;
  const MOST_MS = 120000;
  const BITS_PER_SECOND = 12000; // of Opus: a voice that is understood, 45 kB for half a minute
  const LEVEL_EVERY_MS = 100;
  const STOP_LIMIT_MS = 4000;
  /** Firefox writes Ogg a fifth smaller than WebM; Safari has none of both before 18.4. */
  const TYPES = ["audio/ogg;codecs=opus", "audio/webm;codecs=opus", "audio/mp4"];

  class VoicePress {
    constructor() {
      this.state = "idle";
      this._downAt = 0;
      this._downX = 0;
      this._startedAt = 0;
    }

    /** A finger or button went down. @param {number} at ms @param {number} x pixels @returns {string} */
    down(at, x) {
      if (this.state !== "idle") return this.tap(at);
      this.state = "holding";
      this._downAt = this._startedAt = at;
      this._downX = x;
      return "start";
    }

    /** @param {number} x @returns {string} */
    move(x) {
      if (this.state !== "holding" && this.state !== "cancelling") return "";
      this.state = this._downX - x > SLIDE_PX ? "cancelling" : "holding";
      return "";
    }

    /** @param {number} at @returns {string} */
    up(at) {
      if (this.state === "cancelling") return this.cancel();
      if (this.state !== "holding") return "";
      if (at - this._downAt >= TAP_MS) return this._end("keep");
      this.state = "free"; // it was a tap: the hand is free
      return "";
    }

    /** The system took the finger: what is being said goes on. @returns {string} */
    lost() {
      if (this.state === "holding" || this.state === "cancelling") this.state = "free";
      return "";
    }

    /** A key, or the button for it. @param {number} at @returns {string} */
    tap(at) {
      if (this.state !== "idle") return this._end("keep");
      this.state = "free";
      this._startedAt = at;
      return "start";
    }

    /** @returns {string} */
    cancel() {
      return this.state === "idle" ? "" : this._end("discard");
    }

    /** The recorder began only now: a permission was being asked. @param {number} at */
    began(at) {
      this._startedAt = at;
    }

    /** @param {number} at @returns {string} "keep" when it is as long as it may be */
    tick(at) {
      return this.state !== "idle" && at - this._startedAt >= MOST_MS ? this._end("keep") : "";
    }

    /** @param {string} answer @returns {string} */
    _end(answer) {
      this.state = "idle";
      return answer;
    }
  }

  class VoiceRecorder extends Candil.Emitter {
    /** @param {any} options {call, and for tests: MediaRecorder, MediaStream, AudioContext, devices, now, setInterval, clearInterval, setTimeout} */
    constructor(options) {
      super();
      this._call = options.call;
      this._MediaRecorder = options.MediaRecorder || root.MediaRecorder;
      this._MediaStream = options.MediaStream || root.MediaStream;
      this._AudioContext = options.AudioContext || root.AudioContext || root.webkitAudioContext;
      this._devices = options.devices || new Candil.Devices({});
      this._now = options.now || Date.now;
      this._setInterval = options.setInterval || root.setInterval.bind(root);
      this._clearInterval = options.clearInterval || root.clearInterval.bind(root);
      this._setTimeout = options.setTimeout || root.setTimeout.bind(root);
      this._timer = 0;
      /** @type {any} */
      this._recorder = this._track = this._context = null;
      /** @type {any[]} */
      this._pieces = [];
      this._startedAt = 0;
      this.loudest = 0;
    }

    /** Whether the call carries this person's voice to somebody: then there is nothing to record. */
    get isHeard() {
      const call = this._call;
      return Boolean(call && call.state === "connected" && call.microphone && call.order && call.order.audio && call.lines.size > 1);
    }

    /** @returns {Promise<string>} */
    async start() {
      if (!this._MediaRecorder || !root.crypto || !root.crypto.subtle) return "unsupported";
      const reason = await this._open();
      if (reason) return reason;
      try {
        const isTaken = (/** @type {string} */ type) => this._MediaRecorder.isTypeSupported(type);
        const mimeType = TYPES.find(isTaken);
        const wishes = Object.assign({ audioBitsPerSecond: BITS_PER_SECOND }, mimeType ? { mimeType } : {});
        this._recorder = new this._MediaRecorder(new this._MediaStream([this._track]), wishes);
        this._recorder.ondataavailable = (/** @type {any} */ event) => event.data.size && this._pieces.push(event.data);
        this._recorder.start(1000);
      } catch (error) {
        this.drop();
        return "unsupported";
      }
      this._startedAt = this._now();
      this._track.onended = this._track.onmute = () => this.emit("cut");
      this._measure();
      return "";
    }

    /** The call's own microphone if it has one, else one for this note. @returns {Promise<string>} */
    async _open() {
      const live = this._call && this._call.devices.track("audio");
      if (live && live.readyState === "live") {
        this._track = live.clone();
        this._track.enabled = true; // muted for the others, who hear nothing of this
        return "";
      }
      const reason = await this._devices.setMicrophone(true);
      this._track = reason ? null : this._devices.track("audio");
      return reason;
    }

    _measure() {
      if (!this._AudioContext) return;
      try {
        this._context = new this._AudioContext();
        const analyser = this._context.createAnalyser();
        analyser.fftSize = 1024;
        this._context.createMediaStreamSource(new this._MediaStream([this._track])).connect(analyser);
        const samples = new Uint8Array(analyser.fftSize);
        this._timer = this._setInterval(() => {
          analyser.getByteTimeDomainData(samples);
          const level = levelOf(samples);
          this.loudest = Math.max(this.loudest, level);
          this.emit("level", level);
        }, LEVEL_EVERY_MS);
      } catch (error) {
        this._context = null; // it records without a level
      }
    }

    get ms() {
      return this._startedAt ? this._now() - this._startedAt : 0;
    }

    /** @returns {Promise<{blob: any, ms: number, loudest: number}|null>} */
    async stop() {
      const recorder = this._recorder;
      if (!recorder) return null;
      const ms = Math.min(MOST_MS, this.ms);
      const stopped = new Promise((resolve) => {
        recorder.onstop = resolve;
        this._setTimeout(resolve, STOP_LIMIT_MS);
      });
      if (recorder.state !== "inactive") {
        recorder.stop();
        await stopped;
      }
      const blob = this._pieces.length ? new root.Blob(this._pieces, { type: recorder.mimeType }) : null;
      const isMeasured = this._context && this._context.state === "running"; // some browsers start it only when they like
      const loudest = isMeasured ? this.loudest : 1;
      this.drop();
      return blob && { blob, ms, loudest };
    }

    /** Give the microphone back. */
    drop() {
      this._clearInterval(this._timer);
      if (this._recorder) this._recorder.ondataavailable = null;
      if (this._recorder && this._recorder.state !== "inactive") this._recorder.stop();
      if (this._track) {
        this._track.onended = this._track.onmute = null;
        this._track.stop();
      }
      if (this._context) this._context.close().catch(() => {});
      this._devices.release();
      this._recorder = this._track = this._context = null;
      this._pieces = [];
      this._startedAt = this.loudest = 0;
    }
  }

  /** @param {Uint8Array} samples 128 is silence @returns {number} 0 to 1: as loud as it sounds */
  function levelOf(samples) {
    let sum = 0;
    for (const sample of samples) sum += ((sample - 128) / 128) * ((sample - 128) / 128);
    const decibels = 20 * Math.log10(Math.sqrt(sum / samples.length) || 1e-6);
    return Math.max(0, Math.min(1, (decibels + 50) / 44)); // -50 dB is a quiet room, -6 dB a voice close by
  }

  Candil.levelOf = levelOf;
  Candil.VoicePress = VoicePress;
  Candil.VoiceRecorder = VoiceRecorder;
})(/** @type {any} */ (self));
