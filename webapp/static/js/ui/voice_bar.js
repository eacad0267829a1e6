/**
 * The line of the recorder above the writing line of either page: hold the button and talk, or tap it; slide away to
 * throw it away; listen; send.
 *   const voice = new Candil.VoiceBar(box, outgoing, call);   box: holds [data-voice-bar], [data-voice-button], the form
 *   voice.first(event, isFresh)                               the press that brought this script; null: it was let go
 * What is shown follows the bar's data-state: loading, asking, holding, cancelling, free, review, silent, or why not.
 */
(function (root) {
  "use strict";

  const Candil = /** @type {any} */ (root.Candil = root.Candil || {});
  const CLOCK_EVERY_MS = 250;
  const LEAST_MS = 700;
  const SILENT = 0.12; // of the level: nothing louder was heard in all of it
  const BUSY = ["free", "review", "silent", "working"];

  class VoiceBar {
    /** @param {HTMLElement} box @param {any} outgoing @param {any} call */
    constructor(box, outgoing, call) {
      this.box = box;
      this.outgoing = outgoing;
      this.bar = /** @type {HTMLElement} */ (box.querySelector("[data-voice-bar]"));
      this.button = /** @type {HTMLElement} */ (box.querySelector("[data-voice-button]"));
      this.form = /** @type {HTMLElement} */ (box.querySelector("[data-compose]"));
      this.press = new Candil.VoicePress();
      this.recorder = new Candil.VoiceRecorder({ call });
      /** @type {any} what may be sent */
      this.note = null;
      this.isStarting = false;
      this.letGo = false;
      this.timer = 0;
      this._listen();
    }

    _listen() {
      const button = this.button;
      button.addEventListener("pointerdown", (event) => this._down(event));
      button.addEventListener("pointermove", (event) => this._do(this.press.move(event.clientX)));
      button.addEventListener("pointerup", () => this._up());
      button.addEventListener("pointercancel", () => this._lost());
      button.addEventListener("click", (event) => event.detail || this._do(this.press.tap(Date.now()))); // a key or a reader
      button.addEventListener("contextmenu", (event) => event.preventDefault());
      this.bar.addEventListener("click", (event) => {
        const act = /** @type {HTMLElement|null} */ (/** @type {HTMLElement} */ (event.target).closest("[data-voice-do]"));
        if (act) this._act(act.dataset.voiceDo || "");
      });
      this.box.addEventListener("keydown", (event) => event.key === "Escape" && this.bar.dataset.state && this._act("drop"));
      this.recorder.on("level", (/** @type {number} */ level) => this._level(level));
      this.recorder.on("cut", () => this._do(this.press.tap(Date.now())));
      /** @type {HTMLInputElement} */ (this.bar.querySelector("input[type=file]")).addEventListener("change", (event) => this._chosen(event));
    }

    /** @param {PointerEvent|null} event @param {boolean} isFresh */
    first(event, isFresh) {
      if (!isFresh) return this._show("ready");
      if (event) this._down(event);
      else this._do(this.press.tap(Date.now()));
    }

    /** @param {PointerEvent} event */
    _down(event) {
      if (event.button || !event.isPrimary) return;
      event.preventDefault(); // the focus stays where it is, no text is selected
      try {
        this.button.setPointerCapture(event.pointerId);
      } catch (error) {
        // Let go while the script came: then the press has ended.
      }
      this._do(this.press.down(Date.now(), event.clientX));
    }

    _up() {
      if (this.isStarting) this.letGo = true;
      else this._do(this.press.up(Date.now()));
    }

    _lost() {
      if (this.isStarting) this.letGo = true;
      else this._do(this.press.lost());
    }

    /** @param {string} answer of the press */
    _do(answer) {
      if (answer === "start") this._start();
      else if (answer === "keep") this._keep();
      else if (answer === "discard") this._drop();
      else if (this.press.state !== "idle" && !this.isStarting) this._show(this.press.state);
    }

    async _start() {
      this._forget();
      if (this.recorder.isHeard) return this._fail("live");
      this.isStarting = true;
      this.letGo = false;
      const asking = root.setTimeout(() => this._show("asking"), CLOCK_EVERY_MS);
      const reason = await this.recorder.start();
      root.clearTimeout(asking);
      this.isStarting = false;
      if (reason) return this._fail(reason);
      if (this.press.state === "idle") return this._drop(); // thrown away meanwhile
      if (this.letGo) this.press.lost(); // a permission took the finger
      this.press.began(Date.now());
      this._show(this.press.state);
      this._clock();
      this.timer = root.setInterval(() => this._clock(), CLOCK_EVERY_MS);
    }

    _clock() {
      this._put("[data-voice-clock]", Candil.clock(this.recorder.ms));
      this._do(this.press.tick(Date.now()));
    }

    /** @param {number} level */
    _level(level) {
      /** @type {HTMLElement} */ (this.bar.querySelector("[data-voice-level]")).style.transform = "scaleX(" + level.toFixed(2) + ")";
    }

    async _keep() {
      root.clearInterval(this.timer);
      const note = await this.recorder.stop();
      if (!note || note.ms < LEAST_MS) return this._fail("short");
      this._review(note);
    }

    /** Nothing goes before it could be listened to. @param {{blob: Blob, ms: number, loudest: number}} note */
    _review(note) {
      this.note = Object.assign({ url: URL.createObjectURL(note.blob) }, note);
      const heard = /** @type {HTMLElement} */ (this.bar.querySelector("[data-voice]"));
      Candil.forgetVoice && Candil.forgetVoice(heard);
      Object.assign(heard.dataset, { local: this.note.url, ms: String(note.ms), state: "" });
      /** @type {HTMLAnchorElement} */ (heard.querySelector("a")).href = this.note.url;
      const says = (note.ms ? Candil.clock(note.ms) + " · " : "") + Math.max(1, Math.round(note.blob.size / 1000)) + " kB";
      heard.dataset.says = says;
      this._put("[data-voice-says]", says);
      this._show(note.loudest < SILENT ? "silent" : "review");
      this._focus("send");
    }

    /** The phone's own recorder, where the browser has none. @param {Event} event */
    _chosen(event) {
      const input = /** @type {HTMLInputElement} */ (event.target);
      const file = input.files && input.files[0];
      if (file) this._review({ blob: file, ms: 0, loudest: 1 });
      input.value = "";
    }

    /** @param {string} what */
    _act(what) {
      if (what === "stop") this._do(this.press.tap(Date.now()));
      else if (what === "send") this._send();
      else if (what === "again") this._do(this.press.tap(Date.now()));
      else this._drop();
    }

    async _send() {
      const { blob, ms, url } = this.note;
      this._show("working");
      try {
        const full = await Candil.sealed(blob);
        this.outgoing.send({ id: Candil.randomId(), kind: "voice", parts: { full }, ms: Math.round(ms), type: blob.type, url });
        this.note = null; // the bubble has it now
        this._drop();
      } catch (error) {
        this._show("review");
      }
    }

    /** Back to the writing line. */
    _drop() {
      root.clearInterval(this.timer);
      this.press.cancel();
      this.recorder.drop();
      this._forget();
      this._show("");
      this.button.focus();
    }

    /** @param {string} why */
    _fail(why) {
      root.clearInterval(this.timer);
      this.press.cancel();
      this.recorder.drop();
      const known = this.bar.querySelector('[data-if~="' + why + '"]');
      this._show(known ? why : "unsupported");
    }

    _forget() {
      const heard = /** @type {HTMLElement} */ (this.bar.querySelector("[data-voice]"));
      if (Candil.forgetVoice) Candil.forgetVoice(heard);
      if (this.note) URL.revokeObjectURL(this.note.url);
      this.note = null;
    }

    /** @param {string} state */
    _show(state) {
      if (this.bar.dataset.state === state) return;
      Candil.showState(this.bar, state);
      this.form.hidden = BUSY.indexOf(state) >= 0; // while it is held the button must stay under the finger
      if (state === "free") this._focus("stop");
      if (state) this.box.scrollIntoView({ block: "nearest" }); // where the whole page scrolls, its end may be below
    }

    /** @param {string} act */
    _focus(act) {
      const all = /** @type {HTMLElement[]} */ (Array.from(this.bar.querySelectorAll('[data-voice-do="' + act + '"]')));
      const button = all.find((one) => one.getClientRects().length);
      if (button) button.focus();
    }

    /** @param {string} where @param {string} text */
    _put(where, text) {
      for (const slot of this.bar.querySelectorAll(where)) if (slot.textContent !== text) slot.textContent = text;
    }
  }

  Candil.VoiceBar = VoiceBar;
})(/** @type {any} */ (self));
