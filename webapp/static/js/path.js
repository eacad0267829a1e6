/**
 * Keeps a media session with the server while one is wanted: joining, the sessions, and coming back after any loss.
 * No DOM. Needs outbox.js and session.js before it. `Candil.Call` (media.js) is one of these with devices and orders.
 *
 * A connection that may still revive is not torn down: browsers go on looking for their path for half a minute. A new
 * session is asked for when the server can be spoken to and the path is dead, and the old one lives until it works.
 */
(function (root) {
  "use strict";

  const Candil = /** @type {any} */ (root.Candil = root.Candil || {});

  const JOIN_TIMEOUT_MS = 20000;
  const DISCONNECTED_MS = 5000;
  const OLD_SESSION_MS = 15000;
  const STALE_MS = 3000; // a "path_lost" that comes late is followed by its end
  const BACKOFF_FIRST_MS = 500;
  const BACKOFF_LAST_MS = 15000;
  const FINAL = ["replaced", "conversation_ended", "refused", "finished"];
  const TIMERS = ["_joinTimer", "_retryTimer", "_disconnectedTimer"];

  class MediaPath extends Candil.Emitter {
    /** @param {any} options {connection, RTCPeerConnection, relayOnly, setTimeout, clearTimeout, now, random} */
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
      /** @type {any} */
      this._current = null;
      /** The session before, kept until the new one carries media. @type {any} */
      this._old = null;
      this._joining = false;
      this._failures = 0;
      this._joinTimer = null;
      this._retryTimer = null;
      this._disconnectedTimer = null;
      this._oldTimer = null;
      this._follow(this._connection);
    }

    /** @param {any} connection */
    _follow(connection) {
      connection.on("media.offer", (/** @type {any} */ message) => this._offered(message));
      connection.on("media.ice", (/** @type {any} */ message) => this._iceServers(message));
      connection.on("media.state", (/** @type {any} */ message) => this._pathState(message));
      connection.on("media.closed", (/** @type {any} */ message) => this._closedByServer(message));
      connection.on("state", () => this._tryJoin());
      connection.on("sync", () => this._reconnected());
      connection.on("error", (/** @type {any} */ error) => this._refused(error));
      connection.on("connection", (/** @type {string} */ state) => {
        if (state === "replaced") this._finish("replaced");
        else if (state === "offline") this._stopJoining();
        else if (state === "open" && this.state === "path_lost") this._rejoin();
      });
    }

    // What a Call adds

    /** @returns {any} what `media.join` says beside its type */
    _wishes() {
      return {};
    }

    /** The server is back, or a session new: it is told what it does not know. @param {any} _session */
    _tell(_session) {}

    /** @param {any} _session @param {string} _sdp @returns {Promise<string>} the answer to an offer */
    _answer(_session, _sdp) {
      return Promise.resolve("");
    }

    /** @param {string} _id @param {any} _pc @returns {any} */
    _makeSession(_id, _pc) {
      return null;
    }

    /** It will be closed at once. @param {any} _session */
    _leaving(_session) {}

    /** It is all over. */
    _over() {}

    // Joining

    /** Whether the doctor has let us in and the conversation is open. */
    _mayJoin() {
      const view = this._connection.view;
      const me = this._connection.me;
      if (!view || !me || view.consult.status !== "in-progress" || view.consult.conversation_ended) return false;
      return me.admission === "admitted";
    }

    _tryJoin() {
      if (!this.wanted || this._current || this._joining || this._retryTimer !== null || this.state === "spent") return;
      if (!this._mayJoin()) {
        if (this.state !== "waiting") this._setState("waiting");
        return;
      }
      this._sendJoin();
    }

    _sendJoin() {
      if (!this._connection.request(Object.assign({ type: "media.join" }, this._wishes()))) return;
      this._joining = true;
      if (this.state === "waiting") this._setState("joining");
      this._clearTimeout(this._joinTimer);
      this._joinTimer = this._setTimeout(() => {
        this._joining = false;
        this._rejoin();
      }, JOIN_TIMEOUT_MS);
    }

    _stopJoining() {
      this._joining = false;
      this._clearTimeout(this._joinTimer);
    }

    /** Get a new session; the present one, if any, lives until the new one carries media. */
    _rejoin() {
      if (!this.wanted || this._joining || this._retryTimer !== null || this.state === "spent") return;
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
      if (!this._current) return this._tryJoin();
      this._tell(this._current);
      if (this.state !== "path_lost" && this.state !== "rejoining") return;
      this._failures = 0;
      this._clearTimeout(this._retryTimer);
      this._retryTimer = null;
      this._rejoin();
    }

    /** @param {string} id */
    _find(id) {
      return [this._current, this._old].find((session) => session !== null && session.id === id);
    }

    /** @param {any} error */
    _refused(error) {
      if (!this._joining || error.ref !== "media.join") return;
      this._stopJoining();
      if (error.code === "not_now") this._failures = Math.max(this._failures, 3); // the next `state` tells
      this._rejoin();
    }

    // The session

    /** @param {any} message */
    _offered(message) {
      const session = this._find(message.session) || (this.wanted && this.state !== "spent" ? this._newSession(message) : null);
      if (!session) {
        this._connection.request({ type: "media.leave", session: message.session });
        return;
      }
      session.work = session.work
        .then(() => this._answer(session, message.sdp))
        .then((/** @type {string} */ sdp) => this._answered(session, sdp))
        .catch(() => this._broken(session));
    }

    /** @param {any} session @param {string} sdp */
    _answered(session, sdp) {
      if (session.closed || !sdp) return;
      this._connection.request({ type: "media.answer", session: session.id, sdp });
    }

    /** @param {any} message @returns {any} */
    _newSession(message) {
      const pc = new this._RTCPeerConnection({
        iceServers: message.ice_servers,
        iceTransportPolicy: this._relayOnly ? "relay" : "all",
        bundlePolicy: "max-bundle",
      });
      const session = this._makeSession(message.session, pc);
      pc.ontrack = (/** @type {any} */ event) => this._gotTrack(session, event);
      pc.onconnectionstatechange = () => this._pcState(session, pc.connectionState);
      if (!("connectionState" in pc)) {
        pc.oniceconnectionstatechange = () => this._pcState(session, pc.iceConnectionState);
      }
      this._stopJoining();
      this._dropOld();
      this._old = this._current;
      this._current = session;
      if (this._old) this._oldTimer = this._setTimeout(() => this._dropOld(), OLD_SESSION_MS);
      return session;
    }

    /** @param {any} session */
    _broken(session) {
      if (session.closed || session !== this._current) return;
      this._connection.request({ type: "media.leave", session: session.id });
      this._forget(session);
      this._rejoin();
    }

    /** @param {any} session @param {any} event */
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

    /** @param {any} session @param {string} state */
    _pcState(session, state) {
      if (session.closed || session !== this._current) return;
      this._clearTimeout(this._disconnectedTimer);
      if (state === "connected" || state === "completed") {
        this._connected(session);
      } else if (state === "failed") {
        this._pathLost();
      } else if (state === "disconnected") {
        this._connection.probe();
        this._disconnectedTimer = this._setTimeout(() => this._pathLost(), DISCONNECTED_MS);
      }
    }

    /** @param {any} session */
    _connected(session) {
      this._failures = 0;
      this._clearTimeout(this._disconnectedTimer);
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

    /** While the server does not answer either, the line is dead: when it returns, so may this path, by itself. */
    _pathLost() {
      if (!this.wanted) return;
      this._setState("path_lost");
      if (this._connection.state === "open") this._rejoin();
    }

    /** @param {any} message */
    _pathState(message) {
      const session = this._current;
      if (!session || message.session !== session.id) return;
      if (message.state !== "path_lost") return this._connected(session);
      if (!session.isUp) return this._pathLost();
      this._clearTimeout(this._disconnectedTimer);
      this._disconnectedTimer = this._setTimeout(() => this._pathLost(), STALE_MS);
    }

    /** @param {any} message */
    _iceServers(message) {
      const session = this._find(message.session);
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
      this._stopJoining();
      if (this._current && !unanswered) this._forget(this._current);
      if (message.reason === "held") this._setState("waiting");
      else this._rejoin();
    }

    /** @param {any} session */
    _forget(session) {
      const ids = Array.from(session.streams.keys());
      this._leaving(session);
      session.close();
      if (session === this._current) this._current = null;
      this._dropOld();
      for (const id of ids) this.emit("stream", id, null);
    }

    _dropOld() {
      this._clearTimeout(this._oldTimer);
      if (this._old) {
        this._leaving(this._old);
        this._old.close();
      }
      this._old = null;
    }

    /** Nothing of ours on the line, and nothing tried. */
    _rest() {
      this._joining = false;
      for (const name of TIMERS) {
        const timers = /** @type {any} */ (this);
        this._clearTimeout(timers[name]);
        timers[name] = null;
      }
      if (this._current) this._forget(this._current);
      this._dropOld();
    }

    /** @param {string} reason */
    _finish(reason) {
      const wasIn = this.wanted || this._current;
      this.wanted = false;
      this._rest();
      this._over();
      if (wasIn) this._setState("ended", reason);
    }

    /** @param {string} state @param {string} [detail] */
    _setState(state, detail) {
      if (state === this.state && !detail) return;
      this.state = state;
      this.emit("state", state, detail || "");
    }
  }

  Candil.MediaPath = MediaPath;
})(/** @type {any} */ (self));
