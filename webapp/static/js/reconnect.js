/**
 * When a page's socket is taken for dead, and how the next one is come by. No DOM. Before protocol.js.
 *
 *   const pulse = new Candil.Pulse({ setTimeout, clearTimeout, now, retry, ping(), slow(), fine(), dead() });
 *   pulse.rest(ms); pulse.ask(); pulse.heard(); pulse.expect(ms); pulse.stop();
 *        asks every so often; no answer for 3 s: slow; for 7 s, or longer where answers take long: dead
 *   const retry = new Candil.Retry(random);
 *   retry.crawls = true;                        // media found the line alive, but so slow that all takes many seconds
 *   retry.lost(at_ms); retry.worked();          // the connection is gone; it stands again
 *   retry.waitMs(at_ms)                         // until the next attempt, short for the first minutes
 *   retry.overlapMs(at_ms)                      // an attempt without an answer for so long gets company
 *   retry.answered(tookMs); retry.stageMs       // how long the next step of an attempt may take on this line
 *   retry.opened(tookMs); retry.stepMs(at_ms)   // how long a socket may take before the next one is tried
 *   const sockets = new Candil.Sockets({ url, WebSocket, setTimeout, clearTimeout, now, retry });
 *   sockets.race({ began(), opened(socket), failed() }); sockets.more(); sockets.stop();
 *   const tickets = new Candil.Tickets({ url, csrf, fetch, setTimeout, clearTimeout, now, retry });
 *   tickets.ask({ got(ticket), ended(), failed(), late() }); tickets.more(); tickets.stop();
 */
(function (root) {
  "use strict";

  const Candil = /** @type {any} */ (root.Candil = root.Candil || {});

  const SLOW_AFTER_MS = 3000;
  const DEAD_LEAST_MS = 7000;
  const DEAD_MOST_MS = 20000;
  const DEAD_ANSWERS = 4;
  const FORGET = 0.7;
  /** On a line that crawls a new socket only takes the place of what the old one still has to say. */
  const CRAWL_DEAD_MS = 45000;
  const CRAWL_STEP_MS = 30000;

  const EAGER_MS = 300000;
  const EAGER_WAIT_MS = [300, 1800];
  const PATIENT_WAIT_MS = [3000, 15000];
  const EAGER_OVERLAP_MS = [2000, 2800];
  const PATIENT_OVERLAP_MS = [8000, 10000];
  const EAGER_STEP_MS = [1900, 2500];
  const PATIENT_STEP_MS = [6000, 8000];
  const STEP_MOST_MS = 20000;
  const STEP_OPENINGS = 2;
  const LONG_STEP_EVERY = 7; // for a line that became thin: one that is given more time
  const LONG_STEP = 2;
  const COMPANY_FROM = [10, 13]; // failures from which on there is one socket more; not all at once, the first is in their way
  const STAGE_LEAST_MS = 5000;
  const STAGE_MOST_MS = 20000;
  const STAGE_ANSWERS = 4;
  const MOST_REQUESTS = 4;
  const LATE_REQUESTS = 4;
  const ENDED = [401, 403, 404, 410];

  class Pulse {
    /** @param {any} options see the head of this file */
    constructor(options) {
      this._options = options;
      this._timer = null;
      this._slowTimer = null;
      this._askedAt = -1;
      this._answerMs = 0;
      this._restMs = 0;
    }

    /** The next ping goes out after this long. @param {number} ms */
    rest(ms) {
      this._restMs = ms;
      this._after(ms, () => this.ask());
    }

    /** Something must come in within this time, though nothing was asked. @param {number} ms */
    expect(ms) {
      this._after(ms, () => this._options.dead());
    }

    /** Is anybody there? */
    ask() {
      if (this._askedAt >= 0) return;
      this._askedAt = this._options.now();
      this._slowTimer = this._options.setTimeout(() => this._options.slow(), SLOW_AFTER_MS);
      const dead = Math.min(DEAD_MOST_MS, Math.max(DEAD_LEAST_MS, DEAD_ANSWERS * this._answerMs));
      this.expect(this._options.retry.crawls ? CRAWL_DEAD_MS : dead);
      this._options.ping();
    }

    heard() {
      if (this._askedAt < 0) return;
      this._answerMs = Math.max(this._options.now() - this._askedAt, this._answerMs * FORGET);
      this._askedAt = -1;
      this._options.clearTimeout(this._slowTimer);
      this._options.fine();
      this.rest(this._restMs);
    }

    stop() {
      this._askedAt = -1;
      this._options.clearTimeout(this._timer);
      this._options.clearTimeout(this._slowTimer);
    }

    /** @param {number} ms @param {() => void} act */
    _after(ms, act) {
      this._options.clearTimeout(this._timer);
      this._timer = this._options.setTimeout(act, ms);
    }
  }

  class Retry {
    /** @param {() => number} random */
    constructor(random) {
      this._random = random;
      this.crawls = false;
      this._lostAt = -1;
      this._stageMs = 0;
      this._openMs = Infinity;
    }

    /** @param {number} at ms */
    lost(at) {
      if (this._lostAt < 0) this._lostAt = at;
    }

    /** Stands, or somebody says that the line is back: eager again. */
    worked() {
      this._lostAt = -1;
    }

    /** @param {number} tookMs from a question to its answer, on a new connection */
    answered(tookMs) {
      this._stageMs = tookMs * STAGE_ANSWERS;
    }

    /** The fastest counts: others waited for the line, not on it. @param {number} tookMs until a new socket was open */
    opened(tookMs) {
      this._openMs = Math.min(this._openMs, tookMs);
    }

    /** @param {number} at ms */
    stepMs(at) {
      if (this.crawls) return CRAWL_STEP_MS;
      const least = this._openMs === Infinity ? 0 : STEP_OPENINGS * this._openMs;
      const step = this._between(this._isEager(at) ? EAGER_STEP_MS : PATIENT_STEP_MS);
      return Math.min(STEP_MOST_MS, Math.max(step, least));
    }

    get stageMs() {
      return this.crawls ? CRAWL_STEP_MS : Math.min(STAGE_MOST_MS, Math.max(STAGE_LEAST_MS, this._stageMs));
    }

    /** @param {number} at ms */
    waitMs(at) {
      return this._between(this._isEager(at) ? EAGER_WAIT_MS : PATIENT_WAIT_MS);
    }

    /** @param {number} at ms */
    overlapMs(at) {
      return this._between(this._isEager(at) ? EAGER_OVERLAP_MS : PATIENT_OVERLAP_MS);
    }

    /** @param {number} at */
    _isEager(at) {
      return this._lostAt < 0 || at - this._lostAt < EAGER_MS;
    }

    /** @param {number[]} bounds ms */
    _between(bounds) {
      return bounds[0] + this._random() * (bounds[1] - bounds[0]);
    }
  }

  /**
   * Asks for a ticket until one comes. A request into a line that was dead may hang for as long as TCP waits between two
   * tries, and one on a thin line takes its time: so a silent request is left running and gets company, a few at most.
   */
  class Tickets {
    /** @param {any} options see the head of this file */
    constructor(options) {
      this._options = options;
      /** @type {any[]} */
      this._asking = [];
      this._timer = null;
      this._asked = 0;
      /** @type {any} */
      this._tell = null;
    }

    /** @param {any} tell */
    ask(tell) {
      this.stop();
      this._tell = tell;
      this._asked = 0;
      this.more();
    }

    /** One request more, now. */
    more() {
      const { setTimeout, clearTimeout, now, retry } = this._options;
      if (!this._tell) return;
      clearTimeout(this._timer);
      while (this._asking.length >= MOST_REQUESTS) abort(this._asking.shift());
      this._asked += 1;
      if (this._asked === LATE_REQUESTS) this._tell.late();
      const request = { abort: root.AbortController ? new root.AbortController() : null };
      this._asking.push(request);
      this._timer = setTimeout(() => this.more(), retry.overlapMs(now()));
      this._request(request);
    }

    /** @param {any} request */
    async _request(request) {
      const { url, csrf, fetch, now, retry } = this._options;
      const began = now();
      let ticket = "";
      try {
        const answer = await fetch(url, {
          method: "POST",
          credentials: "same-origin",
          cache: "no-store",
          headers: { "X-CSRF-Token": csrf },
          signal: request.abort ? request.abort.signal : undefined,
        });
        if (this._asking.indexOf(request) < 0) return;
        if (ENDED.indexOf(answer.status) >= 0) return this._settle("ended");
        if (!answer.ok) throw new Error("ticket " + answer.status);
        ticket = (await answer.json()).ticket;
      } catch (error) {
        const at = this._asking.indexOf(request);
        if (at >= 0) this._asking.splice(at, 1);
        if (at >= 0 && !this._asking.length) this._settle("failed");
        return;
      }
      if (this._asking.indexOf(request) < 0) return;
      retry.answered(now() - began);
      this._settle("got", ticket);
    }

    /** @param {"got"|"ended"|"failed"} how @param {string} [ticket] */
    _settle(how, ticket) {
      const tell = this._tell;
      this.stop();
      tell[how](ticket);
    }

    stop() {
      this._options.clearTimeout(this._timer);
      this._timer = null;
      this._tell = null;
      this._asking.splice(0).forEach(abort);
    }
  }

  /**
   * Opens a socket, and another one, until one stands. Every new socket sends a packet of its own at once, while what was
   * sent into a dead line before waits ever longer between two tries. After many failures Chromium starts a socket only
   * after some seconds, and never connects two to one address at the same time: then a few are kept waiting, so that
   * there is always one whose turn has come.
   */
  class Sockets {
    /** @param {any} options see the head of this file */
    constructor(options) {
      this._options = options;
      /** @type {any[]} */
      this._opening = [];
      this._timer = null;
      this._failures = 0;
      /** @type {any} */
      this._tell = null;
    }

    /** @param {any} tell */
    race(tell) {
      this.stop();
      this._tell = tell;
      this._next();
    }

    /** Not the one being waited for: another one, now. */
    more() {
      if (!this._tell) return;
      this._opening.splice(0).forEach(discard);
      this._next();
    }

    _next() {
      const { url, WebSocket, setTimeout, clearTimeout, now, retry } = this._options;
      clearTimeout(this._timer);
      const most = 1 + COMPANY_FROM.filter((failures) => this._failures >= failures).length;
      while (this._opening.length >= most) discard(this._opening.shift());
      const began = now();
      const socket = new WebSocket(url);
      this._opening.push(socket);
      socket.onopen = () => this._opened(socket, now() - began);
      socket.onclose = () => this._failed(socket);
      socket.onerror = () => {};
      this._failures += 1;
      const stretch = this._failures % LONG_STEP_EVERY ? 1 : LONG_STEP;
      this._timer = setTimeout(() => this._next(), stretch * retry.stepMs(began));
      this._tell.began();
    }

    /** @param {any} socket @param {number} tookMs */
    _opened(socket, tookMs) {
      const tell = this._tell;
      this._opening.splice(this._opening.indexOf(socket), 1);
      this.stop();
      this._failures = 0;
      this._options.retry.opened(tookMs);
      tell.opened(socket);
    }

    /** @param {any} socket */
    _failed(socket) {
      const tell = this._tell;
      this._opening.splice(this._opening.indexOf(socket), 1);
      if (this._opening.length) return;
      this.stop();
      tell.failed();
    }

    stop() {
      this._options.clearTimeout(this._timer);
      this._timer = null;
      this._tell = null;
      this._opening.splice(0).forEach(discard);
    }
  }

  /** @param {any} socket */
  function discard(socket) {
    socket.onopen = socket.onclose = null;
    socket.close();
  }

  /** @param {any} request */
  function abort(request) {
    if (request.abort) request.abort.abort();
  }

  Candil.Sockets = Sockets;
  Candil.Tickets = Tickets;
  Candil.Pulse = Pulse;
  Candil.Retry = Retry;
})(/** @type {any} */ (self));
