/** The chat: messages in order, each own one with how far it came. */
(function (root) {
  "use strict";

  const Candil = /** @type {any} */ (root.Candil = root.Candil || {});

  class DoctorChat {
    /** @param {any} page @param {any} connection */
    constructor(page, connection) {
      this._page = page;
      this._connection = connection;
      this._list = /** @type {HTMLElement} */ (page.root.querySelector("[data-messages]"));
      this._form = /** @type {HTMLFormElement} */ (page.root.querySelector("[data-compose]"));
      this._body = /** @type {HTMLTextAreaElement} */ (this._form.querySelector("textarea"));
      /** @type {Map<string, HTMLElement>} own messages not yet numbered, by client id and number */
      this._waiting = new Map();
      this._last = 0;
      for (const bubble of this._list.querySelectorAll("[data-seq]")) {
        this._last = Math.max(this._last, Number(/** @type {HTMLElement} */ (bubble).dataset.seq));
        if (bubble.classList.contains("mine")) this._stateOf(/** @type {HTMLElement} */ (bubble));
      }
      this._form.addEventListener("submit", (event) => this._send(event));
      this._body.addEventListener("keydown", (event) => {
        if (event.key === "Enter" && !event.shiftKey && !event.isComposing) this._send(event);
      });
      connection.on("message", (/** @type {any} */ message) => this._arrived(message));
      connection.on("sending", (/** @type {any} */ entry) => this._settled(entry));
      connection.on("state", () => this._marks());
      connection.on("event", (/** @type {any} */ event) => Candil.entryChanged(this._list, event) && this._marks());
      document.addEventListener("visibilitychange", () => this._read());
      this._end();
      if (root.ResizeObserver) new root.ResizeObserver(() => this._atEnd && this._end()).observe(this._list);
      this._list.addEventListener("scroll", () => (this._atEnd = this._distance() < 60));
    }

    _distance() {
      return this._list.scrollHeight - this._list.scrollTop - this._list.clientHeight;
    }

    _end() {
      this._list.scrollTop = this._list.scrollHeight;
      this._atEnd = true;
    }

    focus() {
      this._body.focus();
    }

    /** @param {Event} event */
    _send(event) {
      event.preventDefault();
      const body = this._body.value.trim();
      if (!body) return;
      const entry = this._connection.sendMessage(body);
      this._body.value = "";
      this.addWaiting(entry.clientId + ":" + entry.clientSeq, body);
    }

    /** @param {string} key as Candil.messageKey @param {string} body @param {(item: HTMLElement) => void} [fill] @returns {HTMLElement} */
    addWaiting(key, body, fill) {
      const bubble = this._bubble("", body, Date.now() / 1000 + this._connection.clockOffsetS, true);
      if (fill) fill(bubble);
      this._waiting.set(key, bubble);
      this.mark(bubble, "wait");
      this._place(bubble, true);
      return bubble;
    }

    /** @param {any} message */
    _arrived(message) {
      if (this._list.querySelector('[data-seq="' + message.seq + '"]')) return this._read();
      const key = Candil.messageKey(message);
      const waiting = this._waiting.get(key);
      const isMine = message.sender === this._page.me;
      const bubble = waiting || this._bubble(isMine ? "" : this._name(message.sender), message.body, message.at, isMine);
      this._waiting.delete(key);
      bubble.dataset.seq = String(message.seq);
      if (message.attachment) Candil.fillEntry(bubble, message.attachment, this._page.base);
      this._last = Math.max(this._last, message.seq);
      this._place(bubble, this._atEnd || isMine);
      this._marks();
      this._read();
    }

    /** @param {any} entry */
    _settled(entry) {
      const bubble = this._waiting.get(entry.clientId + ":" + entry.clientSeq);
      if (bubble && entry.state === "refused") this.mark(bubble, "refused");
    }

    /** @param {string} who @param {string} body @param {number} at @param {boolean} isMine */
    _bubble(who, body, at, isMine) {
      const bubble = document.createElement("li");
      bubble.className = isMine ? "bubble mine" : "bubble";
      if (who) bubble.append(element("span", "who", who));
      bubble.append(body, element("span", "at", this._page.timeOfDay(at)));
      return bubble;
    }

    /** Numbered ones in order of their number, what still waits at the end. @param {HTMLElement} bubble @param {boolean} follow */
    _place(bubble, follow) {
      Candil.show(this._list.querySelector("[data-chat-empty]"), false);
      const seq = Number(bubble.dataset.seq || Infinity);
      const later = Array.from(this._list.querySelectorAll(".bubble")).find(
        (other) => other !== bubble && Number(/** @type {HTMLElement} */ (other).dataset.seq || Infinity) > seq
      );
      this._list.insertBefore(bubble, later || null);
      if (follow) this._end();
    }

    /** @param {string} id */
    _name(id) {
      const view = this._connection.view;
      const person = view && view.participants.find((/** @type {any} */ other) => other.id === id);
      return person ? person.name : "";
    }

    _marks() {
      const view = this._connection.view;
      const patient = view && view.participants.find((/** @type {any} */ person) => person.id === this._page.patient);
      if (!patient) return;
      for (const bubble of this._list.querySelectorAll(".mine[data-seq]")) {
        this.mark(/** @type {HTMLElement} */ (bubble), Candil.markOf(bubble, patient));
      }
    }

    /** @param {HTMLElement} bubble @param {string} mark wait | sending | clinic | delivered | read | heard | refused
     * @param {number} [percent] of it, while it is sent */
    mark(bubble, mark, percent) {
      const words = this._page.words["mark_" + mark].replace("{n}", String(percent || 0));
      const where = this._stateOf(bubble);
      bubble.dataset.mark = mark;
      if (where.textContent !== words) where.textContent = words;
    }

    /** @param {HTMLElement} bubble @returns {HTMLElement} where its mark stands */
    _stateOf(bubble) {
      const known = /** @type {HTMLElement|null} */ (bubble.querySelector(".sent-state"));
      if (known) return known;
      const at = /** @type {HTMLElement} */ (bubble.querySelector(".at"));
      const made = element("span", "sent-state", "");
      at.append(" ", made);
      return made;
    }

    _read() {
      if (!document.hidden && this._last) this._connection.markRead(this._last);
    }
  }

  /** @param {string} tag @param {string} className @param {string} text */
  function element(tag, className, text) {
    const made = document.createElement(tag);
    made.className = className;
    made.textContent = text;
    return made;
  }

  Candil.DoctorChat = DoctorChat;
})(/** @type {any} */ (self));
