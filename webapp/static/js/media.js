/**
 * The live call of one page: the media session with the server, and what is heard and seen. No DOM.
 * Needs protocol.js, devices.js, ceilings.js, stats.js, spending.js, orders.js, brake.js, session.js, path.js, metering.js before it.
 *
 *   const call = new Candil.Call({ connection, relayOnly, line, pricePerMb });   // line: of Candil.testLine, or null
 *   const got = await call.capture("video");   // {media: "video"|"audio"|"text", reason}; before join, may be repeated
 *        reason: "" | "denied" | "missing" | "busy" | "insecure" | "unsupported": why it is less than was asked
 *   call.localStream                           // MediaStream or null: for the preview
 *   call.join();                               // in as soon as the doctor admits; comes back by itself after any loss
 *   call.leave();                              // hang up here; the consult goes on
 *   call.setMicrophone(on); await call.setCamera(on); call.setReceive({ audio, video });
 *   call.release();                            // give camera and microphone back without joining
 *   call.on("state", (state, detail) => ...);
 *        idle | waiting (not admitted yet) | joining | connected | path_lost | rejoining | spent (the cap is used up) | ended
 *        detail of ended: left | replaced | conversation_ended | refused | finished
 *   call.on("stream", (participantId, stream) => ...);   // stream is null when there is none any more
 *   call.on("local", (stream) => ...);
 *   call.on("devices", ({ microphone, camera, reason }) => ...);
 *   call.on("line", ({ participant, down, up }) => ...);  // {rung, tier, reason, capacity_bps, needed_bps, since} each way
 *   call.lines                                           // Map of the newest of them by participant
 *   call.setLimit({ down: "audio", up: "audio" }, "chosen");   // "chosen" | "saving"; kept on this device; null: open
 *   call.limit                                           // {down, up, reason} in force; reason "" when open, "budget" by the cap
 *   call.setCap({ megabytes: 15, per: "call" });         // or "month", or null; kept on this device; raising it brings all back
 *   call.countBytes(bytes);                              // traffic beside the call that the page knows of (uploads)
 *   call.spent                                           // the newest of:
 *   call.on("spending", ({ callBytes, monthBytes, price, monthPrice, bps, cap, leftBytes, ceiling }) => ...);  // see spending.js
 *   call.on("stats", ({ rttMs, sentBps, receivedBps, sentBytes, receivedBytes, receiving }) => ...);
 *        every 2 s; receiving: {participantId: {audio: boolean, video: boolean}}: what arrives now
 *
 * Injected for tests: RTCPeerConnection, MediaStream, getUserMedia, setTimeout, clearTimeout, now (ms), random.
 */
(function (root) {
  "use strict";

  const Candil = /** @type {any} */ (root.Candil = root.Candil || {});

  class Call extends Candil.MediaPath {
    /** @param {any} options see the head of this file */
    constructor(options) {
      super(options);
      this.devices = new Candil.Devices(options);
      this._receive = { audio: true, video: true };
      this._line = options.line || null;
      this._ceilings = new Candil.Ceilings();
      this._orders = new Candil.Orders();
      /** @type {Map<string, any>} */
      this.lines = new Map();
      /** @type {any} */
      this.spent = null;
      this._metering = new Candil.Metering({
        connection: this._connection,
        orders: this._orders,
        sessions: () => [this._current, this._old],
        pricePerMb: options.pricePerMb,
        now: this._now,
        setTimeout: this._setTimeout,
        clearTimeout: this._clearTimeout,
      });
      this._brake = new Candil.Brake({
        orders: this._orders,
        session: () => this._current,
        report: (/** @type {any} */ session, /** @type {number} */ bps) => this._reportOutgoing(session, bps),
        braked: (/** @type {any} */ session, /** @type {number} */ bps) => this._braked(session, bps),
        now: this._now,
        setTimeout: this._setTimeout,
        clearTimeout: this._clearTimeout,
      });
      this._listen();
    }

    _listen() {
      this._connection.on("connection", (/** @type {string} */ state) => {
        if (state === "offline" || state === "open") this._brake.deaf(state === "offline");
      });
      this._connection.on("welcome", () => this._orders.release()); // the server repeats its order
      this.devices.on("local", (/** @type {any} */ stream) => this._localChanged(stream));
      this.devices.on("devices", (/** @type {any} */ devices) => {
        this.emit("devices", devices);
        this._tellDevices();
      });
      this._connection.on("media.order", (/** @type {any} */ message) => this._ordered(message));
      this._connection.on("media.line", (/** @type {any} */ message) => this._gotLine(message));
      this._metering.on("stats", (/** @type {any} */ figures) => this.emit("stats", figures));
      this._metering.on("seen", (/** @type {any} */ session, /** @type {any} */ seen) => {
        this._brake.felt(session, seen);
        this._connection.crawls(this._brake.isCrawling);
      });
      this._metering.on("spending", (/** @type {any} */ now) => this._spending(now));
      this._metering.on("disobeyed", (/** @type {any} */ session) => this._obey(session));
    }

    /** @param {"video"|"audio"|"text"} media @returns {Promise<{media: "video"|"audio"|"text", reason: string}>} */
    capture(media) {
      return this.devices.capture(media);
    }

    /** @param {boolean} on @returns {Promise<string>} why it could not be done, or "" */
    setMicrophone(on) {
      return this.devices.setMicrophone(on);
    }

    /** @param {boolean} on @returns {Promise<string>} why it could not be done, or "" */
    setCamera(on) {
      return this.devices.setCamera(on);
    }

    /** Give camera and microphone back. */
    release() {
      this.devices.release();
    }

    get localStream() {
      return this.devices.stream;
    }

    get microphone() {
      return this.devices.microphone;
    }

    get camera() {
      return this.devices.camera;
    }

    _tellDevices() {
      if (!this._current) return;
      this._connection.request({ type: "media.devices", microphone: this.microphone, camera: this.camera });
    }

    /** @param {any} stream */
    _localChanged(stream) {
      this.emit("local", stream);
      for (const session of [this._current, this._old]) {
        if (session) this._obey(session);
      }
    }

    join() {
      this.wanted = true;
      this._failures = 0;
      if (this.state === "idle" || this.state === "ended") this._setState("waiting");
      this._metering.start();
      this._tryJoin();
    }

    leave() {
      const session = this._current;
      if (session) this._connection.request({ type: "media.leave", session: session.id });
      this._finish("left");
    }

    /** @param {{audio: boolean, video: boolean}} wishes */
    setReceive(wishes) {
      this._receive = { audio: wishes.audio, video: wishes.video };
      if (this._current) this._askReceive(this._current);
    }

    /** @param {any} session */
    _askReceive(session) {
      const wishes = { type: "media.receive", session: session.id };
      this._connection.request(Object.assign(wishes, this._receive));
    }

    // What is sent and received, and what it costs

    /** @param {any} message */
    _ordered(message) {
      const session = this._find(message.session);
      if (!session && !this._joining) return;
      this._orders.set(message, this._now());
      if (message.video && !message.probe) this.devices.fit(message.video.max_height);
      if (session) this._obey(session);
      this._brake.ordered();
    }

    /** @param {any} session @param {number} bps */
    _braked(session, bps) {
      this._obey(session);
      if (bps) this._reportOutgoing(session, bps);
    }

    /** @param {any} session @param {number} bps */
    _reportOutgoing(session, bps) {
      this._connection.request({ type: "media.report", session: session.id, outgoing_bps: Math.round(bps), concealed: null });
    }

    /** Tracks and orders onto a session's senders, when its turn comes. @param {any} session */
    _obey(session) {
      session.work = session.work.then(() => this._orders.apply(session)).catch(() => {}); // closed meanwhile
    }

    /** @param {{participant: string, down: any, up: any}} message */
    _gotLine({ participant, down, up }) {
      this.lines.set(participant, { participant, down, up });
      this.emit("line", { participant, down, up });
    }

    /** @param {{down: string, up: string}|null} rungs @param {string} [reason] */
    setLimit(rungs, reason) {
      this._ceilings.choose(rungs, reason);
      if (this._current) this._tellLimit(this._current);
    }

    /** What is sent now: the newest media.order, or null. */
    get order() {
      return this._orders.order;
    }

    get limit() {
      return this._ceilings.limit;
    }

    /** @param {any} session */
    _tellLimit(session) {
      this._connection.request(Object.assign({ type: "media.limit", session: session.id }, this.limit));
    }

    /** @param {{megabytes: number, per: string}|null} cap */
    setCap(cap) {
      this._metering.setCap(cap);
    }

    get cap() {
      return this._metering.cap;
    }

    /** @param {number} bytes */
    countBytes(bytes) {
      this._metering.count(bytes);
    }

    /** @param {any} now */
    _spending(now) {
      this.spent = now;
      const isChanged = this._ceilings.budget(now.ceiling);
      if (now.ceiling === "text") {
        this._outOfBudget();
      } else {
        if (isChanged && this._current) this._tellLimit(this._current);
        if (this.state === "spent") this._setState("waiting");
        if (this.state === "waiting") this._tryJoin();
      }
      this.emit("spending", now);
    }

    /** Not one packet more, not even to keep a path open. */
    _outOfBudget() {
      if (!this.wanted || this.state === "spent") return;
      if (this._current) this._connection.request({ type: "media.leave", session: this._current.id });
      this._rest();
      this._setState("spent");
    }

    // What the path asks of a call

    _wishes() {
      const limit = this._ceilings.isOpen ? null : this.limit;
      return Object.assign({ line: lineHint(this._line), limit }, this._receive);
    }

    /** @param {any} session */
    _tell(session) {
      this._askReceive(session);
      this._tellDevices();
      if (!this._ceilings.isOpen) this._tellLimit(session);
    }

    /** @param {string} id @param {any} pc */
    _makeSession(id, pc) {
      return new Candil.Session(id, pc, this.devices);
    }

    /** @param {any} session @param {string} sdp */
    async _answer(session, sdp) {
      return session.answer(sdp, this._orders);
    }

    /** @param {any} session @param {string} sdp */
    _answered(session, sdp) {
      super._answered(session, sdp);
      if (session.closed) return;
      if (session === this._current) this._tellDevices();
      return this._orders.apply(session);
    }

    /** @param {any} session */
    _leaving(session) {
      this._metering.last(session);
    }

    _over() {
      this._metering.stop();
      this.release();
    }
  }

  /** @param {any} line */
  function lineHint(line) {
    if (!line || (line.down_bps === null && line.up_bps === null && line.rtt_ms === null)) return null;
    return { down_bps: line.down_bps, up_bps: line.up_bps, rtt_ms: line.rtt_ms };
  }

  Candil.Call = Call;
})(/** @type {any} */ (self));
