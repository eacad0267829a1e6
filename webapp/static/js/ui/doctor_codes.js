/** Looking up a diagnosis code while typing: a combobox that works by keyboard alone. */
(function (root) {
  "use strict";

  const Candil = /** @type {any} */ (root.Candil = root.Candil || {});

  const PAUSE_MS = 250;

  class DoctorCodes {
    /** @param {any} page @param {any} notes @param {HTMLElement} box */
    constructor(page, notes, box) {
      this._page = page;
      this._notes = notes;
      this._input = /** @type {HTMLInputElement} */ (box.querySelector("input[role=combobox]"));
      this._hidden = /** @type {HTMLInputElement} */ (box.querySelector("input[type=hidden]"));
      this._list = /** @type {HTMLElement} */ (box.querySelector("[role=listbox]"));
      /** @type {{value: string, code: string, display: string}[]} */
      this._found = [];
      this._chosen = -1;
      this._label = this._input.value;
      this._timer = 0;
      this._asked = 0;
      this._input.addEventListener("input", () => this._typed());
      this._input.addEventListener("keydown", (event) => this._key(event));
      this._input.addEventListener("blur", () => root.setTimeout(() => this._left(), 150));
      this._hidden.addEventListener("candil:arrived", () => this._arrived());
      this._list.addEventListener("mousedown", (event) => {
        event.preventDefault();
        const option = /** @type {HTMLElement} */ (event.target).closest("[data-index]");
        if (option) this._choose(Number(/** @type {HTMLElement} */ (option).dataset.index));
      });
    }

    _typed() {
      root.clearTimeout(this._timer);
      const words = this._input.value.trim();
      if (words.length < 2) {
        this._close();
        if (!words) this._set("", "");
        return;
      }
      this._timer = root.setTimeout(() => this._search(words), PAUSE_MS);
    }

    /** @param {string} words */
    async _search(words) {
      const asked = (this._asked += 1);
      let answer = null;
      try {
        const response = await fetch("/codes?q=" + encodeURIComponent(words), { headers: { Accept: "application/json" }, credentials: "same-origin" });
        if (response.ok) answer = await response.json();
      } catch (error) {
        answer = null;
      }
      if (asked !== this._asked || document.activeElement !== this._input) return;
      this._found = answer ? answer.codes : [];
      this._chosen = this._found.length ? 0 : -1;
      this._draw(answer ? this._page.words.no_codes : this._page.words.codes_offline);
    }

    /** @param {string} nothing what to say when there is nothing to show */
    _draw(nothing) {
      this._list.textContent = "";
      this._found.forEach((found, index) => {
        const option = document.createElement("li");
        option.id = "code-" + index;
        option.setAttribute("role", "option");
        option.dataset.index = String(index);
        const code = document.createElement("b");
        code.textContent = found.code;
        option.append(code, " " + found.display);
        this._list.append(option);
      });
      if (!this._found.length) {
        const empty = document.createElement("li");
        empty.className = "fine";
        empty.textContent = nothing;
        this._list.append(empty);
      }
      this._list.hidden = false;
      this._input.setAttribute("aria-expanded", "true");
      this._point();
    }

    _point() {
      for (const option of this._list.querySelectorAll("[role=option]")) {
        const isChosen = option.id === "code-" + this._chosen;
        option.setAttribute("aria-selected", String(isChosen));
        if (isChosen) option.scrollIntoView({ block: "nearest" });
      }
      if (this._chosen >= 0) this._input.setAttribute("aria-activedescendant", "code-" + this._chosen);
      else this._input.removeAttribute("aria-activedescendant");
    }

    /** @param {KeyboardEvent} event */
    _key(event) {
      const isOpen = !this._list.hidden;
      if (event.key === "Enter") {
        event.preventDefault();
        if (isOpen && this._chosen >= 0) this._choose(this._chosen);
      } else if (event.key === "Escape" && isOpen) {
        event.preventDefault();
        event.stopPropagation();
        this._close();
      } else if ((event.key === "ArrowDown" || event.key === "ArrowUp") && isOpen && this._found.length) {
        event.preventDefault();
        const step = event.key === "ArrowDown" ? 1 : -1;
        this._chosen = (this._chosen + step + this._found.length) % this._found.length;
        this._point();
      }
    }

    /** @param {number} index */
    _choose(index) {
      const found = this._found[index];
      this._set(found.value, found.code + " · " + found.display);
      this._close();
      const text = /** @type {HTMLTextAreaElement} */ (document.getElementById("note-diagnosis-text"));
      if (text.value.trim()) return;
      text.value = found.display;
      this._notes.set("diagnosis.text", found.display);
    }

    /** @param {string} value @param {string} label */
    _set(value, label) {
      this._label = this._input.value = label;
      this._hidden.value = value;
      this._notes.set("diagnosis.code", value);
    }

    /** Another window chose a code. */
    _arrived() {
      const code = this._hidden.value.split("|").pop() || "";
      if (this._label.split(" ·")[0] !== code) this._label = this._input.value = code;
    }

    /** What is typed and not chosen is no code: show the one that holds. */
    _left() {
      if (document.activeElement === this._input) return;
      this._close();
      this._input.value = this._label;
    }

    _close() {
      this._asked += 1;
      this._list.hidden = true;
      this._input.setAttribute("aria-expanded", "false");
      this._input.removeAttribute("aria-activedescendant");
    }
  }

  Candil.DoctorCodes = DoctorCodes;
})(/** @type {any} */ (self));
