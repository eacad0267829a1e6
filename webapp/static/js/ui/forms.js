/**
 * Forms that are sent once, and say so when the line is slow. Pages work the same without this file.
 *   <form data-once> with a hidden <p data-slow>; <input data-tap> tells that the page's own button was used.
 */
(function () {
  "use strict";

  const SLOW_AFTER_MS = 1000;

  /** @param {HTMLFormElement} form */
  function sendOnce(form) {
    let sent = false;
    form.addEventListener("submit", (event) => {
      if (sent) {
        event.preventDefault();
        return;
      }
      sent = true;
      const slow = /** @type {HTMLElement|null} */ (form.querySelector("[data-slow]") || document.querySelector("[data-slow]"));
      if (slow) setTimeout(() => (slow.hidden = !sent), SLOW_AFTER_MS);
    });
    // A page taken back from the browser's memory may be sent again.
    window.addEventListener("pageshow", () => {
      sent = false;
    });
  }

  document.querySelectorAll("form[data-once]").forEach((form) => sendOnce(/** @type {HTMLFormElement} */ (form)));
  document.querySelectorAll("input[data-tap]").forEach((input) => {
    /** @type {HTMLInputElement} */ (input).value = "tap";
  });
})();
