/**
 * How much this person lets a call use, and the rungs by name. No DOM. Needs outbox.js before it.
 *
 *   Candil.RUNGS                         // ["text", "emergency", "audio", "stills", "low_video", "video", "hd"], least first
 *   const ceilings = new Candil.Ceilings();
 *   ceilings.choose({ down: "audio", up: "audio" }, "chosen");   // "chosen" | "saving"; remembered on this device
 *   ceilings.choose(null);                // open again
 *   ceilings.budget("low_video");         // what the cap still allows, both directions; "hd": no bound
 *   ceilings.limit                        // {down, up, reason}: the lower of both; {hd, hd, ""} when open
 *   ceilings.isOpen
 *   Candil.keep(name, value) / Candil.kept(name)   // a word that stays on this device; "" takes it away
 */
(function (root) {
  "use strict";

  const Candil = /** @type {any} */ (root.Candil = root.Candil || {});

  const RUNGS = ["text", "emergency", "audio", "stills", "low_video", "video", "hd"];
  const BEST = RUNGS[RUNGS.length - 1];
  const KEPT = "limit";

  class Ceilings {
    constructor() {
      this._budget = BEST;
      this._chosen = chosenBefore();
    }

    /** @param {{down: string, up: string}|null} rungs @param {string} [reason] "chosen" or "saving" */
    choose(rungs, reason) {
      this._chosen = rungs ? { down: rungs.down, up: rungs.up, reason: reason || "chosen" } : open();
      const { down, up } = this._chosen;
      Candil.keep(KEPT, rungs ? [down, up, this._chosen.reason].join(" ") : "");
    }

    /** @param {string} rung @returns {boolean} whether that changes the limit */
    budget(rung) {
      const before = JSON.stringify(this.limit);
      this._budget = rung;
      return JSON.stringify(this.limit) !== before;
    }

    /** @returns {{down: string, up: string, reason: string}} */
    get limit() {
      const { down, up, reason } = this._chosen;
      const isBound = rank(this._budget) < Math.max(rank(down), rank(up));
      return {
        down: lower(down, this._budget),
        up: lower(up, this._budget),
        reason: isBound ? "budget" : reason,
      };
    }

    get isOpen() {
      return this.limit.reason === "";
    }
  }

  function open() {
    return { down: BEST, up: BEST, reason: "" };
  }

  function chosenBefore() {
    const [down, up, reason] = String(Candil.kept(KEPT)).split(" ");
    const isWhole = rank(down) >= 0 && rank(up) >= 0 && ["chosen", "saving"].indexOf(reason) >= 0;
    return isWhole ? { down, up, reason } : open();
  }

  /** @param {string} rung */
  function rank(rung) {
    return RUNGS.indexOf(rung);
  }

  /** @param {string} one @param {string} other */
  function lower(one, other) {
    return rank(one) < rank(other) ? one : other;
  }

  /** Private windows may refuse to store; then a word lasts as long as the page. @type {Map<string, string>} */
  const memory = new Map();

  /** @param {string} name @param {string} value */
  Candil.keep = function (name, value) {
    memory.set(name, value);
    try {
      if (value) root.localStorage.setItem("candil." + name, value);
      else root.localStorage.removeItem("candil." + name);
    } catch (error) {
      // The memory has it.
    }
  };

  /** @param {string} name @returns {string} */
  Candil.kept = function (name) {
    try {
      return root.localStorage.getItem("candil." + name) || "";
    } catch (error) {
      return memory.get(name) || "";
    }
  };

  Candil.RUNGS = RUNGS;
  Candil.Ceilings = Ceilings;
})(/** @type {any} */ (self));
