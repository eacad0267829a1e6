/**
 * The state of a line in words. The sentences come from the page, whole; here one is chosen and its numbers put in. No DOM.
 *
 *   const words = new Candil.LineWords(sentences, "es");     // {key: sentence with {slots}}
 *   words.tier(direction)                 // "Solo audio"; direction: {rung, reason, capacity_bps, needed_bps} of media.line
 *   words.why(direction, "down", "own")   // the reason and what would bring more; whose: "own" | "other"
 *   words.change(before, after, best)     // the key of the news that a change of rung is worth, or ""
 *   words.say(key, {mb: 3.4})
 *   Candil.betterRung("audio", "stills")  // "stills"
 *   Candil.lampLevel(rung)                // 3 with moving picture, 2 with voice, 1 text
 */
(function (root) {
  "use strict";

  const Candil = /** @type {any} */ (root.Candil = root.Candil || {});

  const RUNGS = ["text", "emergency", "audio", "stills", "low_video", "video", "hd"];
  const SIDED = ["peer", "no_camera", "no_microphone"];
  /** What somebody chose needs no announcement; neither does the climb at the beginning. */
  const QUIET_REASONS = ["chosen", "saving", "budget", "starting"];

  class LineWords {
    /** @param {Object<string, string>} sentences @param {string} language */
    constructor(sentences, language) {
      this._sentences = sentences;
      this._locale = language === "es" ? "es-VE" : language;
    }

    /** @param {string} key @param {Object<string, any>} [slots] numbers are written as the reader's language does */
    say(key, slots) {
      const given = slots || {};
      return (this._sentences[key] || "").replace(/\{(\w+)\}/g, (_whole, name) => {
        const value = given[name];
        return typeof value === "number" ? this.number(value) : String(value);
      });
    }

    /** @param {number} value @returns {string} one decimal below ten, none above */
    number(value) {
      return value.toLocaleString(this._locale, { maximumFractionDigits: value < 10 ? 1 : 0 });
    }

    /** @param {number} amount @param {string} currency @returns {string} */
    price(amount, currency) {
      const digits = { minimumFractionDigits: 2, maximumFractionDigits: 2 };
      return currency + "\u00a0" + amount.toLocaleString(this._locale, digits);
    }

    /** @param {{rung: string}} direction */
    tier(direction) {
      return this.say("tier." + direction.rung);
    }

    /** @param {any} direction @param {"down"|"up"} side @param {"own"|"other"} whose */
    why(direction, side, whose) {
      const reason = direction.reason || "best";
      if (SIDED.indexOf(reason) >= 0) return this.say(whose + "." + reason + "_" + side);
      if (reason !== "line") return this.say(whose + "." + reason) || this.say(whose + ".line");
      return this._capacity(direction, whose);
    }

    /** @param {any} direction @param {string} whose */
    _capacity(direction, whose) {
      const next = RUNGS[RUNGS.indexOf(direction.rung) + 1];
      const now = kilobits(direction.capacity_bps);
      const need = kilobits(direction.needed_bps);
      if (!next || !need || !direction.capacity_bps) return this.say(whose + ".line");
      if (now >= need) return this.say(whose + ".trying", { now });
      return this.say(whose + ".line_" + (next === "hd" ? "video" : next), { now, need });
    }

    /** @param {any} before @param {any} after @param {string} best the best rung of the call so far @returns {string} */
    change(before, after, best) {
      if (!before || before.rung === after.rung || QUIET_REASONS.indexOf(after.reason) >= 0) return "";
      if (this.tier(before) === this.tier(after)) return "";
      const was = RUNGS.indexOf(before.rung);
      const is = RUNGS.indexOf(after.rung);
      if (is < was) return "worse." + after.rung;
      if (is > RUNGS.indexOf(best)) return ""; // the first climb brings nothing back
      if (after.rung === "audio" && before.rung === "emergency") return "better.clear";
      if (is >= RUNGS.indexOf("video")) return before.rung === "low_video" ? "better.larger" : "better.video";
      return "better." + after.rung;
    }
  }

  /** @param {number} bps */
  function kilobits(bps) {
    return Math.round((bps || 0) / 1000);
  }

  /** @param {string} one @param {string} other @returns {string} */
  Candil.betterRung = function (one, other) {
    return RUNGS.indexOf(one) > RUNGS.indexOf(other) ? one : other;
  };

  /** @param {string} rung @returns {number} */
  Candil.lampLevel = function (rung) {
    const at = RUNGS.indexOf(rung);
    return at >= RUNGS.indexOf("low_video") ? 3 : at >= RUNGS.indexOf("emergency") ? 2 : 1;
  };

  /** @returns {LineWords} of this page */
  Candil.lineWords = function () {
    /** @type {Object<string, string>} */
    const sentences = {};
    document.querySelectorAll("[data-line-words]").forEach((part) => Object.assign(sentences, JSON.parse(part.textContent || "{}")));
    return new LineWords(sentences, document.documentElement.lang);
  };

  Candil.LineWords = LineWords;
})(/** @type {any} */ (self));
