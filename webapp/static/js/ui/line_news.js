/**
 * Changes of the line, told one at a time: a quiet sentence that fades into the lamp.
 *   const news = new Candil.LineNews(element);   element: an empty <p role="status"> with a [data-line-news-text] inside
 *   news.tell(sentence);                         // what comes while one is shown waits; only the newest of it is told
 *   news.clear();
 */
(function (root) {
  "use strict";

  const Candil = /** @type {any} */ (root.Candil = root.Candil || {});

  const SHOWN_MS = 6000;
  /** What is no longer true gives way to the newest after this long. */
  const LEAST_SHOWN_MS = 2500;
  const FADE_MS = 900;

  class LineNews {
    /** @param {HTMLElement} element */
    constructor(element) {
      this._element = element;
      this._text = /** @type {HTMLElement} */ (element.querySelector("[data-line-news-text]"));
      this._waiting = "";
      this._timer = 0;
      this._since = 0;
    }

    /** @param {string} sentence */
    tell(sentence) {
      if (!sentence) return;
      if (this._timer) {
        this._waiting = sentence === this._text.textContent ? "" : sentence;
        if (this._waiting && this._element.dataset.news === "shown") this._fadeAfter(this._since + LEAST_SHOWN_MS - Date.now());
        return;
      }
      this._text.textContent = sentence;
      this._element.dataset.news = "shown";
      this._since = Date.now();
      this._fadeAfter(SHOWN_MS);
    }

    /** @param {number} ms */
    _fadeAfter(ms) {
      clearTimeout(this._timer);
      this._timer = setTimeout(() => {
        this._element.dataset.news = "fading";
        this._timer = setTimeout(() => this._next(), FADE_MS);
      }, Math.max(0, ms));
    }

    _next() {
      const sentence = this._waiting;
      this.clear();
      this.tell(sentence);
    }

    clear() {
      clearTimeout(this._timer);
      this._timer = 0;
      this._waiting = this._text.textContent = "";
      this._element.dataset.news = "";
    }
  }

  Candil.LineNews = LineNews;
})(/** @type {any} */ (self));
