/**
 * The doctor asks for a photo: a sheet to take it, to see what is sent and what it costs, and how far it came.
 *   const photo = new Candil.PatientPhoto(room, connection, call);   call: Candil.Call, or null for who chose text
 *   photo.asked(request)                                              the doctor asks; the scripts come only now
 * The sheet's data-photo says which of its parts is shown: asked, camera, working, confirm or failed.
 */
(function (root) {
  "use strict";

  const Candil = /** @type {any} */ (root.Candil = root.Candil || {});
  const NEWS_SHOWN_MS = 8000;

  class PatientPhoto {
    /** @param {HTMLElement} room @param {any} connection @param {any} call */
    constructor(room, connection, call) {
      this.room = room;
      this.connection = connection;
      this.call = call;
      this.sheet = /** @type {HTMLElement} */ (room.querySelector("[data-photo-sheet]"));
      this.news = /** @type {HTMLElement} */ (room.querySelector("[data-photo-news]"));
      this.list = new Candil.PhotoList(room.querySelector("[data-photos]"));
      this.words = JSON.parse(/** @type {HTMLElement} */ (this.sheet.querySelector("[data-photo-words]")).textContent || "{}");
      this.request = "";
      /** @type {any} what is about to be sent */
      this.photo = null;
      /** @type {Element|null} */
      this.before = null;
      this.newsTimer = 0;
      this.sender = new Candil.PhotoSender({
        base: room.dataset.base,
        csrf: room.dataset.csrf,
        store: new Candil.PhotoStore(room.dataset.me),
        line: () => this._line(),
      });
      this._listen();
      this._buttons();
      this.sender.start();
    }

    _listen() {
      const connection = this.connection;
      connection.on("welcome", () => this.sender.wake());
      connection.on("state", (/** @type {any} */ view) => {
        if (view.consult.status !== "in-progress" || view.consult.conversation_ended) this._close();
      });
      this.sender.on("photo", (/** @type {any} */ photo) => this._progress(photo));
      this.sender.on("bytes", (/** @type {number} */ bytes) => this.call && this.call.countBytes(bytes));
      root.addEventListener("online", () => this.sender.wake());
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

    /** The call's share of the line, for the pace of the photo. */
    _line() {
      const inCall = Boolean(this.call && this.call.state === "connected");
      const line = inCall && this.call.lines.get(this.room.dataset.me);
      const capacityBps = line ? line.up.capacity_bps : 0;
      return Object.assign({ inCall, capacityBps }, Candil.orderedBps(inCall ? this.call.order : null));
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
      const line = this._line();
      const photo = await Candil.preparePhoto(blob, this.sender.pace.rateBps(line));
      this.photo = photo;
      const picture = /** @type {HTMLImageElement} */ (this.sheet.querySelector("[data-photo-picture]"));
      picture.width = photo.width;
      picture.height = photo.height;
      picture.src = photo.url;
      const bytes = photo.full.bytes.byteLength + photo.preview.bytes.byteLength;
      const cost = { kb: Math.round(bytes / 1000), time: this._time(this.sender.pace.seconds(bytes, line)) };
      this._put("[data-photo-cost]", this._say(line.inCall ? "cost_in_call" : "cost", cost));
      this._show("confirm");
    }

    /** @param {number} seconds @returns {string} */
    _time(seconds) {
      if (seconds < 55) return this._say("seconds", { n: Math.max(5, Math.ceil(seconds / 5) * 5) });
      return this._say(seconds < 90 ? "minute" : "minutes", { n: Math.round(seconds / 60) });
    }

    _send() {
      const photo = this.photo;
      if (!photo) return;
      this.sender.add({ id: photo.id, preview: photo.preview, full: photo.full });
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

    /** @param {any} photo */
    _progress(photo) {
      root.clearTimeout(this.newsTimer);
      const percent = photo.total ? Math.floor((100 * photo.sent) / photo.total) : 0;
      const known = photo.state === "refused" && this.words["refused_" + photo.refusal] ? "refused_" + photo.refusal : photo.state;
      this.news.textContent = this._say(known, { percent });
      this.news.dataset.state = photo.state;
      this.news.hidden = false;
      if (photo.state !== "kept" && photo.state !== "refused") return;
      this.list.refresh();
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

    /** @param {string} name @param {Record<string, any>} values @returns {string} */
    _say(name, values) {
      return (this.words[name] || "").replace(/\{(\w+)\}/g, (/** @type {string} */ _, /** @type {string} */ key) => String(values[key]));
    }
  }

  Candil.PatientPhoto = PatientPhoto;
})(/** @type {any} */ (self));
