/**
 * The waiting room's card, and the way on when the WebSocket does not get through: plain requests.
 *   new Candil.Waiting(room, connection, chat, (step) => ...)
 * The step is what the server says; the callback decides what to do with it.
 */
(function (root) {
  "use strict";

  const Candil = /** @type {any} */ (root).Candil;
  const LEAST_GAP_MS = 5000;
  const POLL_MS = 10000;

  class Waiting {
    /** @param {HTMLElement} room @param {any} connection @param {any} chat @param {(step: string) => void} onStep */
    constructor(room, connection, chat, onStep) {
      this.room = room;
      this.connection = connection;
      this.chat = chat;
      this.onStep = onStep;
      this.card = /** @type {HTMLElement} */ (room.querySelector("[data-waiting]"));
      this.askedAt = 0;
      this.timer = 0;
      this.polling = 0;
      connection.on("state", () => this._soon());
    }

    /** Ask how the line stands, but not at every change of a busy clinic. */
    _soon() {
      if (this.timer || this.room.dataset.step !== "waiting") return;
      const wait = Math.max(0, this.askedAt + LEAST_GAP_MS - Date.now());
      this.timer = setTimeout(() => {
        this.timer = 0;
        this._ask().catch(() => {}); // the next change asks again
      }, wait);
    }

    /** @returns {Promise<any>} */
    async _ask() {
      this.askedAt = Date.now();
      const answer = await fetch(this.room.dataset.base + "/now?after=" + this.chat.lastSeq, {
        credentials: "same-origin",
        cache: "no-store",
        headers: { Accept: "application/json" },
      });
      if (!answer.ok) throw new Error("now " + answer.status);
      const now = await answer.json();
      this._draw(now);
      return now;
    }

    /** @param {any} now */
    _draw(now) {
      this.card.dataset.doctor = now.doctor;
      this.card.dataset.before = now.before < 2 ? String(now.before) : "many";
      this.card.querySelectorAll("[data-count]").forEach((slot) => (slot.textContent = now.before));
      this.card.querySelectorAll("[data-minutes]").forEach((slot) => (slot.textContent = now.minutes));
    }

    /** Text goes on over plain requests while the socket is away. */
    startPolling() {
      if (this.polling) return;
      const turn = async () => {
        try {
          await this._sendWaiting();
          const now = await this._ask();
          now.messages.forEach((/** @type {any} */ message) => this.chat.show(message));
          if (this.polling) this.room.dataset.connection = "plain";
          this.onStep(now.step);
        } catch (error) {
          if (this.polling) this.room.dataset.connection = "offline";
        }
        if (this.polling) this.polling = setTimeout(turn, POLL_MS);
      };
      this.polling = setTimeout(turn, 0);
    }

    stopPolling() {
      clearTimeout(this.polling);
      this.polling = 0;
    }

    /** The clinic keeps a message once, whichever way and however often it comes. */
    async _sendWaiting() {
      for (const entry of this.connection.outbox.waiting.slice()) {
        if (entry.message.type !== "message.send") continue;
        const { body, client_id, client_seq } = entry.message;
        const answer = await fetch(this.room.dataset.base + "/messages", {
          method: "POST",
          credentials: "same-origin",
          headers: {
            Accept: "application/json",
            "Content-Type": "application/json",
            "X-CSRF-Token": String(this.room.dataset.csrf),
          },
          body: JSON.stringify({ body, client_id, client_seq }),
        });
        if (!answer.ok) throw new Error("message " + answer.status);
        this.connection.outbox.settle(entry, "sent");
        this.connection.emit("sending", entry);
      }
    }
  }

  Candil.Waiting = Waiting;
})(self);
