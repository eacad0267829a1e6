/** Asking for a photo at the door of each person, and what became of it. */
(function (root) {
  "use strict";

  const Candil = /** @type {any} */ (root.Candil = root.Candil || {});
  const ASKED_MS = 60000;
  const NEWS_SHOWN_MS = 10000;

  class DoctorPhoto {
    /** @param {any} page @param {any} connection */
    constructor(page, connection) {
      this._page = page;
      this._connection = connection;
      this._news = /** @type {HTMLElement} */ (page.root.querySelector("[data-photo-news]"));
      this._newsTimer = 0;
      /** When each person was asked last, ms. @type {Map<string, number>} */
      this._asked = new Map();
      page.root.addEventListener("click", (/** @type {Event} */ event) => this._click(event));
      connection.on("state", (/** @type {any} */ view) => this._draw(view));
      connection.on("event", (/** @type {any} */ event) => this._happened(event));
      connection.on("photo.answered", (/** @type {any} */ answer) => this._answered(answer));
      connection.on("error", (/** @type {any} */ error) => this._asked.has(error.ref) && this._refused(error));
    }

    /** @param {any} view */
    _draw(view) {
      const isRunning = view.consult.status === "in-progress";
      const isOpen = isRunning && !view.consult.conversation_ended;
      Candil.show(this._page.root.querySelector("[data-send-picture]"), isRunning);
      for (const person of view.participants) {
        const row = this._page.root.querySelector('[data-person="' + person.id + '"]');
        if (row) Candil.show(row.querySelector("[data-ask-photo]"), isOpen && person.admission === "admitted" && person.online);
      }
    }

    /** @param {Event} event */
    _click(event) {
      const button = /** @type {HTMLElement|null} */ (/** @type {HTMLElement} */ (event.target).closest("[data-ask-photo]"));
      if (!button) return;
      const id = /** @type {HTMLElement} */ (button.closest("[data-person]")).dataset.person || "";
      if (Date.now() - (this._asked.get(id) || 0) < ASKED_MS && this._news.dataset.news === "asked") return;
      const went = this._connection.request({ type: "photo.request", participant: id });
      this._asked.set(id, Date.now());
      this._tell(went ? "asked" : "no_connection", id);
    }

    /** @param {any} answer */
    _answered(answer) {
      this._tell(answer.accepted ? "accepted" : "declined", answer.participant);
    }

    /** @param {any} error */
    _refused(error) {
      this._asked.delete(error.ref);
      this._tell("not_now", error.ref);
    }

    /** @param {any} event of the timeline, also those of before */
    _happened(event) {
      if (event.kind.indexOf("photo.") !== 0 || event.data.participant === this._page.me) return;
      const fresh = Date.now() / 1000 + this._connection.clockOffsetS - event.at < 30;
      if (fresh) this._tell(event.kind.slice("photo.".length), event.data.participant);
    }

    /** @param {string} news @param {string} id */
    _tell(news, id) {
      const view = this._connection.view;
      const person = view && view.participants.find((/** @type {any} */ one) => one.id === id);
      this._news.dataset.news = news;
      this._news.textContent = (this._page.words["photo_" + news] || "").replace("{name}", person ? person.name : "");
      Candil.show(this._news, Boolean(this._news.textContent));
      root.clearTimeout(this._newsTimer);
      this._newsTimer = root.setTimeout(() => Candil.show(this._news, false), news === "asked" ? ASKED_MS : NEWS_SHOWN_MS);
    }
  }

  Candil.DoctorPhoto = DoctorPhoto;
})(/** @type {any} */ (self));
