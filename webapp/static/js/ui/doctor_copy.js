/** Buttons that copy the text of the field beside them. */
(function () {
  "use strict";

  /** @param {HTMLInputElement} source */
  async function copy(source) {
    try {
      await navigator.clipboard.writeText(source.value);
      return true;
    } catch (error) {
      source.select(); // an address that is not secure has no clipboard: the old way
      return document.execCommand("copy");
    }
  }

  document.addEventListener("click", (event) => {
    const button = /** @type {HTMLElement} */ (event.target).closest("[data-copy]");
    const line = button && button.parentElement;
    const source = line && /** @type {HTMLInputElement|null} */ (line.querySelector("[data-copy-source]"));
    if (!button || !source) return;
    copy(source).then((done) => {
      const word = /** @type {HTMLElement|null} */ (button.querySelector("[data-copy-word]"));
      if (done && word) word.textContent = word.dataset.done || "";
    });
  });

  document.addEventListener("DOMContentLoaded", () => {
    for (const button of document.querySelectorAll("[data-copy]")) /** @type {HTMLElement} */ (button).hidden = false;
  });
})();
