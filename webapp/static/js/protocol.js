/**
 * The page's end of the signaling protocol (signaling/PROTOCOL.md). No DOM. Needs outbox.js and reconnect.js before it.
 *
 *   const connection = new Candil.Connection({ ticketUrl, csrf, wsUrl });
 *   connection.on("connection", (state, detail) => ...);
 *        connecting | open | slow (no answer for 3 s) | offline | replaced (opened elsewhere) | ended (detail: why)
 *   connection.on("state", (view) => ...);        // {consult, participants, line}: whole, again at each change
 *   connection.on("message", (message) => ...);   // {seq, sender, body, at, client_id, client_seq}, each once
 *   connection.on("event", (event) => ...);       // {seq, kind, actor, at, data}, each once
 *   connection.on("sending", (entry) => ...);     // an outbox entry changed: waiting | sent | refused (entry.code)
 *   connection.on("restored", () => ...);         // the clinic restored a backup: forget what is shown, all comes again
 *   connection.on("sync", (sync) => ...);         // caught up after a (re)connect; sync.note is the doctor's whole note
 *   connection.on("error", (error) => ...);       // {code, message, ref, ...} of anything that could not be done
 *   connection.on("<type>", (message) => ...);    // every other message of the server, by its type
 *   connection.start();
 *   connection.sendMessage("text");               // {clientId, clientSeq, state: "waiting"}; sent when it can be
 *   connection.markRead(seq);                     // the person has seen messages up to this number
 *   connection.request({ type: "participant.admit", participant });   // false: not connected, nothing was sent
 *   connection.reconnectNow();                    // call on "online" and when the page becomes visible
 *   connection.probe();                           // is the socket alive? A dead one is noticed in some seconds
 *   connection.trafficBytes                       // what this connection has cost so far, on the wire, estimated
 *   connection.stop();
 *
 * Messages and note edits wait in an outbox until the server has committed them, and are sent again in order
 * after every reconnect. `options.store` ({load, save}, both may return promises) may keep it across reloads.
 * What a test wants to hold in its hand is injected: WebSocket, fetch, setTimeout, clearTimeout, now (ms), random.
 */
(function (root) {
  "use strict";

  const Candil = /** @type {any} */ (root.Candil = root.Candil || {});

  const VERSIONS = [1];
  const SYNC_LIMIT_MS = 45000; // one page of it is 32 KiB: half a minute at 8 kbit/s
  const RESTART_SPREAD_MS = 3000;
  const SEEN_DELAY_MS = 400;
  const RETRY_DEFAULT_MS = 5000;
  const RETRYABLE = ["too_many", "storage_failed", "storage_busy", "storage_unreachable"];
  const CLOSE_REPLACED = 4409;
  const CLOSE_RESTART = 1012;
  const CLOSE_FORBIDDEN = 4403;
  // Beside their text, on the wire: frame, TLS record, TCP and IP, and the acknowledgement of it.
  const MESSAGE_OVERHEAD_BYTES = 130;
  const CONNECT_BYTES = 6000; // the ticket, the handshakes of TCP and TLS, the upgrade

  class Connection extends Candil.Emitter {
    /** @param {any} options see the head of this file */
    constructor(options) {
      super();
      const given = options || {};
      this._setTimeout = given.setTimeout || ((/** @type {any} */ fn, /** @type {number} */ ms) => root.setTimeout(fn, ms));
      this._clearTimeout = given.clearTimeout || ((/** @type {any} */ timer) => root.clearTimeout(timer));
      this._now = given.now || (() => Date.now());
      this._random = given.random || (() => Math.random());
      const timing = { setTimeout: this._setTimeout, clearTimeout: this._clearTimeout, now: this._now };
      const ping = () => this.request({ type: "ping", at: this._now() });
      const [slow, fine, dead] = [() => this._setState("slow"), () => this._setState("open"), () => this._lost(0)];
      this._retry = new Candil.Retry(this._random);
      const line = Object.assign({ retry: this._retry }, timing);
      this._pulse = new Candil.Pulse(Object.assign({ ping, slow, fine, dead }, line));
      const fetch = given.fetch || ((/** @type {any} */ url, /** @type {any} */ init) => root.fetch(url, init));
      this._tickets = new Candil.Tickets(Object.assign({ url: given.ticketUrl, csrf: given.csrf, fetch }, line));
      const WebSocket = given.WebSocket || root.WebSocket;
      this._sockets = new Candil.Sockets(Object.assign({ url: given.wsUrl, WebSocket }, line));
      /** What opens the next socket without asking for a ticket first. */
      this._resume = "";
      this.trafficBytes = 0;
      this.clientId = given.clientId || Candil.randomId();
      this.outbox = new Candil.Outbox(this.clientId, given.store);
      /** @type {"connecting"|"open"|"slow"|"offline"|"replaced"|"ended"} */
      this.state = "connecting";
      /** The newest `state` message. @type {any} */
      this.view = null;
      /** This page's participant id and role, from `welcome`. */
      this.participant = "";
      this.role = "";
      /** Server time minus this device's clock, seconds. */
      this.clockOffsetS = 0;
      this._heartbeatMs = 15000;
      /** Numbers of events and messages this page has shown. @type {Set<number>} */
      this._seenEvents = new Set();
      /** @type {Set<number>} */
      this._seenMessages = new Set();
      this._lastMessage = 0;
      this._readSeq = 0;
      this._forget();
      this._epoch = "";
      this._socket = null;
      this._started = false;
      this._openTimer = null;
      this._retryTimer = null;
      this._seenTimer = null;
      this._pauseTimer = null;
      this._welcomed = false;
    }

    start() {
      if (this._started) return;
      this._started = true;
      Promise.resolve(this.outbox.load()).then(() => this._connect(), () => this._connect());
    }

    /** Close for good, quietly. */
    stop() {
      this._end("ended", "stopped");
    }

    /** Do not wait: the line seems to be back, or the page became visible. */
    reconnectNow() {
      if (this._isOver() || !this._started) return;
      if (this._socket) return this.probe();
      this._retry.worked();
      if (this._retryTimer !== null) return this._connect();
      this._tickets.more();
      this._sockets.more();
    }

    probe() {
      if (this._welcomed) this._pulse.ask();
    }

    /** What the call sees of the line: alive, but so slow that everything needs patience. @param {boolean} yes */
    crawls(yes) {
      this._retry.crawls = yes;
    }

    /** @param {string} body @returns {any} the outbox entry */
    sendMessage(body) {
      return this._enqueue({ type: "message.send", body });
    }

    /**
     * @param {string} field
     * @param {string} value
     * @param {number} baseRevision
     * @returns {any} the outbox entry
     */
    writeNote(field, value, baseRevision) {
      return this._enqueue({ type: "note.write", field, value, base_revision: baseRevision });
    }

    /** @param {any} message @returns {boolean} whether it went out; it is not kept */
    request(message) {
      if (!this._welcomed || !this._socket) return false;
      this._send(message);
      return true;
    }

    /** @param {number} seq */
    markRead(seq) {
      if (seq <= this._readSeq) return;
      this._readSeq = seq;
      this._reportSeen();
    }

    /** This page's own line of `view.participants`, or undefined. @returns {any} */
    get me() {
      if (!this.view) return undefined;
      return this.view.participants.find((/** @type {any} */ one) => one.id === this.participant);
    }

    /** Whether the server can be spoken to now. */
    get isOpen() {
      return this._welcomed;
    }

    // Connecting

    _connect() {
      this._stopTimers();
      if (this._isOver()) return;
      if (this._resume) return this._open(this._resume);
      this._tickets.ask({
        got: (/** @type {string} */ ticket) => {
          this._open(ticket);
          this._limit(this._retry.stageMs);
        },
        ended: () => this._end("ended", "session"),
        failed: () => this._lost(),
        late: () => this._setState("offline"),
      });
    }

    /** @param {string} ticket */
    _open(ticket) {
      this._sockets.race({
        began: () => (this.trafficBytes += CONNECT_BYTES),
        opened: (/** @type {any} */ socket) => this._greet(socket, ticket),
        failed: () => this._lost(),
      });
    }

    /** @param {any} socket @param {string} ticket */
    _greet(socket, ticket) {
      this._socket = socket;
      const ours = () => this._socket === socket;
      socket.onmessage = (/** @type {any} */ event) => ours() && this._receive(event.data);
      socket.onclose = (/** @type {any} */ event) => ours() && this._closed(event.code);
      this._send(this._hello(ticket));
      this._limit(2 * this._retry.stageMs);
    }

    /** The next step of opening must be done in this time. @param {number} ms */
    _limit(ms) {
      this._clearTimeout(this._openTimer);
      this._openTimer = this._setTimeout(() => this._lost(), ms);
    }

    /** @param {any} message */
    _send(message) {
      const text = JSON.stringify(message);
      this.trafficBytes += text.length + MESSAGE_OVERHEAD_BYTES;
      this._socket.send(text);
    }

    /** @param {string} ticket */
    _hello(ticket) {
      return {
        type: "hello",
        versions: VERSIONS,
        ticket,
        client_id: this.clientId,
        last_event: this._lastEvent,
        last_message: this._lastMessage,
        note_revision: 0,
        epoch: this._epoch,
        visibility: this._visibility,
      };
    }

    /** @param {number} code */
    _closed(code) {
      if (code === CLOSE_REPLACED) return this._end("replaced", "replaced");
      if (code === CLOSE_FORBIDDEN) return this._end("ended", "not_allowed");
      this._lost(code === CLOSE_RESTART ? this._random() * RESTART_SPREAD_MS : undefined);
    }

    /** @param {number} [waitMs] instead of the usual backoff */
    _lost(waitMs) {
      this._drop();
      const now = this._now();
      this._retry.lost(now);
      const delay = waitMs === undefined ? this._retry.waitMs(now) : waitMs;
      this._setState("offline");
      this._retryTimer = this._setTimeout(() => this._connect(), delay);
    }

    /** @param {"replaced"|"ended"} state @param {string} why */
    _end(state, why) {
      this._drop();
      this._setState(state, why);
    }

    _drop() {
      this._stopTimers();
      this._tickets.stop();
      this._sockets.stop();
      this._pulse.stop();
      const socket = this._socket;
      this._socket = null;
      this._welcomed = false;
      this.outbox.recall();
      if (socket) socket.close();
    }

    _stopTimers() {
      for (const name of ["_openTimer", "_retryTimer", "_seenTimer", "_pauseTimer"]) {
        const timers = /** @type {any} */ (this);
        if (timers[name] !== null) this._clearTimeout(timers[name]);
        timers[name] = null;
      }
    }

    _isOver() {
      return this.state === "replaced" || this.state === "ended";
    }

    /** @param {"connecting"|"open"|"slow"|"offline"|"replaced"|"ended"} state @param {string} [detail] */
    _setState(state, detail) {
      if (this._isOver() || state === this.state) return;
      this.state = state;
      this.emit("connection", state, detail || "");
    }

    // Receiving

    /** @param {string} text */
    _receive(text) {
      let message;
      try {
        message = JSON.parse(text);
      } catch (error) {
        return;
      }
      this.trafficBytes += text.length + MESSAGE_OVERHEAD_BYTES;
      this._pulse.heard();
      const own = /** @type {any} */ (this)["_on_" + String(message.type).replace(".", "_")];
      if (own) own.call(this, message);
      else this.emit(message.type, message);
    }

    /** @param {any} message */
    _on_welcome(message) {
      if (this._epoch && this._epoch !== message.epoch) {
        this._forget();
        this.outbox.repeatAcknowledged();
        this.emit("restored");
      }
      this._clearTimeout(this._openTimer);
      this._openTimer = null;
      this._epoch = message.epoch;
      this._resume = message.resume || "";
      this._heartbeatMs = message.heartbeat_s * 1000;
      this.clockOffsetS = message.server_time - this._now() / 1000;
      this.participant = message.participant;
      this.role = message.role;
      this._retry.worked();
      this._welcomed = true;
      this._setState("open");
      this.emit("welcome", message);
      this._pulse.expect(SYNC_LIMIT_MS);
    }

    /** @param {any} message */
    _on_sync(message) {
      if (message.state) this._on_state(message.state);
      for (const event of message.events) this._on_event(event);
      for (const chat of message.messages) this._on_message(chat);
      if (message.more) return this._pulse.expect(SYNC_LIMIT_MS);
      this._pulse.rest(this._heartbeatMs);
      this._visibility = message.visibility;
      this.emit("sync", message);
      this._flush();
      const me = this.me;
      if (me && (me.delivered < this._lastMessage || me.read < this._readSeq)) this._reportSeen();
    }

    /** @param {any} message */
    _on_state(message) {
      this.view = message;
      this.emit("state", message);
    }

    /** @param {any} message */
    _on_event(message) {
      if (this._seenEvents.has(message.seq)) return;
      this._seenEvents.add(message.seq);
      this._lastEvent = Math.max(this._lastEvent, message.seq);
      this.emit("event", message);
    }

    /** @param {any} message */
    _on_message(message) {
      if (this._seenMessages.has(message.seq)) return;
      this._seenMessages.add(message.seq);
      this._lastMessage = Math.max(this._lastMessage, message.seq);
      this.emit("message", message);
      if (message.sender !== this.participant) this._reportSeen();
    }

    /** @param {any} message */
    _on_message_ack(message) {
      this._acknowledge(message);
    }
    /** @param {any} message */
    _on_note_ack(message) {
      this._acknowledge(message);
    }

    /** @param {any} message */
    _on_error(message) {
      const entry = typeof message.ref === "number" ? this.outbox.find(message.client_id, message.ref) : undefined;
      if (RETRYABLE.indexOf(message.code) >= 0) {
        this._pause(message.retry_after_s ? message.retry_after_s * 1000 : RETRY_DEFAULT_MS);
      } else if (entry) {
        entry.code = message.code;
        this.outbox.settle(entry, "refused");
        this.emit("sending", entry);
        this._flush();
      }
      this.emit("error", message);
    }

    /** @param {any} message */
    _on_pong(message) {
      if (message.resume) this._resume = message.resume;
    }

    /** @param {any} message */
    _on_bye(message) {
      this.emit("bye", message);
      if (message.code === "no_ticket" && this._resume) {
        this._resume = ""; // too old, or of another key: asked for in the usual way
        return this._lost(0);
      }
      if (message.code === "replaced") this._end("replaced", "replaced");
      else if (message.retry === false) this._end("ended", message.code);
    }

    // The outbox

    /** @param {any} fields @returns {any} the outbox entry */
    _enqueue(fields) {
      const entry = this.outbox.add(fields);
      this._flush();
      return entry;
    }

    _flush() {
      if (!this._welcomed || this._visibility === "" || this._pauseTimer !== null) return;
      for (const entry of this.outbox.take()) this.request(entry.message);
    }

    /** @param {number} ms */
    _pause(ms) {
      this.outbox.recall();
      if (this._pauseTimer !== null) return;
      this._pauseTimer = this._setTimeout(() => {
        this._pauseTimer = null;
        this._flush();
      }, ms * (1 + this._random() / 2));
    }

    /** @param {any} message */
    _acknowledge(message) {
      const entry = this.outbox.find(message.client_id, message.client_seq);
      if (!entry) return;
      this.outbox.settle(entry, "sent");
      this.emit("sending", entry, message);
      this.emit(message.type, message);
      this._flush();
    }

    _reportSeen() {
      if (this._seenTimer !== null || !this._welcomed) return;
      this._seenTimer = this._setTimeout(() => {
        this._seenTimer = null;
        this.request({ type: "message.seen", delivered: this._lastMessage, read: this._readSeq });
      }, SEEN_DELAY_MS);
    }

    /** Start from nothing: numbers of another history mean nothing in this one. */
    _forget() {
      this._lastEvent = 0;
      this._lastMessage = 0;
      this._readSeq = 0;
      this._visibility = "";
      this._seenEvents.clear();
      this._seenMessages.clear();
    }
  }

  Candil.Connection = Connection;
})(/** @type {any} */ (self));
