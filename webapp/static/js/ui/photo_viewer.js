/**
 * One photo over the whole page: larger and smaller, moved by hand or keys (+ - 0, arrows, Escape).
 * Shows the preview at once and the full picture when it is here.
 *   Candil.viewPhoto(link)      link: a[data-photo] around its preview
 */
(function (root) {
  "use strict";

  const Candil = /** @type {any} */ (root.Candil = root.Candil || {});
  const STEP = 1.4;
  const MOST = 12;
  const MOVE_PX = 60;

  class PhotoViewer {
    /** @param {HTMLElement} element [data-photo-viewer] */
    constructor(element) {
      this.element = element;
      this.stage = /** @type {HTMLElement} */ (element.querySelector("[data-viewer-stage]"));
      this.image = /** @type {HTMLImageElement} */ (element.querySelector("img"));
      this.save = /** @type {HTMLAnchorElement} */ (element.querySelector("[data-viewer-save]"));
      /** @type {HTMLElement|null} */
      this.opener = null;
      this.scale = 1;
      this.x = this.y = 0;
      element.addEventListener("click", (event) => {
        const act = /** @type {HTMLElement|null} */ (/** @type {HTMLElement} */ (event.target).closest("[data-viewer]"));
        if (act) this._act(act.dataset.viewer || "");
      });
      element.addEventListener("keydown", (event) => this._key(event));
      this.stage.addEventListener("wheel", (event) => {
        event.preventDefault();
        this._zoom(event.deltaY < 0 ? STEP : 1 / STEP);
      }, { passive: false });
      this._drag();
    }

    /** @param {HTMLAnchorElement} link */
    open(link) {
      const preview = /** @type {HTMLImageElement} */ (link.querySelector("img"));
      this.opener = link;
      this.image.src = preview.src;
      this.image.alt = preview.alt;
      this.save.href = link.href + "?download";
      this.element.hidden = false;
      this._act("reset");
      /** @type {HTMLElement} */ (this.element.querySelector("[data-viewer=close]")).focus();
      const full = document.createElement("img");
      this.element.dataset.loading = "1";
      full.onload = full.onerror = () => {
        if (this.opener !== link) return;
        if (full.naturalWidth) this.image.src = full.src;
        delete this.element.dataset.loading;
      };
      full.src = link.href;
    }

    /** @param {string} what */
    _act(what) {
      if (what === "in") this._zoom(STEP);
      else if (what === "out") this._zoom(1 / STEP);
      else if (what === "close") this._close();
      else if (what === "reset") {
        this.scale = 1;
        this.x = this.y = 0;
        this._place();
      }
    }

    _close() {
      this.element.hidden = true;
      this.image.removeAttribute("src");
      const opener = this.opener;
      this.opener = null;
      if (opener) opener.focus();
    }

    /** @param {KeyboardEvent} event */
    _key(event) {
      /** @type {Record<string, () => void>} */
      const acts = {
        "+": () => this._act("in"), "=": () => this._act("in"), "-": () => this._act("out"), "0": () => this._act("reset"),
        Escape: () => this._close(),
        ArrowLeft: () => this._move(MOVE_PX, 0), ArrowRight: () => this._move(-MOVE_PX, 0),
        ArrowUp: () => this._move(0, MOVE_PX), ArrowDown: () => this._move(0, -MOVE_PX),
        Tab: () => this._next(event.shiftKey),
      };
      const act = acts[event.key];
      if (!act) return;
      event.preventDefault();
      event.stopPropagation();
      act();
    }

    /** The focus stays in the viewer. @param {boolean} back */
    _next(back) {
      const all = /** @type {HTMLElement[]} */ (Array.from(this.element.querySelectorAll("button, a[href]")));
      const now = all.indexOf(/** @type {HTMLElement} */ (document.activeElement));
      all[(now + (back ? all.length - 1 : 1)) % all.length].focus();
    }

    /** @param {number} factor */
    _zoom(factor) {
      const scale = Math.min(MOST, Math.max(1, this.scale * factor));
      this.x *= scale / this.scale;
      this.y *= scale / this.scale;
      this.scale = scale;
      this._move(0, 0);
    }

    /** @param {number} dx @param {number} dy pixels; never further than its own edge */
    _move(dx, dy) {
      const spareX = (this.stage.clientWidth * (this.scale - 1)) / 2;
      const spareY = (this.stage.clientHeight * (this.scale - 1)) / 2;
      this.x = Math.max(-spareX, Math.min(spareX, this.x + dx));
      this.y = Math.max(-spareY, Math.min(spareY, this.y + dy));
      this._place();
    }

    _place() {
      this.image.style.transform = "translate(" + this.x + "px, " + this.y + "px) scale(" + this.scale + ")";
    }

    _drag() {
      /** @type {{x: number, y: number}|null} */
      let from = null;
      this.stage.addEventListener("pointerdown", (event) => {
        from = { x: event.clientX, y: event.clientY };
        this.stage.setPointerCapture(event.pointerId);
        event.preventDefault();
      });
      this.stage.addEventListener("pointermove", (event) => {
        if (!from) return;
        this._move(event.clientX - from.x, event.clientY - from.y);
        from = { x: event.clientX, y: event.clientY };
      });
      for (const end of ["pointerup", "pointercancel"]) this.stage.addEventListener(end, () => (from = null));
    }
  }

  const viewer = new PhotoViewer(/** @type {HTMLElement} */ (document.querySelector("[data-photo-viewer]")));
  Candil.viewPhoto = (/** @type {HTMLAnchorElement} */ link) => viewer.open(link);
})(/** @type {any} */ (self));
