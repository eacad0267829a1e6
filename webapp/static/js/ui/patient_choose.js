/** Whoever last went on with voice only finds that chosen; a choice already made at the clinic stays. */
(function (root) {
  "use strict";

  const Candil = /** @type {any} */ (root).Candil;
  const form = /** @type {HTMLElement|null} */ (document.querySelector("[data-first-choice]"));
  const kept = String(Candil.kept("limit")).split(" ").pop();
  if (!form || kept !== "chosen") return;
  const audio = /** @type {HTMLInputElement|null} */ (form.querySelector("input[value=audio]"));
  if (audio) audio.checked = true;
})(self);
