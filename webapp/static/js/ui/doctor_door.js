/** Who is at the door and in the visit, and every form that changes it: sent by script, so that the call goes on. */
(function (root) {
  "use strict";

  const Candil = /** @type {any} */ (root.Candil = root.Candil || {});

  class DoctorDoor {
    /** @param {any} page @param {any} connection @param {any} call */
    constructor(page, connection, call) {
      this._page = page;
      this._connection = connection;
      this._call = call;
      this._list = /** @type {HTMLElement} */ (page.root.querySelector("[data-door]"));
      this._template = /** @type {HTMLTemplateElement} */ (document.querySelector("[data-person-template]"));
      this._conversation = /** @type {HTMLFormElement} */ (document.querySelector("[data-conversation]"));
      this._news = /** @type {HTMLElement} */ (page.root.querySelector("[data-sign-news]"));
      this._isOver = false;
      document.addEventListener("submit", (event) => this._submit(event));
      connection.on("state", (/** @type {any} */ view) => this._draw(view));
    }

    /** @param {Event} event */
    async _submit(event) {
      const form = /** @type {HTMLFormElement} */ (event.target);
      if (!("act" in form.dataset)) return;
      event.preventDefault();
      if (form.dataset.busy) return;
      if ("admit" in form.dataset && form.action.indexOf(this._page.patient) >= 0) this._call.prepare();
      form.dataset.busy = "1";
      const answer = await this._page.post(form.action, {});
      delete form.dataset.busy;
      this._news.textContent = answer.ok ? "" : this._page.say(answer.code);
    }

    /** @param {any} view */
    _draw(view) {
      this._isOver = view.consult.status === "finished" || view.consult.status === "cancelled";
      const guests = view.participants.filter((/** @type {any} */ person) => person.role !== "doctor");
      for (const person of guests) this._person(person);
      const ended = Boolean(view.consult.conversation_ended);
      Candil.show(this._conversation, view.consult.status === "in-progress");
      if ((this._conversation.dataset.ended === "1") === ended) return;
      this._conversation.dataset.ended = ended ? "1" : "0";
      this._conversation.action = this._page.base + "/conversation/" + (ended ? "reopen" : "end");
      Candil.show(this._conversation.querySelector("[data-if-open]"), !ended);
      Candil.show(this._conversation.querySelector("[data-if-ended]"), ended);
    }

    /** @param {any} person */
    _person(person) {
      const row = this._find(person.id) || this._make(person);
      const isIn = person.admission === "admitted";
      row.dataset.admission = person.admission;
      for (const word of row.querySelectorAll("[data-is]")) {
        const is = /** @type {HTMLElement} */ (word).dataset.is;
        const now = isIn ? (person.online ? "online" : "offline") : person.admission;
        Candil.show(word, is === now);
      }
      const isSpeaking = isIn && person.online && person.media !== "text";
      Candil.show(row.querySelector("[data-muted]"), isSpeaking && !person.microphone);
      for (const form of row.querySelectorAll("[data-for]")) {
        const isFor = (/** @type {HTMLElement} */ (form).dataset.for || "").split(" ");
        const shown = !this._isOver && isFor.indexOf(person.admission) >= 0;
        if (!shown && form.contains(document.activeElement)) this._list.focus();
        Candil.show(form, shown);
      }
    }

    /** @param {string} id @returns {HTMLElement|null} */
    _find(id) {
      return this._list.querySelector('[data-person="' + id + '"]');
    }

    /** @param {any} person @returns {HTMLElement} */
    _make(person) {
      const shell = document.createElement("ul");
      shell.append(document.importNode(this._template.content, true));
      const row = /** @type {HTMLElement} */ (shell.firstElementChild);
      row.dataset.person = person.id;
      for (const form of row.querySelectorAll("form")) form.action = form.action.replace("/ID/", "/" + person.id + "/");
      /** @type {HTMLElement} */ (row.querySelector("[data-person-name]")).textContent = person.name;
      for (const word of row.querySelectorAll("[data-role]")) {
        Candil.show(word, /** @type {HTMLElement} */ (word).dataset.role === person.role);
      }
      this._list.append(row);
      return row;
    }
  }

  Candil.DoctorDoor = DoctorDoor;
})(/** @type {any} */ (self));
