/**
 * A picture every few seconds is shown as a photo with its age, so that nobody takes it for a frozen video.
 *   const stills = new Candil.Stills(words);     words: Candil.LineWords with photo_now and photo_age
 *   stills.mark(tile, isStill);                  // tile holds a <video>; the badge is made in it
 *   stills.seen(tile)                            // whether a photo came to this tile in the last 20 s
 */
(function (root) {
  "use strict";

  const Candil = /** @type {any} */ (root.Candil = root.Candil || {});

  const LOOK_MS = 500;
  const KEPT_MS = 20000;
  const JUST_NOW_S = 1;

  class Stills {
    /** @param {any} words */
    constructor(words) {
      this._words = words;
      /** What is known of each marked tile. @type {Map<HTMLElement, {frames: number, at: number, badge: HTMLElement}>} */
      this._marked = new Map();
      this._timer = 0;
    }

    /** @param {HTMLElement} tile @param {boolean} isStill */
    mark(tile, isStill) {
      const marked = this._marked.get(tile);
      if (isStill && !marked) {
        const badge = document.createElement("span");
        badge.className = "photo-age";
        tile.appendChild(badge);
        this._marked.set(tile, { frames: frames(tile), at: 0, badge });
        if (!this._timer) this._timer = setInterval(() => this._look(), LOOK_MS);
      } else if (!isStill && marked) {
        this._forget(tile);
      }
      tile.classList.toggle("still", isStill);
    }

    /** @param {HTMLElement} tile @returns {boolean} */
    seen(tile) {
      const marked = this._marked.get(tile);
      return Boolean(marked && marked.at && Date.now() - marked.at < KEPT_MS);
    }

    /** @param {HTMLElement} tile */
    _forget(tile) {
      const marked = this._marked.get(tile);
      if (marked) marked.badge.remove();
      this._marked.delete(tile);
      if (this._marked.size) return;
      clearInterval(this._timer);
      this._timer = 0;
    }

    _look() {
      const now = Date.now();
      for (const [tile, marked] of this._marked) {
        if (!tile.isConnected) {
          this._forget(tile);
          continue;
        }
        const count = frames(tile);
        if (count !== marked.frames) marked.at = now;
        marked.frames = count;
        const age = Math.round((now - marked.at) / 1000);
        const text = !marked.at ? "" : age <= JUST_NOW_S ? this._words.say("photo_now") : this._words.say("photo_age", { s: age });
        if (marked.badge.textContent !== text) marked.badge.textContent = text;
      }
    }
  }

  /** @param {HTMLElement} tile @returns {number} pictures decoded so far */
  function frames(tile) {
    const video = /** @type {HTMLVideoElement} */ (tile.querySelector("video"));
    return video.getVideoPlaybackQuality ? video.getVideoPlaybackQuality().totalVideoFrames : 0;
  }

  Candil.Stills = Stills;
})(/** @type {any} */ (self));
