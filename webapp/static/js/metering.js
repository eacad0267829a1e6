/**
 * Reads the statistics of a call's sessions: what is shown, reported, spent, and waited for. No DOM.
 * Needs ceilings.js, stats.js, spending.js, session.js before it. Emits "stats" and "spending" (see media.js),
 * "seen" (session, what `Candil.readStats` gave), and "disobeyed" (session) when the statistics show that the browser
 * needs its orders put another way.
 */
(function (root) {
  "use strict";

  const Candil = /** @type {any} */ (root.Candil = root.Candil || {});

  const STATS_EVERY_MS = 2000;
  const REPORT_WITH_VIDEO_MS = 5000;
  const REPORT_MS = 15000;
  const CAP = "cap";

  class Metering extends Candil.Emitter {
    /** @param {any} options {connection, orders, sessions() newest first, pricePerMb, now, setTimeout, clearTimeout} */
    constructor(options) {
      super();
      this._connection = options.connection;
      this._orders = options.orders;
      this._sessions = options.sessions;
      this._now = options.now;
      this._setTimeout = options.setTimeout;
      this._clearTimeout = options.clearTimeout;
      this._meter = new Candil.TrafficMeter();
      this._spending = new Candil.Spending({ store: new Candil.MonthStore(), pricePerMb: options.pricePerMb });
      this._spending.setCap(capBefore());
      this._timer = null;
      this._runs = false;
      this._counted = 0;
      this._before = -1;
      this._statsAt = 0;
      this._reportedAt = 0;
      /** @type {any} counters at the last report */
      this._reported = null;
      this._lossLast = { received: 0, lost: 0 };
    }

    start() {
      if (this._runs) return;
      this._runs = true;
      this._spend(null);
      this._next(STATS_EVERY_MS);
    }

    stop() {
      this._runs = false;
      this._clearTimeout(this._timer);
    }

    /** @param {{megabytes: number, per: string}|null} cap */
    setCap(cap) {
      this._spending.setCap(cap);
      const kept = this._spending.cap;
      Candil.keep(CAP, kept ? kept.megabytes + " " + kept.per : "");
      this._spend(null);
      if (this._runs) this._next(0);
    }

    get cap() {
      return this._spending.cap;
    }

    /** @param {number} bytes */
    count(bytes) {
      this._counted += bytes;
    }

    /** A session is about to be closed: what it carried since the last reading counts too. @param {any} session */
    last(session) {
      const meter = this._meter;
      Promise.resolve(session.pc.getStats()).then((reports) => meter.read(session.id, reports), () => {});
    }

    /** @param {number} ms */
    _next(ms) {
      this._clearTimeout(this._timer);
      this._timer = this._setTimeout(() => this._read(), ms);
    }

    async _read() {
      /** @type {any} */
      let seen = null;
      const [current, old] = this._sessions();
      for (const session of [old, current]) {
        if (!session || session.closed) continue;
        try {
          const reports = await this._reports(session);
          seen = this._meter.read(session.id, reports);
          if (session === current && !session.closed) this._look(session, reports, seen);
        } catch (error) {
          // A connection that closes meanwhile has no statistics.
        }
      }
      if (!this._runs) return;
      this._next(this._spend(seen ? seen.rttMs : null).nextMs);
    }

    /** Of a connection that is closed meanwhile Firefox never answers. @param {any} session @returns {Promise<any>} */
    _reports(session) {
      return new Promise((resolve, reject) => {
        this._setTimeout(reject, STATS_EVERY_MS);
        session.pc.getStats().then(resolve, reject);
      });
    }

    /** Every 2 s at most, however close the cap is. @param {any} session @param {any} reports @param {any} seen */
    _look(session, reports, seen) {
      const at = this._now();
      if (at - this._statsAt < STATS_EVERY_MS) return;
      this._statsAt = at;
      session.wait(this._loss(seen), seen.rttMs);
      this.emit("seen", session, seen);
      this._report(session, seen, at);
      if (this._orders.watch(reports, at)) this.emit("disobeyed", session);
      this.emit("stats", this._meter.figures(seen, session.streams, at));
    }

    /** @param {any} seen @returns {number} share of the sound's packets lost since the last reading */
    _loss(seen) {
      const lost = Math.max(0, seen.lost - this._lossLast.lost);
      const received = Math.max(0, seen.received - this._lossLast.received);
      this._lossLast = { received: seen.received, lost: seen.lost };
      return lost + received ? lost / (lost + received) : 0;
    }

    /** @param {any} session @param {any} seen @param {number} at */
    _report(session, seen, at) {
      const before = this._reported && this._reported.session === session.id ? this._reported : null;
      const isSending = Boolean(before && seen.framesSent > before.framesSent);
      if (before && at - this._reportedAt < (isSending ? REPORT_WITH_VIDEO_MS : REPORT_MS)) return;
      this._reportedAt = at;
      const samples = before ? seen.samples - before.samples : 0;
      const concealed = samples > 0 ? (seen.concealed - before.concealed) / samples : 0;
      this._reported = { session: session.id, samples: seen.samples, concealed: seen.concealed, framesSent: seen.framesSent };
      if (!before) return;
      this._connection.request({
        type: "media.report",
        session: session.id,
        outgoing_bps: seen.outgoingBps === null ? null : Math.round(seen.outgoingBps),
        concealed: Math.round(Math.max(0, Math.min(1, concealed)) * 1000) / 1000,
      });
    }

    /** @param {number|null} rttMs */
    _spend(rttMs) {
      const { sent, received } = this._meter.total;
      const callBytes = this._earlier() + sent + received + this._connection.trafficBytes + this._counted;
      const now = this._spending.note(this._now(), callBytes, rttMs, Candil.monthOf(new Date(this._now())));
      if (this._connection.participant) Candil.keep("call", this._connection.participant + " " + Math.round(callBytes));
      this.emit("spending", now);
      return now;
    }

    /** What earlier loads of this page used in the same visit. @returns {number} bytes */
    _earlier() {
      if (this._before < 0 && this._connection.participant) {
        const [participant, bytes] = String(Candil.kept("call")).split(" ");
        this._before = (participant === this._connection.participant && Number(bytes)) || 0;
        this._spending.begin(this._before);
      }
      return Math.max(0, this._before);
    }
  }

  function capBefore() {
    const [megabytes, per] = String(Candil.kept(CAP)).split(" ");
    return Number(megabytes) > 0 ? { megabytes: Number(megabytes), per } : null;
  }

  Candil.Metering = Metering;
})(/** @type {any} */ (self));
