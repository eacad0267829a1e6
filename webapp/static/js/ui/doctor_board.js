/** The board that renews itself: when the clinic says that something changed, and every half minute in any case. */
(function (root) {
  "use strict";

  const Candil = /** @type {any} */ (root.Candil = root.Candil || {});

  const EVERY_MS = 30000;
  const GATHER_MS = 300;

  class DoctorBoard {
    /** @param {HTMLElement} element */
    constructor(element) {
      this._element = element;
      this._news = /** @type {HTMLElement|null} */ (document.querySelector("[data-board-news]"));
      this._offline = /** @type {HTMLElement|null} */ (document.querySelector("[data-board-offline]"));
      this._timer = 0;
      this._asked = 0;
      this._waiting = this._count();
      this._title();
      root.setInterval(() => this.renew(), EVERY_MS);
    }

    /** Soon: several changes in a row are one look. */
    renew() {
      root.clearTimeout(this._timer);
      this._timer = root.setTimeout(() => this._fetch(), GATHER_MS);
    }

    async _fetch() {
      const asked = (this._asked += 1);
      try {
        const response = await fetch(this._element.dataset.fragment || "", { headers: { Accept: "application/json" }, credentials: "same-origin", cache: "no-store" });
        if (response.status === 401) return root.location.assign("/login");
        if (!response.ok) throw new Error(String(response.status));
        const html = await response.text();
        if (asked === this._asked) this._put(html);
        Candil.show(this._offline, false);
      } catch (error) {
        Candil.show(this._offline, true);
      }
    }

    /** Put the new list in place of the old, without moving the cursor or closing what was open. @param {string} html */
    _put(html) {
      const focused = document.activeElement && this._element.contains(document.activeElement) ? document.activeElement.id : "";
      const open = Array.from(this._element.querySelectorAll("details[open]"), (details) => details.id);
      this._element.innerHTML = html;
      for (const id of open) {
        const details = document.getElementById(id);
        if (details) details.setAttribute("open", "");
      }
      const again = focused && document.getElementById(focused);
      if (again) again.focus();
      const waiting = this._count();
      if (waiting > this._waiting && this._news) this._news.textContent = this._element.dataset.arrived || "";
      this._waiting = waiting;
      this._title();
    }

    /** @returns {number} */
    _count() {
      const grid = /** @type {HTMLElement|null} */ (this._element.querySelector("[data-waiting]"));
      return grid ? Number(grid.dataset.waiting) : 0;
    }

    _title() {
      const title = this._element.dataset.title || "";
      document.title = this._waiting ? "(" + this._waiting + ") " + title : title;
    }
  }

  Candil.DoctorBoard = DoctorBoard;
})(/** @type {any} */ (self));
