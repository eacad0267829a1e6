/** The note's fields, the three marks of where it is, and the choice when two windows wrote the same field. */
(function (root) {
  "use strict";

  const Candil = /** @type {any} */ (root.Candil = root.Candil || {});

  const ALARM_AFTER_MS = 8000;
  const WHEN = "next_action.when";

  class DoctorNote {
    /** @param {any} page @param {any} connection @param {any} store */
    constructor(page, connection, store) {
      this._page = page;
      this._form = page.root.querySelector("[data-note-form]");
      this._marks = this._form.querySelector("[data-saves]");
      this._news = this._form.querySelector("[data-note-news]");
      this._conflicts = this._form.querySelector("[data-conflicts]");
      this._when = { date: this._form.querySelector("[data-note-date]"), time: this._form.querySelector("[data-note-time]") };
      this._kept = true;
      this._received = false;
      this._level = Number(this._marks.dataset.saved); // what the server said, until it is heard again
      this._pendingSince = 0;
      this.notes = new Candil.Notes({ connection });
      this.prescriptions = new Candil.DoctorPrescriptions(this._form, this.notes);
      this._form.addEventListener("input", (/** @type {Event} */ event) => this._typed(event));
      this._form.addEventListener("change", (/** @type {Event} */ event) => this._typed(event));
      this.notes.on("field", (/** @type {string} */ name, /** @type {string} */ value) => this._arrived(name, value));
      this.notes.on("fieldState", (/** @type {string} */ name, /** @type {any} */ state) => this._fieldState(name, state));
      this.notes.on("conflict", (/** @type {string} */ name, /** @type {string} */ mine, /** @type {string} */ theirs) => this._conflict(name, mine, theirs));
      this.notes.on("ready", () => this._ready());
      store.onKept = (/** @type {boolean} */ kept) => {
        this._kept = kept;
        this._mark();
      };
      connection.on("event", (/** @type {any} */ event) => {
        if (event.kind === "delivery.changed" && event.data.state === "received") this._received = true;
        this._mark();
      });
      root.setInterval(() => this._mark(), 2000);
      root.addEventListener("beforeunload", (/** @type {BeforeUnloadEvent} */ event) => {
        if (!this.isSigned && this.notes.pending().length) event.preventDefault(), (event.returnValue = "");
      });
      this.isSigned = false;
    }

    /** Nothing can be written any more. */
    lock() {
      this.isSigned = true;
      this._form.setAttribute("data-locked", "1");
      for (const control of this._form.querySelectorAll("input, textarea, select, button")) control.disabled = true;
    }

    /** @param {string} name @returns {HTMLElement|null} the control of a field */
    control(name) {
      if (name === WHEN) return this._when.date;
      if (name === "diagnosis.code") return document.getElementById("note-code");
      for (const control of this._form.querySelectorAll("[data-note]")) if (control.dataset.note === name) return control;
      return null;
    }

    /** @param {Event} event */
    _typed(event) {
      const control = /** @type {HTMLInputElement} */ (event.target);
      if (control === this._when.date || control === this._when.time) this.notes.set(WHEN, this._composed());
      else if (control.dataset.note) this.notes.set(control.dataset.note, control.value);
      this._mark();
    }

    /** @returns {string} a day, a day and a time, or nothing while there is no day */
    _composed() {
      const day = this._when.date.value;
      const time = this._when.time.value.slice(0, 5);
      return day && time ? day + "T" + time : day;
    }

    _ready() {
      for (const old of this._conflicts.querySelectorAll("[data-server-conflict]")) old.remove();
      for (const name of this.notes.names()) {
        const state = this.notes.stateOf(name).state;
        if (state === "saved" || state === "conflict") this._arrived(name, this.notes.value(name));
      }
      this._mark();
    }

    /** @param {string} name @param {string} value */
    _arrived(name, value) {
      if (this.prescriptions.arrived(name, value)) return;
      if (name === WHEN) {
        this._when.date.value = value.slice(0, 10);
        this._when.time.value = value.slice(11, 16);
        return;
      }
      const control = /** @type {HTMLInputElement|null} */ (this._form.querySelector('[data-note="' + name + '"]'));
      if (!control || control.value === value) return;
      const caret = document.activeElement === control && control.type !== "hidden" ? control.selectionStart : null;
      control.value = value;
      if (caret !== null) control.setSelectionRange(caret, caret);
      control.dispatchEvent(new CustomEvent("candil:arrived", { bubbles: true }));
    }

    /** @param {string} name @param {{state: string, code: string}} state */
    _fieldState(name, state) {
      const place = this._form.querySelector('[data-field-state="' + name + '"]');
      const control = this.control(name);
      const isRefused = state.state === "refused";
      if (place) place.textContent = isRefused ? this._page.say(state.code) : "";
      if (control) control.classList.toggle("field-wrong", isRefused || state.state === "conflict");
      if (state.state === "saved") this._settled(name);
      this._mark();
    }

    /** @param {string} name @param {string} mine @param {string} theirs */
    _conflict(name, mine, theirs) {
      this._settled(name);
      this._arrived(name, mine);
      const words = this._page.words;
      const band = document.createElement("div");
      band.className = "band care";
      band.dataset.conflict = name;
      band.setAttribute("role", "alert");
      const text = document.createElement("p");
      const title = document.createElement("b");
      title.textContent = words.conflict_title;
      text.append(title, " " + theirs);
      band.append(text, this._choice(name, words.use_theirs, theirs), this._choice(name, words.use_mine, null));
      this._conflicts.append(band);
      this._mark();
    }

    /** @param {string} name @param {string} word @param {string|null} value null: what the field holds here */
    _choice(name, word, value) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "button small";
      button.textContent = word;
      button.addEventListener("click", () => {
        const chosen = value === null ? this.notes.value(name) : value;
        this._settled(name);
        this._arrived(name, chosen);
        this.notes.resolve(name, chosen);
        const control = this.control(name);
        if (control) control.focus();
      });
      return button;
    }

    /** @param {string} name */
    _settled(name) {
      for (const band of this._conflicts.children) if (band.dataset.conflict === name) band.remove();
    }

    /** The marks say what is true of everything on the page: on this device, at the clinic, in the record. */
    _mark() {
      const pending = this.notes.pending();
      const now = Date.now();
      if (!pending.length) this._pendingSince = 0;
      else if (!this._pendingSince) this._pendingSince = now;
      const onDevice = this._kept && !pending.some((/** @type {string} */ name) => this.notes.stateOf(name).state === "local");
      let level = pending.length ? (onDevice ? 1 : 0) : this.notes.revision ? 2 : this._level;
      if (level === 2 && this._received && this.isSigned) level = 3;
      const late = this._pendingSince > 0 && now - this._pendingSince > ALARM_AFTER_MS;
      this._marks.dataset.saved = String(level);
      this._marks.dataset.alarm = late ? "1" : "0";
      Candil.show(this._news, late && onDevice);
    }
  }

  Candil.DoctorNote = DoctorNote;
})(/** @type {any} */ (self));
