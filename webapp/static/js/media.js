/**
 * The live call of one page: the media session with the server, and what is heard and seen. No DOM.
 * Needs protocol.js, devices.js, ceilings.js, stats.js, spending.js, orders.js, session.js before it.
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

  const JOIN_TIMEOUT_MS = 20000;
  const DISCONNECTED_MS = 5000;
  const OLD_SESSION_MS = 15000;
  const STATS_EVERY_MS = 2000;
  const BACKOFF_FIRST_MS = 500;
  const BACKOFF_LAST_MS = 15000;
  const FINAL = ["replaced", "conversation_ended", "refused", "finished"];
  /** One media session with the server: an RTCPeerConnection and the streams that came through it. */
  class Session {
    /**
     * @param {string} id
     * @param {any} pc
     */
    constructor(id, pc) {
      this.id = id;
      this.pc = pc;
      /** @type {Map<string, any>} */
      this.streams = new Map();
      /** Offers are answered one at a time. */
      this.work = Promise.resolve();
      this.closed = false;
    }

    close() {
      if (this.closed) return;
      this.closed = true;
      this.pc.ontrack = this.pc.onconnectionstatechange = this.pc.oniceconnectionstatechange = null;
      this.pc.close();
    }
  }

  class Call extends Candil.Emitter {
    /** @param {any} options see the head of this file */
    constructor(options) {
      super();
      this._connection = options.connection;
      this._RTCPeerConnection = options.RTCPeerConnection || root.RTCPeerConnection;
      this._setTimeout = options.setTimeout || ((/** @type {any} */ fn, /** @type {number} */ ms) => root.setTimeout(fn, ms));
      this._clearTimeout = options.clearTimeout || ((/** @type {any} */ timer) => root.clearTimeout(timer));
      this._now = options.now || (() => Date.now());
      this._random = options.random || (() => Math.random());
      this._relayOnly = Boolean(options.relayOnly);
      this.state = "idle";
      this.wanted = false;
      this.devices = new Candil.Devices(options);
      this._receive = { audio: true, video: true };
      /** @type {Session|null} */
      this._current = null;
      /** The session before, kept until the new one carries media. @type {Session|null} */
      this._old = null;
      this._joining = false;
      this._failures = 0;
      this._joinTimer = null;
      this._retryTimer = null;
      this._disconnectedTimer = null;
      this._oldTimer = null;
      this._statsTimer = null;
      this._meter = new Candil.TrafficMeter();
      this._listen();
    }

    _listen() {
      this.devices.on("local", (/** @type {any} */ stream) => this._localChanged(stream));
      this.devices.on("devices", (/** @type {any} */ devices) => {
        this.emit("devices", devices);
        this._tellDevices();
      });
      const connection = this._connection;
      connection.on("media.offer", (/** @type {any} */ message) => this._offered(message));
      connection.on("media.ice", (/** @type {any} */ message) => this._iceServers(message));
      connection.on("media.state", (/** @type {any} */ message) => this._pathState(message));
      connection.on("media.closed", (/** @type {any} */ message) => this._closedByServer(message));
      connection.on("state", () => this._tryJoin());
      connection.on("sync", () => this._reconnected());
      connection.on("error", (/** @type {any} */ error) => this._refused(error));
      connection.on("connection", (/** @type {string} */ state) => {
        if (state === "replaced") this._finish("replaced");
        else if (state === "offline") this._joining = false;
      });
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
        if (session && !session.closed) this._attach(session).catch(() => {});
      }
    }

    /** Put our tracks on the first two media sections, which are ours. @param {Session} session */
    async _attach(session) {
      const own = session.pc.getTransceivers().slice(0, 2);
      if (own.length < 2) return;
      await own[0].sender.replaceTrack(this.devices.track("audio"));
      await own[1].sender.replaceTrack(this.devices.track("video"));
    }

    // Joining

    join() {
      this.wanted = true;
      this._failures = 0;
      if (this.state === "idle" || this.state === "ended") this._setState("waiting");
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

    /** @param {Session} session */
    _askReceive(session) {
      const wishes = { type: "media.receive", session: session.id };
      this._connection.request(Object.assign(wishes, this._receive));
    }

    /** Whether the doctor has let us in and the conversation is open. */
    _mayJoin() {
      const view = this._connection.view;
      const me = this._connection.me;
      if (!view || !me || view.consult.status !== "in-progress" || view.consult.conversation_ended) return false;
      return me.admission === "admitted";
    }

    _tryJoin() {
      if (!this.wanted || this._current || this._joining || this._retryTimer !== null) return;
      if (!this._mayJoin()) {
        if (this.state !== "waiting") this._setState("waiting");
        return;
      }
      this._sendJoin();
    }

    _sendJoin() {
      if (!this._connection.request(Object.assign({ type: "media.join" }, this._receive))) return;
      this._joining = true;
      if (this.state === "waiting") this._setState("joining");
      this._clearTimeout(this._joinTimer);
      this._joinTimer = this._setTimeout(() => {
        this._joining = false;
        this._rejoin();
      }, JOIN_TIMEOUT_MS);
    }

    /** Get a new session; the present one, if any, lives until the new one carries media. */
    _rejoin() {
      if (!this.wanted || this._joining || this._retryTimer !== null) return;
      if (this.state !== "path_lost") this._setState("rejoining");
      const longest = Math.min(BACKOFF_LAST_MS, BACKOFF_FIRST_MS * Math.pow(2, this._failures));
      const delay = this._failures ? this._random() * longest : 0;
      this._failures = Math.min(this._failures + 1, 10);
      this._retryTimer = this._setTimeout(() => {
        this._retryTimer = null;
        if (this._current && this._mayJoin()) this._sendJoin();
        else this._tryJoin();
      }, delay);
    }

    /** The socket is back: is our session still there, and does everybody know what we send? */
    _reconnected() {
      if (this._current) {
        this._askReceive(this._current);
        this._tellDevices();
        if (this.state === "path_lost" || this.state === "rejoining") this._rejoin();
      } else {
        this._tryJoin();
      }
    }

    /** @param {any} error */
    _refused(error) {
      if (!this._joining || error.ref !== "media.join") return;
      this._joining = false;
      this._clearTimeout(this._joinTimer);
      if (error.code === "not_now") this._failures = Math.max(this._failures, 3); // the next `state` tells
      this._rejoin();
    }

    // The session

    /** @param {any} message */
    _offered(message) {
      const known = [this._current, this._old].find((session) => session !== null && session.id === message.session);
      const session = known || (this.wanted ? this._newSession(message) : null);
      if (!session) {
        this._connection.request({ type: "media.leave", session: message.session });
        return;
      }
      session.work = session.work.then(() => this._answer(session, message.sdp)).catch(() => this._broken(session));
    }

    /** @param {any} message @returns {Session} */
    _newSession(message) {
      const pc = new this._RTCPeerConnection({
        iceServers: message.ice_servers,
        iceTransportPolicy: this._relayOnly ? "relay" : "all",
        bundlePolicy: "max-bundle",
      });
      const session = new Session(message.session, pc);
      pc.ontrack = (/** @type {any} */ event) => this._gotTrack(session, event);
      pc.onconnectionstatechange = () => this._pcState(session, pc.connectionState);
      if (!("connectionState" in pc)) {
        pc.oniceconnectionstatechange = () => this._pcState(session, pc.iceConnectionState);
      }
      this._joining = false;
      this._clearTimeout(this._joinTimer);
      this._dropOld();
      this._old = this._current;
      this._current = session;
      if (this._old) this._oldTimer = this._setTimeout(() => this._dropOld(), OLD_SESSION_MS);
      if (this._statsTimer === null) this._countStats();
      return session;
    }

    /** @param {Session} session @param {string} sdp */
    async _answer(session, sdp) {
      if (session.closed) return;
      const pc = session.pc;
      await pc.setRemoteDescription({ type: "offer", sdp });
      // Sending stays negotiated even without a track, so that a camera switched on later costs no new offer.
      for (const own of pc.getTransceivers().slice(0, 2)) own.direction = "sendonly";
      await this._attach(session);
      await pc.setLocalDescription(await pc.createAnswer());
      if (session.closed) return;
      this._connection.request({ type: "media.answer", session: session.id, sdp: pc.localDescription.sdp });
      if (session === this._current) this._tellDevices();
    }

    /** @param {Session} session */
    _broken(session) {
      if (session.closed || session !== this._current) return;
      this._connection.request({ type: "media.leave", session: session.id });
      this._forget(session);
      this._rejoin();
    }

    /** @param {Session} session @param {any} event */
    _gotTrack(session, event) {
      const stream = event.streams[0];
      if (!stream) return;
      session.streams.set(stream.id, stream);
      stream.onremovetrack = () => {
        if (stream.getTracks().length || session.streams.get(stream.id) !== stream) return;
        session.streams.delete(stream.id);
        if (session === this._current) this.emit("stream", stream.id, null);
      };
      if (session === this._current && !this._old) this.emit("stream", stream.id, stream);
    }

    /** @param {Session} session @param {string} state */
    _pcState(session, state) {
      if (session.closed || session !== this._current) return;
      this._clearTimeout(this._disconnectedTimer);
      if (state === "connected" || state === "completed") {
        this._connected(session);
      } else if (state === "failed") {
        this._pathLost();
      } else if (state === "disconnected") {
        this._disconnectedTimer = this._setTimeout(() => this._pathLost(), DISCONNECTED_MS);
      }
    }

    /** @param {Session} session */
    _connected(session) {
      this._failures = 0;
      this._clearTimeout(this._retryTimer);
      this._retryTimer = null;
      if (this._old) {
        const gone = Array.from(this._old.streams.keys()).filter((id) => !session.streams.has(id));
        this._dropOld();
        for (const [id, stream] of session.streams) this.emit("stream", id, stream);
        for (const id of gone) this.emit("stream", id, null);
      }
      this._setState("connected");
    }

    _pathLost() {
      if (!this.wanted) return;
      this._setState("path_lost");
      this._rejoin();
    }

    /** @param {any} message */
    _pathState(message) {
      if (!this._current || message.session !== this._current.id) return;
      if (message.state === "path_lost") this._pathLost();
      else this._connected(this._current);
    }

    /** @param {any} message */
    _iceServers(message) {
      const session = [this._current, this._old].find((one) => one !== null && one.id === message.session);
      if (session && session.pc.setConfiguration) {
        const policy = this._relayOnly ? "relay" : "all";
        session.pc.setConfiguration({ iceServers: message.ice_servers, iceTransportPolicy: policy, bundlePolicy: "max-bundle" });
      }
    }

    /** @param {any} message */
    _closedByServer(message) {
      if (this._old && message.session === this._old.id) return this._dropOld();
      if (!this.wanted) return;
      const unanswered = message.session === "" && this._joining; // nobody carried our join out
      const isCurrent = this._current ? message.session === this._current.id : this._joining;
      if (!isCurrent && !unanswered) return;
      if (FINAL.indexOf(message.reason) >= 0) return this._finish(message.reason);
      this._joining = false;
      this._clearTimeout(this._joinTimer);
      if (this._current && !unanswered) this._forget(this._current);
      if (message.reason === "held") this._setState("waiting");
      else this._rejoin();
    }

    /** @param {Session} session */
    _forget(session) {
      const ids = Array.from(session.streams.keys());
      session.close();
      if (session === this._current) this._current = null;
      this._dropOld();
      for (const id of ids) this.emit("stream", id, null);
    }

    _dropOld() {
      this._clearTimeout(this._oldTimer);
      if (this._old) {
        this._old.close();
      }
      this._old = null;
    }

    /** @param {string} reason */
    _finish(reason) {
      const wasIn = this.wanted || this._current;
      this.wanted = this._joining = false;
      for (const name of ["_joinTimer", "_retryTimer", "_disconnectedTimer", "_statsTimer"]) {
        const timers = /** @type {any} */ (this);
        this._clearTimeout(timers[name]);
        timers[name] = null;
      }
      if (this._current) this._forget(this._current);
      this._dropOld();
      this.release();
      if (wasIn) this._setState("ended", reason);
    }

    _countStats() {
      this._statsTimer = this._setTimeout(async () => {
        const session = this._current;
        if (session) {
          try {
            const figures = this._meter.read(session.id, await session.pc.getStats(), session.streams, this._now());
            if (!session.closed) this.emit("stats", figures);
          } catch (error) {
            // A connection that closes meanwhile has no statistics.
          }
        }
        if (this.wanted) this._countStats();
        else this._statsTimer = null;
      }, STATS_EVERY_MS);
    }

    /** @param {string} state @param {string} [detail] */
    _setState(state, detail) {
      if (state === this.state && !detail) return;
      this.state = state;
      this.emit("state", state, detail || "");
    }
  }

  Candil.Call = Call;
})(/** @type {any} */ (self));
