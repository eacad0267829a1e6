/** The rows of prescriptions: added, removed and brought back; rows that other windows add appear by themselves. */
(function (root) {
  "use strict";

  const Candil = /** @type {any} */ (root.Candil = root.Candil || {});

  const FIELD = /^prescriptions\.([a-z0-9]{1,16})\.([a-z]+)$/;
  const ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz";

  class DoctorPrescriptions {
    /** @param {HTMLElement} form @param {any} notes */
    constructor(form, notes) {
      this._notes = notes;
      this._rows = /** @type {HTMLElement} */ (form.querySelector("[data-rx-rows]"));
      this._template = /** @type {HTMLTemplateElement} */ (form.querySelector("[data-rx-template]"));
      this._add = /** @type {HTMLElement} */ (form.querySelector("[data-rx-add]"));
      this._add.hidden = false;
      this._add.addEventListener("click", () => this.add());
      this._rows.addEventListener("change", (event) => {
        const control = /** @type {HTMLInputElement} */ (event.target);
        if (!("rxRemove" in control.dataset)) return;
        const row = /** @type {HTMLElement} */ (control.closest("[data-rx]"));
        this._remove(row, control.checked);
      });
      this._rows.addEventListener("keydown", (event) => {
        if (event.key !== "Enter" || /** @type {HTMLElement} */ (event.target).tagName !== "INPUT") return;
        event.preventDefault();
        this.add();
      });
    }

    /** A new empty row, with the cursor in it. */
    add() {
      const bytes = root.crypto.getRandomValues(new Uint8Array(8));
      const id = Array.from(bytes, (byte) => ALPHABET[byte % ALPHABET.length]).join("");
      const row = this._row(id);
      const first = row.querySelector("input");
      if (first) first.focus();
      row.scrollIntoView({ block: "nearest" });
    }

    /** The first row that has no medicine's name, or the button that adds one. */
    focusUnnamed() {
      for (const row of this._rows.querySelectorAll("[data-rx]:not(.removed)")) {
        const medicine = /** @type {HTMLInputElement} */ (row.querySelector("input"));
        if (!medicine.value.trim()) return medicine.focus();
      }
      this._add.focus();
    }

    /** @param {string} name @param {string} value @returns {boolean} whether the field is one of ours */
    arrived(name, value) {
      const match = FIELD.exec(name);
      if (!match) return false;
      const known = this._find(match[1]);
      if (match[2] === "removed") {
        if (known && (value !== "") !== known.classList.contains("removed")) this._show(known, value !== "");
        return true;
      }
      if (!known && this._notes.value("prescriptions." + match[1] + ".removed")) return true;
      const row = known || this._row(match[1]);
      const control = /** @type {HTMLInputElement|null} */ (row.querySelector('[data-note="' + name + '"]'));
      if (control && control.value !== value) control.value = value;
      return true;
    }

    /** @param {string} id @returns {HTMLElement|null} */
    _find(id) {
      return this._rows.querySelector('[data-rx="' + id + '"]');
    }

    /** @param {string} id @returns {HTMLElement} */
    _row(id) {
      const shell = document.createElement("ol");
      shell.innerHTML = this._template.innerHTML.replace(/RXID/g, id);
      const row = /** @type {HTMLElement} */ (shell.firstElementChild);
      this._rows.append(row);
      return row;
    }

    /** @param {HTMLElement} row @param {boolean} removed */
    _remove(row, removed) {
      const id = row.dataset.rx || "";
      const written = this._notes.names().some((/** @type {string} */ name) => name.indexOf("prescriptions." + id + ".") === 0);
      if (removed && !written) {
        row.remove();
        this._add.focus();
        return;
      }
      this._notes.set("prescriptions." + id + ".removed", removed ? "1" : "");
      this._show(row, removed);
    }

    /** @param {HTMLElement} row @param {boolean} removed */
    _show(row, removed) {
      row.classList.toggle("removed", removed);
      for (const input of row.querySelectorAll("input")) {
        if ("rxRemove" in input.dataset) input.checked = removed;
        else input.readOnly = removed;
      }
    }
  }

  Candil.DoctorPrescriptions = DoctorPrescriptions;
})(/** @type {any} */ (self));
