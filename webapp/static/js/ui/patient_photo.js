/**
 * The doctor asks for a photo: a sheet to take it, to see what is sent and what it costs, and how far it came.
 *   const photo = new Candil.PatientPhoto(room, connection, call, outgoing);   call: null for who chose text
 *   photo.asked(request)                                              the doctor asks; the scripts come only now
 * The sheet's data-photo says which of its parts is shown: asked, camera, working, confirm or failed.
 */
(function (root) {
  "use strict";

  const Candil = /** @type {any} */ (root.Candil = root.Candil || {});
  const NEWS_SHOWN_MS = 8000;

  class PatientPhoto {
    /** @param {HTMLElement} room @param {any} connection @param {any} call @param {any} outgoing */
    constructor(room, connection, call, outgoing) {
      this.room = room;
      this.connection = connection;
      this.call = call;
      this.outgoing = outgoing;
      this.sheet = /** @type {HTMLElement} */ (room.querySelector("[data-photo-sheet]"));
      this.news = /** @type {HTMLElement} */ (room.querySelector("[data-photo-news]"));
      this.say = Candil.words("photo");
      this.request = "";
      /** @type {any} what is about to be sent */
      this.photo = null;
      /** @type {Element|null} */
      this.before = null;
      this.newsTimer = 0;
      this._listen();
      this._buttons();
    }

    _listen() {
      this.connection.on("state", (/** @type {any} */ view) => {
        if (view.consult.status !== "in-progress" || view.consult.conversation_ended) this._close();
      });
      this.outgoing.sender.on("upload", (/** @type {any} */ upload, /** @type {any} */ news) => upload.kind === "photo" && this._progress(news));
    }

    _buttons() {
      this.sheet.addEventListener("click", (event) => {
        const button = /** @type {HTMLElement|null} */ (/** @type {HTMLElement} */ (event.target).closest("[data-do]"));
        if (button) this._do(button.dataset.do || "");
      });
      this.sheet.addEventListener("keydown", (event) => {
        if (event.key === "Escape") this._do("later");
        else if (event.key === "Tab") this._keepFocus(event);
      });
      for (const input of this.sheet.querySelectorAll("input[type=file]")) {
        input.addEventListener("change", () => this._chosen(/** @type {HTMLInputElement} */ (input)));
      }
    }

    /** @param {string} request */
    asked(request) {
      if (!root.crypto || !root.crypto.subtle || this.room.dataset.step !== "call") return;
      this.request = request;
      if (this.sheet.hidden) {
        this.before = document.activeElement;
        this._show("asked");
      }
    }

    /** @param {string} what */
    _do(what) {
      if (what === "take") this._openCamera();
      else if (what === "shoot") this._shoot();
      else if (what === "send") this._send();
      else if (what === "later") this._later();
    }

    get _track() {
      const track = this.call && this.call.camera ? this.call.devices.track("video") : null;
      return track && track.readyState === "live" ? track : null;
    }

    /** With the call's camera running its picture is shown; otherwise the phone's own camera opens. */
    _openCamera() {
      const track = this._track;
      if (!track) return /** @type {HTMLElement} */ (this.sheet.querySelector("input[type=file]")).click();
      const video = /** @type {HTMLVideoElement} */ (this.sheet.querySelector("video"));
      video.srcObject = new MediaStream([track]);
      video.play().catch(() => {});
      this._show("camera");
    }

    async _shoot() {
      const track = this._track;
      if (!track) return this._show("failed");
      this._show("working");
      try {
        await this._prepare(await Candil.takeShot(track));
      } catch (error) {
        this._show("failed");
      }
    }

    /** @param {HTMLInputElement} input */
    async _chosen(input) {
      const file = input.files && input.files[0];
      if (!file) return;
      this._show("working");
      try {
        await this._prepare(file);
      } catch (error) {
        this._show("failed");
      }
      input.value = "";
    }

    /** @param {Blob} blob */
    async _prepare(blob) {
      this._forget();
      const line = this.outgoing.line();
      const pace = this.outgoing.sender.pace;
      const photo = await Candil.preparePhoto(blob, pace.rateBps(line));
      this.photo = photo;
      const picture = /** @type {HTMLImageElement} */ (this.sheet.querySelector("[data-photo-picture]"));
      picture.width = photo.width;
      picture.height = photo.height;
      picture.src = photo.url;
      const bytes = photo.parts.full.bytes.byteLength + photo.parts.preview.bytes.byteLength;
      const cost = { kb: Math.round(bytes / 1000), time: this._time(pace.seconds(bytes, line)) };
      this._put("[data-photo-cost]", this.say(line.inCall ? "cost_in_call" : "cost", cost));
      this._show("confirm");
    }

    /** @param {number} seconds @returns {string} */
    _time(seconds) {
      if (seconds < 55) return this.say("seconds", { n: Math.max(5, Math.ceil(seconds / 5) * 5) });
      return this.say(seconds < 90 ? "minute" : "minutes", { n: Math.round(seconds / 60) });
    }

    _send() {
      const photo = this.photo;
      if (!photo) return;
      this.outgoing.send(photo);
      this.photo = null; // the bubble has it now
      this._answer(true);
      this._close();
    }

    _later() {
      this._answer(false);
      this._close();
    }

    /** @param {boolean} accepted */
    _answer(accepted) {
      if (this.request) this.connection.request({ type: "photo.answer", request: this.request, accepted });
      this.request = "";
    }

    /** @param {{state: string, sent: number, total: number}} news; why one was refused its bubble says */
    _progress(news) {
      root.clearTimeout(this.newsTimer);
      const percent = Math.floor((100 * news.sent) / Math.max(1, news.total));
      this.news.textContent = this.say(news.state, { percent });
      this.news.dataset.state = news.state;
      this.news.hidden = false;
      if (news.state !== "kept" && news.state !== "refused") return;
      this.newsTimer = root.setTimeout(() => (this.news.hidden = true), NEWS_SHOWN_MS);
    }

    /** @param {string} name */
    _show(name) {
      if (name !== "camera") /** @type {HTMLVideoElement} */ (this.sheet.querySelector("video")).srcObject = null;
      this.sheet.dataset.photo = name;
      this.sheet.hidden = false;
      const first = /** @type {HTMLElement|null} */ (this.sheet.querySelector('[data-if-photo="' + name + '"] [data-first]'));
      (first || this.sheet).focus();
    }

    _close() {
      if (this.sheet.hidden) return;
      this._show("asked");
      this.sheet.hidden = true;
      this._forget();
      if (this.before instanceof HTMLElement) this.before.focus();
    }

    _forget() {
      if (this.photo) URL.revokeObjectURL(this.photo.url);
      this.photo = null;
    }

    /** @param {KeyboardEvent} event */
    _keepFocus(event) {
      const all = Array.from(this.sheet.querySelectorAll("button, input")).filter((one) => one.getClientRects().length);
      const edge = event.shiftKey ? all[0] : all[all.length - 1];
      if (document.activeElement !== edge && document.activeElement !== this.sheet) return;
      event.preventDefault();
      /** @type {HTMLElement} */ (event.shiftKey ? all[all.length - 1] : all[0]).focus();
    }

    /** @param {string} where @param {string} text */
    _put(where, text) {
      /** @type {HTMLElement} */ (this.sheet.querySelector(where)).textContent = text;
    }
  }

  Candil.PatientPhoto = PatientPhoto;
})(/** @type {any} */ (self));
