/**
 * The line beside the picture: the patient's two directions and one's own, in words, drawn over time, and how to go on.
 *   const line = new Candil.DoctorLine(page, call);
 *   line.light(level, isIn);       // draws the lamp; without news of the line the level is the caller's
 *   line.carries(participant)      // the rung they send, or "" while nothing is known of their line
 *   line.flow(participant)         // the rung's number that reaches us of somebody; Infinity while it is not known
 */
(function (root) {
  "use strict";

  const Candil = /** @type {any} */ (root.Candil = root.Candil || {});

  const REDRAW_MS = 5000;
  /** @type {Object<string, {down: string, up: string}|null>} */
  const LIMITS = { open: null, saving: { down: "stills", up: "stills" }, audio: { down: "audio", up: "audio" } };
  const MODES = /** @type {Object<string, string>} */ ({ chosen: "audio", saving: "saving" });

  class DoctorLine {
    /** @param {any} page @param {any} call */
    constructor(page, call) {
      this._page = page;
      this._call = call;
      this.words = Candil.lineWords();
      this._lamp = /** @type {HTMLDetailsElement} */ (page.root.querySelector("[data-lamp]"));
      this._news = new Candil.LineNews(page.root.querySelector("[data-line-news]"));
      /** @type {Map<string, any>} */
      this._lines = new Map();
      /** The patient's limit of megabytes ended or narrowed their call: still true when their media is gone. */
      this.isOverBudget = false;
      /** The best of each of the patient's directions so far. @type {Object<string, string>} */
      this._best = { down: "text", up: "text" };
      this._charts = this._makeCharts();
      call.on("line", (/** @type {any} */ news) => this._told(news));
      this._lamp.addEventListener("toggle", () => this._drawCharts());
      setInterval(() => this._drawCharts(), REDRAW_MS);
      this._controls();
    }

    _controls() {
      const radios = /** @type {HTMLInputElement[]} */ (Array.from(this._lamp.querySelectorAll("[data-modes] input")));
      const mode = MODES[this._call.limit.reason] || "open";
      for (const radio of radios) {
        radio.checked = radio.value === mode;
        radio.addEventListener("change", () => {
          this._call.setLimit(LIMITS[radio.value], radio.value === "saving" ? "saving" : "chosen");
        });
      }
      this._lamp.addEventListener("keydown", (event) => {
        if (event.key !== "Escape" || !this._lamp.open) return;
        this._lamp.open = false;
        /** @type {HTMLElement} */ (this._lamp.querySelector("summary")).focus();
      });
    }

    /** @returns {{side: "down"|"up", chart: any}[]} */
    _makeCharts() {
      const words = this.words;
      const enters = JSON.parse(this._lamp.dataset.enters || "[]");
      const levels = [0, 2, 3, 4].map((rung, at) => [rung, words.say(["chart.text", "chart.audio", "chart.stills", "chart.video"][at])]);
      const options = { enters, levels, ago: (/** @type {number} */ m) => words.say("chart.ago", { m }), nowWord: words.say("chart.now") };
      const side = (/** @type {"down"|"up"} */ name) => {
        const svg = this._lamp.querySelector("svg[data-chart=" + name + "]");
        return { side: name, chart: new Candil.LineChart(svg, options) };
      };
      return [side("down"), side("up")];
    }

    /** @param {any} news of media.line */
    _told(news) {
      const before = this._lines.get(news.participant);
      this._lines.set(news.participant, news);
      const whose = news.participant === this._page.me ? "own" : news.participant === this._page.patient ? "other" : "";
      if (!whose) return;
      for (const side of ["down", "up"]) {
        this._put(whose + "-" + side, "[data-word]", this.words.tier(news[side]));
        this._put(whose + "-" + side, "[data-reason]", this.words.why(news[side], side, whose));
      }
      if (whose === "other") this._patient(before, news);
      this._short();
    }

    /** @param {any} before @param {any} news */
    _patient(before, news) {
      this.isOverBudget = news.down.reason === "budget";
      const now = Date.now() / 1000;
      for (const { side, chart } of this._charts) {
        const direction = news[side];
        chart.add(now, Candil.RUNGS.indexOf(direction.rung), direction.capacity_bps, direction.reason === "silence");
      }
      this._drawCharts();
      const isNews = (/** @type {string} */ side) => this.words.change(before[side], news[side], this._best[side]);
      const changed = before ? ["down", "up"].find(isNews) : "";
      for (const side of ["down", "up"]) this._best[side] = Candil.betterRung(this._best[side], news[side].rung);
      if (changed) this._news.tell(this.words.say("change." + changed, { word: this.words.tier(news[changed]) }));
    }

    /** The two words beside the lamp, and the one reason that matters most: of the direction that carries less. */
    _short() {
      const line = this._lines.get(this._page.patient);
      if (!line) return;
      for (const side of ["down", "up"]) this._text("[data-short=" + side + "]", this.words.tier(line[side]));
      const own = this._lines.get(this._page.me);
      const ownLess = own && own.down.reason && own.down.reason !== "starting" ? this.words.why(own.down, "down", "own") : "";
      const worse = rank(line.up) < rank(line.down) ? "up" : "down";
      const other = worse === "up" ? "down" : "up";
      const side = line[worse].reason ? worse : other;
      this._text("[data-short-reason]", line[side].reason ? this.words.why(line[side], side, "other") : ownLess);
    }

    /** @param {string} way @param {string} slot @param {string} text */
    _put(way, slot, text) {
      this._text("[data-way=" + way + "] " + slot, text);
    }

    /** @param {string} selector @param {string} text */
    _text(selector, text) {
      const slot = /** @type {HTMLElement} */ (this._lamp.querySelector(selector));
      if (slot.textContent !== text) slot.textContent = text;
    }

    _drawCharts() {
      const line = this._lines.get(this._page.patient);
      if (!line || !this._lamp.open) return;
      for (const { side, chart } of this._charts) {
        const slots = { word: this.words.tier(line[side]), now: Math.round(line[side].capacity_bps / 1000) };
        chart.draw(Date.now() / 1000, this.words.say("chart." + side, slots));
      }
    }

    /** @param {string} level @param {boolean} isIn whether the call is up and the patient in it */
    light(level, isIn) {
      const line = this._lines.get(this._page.patient);
      const known = isIn && line && level !== "0";
      const rung = known ? (rank(line.up) < rank(line.down) ? line.up.rung : line.down.rung) : "";
      this._lamp.dataset.level = known ? String(Candil.lampLevel(rung)) : level;
      if (known) this._lamp.dataset.rung = rung;
      else delete this._lamp.dataset.rung;
    }

    /** @param {string} participant @returns {number} */
    flow(participant) {
      const own = this._lines.get(this._page.me);
      const theirs = this._lines.get(participant);
      return Math.min(own ? rank(own.down) : Infinity, theirs ? rank(theirs.up) : Infinity);
    }

    /** @param {string} participant @returns {string} the rung they send, or "" while nothing is known of their line */
    carries(participant) {
      const line = this._lines.get(participant);
      return line ? line.up.rung : "";
    }

    /** What is known of somebody whose media ended is old. @param {string} participant */
    forget(participant) {
      this._lines.delete(participant);
    }
  }

  /** @param {{rung: string}} direction */
  function rank(direction) {
    return Candil.RUNGS.indexOf(direction.rung);
  }

  Candil.DoctorLine = DoctorLine;
})(/** @type {any} */ (self));
