/**
 * One tile for everybody else who is in the consult: picture when there is one, always the name.
 *   const tiles = new Candil.Tiles(room, words, (refused) => ...);   called when the browser refuses to play sound
 *   tiles.people(view); tiles.stream(id, stream); tiles.receiving({id: {audio, video}}); tiles.line(news); tiles.play();
 */
(function (root) {
  "use strict";

  const Candil = /** @type {any} */ (root).Candil;

  const STILLS = 3; // of Candil.RUNGS

  class Tiles {
    /** @param {HTMLElement} room @param {any} words @param {() => void} onRefused */
    constructor(room, words, onRefused) {
      this.room = room;
      this.onRefused = onRefused;
      this.box = /** @type {HTMLElement} */ (room.querySelector("[data-tiles]"));
      this.template = /** @type {HTMLTemplateElement} */ (room.querySelector("template[data-tile]"));
      /** @type {Map<string, HTMLElement>} */
      this.tiles = new Map();
      /** @type {Map<string, any>} */
      this.streams = new Map();
      /** The newest news of everybody's line. @type {Map<string, any>} */
      this.lines = new Map();
      this.stills = new Candil.Stills(words);
    }

    /** Who is in: those the doctor admitted whose page is here, or whose media is. @param {any} view */
    people(view) {
      const others = view.participants.filter((/** @type {any} */ one) => {
        const isIn = one.admission === "admitted" && one.online;
        return one.id !== this.room.dataset.me && (isIn || this.streams.has(one.id));
      });
      others.sort((/** @type {any} */ a, /** @type {any} */ b) => Number(b.role === "doctor") - Number(a.role === "doctor"));
      const ids = others.map((/** @type {any} */ one) => one.id);
      for (const [id, tile] of this.tiles) {
        if (ids.indexOf(id) >= 0) continue;
        tile.remove();
        this.tiles.delete(id);
      }
      others.forEach((/** @type {any} */ one) => this._draw(one));
      this.box.dataset.count = String(ids.length);
    }

    /** @param {any} person */
    _draw(person) {
      let tile = this.tiles.get(person.id);
      if (!tile) {
        tile = /** @type {HTMLElement} */ (document.importNode(this.template.content, true).firstElementChild);
        tile.dataset.person = person.id;
        this.tiles.set(person.id, tile);
        if (person.role === "doctor") this.box.insertBefore(tile, this.box.firstChild);
        else this.box.appendChild(tile);
        const video = this._video(tile);
        video.addEventListener("resize", () => this._picture(person.id, video.videoWidth > 0));
      }
      this._slot(tile, "name").textContent = person.name;
      this._slot(tile, "muted").hidden = person.microphone || !person.online;
      this._slot(tile, "away").hidden = person.online;
      tile.dataset.sends = String(person.camera);
      if (!person.camera) this._picture(person.id, false);
      this._attach(person.id);
    }

    /** @param {string} id @param {any} stream */
    stream(id, stream) {
      if (stream) this.streams.set(id, stream);
      else this.streams.delete(id);
      this._attach(id);
    }

    /** @param {string} id */
    _attach(id) {
      const tile = this.tiles.get(id);
      if (!tile) return;
      const stream = this.streams.get(id) || null;
      Candil.play(tile, stream, this.onRefused);
      if (!stream) this._picture(id, false);
    }

    /** @param {Object<string, {audio: boolean, video: boolean}>} receiving */
    receiving(receiving) {
      for (const [id, tile] of this.tiles) {
        const now = receiving[id];
        if (now && now.video && tile.dataset.sends === "true") this._picture(id, this._video(tile).videoWidth > 0);
      }
    }

    /** A picture that the line takes away goes at once; one that comes shows itself. @param {any} news of media.line */
    line(news) {
      this.lines.set(news.participant, news);
      for (const [id, tile] of this.tiles) {
        if (this._flow(id) < STILLS) this._picture(id, false);
        this.stills.mark(tile, this._flow(id) === STILLS);
      }
    }

    /** @param {string} id @returns {number} the rung that reaches us of somebody; the highest while it is not known */
    _flow(id) {
      const ours = this.lines.get(String(this.room.dataset.me));
      const theirs = this.lines.get(id);
      const at = (/** @type {string} */ rung) => Candil.RUNGS.indexOf(rung);
      return Math.min(ours ? at(ours.down.rung) : Infinity, theirs ? at(theirs.up.rung) : Infinity);
    }

    /** No picture of whoever sends none, and none at all on voice only: a last frame would look like a frozen line.
     * @param {string} id @param {boolean} pictured */
    _picture(id, pictured) {
      const tile = this.tiles.get(id);
      if (!tile) return;
      const wanted = this.room.dataset.media === "video" && tile.dataset.sends === "true" && this._flow(id) >= STILLS;
      tile.classList.toggle("pictured", pictured && wanted);
    }

    /** After a tap: browsers let sound out then. */
    play() {
      for (const id of this.tiles.keys()) this._attach(id);
    }

    clear() {
      this.streams.clear();
      this.lines.clear();
      for (const tile of this.tiles.values()) tile.remove();
      this.tiles.clear();
    }

    get pictured() {
      return this.box.querySelector(".pictured") !== null;
    }

    /** @param {HTMLElement} tile @returns {HTMLVideoElement} */
    _video(tile) {
      return /** @type {HTMLVideoElement} */ (tile.querySelector("video"));
    }

    /** @param {HTMLElement} tile @param {string} name @returns {HTMLElement} */
    _slot(tile, name) {
      return /** @type {HTMLElement} */ (tile.querySelector("[data-" + name + "]"));
    }
  }

  Candil.Tiles = Tiles;
})(self);
