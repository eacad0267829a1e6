/**
 * How one direction of a line went: the line of its capacity over the band of its tiers, against time.
 *   const chart = new Candil.LineChart(svg, { enters, levels, ago, nowWord });
 *        enters: bits per second from which each rung is entered, least first; levels: [[rung's number, word], ...]
 *   chart.add(at, rung, bps, isSilent);   // rung's number in Candil.RUNGS; at in seconds
 *   chart.draw(now, "what a screen reader says of it");
 */
(function (root) {
  "use strict";

  const Candil = /** @type {any} */ (root.Candil = root.Candil || {});

  const WINDOW_S = 600;
  const LEAST_S = 120;
  const WIDTH = 380;
  const HEIGHT = 62;
  const LEFT = 48;
  const BOTTOM = 14;
  const TOP_RUNG = 5.4;
  const FLOOR_BPS = 4000;
  const MOST_POINTS = 600;

  class LineChart {
    /** @param {SVGElement} svg @param {{enters: number[], levels: [number, string][], ago: (minutes: number) => string, nowWord: string}} options */
    constructor(svg, options) {
      this._svg = svg;
      this._options = options;
      this._scale = [FLOOR_BPS].concat(options.enters);
      /** @type {{at: number, rung: number, bps: number, isSilent: boolean}[]} */
      this._points = [];
      svg.setAttribute("viewBox", "0 0 " + WIDTH + " " + HEIGHT);
      svg.setAttribute("role", "img");
    }

    /** @param {number} at @param {number} rung @param {number} bps @param {boolean} isSilent */
    add(at, rung, bps, isSilent) {
      this._points.push({ at, rung, bps, isSilent });
      if (this._points.length > MOST_POINTS) this._points.shift();
    }

    /** @param {number} now @param {string} words */
    draw(now, words) {
      const first = this._points.length ? this._points[0].at : now;
      const span = Math.min(WINDOW_S, Math.max(LEAST_S, now - first));
      const x = (/** @type {number} */ at) => LEFT + Math.max(0, 1 - (now - at) / span) * (WIDTH - LEFT);
      this._svg.textContent = "";
      this._svg.setAttribute("aria-label", words);
      this._levels();
      this._bands(now, x);
      this._capacity(now, x);
      this._text(LEFT, HEIGHT - 2, this._options.ago(Math.round(span / 60)), "start");
      this._text(WIDTH, HEIGHT - 2, this._options.nowWord, "end");
    }

    /** @param {number} rung may lie between two */
    _y(rung) {
      return (HEIGHT - BOTTOM) * (1 - Math.min(rung, TOP_RUNG) / TOP_RUNG);
    }

    _levels() {
      for (const [rung, word] of this._options.levels) {
        const y = this._y(rung);
        this._add("line", { x1: LEFT, x2: WIDTH, y1: y, y2: y, class: "grid" });
        this._text(LEFT - 6, Math.min(HEIGHT - BOTTOM, Math.max(9, y + 3)), word, "end");
      }
    }

    /** @param {number} now @param {(at: number) => number} x */
    _bands(now, x) {
      this._points.forEach((point, index) => {
        const next = this._points[index + 1];
        const from = x(point.at);
        const width = x(next ? next.at : now) - from;
        if (width <= 0) return;
        const y = point.isSilent ? 0 : this._y(Math.max(point.rung, 0.15));
        const shape = { x: from, width: width + 0.3, y, height: HEIGHT - BOTTOM - y };
        this._add("rect", Object.assign({ class: point.isSilent ? "silent" : "band-of-tier" }, shape));
      });
    }

    /** @param {number} now @param {(at: number) => number} x */
    _capacity(now, x) {
      const heard = this._points.filter((point) => point.bps > 0);
      if (!heard.length) return;
      const steps = heard.map((point) => x(point.at).toFixed(1) + " " + this._y(this._height(point.bps)).toFixed(1));
      const last = heard[heard.length - 1];
      this._add("path", { d: "M" + steps.join("L") + "L" + x(now).toFixed(1) + " " + this._y(this._height(last.bps)).toFixed(1), class: "capacity" });
    }

    /** A rate as the rung it would just enter, in between by its logarithm. @param {number} bps @returns {number} */
    _height(bps) {
      const above = this._scale.findIndex((enters) => enters > bps);
      if (above === 0) return 0;
      if (above < 0) return this._scale.length - 1;
      const low = this._scale[above - 1];
      return above - 1 + Math.log(bps / low) / Math.log(this._scale[above] / low);
    }

    /** @param {string} name @param {Object<string, any>} attributes */
    _add(name, attributes) {
      const shape = document.createElementNS("http://www.w3.org/2000/svg", name);
      for (const key of Object.keys(attributes)) shape.setAttribute(key, String(attributes[key]));
      this._svg.appendChild(shape);
      return shape;
    }

    /** @param {number} x @param {number} y @param {string} text @param {string} anchor */
    _text(x, y, text, anchor) {
      this._add("text", { x, y, "text-anchor": anchor }).textContent = text;
    }
  }

  Candil.LineChart = LineChart;
})(/** @type {any} */ (self));
