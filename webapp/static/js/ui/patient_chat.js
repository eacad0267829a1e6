/**
 * The messages of the room: list, writing line, marks, unread count.
 *   new Candil.Chat(room, connection)   room: the element with data-me, data-zone and [data-chat] inside
 */
(function (root) {
  "use strict";

  const Candil = (/** @type {any} */ (root).Candil = /** @type {any} */ (root).Candil || {});
  const NEAR_BOTTOM_PX = 120;

  class Chat {
    /** @param {HTMLElement} room @param {any} connection */
    constructor(room, connection) {
      this.room = room;
      this.connection = connection;
      this.list = /** @type {HTMLElement} */ (room.querySelector("[data-messages]"));
      this.form = /** @type {HTMLFormElement} */ (room.querySelector("[data-compose]"));
      this.text = /** @type {HTMLTextAreaElement} */ (room.querySelector("[data-message]"));
      this.unread = /** @type {HTMLElement|null} */ (room.querySelector("[data-unread]"));
      this.unreadCount = 0;
      this.lastSeq = 0;
      /** Bubbles of messages that the clinic has not got yet, by "clientId:clientSeq". @type {Map<string, HTMLElement>} */
      this.pending = new Map();
      /** @type {Map<number, HTMLElement>} */
      this.bySeq = new Map();
      this.list.querySelectorAll("[data-seq]").forEach((item) => this._keep(/** @type {HTMLElement} */ (item)));
      this._listen();
      this._restoreDraft();
      if (room.dataset.step === "call") this._toBottom(); // elsewhere the page's own news come first
    }

    _listen() {
      const connection = this.connection;
      connection.on("message", (/** @type {any} */ message) => this.show(message));
      connection.on("sending", (/** @type {any} */ entry) => this._sending(entry));
      connection.on("event", (/** @type {any} */ event) => Candil.entryChanged(this.list, event) && this._marks(connection.view));
      connection.on("state", (/** @type {any} */ view) => this._marks(view));
      connection.on("restored", () => this._clear());
      this.form.addEventListener("submit", (event) => {
        event.preventDefault();
        this._send();
      });
      this.text.addEventListener("input", () => this._grow());
      this.text.addEventListener("keydown", (event) => {
        const withKeyboard = root.matchMedia && root.matchMedia("(pointer: fine)").matches;
        if (event.key !== "Enter" || event.shiftKey || event.isComposing || !withKeyboard) return;
        event.preventDefault();
        this._send();
      });
      document.addEventListener("visibilitychange", () => this.markRead());
    }

    _send() {
      const body = this.text.value.trim();
      if (!body) return;
      this.text.value = "";
      this._grow();
      this.addPending(this.connection.sendMessage(body));
      this.text.focus();
    }

    /** A message that waits on this device, now or from before a reload. @param {any} entry */
    addPending(entry) {
      this.addWaiting(entry.clientId + ":" + entry.clientSeq, entry.message.body);
    }

    /** @param {string} key as Candil.messageKey @param {string} body @param {(item: HTMLElement) => void} [fill] @returns {HTMLElement} */
    addWaiting(key, body, fill) {
      const item = this._bubble("mine", body, Date.now() / 1000);
      if (fill) fill(item);
      this.pending.set(key, item);
      this._append(item);
      return item;
    }

    /** @param {HTMLElement} item one's own @param {string} mark @param {number} percent of it, while it is sent */
    mark(item, mark, percent) {
      item.dataset.mark = mark;
      /** @type {HTMLElement} */ (item.querySelector("[data-percent]")).textContent = String(percent);
    }

    /** @param {any} entry */
    _sending(entry) {
      const item = this.pending.get(entry.clientId + ":" + entry.clientSeq);
      if (item && entry.state !== "waiting") item.dataset.mark = entry.state === "sent" ? "clinic" : "refused";
    }

    /** A message that the clinic holds. @param {any} message */
    show(message) {
      const key = Candil.messageKey(message);
      const waiting = this.pending.get(key);
      this.pending.delete(key);
      if (this.bySeq.has(message.seq)) {
        if (waiting) waiting.remove();
        return;
      }
      const mine = message.sender === this.room.dataset.me;
      const item = waiting || this._bubble(mine ? "mine" : "theirs", message.body, message.at);
      item.dataset.seq = message.seq;
      if (message.attachment) Candil.fillEntry(item, message.attachment, this.room.dataset.base);
      if (mine) item.dataset.mark = "clinic";
      else /** @type {HTMLElement} */ (item.querySelector("[data-who]")).textContent = this._nameOf(message.sender);
      if (!waiting) this._append(item);
      this._keep(item);
      if (!mine) this._arrived();
      this._marks(this.connection.view);
    }

    /** @param {HTMLElement} item */
    _keep(item) {
      const seq = Number(item.dataset.seq);
      this.bySeq.set(seq, item);
      this.lastSeq = Math.max(this.lastSeq, seq);
    }

    /** @param {string} kind @param {string} body @param {number} at Unix seconds @returns {HTMLElement} */
    _bubble(kind, body, at) {
      const template = /** @type {HTMLTemplateElement} */ (this.room.querySelector('[data-bubble="' + kind + '"]'));
      const item = /** @type {HTMLElement} */ (document.importNode(template.content, true).firstElementChild);
      /** @type {HTMLElement} */ (item.querySelector("[data-body]")).textContent = body;
      const options = { hour: "numeric", minute: "2-digit", timeZone: this.room.dataset.zone };
      /** @type {HTMLElement} */ (item.querySelector("[data-at-time]")).textContent = new Date(at * 1000).toLocaleTimeString(
        document.documentElement.lang === "es" ? "es-VE" : document.documentElement.lang,
        /** @type {any} */ (options)
      );
      return item;
    }

    /** @param {HTMLElement} item */
    _append(item) {
      const follow = this.isAtBottom || item.classList.contains("mine");
      const empty = /** @type {HTMLElement|null} */ (this.list.querySelector("[data-empty]"));
      if (empty) empty.hidden = true;
      this.list.appendChild(item);
      if (follow) this._toBottom();
    }

    get isAtBottom() {
      const box = this._scrolled();
      return box.scrollHeight - box.scrollTop - box.clientHeight < NEAR_BOTTOM_PX;
    }

    _toBottom() {
      const box = this._scrolled();
      if (this.lastSeq || this.pending.size || box === this.list) box.scrollTop = box.scrollHeight;
    }

    /** In a call the list scrolls, elsewhere the whole page does. @returns {HTMLElement} */
    _scrolled() {
      if (this.room.dataset.step === "call") return this.list;
      return /** @type {HTMLElement} */ (this.room.querySelector("#main"));
    }

    /** @param {any} view how far the doctor's page has got */
    _marks(view) {
      const doctor = view && view.participants.find((/** @type {any} */ one) => one.role === "doctor");
      if (!doctor) return;
      for (const item of this.bySeq.values()) if (item.classList.contains("mine")) item.dataset.mark = Candil.markOf(item, doctor);
    }

    /** @param {string} id */
    _nameOf(id) {
      const people = this.connection.view ? this.connection.view.participants : [];
      const person = people.find((/** @type {any} */ one) => one.id === id);
      return person ? person.name : "";
    }

    get isSeen() {
      const step = this.room.dataset.step;
      const inSheet = step === "call" && this.room.dataset.media !== "text" && !(root.innerWidth >= 900);
      return !document.hidden && (!inSheet || this.room.dataset.chat === "open");
    }

    _arrived() {
      if (this.isSeen) return this.markRead();
      this.unreadCount += 1;
      this._showUnread();
    }

    _showUnread() {
      if (!this.unread) return;
      this.unread.hidden = !this.unreadCount;
      this.unread.textContent = String(this.unreadCount);
    }

    /** Called when the messages may have come into view. */
    markRead() {
      if (!this.isSeen || !this.lastSeq) return;
      this.unreadCount = 0;
      this._showUnread();
      this.connection.markRead(this.lastSeq);
    }

    _clear() {
      for (const item of this.bySeq.values()) item.remove();
      this.bySeq.clear();
      this.lastSeq = 0;
    }

    // What is being written survives a reload.

    _grow() {
      this.text.style.height = "auto";
      this.text.style.height = Math.min(120, this.text.scrollHeight + 4) + "px";
      Candil.remember("draft", this.text.value);
    }

    _restoreDraft() {
      this.text.value = Candil.remembered("draft");
      if (this.text.value) this._grow();
    }
  }

  /** Something small that this tab keeps across a reload. @param {string} name @param {string} value */
  Candil.remember = function (name, value) {
    try {
      root.sessionStorage.setItem("candil." + name, value);
    } catch (error) {
      // Private windows may refuse; then it lasts as long as the page.
    }
  };

  /** @param {string} name @returns {string} */
  Candil.remembered = function (name) {
    try {
      return root.sessionStorage.getItem("candil." + name) || "";
    } catch (error) {
      return "";
    }
  };

  Candil.Chat = Chat;
})(self);
