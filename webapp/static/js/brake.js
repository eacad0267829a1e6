/**
 * Stops our picture by ourselves when the line cannot carry it, before an order to stop can get through: what carries
 * orders stands in the same queue. The server's cap (REMB) and the browser's own controller both show in the outgoing
 * estimate at once; at their floor a picture only takes the sound's place. No DOM. Needs stats.js before it.
 *
 *   const brake = new Candil.Brake({ orders, session, braked, report, now, setTimeout, clearTimeout });
 *   brake.ordered();     // after every media.order: it decides again
 *   brake.felt(session, seen);   // every reading of the statistics: most of our sound is lost and answers take long, so
 *                        // we fill the line ourselves and no order may get through: the poorest sound, then none
 *   brake.deaf(true);    // the socket is gone: no order can come. Where answers of the line itself take long, we fill it
 *                        // ourselves: after 4 s only the poorest sound is sent, after 15 s nothing, so that the socket comes back
 */
(function (root) {
  "use strict";

  const Candil = /** @type {any} */ (root.Candil = root.Candil || {});

  const LOOK_EVERY_MS = 300;
  const SETTLE_MS = 900;
  /** Browsers' video encoders do not go below 30 kbit/s. */
  const FLOOR_BPS = 36000;
  const FLOOR_SHARE = 0.8;
  const LOOKS = 2;
  const DEAF_THIN_MS = 4000;
  const DEAF_SILENT_MS = 15000;
  const SLOW_LINE_MS = 1000;
  /** Browsers check the path every 2.5 s. */
  const UNANSWERED_MS = 6000;
  const CRAWLING_MS = 12000;
  /** What the server reports of our sound on a line that we fill, and after how many such reports in a row. */
  const FILLED = { loss: 0.3, thinAfter: 2, silentAfter: 4, calmLoss: 0.05, calmAfter: 4 };
  /** While the uplink is tested. */
  const SAY_EVERY_MS = 850;

  class Brake {
    /** @param {any} options session(): the current one or null; braked(session, bps): carry the changed order out; report(session, bps): what the browser believes, while it is tested; 0: we gave up our sound */
    constructor(options) {
      this._options = options;
      this._timer = this._deafTimer = null;
      this._orderedAt = 0;
      this._low = 0;
      this._saidAt = 0;
      this._filled = this._calm = this._reportedAt = 0;
      this._answers = this._answeredAt = this._rttMs = 0;
      this._isSlow = false;
    }

    /** Somebody answers, but late: a line that is thin or full, and not dead. @returns {boolean} */
    get isCrawling() {
      return this._rttMs >= SLOW_LINE_MS && this._options.now() - this._answeredAt < CRAWLING_MS;
    }

    /** @param {any} session @param {any} seen see `Candil.readStats` */
    felt(session, seen) {
      const at = this._options.now();
      const order = this._options.orders.order;
      if (seen.answers !== this._answers) this._answeredAt = at;
      this._answers = seen.answers;
      this._rttMs = seen.rttMs || 0;
      this._isSlow = this._rttMs >= SLOW_LINE_MS || at - this._answeredAt > UNANSWERED_MS;
      if (!order || seen.theirLoss === null || seen.reportedAt === this._reportedAt) return;
      this._reportedAt = seen.reportedAt;
      const isFilled = this._isSlow && seen.theirLoss >= FILLED.loss; // loss alone may be that of who listens
      this._filled = isFilled && (order.audio || order.video) ? this._filled + 1 : 0;
      this._calm = seen.theirLoss < FILLED.calmLoss && !this._isSlow ? this._calm + 1 : 0;
      if (this._calm === FILLED.calmAfter && order.audio && this._options.orders.release()) this._options.braked(session, 0);
      if (this._filled !== FILLED.thinAfter && this._filled !== FILLED.silentAfter) return;
      const isLast = this._filled === FILLED.silentAfter;
      this._options.orders.starve(!isLast);
      this._options.braked(session, 0);
      if (isLast) this._options.report(session, 0);
    }

    /** @param {boolean} isDeaf false: connected again, the server repeats its order */
    deaf(isDeaf) {
      this._options.clearTimeout(this._deafTimer);
      this._deafTimer = null;
      if (isDeaf) this._starveAfter(DEAF_THIN_MS, true);
    }

    /** @param {number} ms @param {boolean} withSound */
    _starveAfter(ms, withSound) {
      this._deafTimer = this._options.setTimeout(() => {
        const session = this._options.session();
        if (!session || session.closed) return;
        if (withSound) this._starveAfter(DEAF_SILENT_MS - DEAF_THIN_MS, false);
        if (session.isUp && !this._isSlow) return;
        this._options.orders.starve(withSound);
        this._options.braked(session, 0);
      }, ms);
    }

    ordered() {
      const { now, clearTimeout } = this._options;
      const fresh = this._timer === null;
      if (fresh) this._orderedAt = this._saidAt = now();
      clearTimeout(this._timer);
      this._timer = null;
      this._low = 0;
      if (this._sends()) this._next();
    }

    /** Whether a picture worth braking is ordered; stills are below every floor. @returns {boolean} */
    _sends() {
      const order = this._options.orders.order;
      return Boolean(order && order.video && order.video.max_bitrate_bps > FLOOR_BPS / FLOOR_SHARE);
    }

    _next() {
      this._timer = this._options.setTimeout(() => this._look(), LOOK_EVERY_MS);
    }

    /** A test of the uplink is a question to the browser too. @param {any} session @param {number} bps */
    _answer(session, bps) {
      const at = this._options.now();
      if (!this._options.orders.order.probe || at - this._saidAt < SAY_EVERY_MS || bps <= FLOOR_BPS) return;
      this._saidAt = at;
      this._options.report(session, bps);
    }

    async _look() {
      this._timer = null;
      const session = this._options.session();
      if (!this._sends() || !session || session.closed) return;
      this._next();
      const seen = await figures(session);
      if (!seen || seen.outgoingBps === null || session.closed || !this._sends()) return;
      const bps = seen.outgoingBps;
      this._answer(session, bps);
      const ordered = this._options.orders.order.video.max_bitrate_bps;
      const isFloor = bps <= FLOOR_BPS && bps < FLOOR_SHARE * ordered;
      this._low = isFloor && this._options.now() - this._orderedAt > SETTLE_MS ? this._low + 1 : 0;
      if (this._low < LOOKS) return;
      this._options.clearTimeout(this._timer);
      this._timer = null;
      this._options.orders.stopVideo();
      this._options.braked(session, bps);
    }
  }

  /** @param {any} session @returns {Promise<any>} see `Candil.readStats`; null when it is closed meanwhile */
  function figures(session) {
    return session.pc.getStats().then(Candil.readStats).catch(() => null);
  }

  Candil.Brake = Brake;
})(/** @type {any} */ (self));
