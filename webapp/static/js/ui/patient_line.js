/**
 * The lamp and its sheet: the tier that flows each way with its reason, changes told one at a time, and how to go on.
 *   const line = new Candil.PatientLine(room, call, connection, (mode) => ...);   mode: "open" | "saving" | "audio"
 *   line.light(fallbackLevel, isIn)    // draws the lamp; without news of the line the level is the caller's
 *   line.shows("down")                 // the rung that flows, or "" when it is not known
 */
(function (root) {
  "use strict";

  const Candil = /** @type {any} */ (root).Candil;

  class PatientLine {
    /** @param {HTMLElement} room @param {any} call @param {any} connection @param {(mode: string) => void} onMode */
    constructor(room, call, connection, onMode) {
      this.room = room;
      this.call = call;
      this.connection = connection;
      this.words = Candil.lineWords();
      this.lamp = /** @type {HTMLDetailsElement} */ (room.querySelector("[data-lamp]"));
      this.news = new Candil.LineNews(room.querySelector("[data-line-news]"));
      /** The newest of one's own line. @type {any} */
      this.line = null;
      /** The best of each direction so far. @type {Object<string, string>} */
      this.best = { down: "text", up: "text" };
      call.on("line", (/** @type {any} */ line) => this._news(line));
      this._sheet(onMode);
    }

    /** @param {(mode: string) => void} onMode */
    _sheet(onMode) {
      const close = () => {
        this.lamp.open = false;
        /** @type {HTMLElement} */ (this.lamp.querySelector("summary")).focus();
      };
      /** @type {HTMLElement} */ (this.lamp.querySelector("[data-close-lamp]")).addEventListener("click", close);
      this.lamp.addEventListener("keydown", (event) => event.key === "Escape" && this.lamp.open && close());
      document.addEventListener("click", (event) => {
        if (this.lamp.open && !this.lamp.contains(/** @type {Node} */ (event.target))) this.lamp.open = false;
      });
      this._modes().forEach((radio) => radio.addEventListener("change", () => onMode(radio.value)));
    }

    /** @returns {HTMLInputElement[]} */
    _modes() {
      return Array.from(this.lamp.querySelectorAll("[data-modes] input"));
    }

    /** @param {string} mode */
    showMode(mode) {
      for (const radio of this._modes()) radio.checked = radio.value === mode;
    }

    /** @param {any} line */
    _news(line) {
      if (line.participant !== this.room.dataset.me) return;
      const before = this.line;
      this.line = line;
      for (const side of ["down", "up"]) this._way(side, line[side]);
      if (before) this._tell(before, line);
      for (const side of ["down", "up"]) this.best[side] = Candil.betterRung(this.best[side], line[side].rung);
    }

    /** @param {string} side @param {any} direction */
    _way(side, direction) {
      const row = /** @type {HTMLElement} */ (this.lamp.querySelector("[data-way=" + side + "]"));
      const put = (/** @type {string} */ name, /** @type {string} */ text) => {
        const slot = /** @type {HTMLElement} */ (row.querySelector("[data-" + name + "]"));
        if (slot.textContent !== text) slot.textContent = text;
      };
      put("word", this.words.tier(direction));
      put("reason", this.words.why(direction, side, "own"));
    }

    /**
     * What changed for this person to see and hear; of the way out only whether they are heard at all.
     * @param {any} before @param {any} after
     */
    _tell(before, after) {
      const spent = this.call.spent;
      if (after.down.reason === "budget" && spent && spent.cap && before.down.rung !== after.down.rung) {
        this.news.tell(this.words.say("spent." + after.down.rung, { cap: spent.cap.megabytes }));
        return;
      }
      const change = this.words.change(before.down, after.down, this.best.down);
      const lost = after.up.rung === "text" && before.up.rung !== "text";
      const heard = before.up.rung === "text" && after.up.rung !== "text";
      const up = this.words.change(before.up, after.up, this.best.up) && (lost ? "worse.unheard" : heard ? "better.heard" : "");
      this.news.tell(this.words.say(change || up));
    }

    /** @param {"down"|"up"} side @returns {string} */
    shows(side) {
      return this.line ? this.line[side].rung : "";
    }

    /** @param {number} level @param {boolean} isIn whether the call is up: otherwise the line's last news say nothing */
    light(level, isIn) {
      const known = isIn && this.line !== null && level > 0;
      this.lamp.dataset.level = String(known ? Candil.lampLevel(this.line.down.rung) : level);
      if (known) this.lamp.dataset.rung = this.line.down.rung;
      else delete this.lamp.dataset.rung;
      const word = /** @type {HTMLElement} */ (this.lamp.querySelector("[data-lamp-word]"));
      const text = known ? this.words.tier(this.line.down) : "";
      if (word.textContent !== text) word.textContent = text;
    }

    /** The call is over or begins anew: what is known of the line is old. */
    forget() {
      this.line = null;
      this.best = { down: "text", up: "text" };
      this.news.clear();
    }
  }

  Candil.PatientLine = PatientLine;
})(self);
