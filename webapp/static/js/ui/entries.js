/**
 * Photos and voice notes in the thread of either page.
 *   Candil.messageKey(message)                // what an own message is known by until it has its number
 *   Candil.fillEntry(item, attachment, base)  // what the bubble shows of it, made of the page's [data-entry] templates
 *   Candil.entryChanged(list, event)          // an event of the timeline: it came whole, was refused, was heard
 *   Candil.markOf(item, person)               // how far an own message came with that person
 *   Candil.clock(ms)                          // "0:30"
 */
(function (root) {
  "use strict";

  const Candil = /** @type {any} */ (root.Candil = root.Candil || {});

  /** @param {any} message */
  Candil.messageKey = function (message) {
    const attachment = message.attachment;
    return attachment ? "upload:" + attachment.upload : message.client_id + ":" + message.client_seq;
  };

  /** @param {number} ms @returns {string} */
  Candil.clock = function (ms) {
    const seconds = Math.round(ms / 1000);
    return Math.floor(seconds / 60) + ":" + String(seconds % 60).padStart(2, "0");
  };

  /**
   * @param {HTMLElement} item a bubble @param {any} attachment as it comes with a message, or is about to be sent
   * @param {string} base of the page @param {string} [url] the same on this device
   */
  Candil.fillEntry = function (item, attachment, base, url) {
    Object.assign(item.dataset, { attachment: attachment.id, upload: attachment.upload, kind: attachment.kind, entry: attachment.state });
    if (attachment.heard) item.dataset.heard = "1";
    let entry = /** @type {HTMLElement|null} */ (item.querySelector("[data-voice], [data-picture]"));
    const isNew = !entry;
    if (!entry) {
      const template = /** @type {HTMLTemplateElement} */ (document.querySelector('[data-entry-of="' + attachment.kind + '"]'));
      entry = /** @type {HTMLElement} */ (document.importNode(template.content, true).firstElementChild);
      item.insertBefore(entry, item.querySelector(".at"));
    }
    const src = attachment.id ? base + "/attachments/" + attachment.id + "/" : "";
    if (attachment.kind === "voice") fillVoice(entry, attachment, src, url);
    else fillPhoto(entry, attachment, src, isNew, url);
  };

  /** @param {HTMLElement} entry @param {any} attachment @param {string} src @param {string} [url] */
  function fillVoice(entry, attachment, src, url) {
    Object.assign(entry.dataset, { src, ms: attachment.duration_ms });
    if (url) entry.dataset.local = url;
    /** @type {HTMLAnchorElement} */ (entry.querySelector("a")).href = src ? src + "mp3" : url || "";
    const says = Candil.clock(attachment.duration_ms) + " · " + Math.max(1, Math.round(attachment.bytes / 1000)) + " kB";
    if (!entry.dataset.state) /** @type {HTMLElement} */ (entry.querySelector("[data-voice-says]")).textContent = says;
    entry.dataset.says = says;
  }

  /** What this device has is not loaded again.
   * @param {HTMLElement} entry @param {any} attachment @param {string} src @param {boolean} isNew @param {string} [url] */
  function fillPhoto(entry, attachment, src, isNew, url) {
    const [link, image] = [/** @type {any} */ (entry.querySelector("a")), /** @type {any} */ (entry.querySelector("img"))];
    link.href = src ? src + "full" : url || "";
    if (!isNew) return;
    if (attachment.size[0]) [image.width, image.height] = attachment.size;
    image.src = url || src + "preview";
  }

  /** @param {HTMLElement} list @param {any} event @returns {boolean} whether it was about one that is shown */
  Candil.entryChanged = function (list, event) {
    const [kind, news] = event.kind.split(".");
    const item = event.data.attachment && list.querySelector('[data-attachment="' + event.data.attachment + '"]');
    if (!item || (kind !== "photo" && kind !== "voice")) return false;
    if (news === "heard") item.dataset.heard = "1";
    else if (news === "kept" || news === "refused") item.dataset.entry = news;
    return true;
  };

  /** @param {HTMLElement} item with its number @param {any} person @returns {string} */
  Candil.markOf = function (item, person) {
    const seq = Number(item.dataset.seq);
    if (item.dataset.heard) return "heard";
    if (person.read >= seq && item.dataset.kind !== "voice") return "read"; // to have it before one is not to hear it
    return person.delivered >= seq ? "delivered" : "clinic";
  };
})(/** @type {any} */ (self));
