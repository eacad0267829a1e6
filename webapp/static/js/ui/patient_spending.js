/**
 * What the call uses of the patient's data: megabytes, their price, and the most they may be.
 *   new Candil.PatientSpending(room, call, words)     words: Candil.LineWords
 */
(function (root) {
  "use strict";

  const Candil = /** @type {any} */ (root).Candil;
  const MEGABYTE = 1e6;

  class PatientSpending {
    /** @param {HTMLElement} room @param {any} call @param {any} words */
    constructor(room, call, words) {
      this.room = room;
      this.call = call;
      this.words = words;
      this.select = this._find("cap");
      this.other = this._find("cap-other");
      call.on("spending", (/** @type {any} */ spent) => this._draw(spent));
      this.select.addEventListener("change", () => this._chosen());
      this._find("cap-set").addEventListener("click", () => this._setOther());
      this._find("raise-cap").addEventListener("click", (/** @type {Event} */ event) => {
        event.stopPropagation(); // a click elsewhere closes the sheet
        this._find("lamp").open = true;
        this.select.focus();
      });
      const spent = call.spent;
      if (spent) this._draw(spent);
      this._showCap(spent && spent.cap ? spent.cap.megabytes : 0);
    }

    /** @param {string} name @returns {any} */
    _find(name) {
      return this.room.querySelector("[data-" + name + "]");
    }

    _chosen() {
      const isOther = this.select.value === "other";
      this.other.hidden = !isOther;
      if (isOther) {
        this.other.querySelector("input").focus();
        this.other.scrollIntoView({ block: "end" });
      } else this._set(Number(this.select.value));
    }

    _setOther() {
      const input = this.other.querySelector("input");
      if (input.value && input.checkValidity()) this._set(Number(input.value));
      else input.reportValidity();
    }

    /** @param {number} megabytes 0: no cap */
    _set(megabytes) {
      this.call.setCap(megabytes ? { megabytes, per: "call" } : null);
      this._showCap(megabytes);
      if (!megabytes) this._find("spent-left").textContent = "";
    }

    /** @param {number} megabytes */
    _showCap(megabytes) {
      const known = Array.from(this.select.options).some((option) => /** @type {any} */ (option).value === String(megabytes));
      this.select.value = !megabytes ? "" : known ? String(megabytes) : "other";
      this.other.hidden = this.select.value !== "other";
      if (!this.other.hidden) this.other.querySelector("input").value = String(megabytes);
    }

    /** @param {any} spent */
    _draw(spent) {
      this._line("spent-call", "spent.call", spent.callBytes, spent.price);
      this._line("spent-month", "spent.month", spent.monthBytes, spent.monthPrice);
      const cap = spent.cap ? spent.cap.megabytes : 0;
      const left = spent.cap ? Math.max(0, spent.leftBytes) / MEGABYTE : 0;
      this._put("spent-left", spent.cap ? this.words.say("spent.left", { mb: left, cap }) : "");
      this._put("spent-words", this.words.say("spent.text", { cap }));
    }

    /** @param {string} slot @param {string} key @param {number} bytes @param {number} amount */
    _line(slot, key, bytes, amount) {
      const price = Number(this.room.dataset.price) ? this.words.price(amount, String(this.room.dataset.currency)) : "";
      this._put(slot, this.words.say(price ? key + "_price" : key, { mb: bytes / MEGABYTE, price }));
    }

    /** @param {string} name @param {string} text */
    _put(name, text) {
      const slot = this._find(name);
      if (slot.textContent !== text) slot.textContent = text;
    }
  }

  Candil.PatientSpending = PatientSpending;
})(self);
