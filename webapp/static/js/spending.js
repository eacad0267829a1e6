/**
 * What a call costs in bytes of the device's data plan, and a cap on it. Pure: no DOM, no clock, no storage of its own.
 *
 *   Candil.monthOf(date)                // "2026-11", by the device's own calendar
 *   const spending = new Candil.Spending({ store, pricePerMb });
 *        store: {read(month) -> bytes, add(month, bytes)}; the month is summed over calls, reloads and tabs
 *   spending.begin(bytes)               // what earlier loads of the page used in this call: already in the month
 *   spending.setCap({ megabytes: 15, per: "call" | "month" });   // or null: no cap
 *   spending.note(at_ms, callBytes, rttMs, month)   // the whole call so far; -> what follows, also in spending.now:
 *        { callBytes, monthBytes, price, monthPrice, bps, cap: {megabytes, per} | null, leftBytes: number | null,
 *          ceiling: "hd" | "video" | "low_video" | "stills" | "audio" | "emergency" | "text", nextMs }
 *        ceiling: the most that the cap still allows in both directions; "text": the media session must close.
 *        nextMs: read again after this long, so that no rate up to 1.5 Mbit/s can pass the cap unseen.
 * A megabyte is 1,000,000 bytes, as data plans count.
 */
(function (root) {
  "use strict";

  const Candil = /** @type {any} */ (root.Candil = root.Candil || {});

  const MEGABYTE = 1e6;
  const BITS = 8;
  /** The most a call of SD video carries, both directions: what a rate may jump to between two readings. */
  const WORST_BPS = 1500000;
  const SLOWEST_READING_MS = 2000;
  const FASTEST_READING_MS = 100;
  const LEAST_MEASURED_S = 0.08;
  /** From a reading to a lower rate on the wire: to the server and back, and the encoder. */
  const REACTION_S = 3;
  /** What still comes after the session is closed, beside a round trip at the present rate; and the socket's own. */
  const RESERVE_SHARE = 0.004;
  const RESERVE_BYTES = 8000;
  const UNKNOWN_RTT_MS = 400;
  /**
   * A rung needs so much of the cap left, and so long a run at its own rate (both directions): the picture goes while
   * there is enough for the voice, the good voice while there is enough for the thin one.
   */
  const RUNGS = [
    { rung: "hd", share: 0.5, bps: 3000000, forS: 60 },
    { rung: "video", share: 0.35, bps: 1070000, forS: 45 },
    { rung: "low_video", share: 0.2, bps: 300000, forS: 45 },
    { rung: "stills", share: 0.12, bps: 80000, forS: 45 },
    { rung: "audio", share: 0.03, bps: 45000, forS: 30 },
    { rung: "emergency", share: 0, bps: 20000, forS: 0 },
  ];

  class Spending {
    /** @param {{store: {read: (month: string) => number, add: (month: string, bytes: number) => void}, pricePerMb?: number}} options */
    constructor(options) {
      this._store = options.store;
      this._pricePerMb = options.pricePerMb || 0;
      /** @type {{megabytes: number, per: string}|null} */
      this._cap = null;
      this._last = 0;
      this._measured = { at: 0, bytes: 0 };
      this._bps = 0;
      this._ceiling = "hd";
      this._month = "";
      /** @type {any} */
      this.now = null;
    }

    /** @param {{megabytes: number, per: string}|null} cap */
    setCap(cap) {
      this._cap = cap && cap.megabytes > 0 ? { megabytes: cap.megabytes, per: cap.per === "month" ? "month" : "call" } : null;
      this._ceiling = "hd";
    }

    get cap() {
      return this._cap;
    }

    /** @param {number} bytes */
    begin(bytes) {
      this._last += bytes;
      this._measured.bytes += bytes;
    }

    /** @param {number} at ms @param {number} callBytes @param {number|null} rttMs @param {string} month */
    note(at, callBytes, rttMs, month) {
      const grown = Math.max(0, callBytes - this._last);
      if (grown) this._store.add(month, grown);
      this._last += grown;
      this._measure(at);
      if (month !== this._month) this._ceiling = "hd";
      this._month = month;
      const monthBytes = this._store.read(month);
      const leftBytes = this._left(callBytes, monthBytes);
      this._ceiling = leftBytes === null ? "hd" : this._allowed(leftBytes, rttMs);
      this.now = {
        callBytes,
        monthBytes,
        price: (callBytes / MEGABYTE) * this._pricePerMb,
        monthPrice: (monthBytes / MEGABYTE) * this._pricePerMb,
        bps: this._bps,
        cap: this._cap,
        leftBytes,
        ceiling: this._ceiling,
        nextMs: leftBytes === null ? SLOWEST_READING_MS : nextReadingMs(leftBytes),
      };
      return this.now;
    }

    /** Up at once, down slowly: the rate that counts is the highest of the last seconds. @param {number} at ms */
    _measure(at) {
      const elapsedS = (at - this._measured.at) / 1000;
      if (elapsedS < LEAST_MEASURED_S) return; // a handshake in a moment is no rate
      if (this._measured.at) {
        const bps = ((this._last - this._measured.bytes) * BITS) / elapsedS;
        this._bps = Math.max(bps, this._bps * Math.pow(0.5, elapsedS));
      }
      this._measured = { at, bytes: this._last };
    }

    /** @param {number} callBytes @param {number} monthBytes @returns {number|null} */
    _left(callBytes, monthBytes) {
      if (!this._cap) return null;
      return this._cap.megabytes * MEGABYTE - (this._cap.per === "month" ? monthBytes : callBytes);
    }

    /** @param {number} leftBytes @param {number|null} rttMs @returns {string} */
    _allowed(leftBytes, rttMs) {
      if (this._ceiling === "text") return "text"; // until the cap is raised or a month begins
      const cap = /** @type {any} */ (this._cap).megabytes * MEGABYTE;
      const tailS = ((rttMs === null ? UNKNOWN_RTT_MS : rttMs) + nextReadingMs(leftBytes)) / 1000;
      const spoken = RESERVE_BYTES + RESERVE_SHARE * cap;
      if (leftBytes <= spoken + (this._bps / BITS) * tailS) return "text";
      const now = Candil.RUNGS.indexOf(this._ceiling);
      const usable = leftBytes - spoken - (this._bps / BITS) * REACTION_S;
      const fits = RUNGS.find((one) => {
        const isHigher = Candil.RUNGS.indexOf(one.rung) > now; // what was given up returns only with another cap
        return !isHigher && usable >= Math.max(one.share * cap, (one.bps / BITS) * one.forS);
      });
      return fits ? fits.rung : "emergency";
    }
  }

  /** Even at the worst rate the next reading comes before half of what is left is gone. @param {number} leftBytes */
  function nextReadingMs(leftBytes) {
    const ms = ((leftBytes / 2) * BITS * 1000) / WORST_BPS;
    return Math.round(Math.min(SLOWEST_READING_MS, Math.max(FASTEST_READING_MS, ms)));
  }

  /** @param {Date} date */
  Candil.monthOf = function (date) {
    const month = date.getMonth() + 1;
    return date.getFullYear() + (month < 10 ? "-0" : "-") + month;
  };

  /** The month's sum on this device, read anew each time: another tab adds to it too. */
  Candil.MonthStore = class {
    /** @param {string} month @returns {number} bytes */
    read(month) {
      const [kept, bytes] = String(Candil.kept("spent")).split(" ");
      return (kept === month && Number(bytes)) || 0;
    }

    /** @param {string} month @param {number} bytes */
    add(month, bytes) {
      Candil.keep("spent", month + " " + Math.round(this.read(month) + bytes));
    }
  };

  Candil.Spending = Spending;
})(/** @type {any} */ (self));
