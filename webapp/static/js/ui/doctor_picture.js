/**
 * The doctor sends a picture: made small as a patient's is, seen once more before it goes.
 *   Candil.confirmPicture(bar, outgoing, file)     bar: [data-picture-bar]
 */
(function (root) {
  "use strict";

  const Candil = /** @type {any} */ (root.Candil = root.Candil || {});
  /** @type {any} */
  let photo = null;

  /** @param {HTMLElement} bar @param {any} outgoing @param {File} file */
  Candil.confirmPicture = async function (bar, outgoing, file) {
    drop(bar);
    Candil.showState(bar, "working");
    try {
      photo = await Candil.preparePhoto(file, outgoing.sender.pace.rateBps(outgoing.line()));
    } catch (error) {
      return Candil.showState(bar, "failed");
    }
    const image = /** @type {HTMLImageElement} */ (bar.querySelector("img"));
    image.src = photo.url;
    const bytes = photo.parts.full.bytes.byteLength + photo.parts.preview.bytes.byteLength;
    /** @type {HTMLElement} */ (bar.querySelector("[data-picture-says]")).textContent = Math.max(1, Math.round(bytes / 1000)) + " kB";
    Candil.showState(bar, "confirm");
    bar.onclick = (event) => {
      const act = /** @type {HTMLElement|null} */ (/** @type {HTMLElement} */ (event.target).closest("[data-picture-do]"));
      if (!act) return;
      if (act.dataset.pictureDo === "send") {
        outgoing.send(photo);
        photo = null; // the bubble has it now
      }
      drop(bar);
    };
    /** @type {HTMLElement} */ (bar.querySelector("[data-picture-do=send]")).focus();
  };

  /** @param {HTMLElement} bar */
  function drop(bar) {
    if (photo) URL.revokeObjectURL(photo.url);
    photo = null;
    Candil.showState(bar, "");
  }
})(/** @type {any} */ (self));
