/**
 * The photos of a visit as the server words them; pictures already shown are not loaded again.
 *   const list = new Candil.PhotoList(element);    element: [data-photos] with data-src
 *   list.refresh()                                  // asks again while one is arriving
 */
(function (root) {
  "use strict";

  const Candil = /** @type {any} */ (root.Candil = root.Candil || {});
  const ARRIVING_MS = 5000;

  class PhotoList {
    /** @param {HTMLElement} element */
    constructor(element) {
      this.element = element;
      this._timer = 0;
      this._again();
    }

    async refresh() {
      root.clearTimeout(this._timer);
      try {
        const headers = { Accept: "text/html", "X-Fragment": "1" };
        const answer = await fetch(String(this.element.dataset.src), { headers, credentials: "same-origin", cache: "no-store" });
        if (answer.ok) this._draw(await answer.text());
      } catch (error) {
        // No line: what is shown stays.
      }
      this._again();
    }

    _again() {
      if (this.element.querySelector("[data-arriving]")) this._timer = root.setTimeout(() => this.refresh(), ARRIVING_MS);
    }

    /** @param {string} html */
    _draw(html) {
      const shell = document.createElement("ul");
      shell.innerHTML = html;
      for (const item of Array.from(shell.querySelectorAll("[data-photo-id]"))) {
        const id = /** @type {HTMLElement} */ (item).dataset.photoId;
        const known = this.element.querySelector('[data-photo-id="' + id + '"]');
        if (!known) {
          this.element.append(item);
          continue;
        }
        const now = /** @type {HTMLAnchorElement} */ (item.querySelector("a"));
        /** @type {HTMLAnchorElement} */ (known.querySelector("a")).href = now.href;
        const [caption, fresh] = [known, item].map((one) => /** @type {HTMLElement} */ (one.querySelector("[data-caption]")));
        if (caption.innerHTML !== fresh.innerHTML) caption.innerHTML = fresh.innerHTML;
      }
      this.element.hidden = !this.element.querySelector("[data-photo-id]");
    }
  }

  Candil.PhotoList = PhotoList;
})(/** @type {any} */ (self));
