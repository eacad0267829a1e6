/** The side panels over the chat: inviting somebody, and what is missing or to be signed. */
(function (root) {
  "use strict";

  const Candil = /** @type {any} */ (root.Candil = root.Candil || {});

  const FLUSH_TIMEOUT_MS = 8000;

  class DoctorPanels {
    /** @param {any} page @param {any} note */
    constructor(page, note) {
      this._page = page;
      this._note = note;
      this._finish = /** @type {HTMLElement} */ (page.root.querySelector("[data-panel=finish]"));
      this._invite = /** @type {HTMLElement} */ (page.root.querySelector("[data-panel=invite]"));
      this._news = /** @type {HTMLElement} */ (page.root.querySelector("[data-sign-news]"));
      this._button = /** @type {HTMLButtonElement} */ (page.root.querySelector("[data-finish]"));
      /** @type {HTMLElement|null} */
      this._opener = null;
      page.root.querySelector("[data-note-form]").addEventListener("submit", (/** @type {Event} */ event) => {
        event.preventDefault();
        this._review();
      });
      for (const opener of document.querySelectorAll("[data-open-panel]")) {
        /** @type {HTMLElement} */ (opener).hidden = false;
        opener.addEventListener("click", () => this._openInvite(/** @type {HTMLElement} */ (opener)));
      }
      page.root.addEventListener("submit", (/** @type {Event} */ event) => this._submit(event));
      page.root.addEventListener("click", (/** @type {Event} */ event) => this._click(event));
      page.root.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
        if (event.key === "Escape") this._close();
      });
    }

    /** Everything written must be at the clinic before it can be signed. @returns {Promise<boolean>} */
    async _flush() {
      this._button.disabled = true;
      try {
        await this._note.notes.flush(FLUSH_TIMEOUT_MS);
        this._news.textContent = "";
        return true;
      } catch (error) {
        const problem = /** @type {any} */ (error);
        this._news.textContent = this._page.words["flush_" + problem.code] || this._page.words.failed;
        const control = problem.code === "timeout" ? null : this._note.control(problem.fields[0]);
        if (control) control.focus();
        return false;
      } finally {
        this._button.disabled = false;
      }
    }

    async _review() {
      if (!(await this._flush())) return;
      const answer = await this._page.fragment(this._page.base + "/finish");
      if (!answer.ok) {
        this._news.textContent = this._page.say(answer.code);
        return;
      }
      this._fill(answer.html);
      this._open(this._finish, this._button);
    }

    /** @param {string} html */
    _fill(html) {
      const head = /** @type {HTMLElement} */ (this._invite.querySelector(".panel-head")).cloneNode(true);
      /** @type {HTMLElement} */ (/** @type {HTMLElement} */ (head).querySelector("h2")).textContent = this._finish.getAttribute("aria-label");
      this._finish.innerHTML = html;
      this._finish.prepend(head);
    }

    /** @param {HTMLElement} opener */
    _openInvite(opener) {
      /** @type {HTMLElement} */ (this._invite.querySelector("[data-panel-answer]")).textContent = "";
      Candil.show(this._invite.querySelector("form"), true);
      this._open(this._invite, opener);
      /** @type {HTMLElement} */ (this._invite.querySelector("input[name=name]")).focus();
    }

    /** @param {HTMLElement} panel @param {HTMLElement} opener */
    _open(panel, opener) {
      this._finish.hidden = this._invite.hidden = true;
      panel.hidden = false;
      this._opener = opener;
      panel.focus();
    }

    _close() {
      if (this._finish.hidden && this._invite.hidden) return;
      this._finish.hidden = this._invite.hidden = true;
      if (this._opener) this._opener.focus();
    }

    /** @param {Event} event */
    _click(event) {
      const target = /** @type {HTMLElement} */ (event.target);
      if (target.closest("[data-close-panel]")) return this._close();
      const link = /** @type {HTMLElement|null} */ (target.closest("[data-focus]"));
      if (!link) return;
      event.preventDefault();
      const id = link.dataset.focus || "";
      if (id === "prescriptions") return this._note.prescriptions.focusUnnamed();
      const place = document.getElementById(id);
      if (place) place.focus();
    }

    /** @param {Event} event */
    async _submit(event) {
      const form = /** @type {HTMLFormElement} */ (event.target);
      if ("sign" in form.dataset) {
        event.preventDefault();
        await this._sign(form);
      } else if ("invite" in form.dataset) {
        event.preventDefault();
        await this._sendInvite(form);
      }
    }

    /** @param {HTMLFormElement} form */
    async _sign(form) {
      const button = /** @type {HTMLButtonElement} */ (form.querySelector("button"));
      button.disabled = true;
      if (await this._flush()) {
        const answer = await this._page.post(form.action, Candil.formFields(form));
        if (answer.ok) {
          this._note.lock();
          root.location.assign(answer.data.record);
          return;
        }
        if (answer.code === "note_moved" || answer.code === "incomplete") return this._review();
        this._error(this._finish, this._page.say(answer.code));
      } else {
        this._error(this._finish, this._news.textContent || "");
      }
      button.disabled = false;
    }

    /** @param {HTMLFormElement} form */
    async _sendInvite(form) {
      const answer = await this._page.fragment(form.action, Candil.formFields(form));
      if (!answer.ok) return this._error(this._invite, this._page.say(answer.code));
      this._error(this._invite, "");
      const place = /** @type {HTMLElement} */ (this._invite.querySelector("[data-panel-answer]"));
      place.innerHTML = answer.html;
      for (const button of place.querySelectorAll("[data-copy]")) Candil.show(button, true);
      form.reset();
      form.hidden = true;
      this._invite.focus();
    }

    /** @param {HTMLElement} panel @param {string} sentence */
    _error(panel, sentence) {
      const place = /** @type {HTMLElement} */ (panel.querySelector("[data-panel-error]"));
      place.textContent = sentence;
      place.hidden = !sentence;
    }
  }

  Candil.DoctorPanels = DoctorPanels;
})(/** @type {any} */ (self));
