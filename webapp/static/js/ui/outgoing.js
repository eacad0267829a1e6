/**
 * What this page sends beside text: each upload is a bubble of the thread from the moment it is sent.
 *   const outgoing = new Candil.Outgoing({ base, csrf, me, chat, connection, call });   call: Candil.Call, or null
 *   outgoing.send(upload);      // {id, kind, parts, url, ms?, type?, width?, height?}: see uploads.js
 *   outgoing.sender             // Candil.UploadSender
 *   outgoing.line()             // the call's share of the line
 * `chat`: {addWaiting(key, body, fill): element, mark(element, mark, percent)}.
 */
(function (root) {
  "use strict";

  const Candil = /** @type {any} */ (root.Candil = root.Candil || {});

  class Outgoing {
    /** @param {any} options */
    constructor(options) {
      this._chat = options.chat;
      this._base = options.base;
      this._say = Candil.words("voice");
      /** @type {Map<string, HTMLElement>} */
      this._items = new Map();
      this.line = () => Candil.uploadLine(options.call, options.me);
      const { base, csrf } = options;
      this.sender = new Candil.UploadSender({ base, csrf, store: new Candil.UploadStore(options.me), line: this.line });
      this.sender.on("left", (/** @type {any} */ upload) => this._show(upload));
      this.sender.on("upload", (/** @type {any} */ upload, /** @type {any} */ news) => this._progress(upload, news));
      this.sender.on("bytes", (/** @type {number} */ bytes) => options.call && options.call.countBytes(bytes));
      options.connection.on("welcome", () => this.sender.wake());
      root.addEventListener("online", () => this.sender.wake());
      document.addEventListener("visibilitychange", () => document.hidden || this.sender.wake());
      this.sender.start();
    }

    /** @param {any} upload */
    send(upload) {
      this._show(upload);
      this.sender.add(upload);
    }

    /** @param {any} upload */
    _show(upload) {
      const known = /** @type {HTMLElement|null} */ (document.querySelector('[data-messages] [data-upload="' + upload.id + '"]'));
      if (known) return void this._items.set(upload.id, known); // its preview is in the thread since before a reload
      const full = upload.parts.full.bytes;
      const seen = upload.parts.preview || upload.parts.full;
      const url = upload.url || URL.createObjectURL(new Blob([seen.bytes], { type: upload.type || "image/jpeg" }));
      const { id, kind, ms, width, height } = upload;
      const shown = { id: "", kind, upload: id, state: "kept", bytes: full.byteLength, size: [width || 0, height || 0], duration_ms: ms || 0 };
      const fill = (/** @type {HTMLElement} */ item) => Candil.fillEntry(item, shown, this._base, url);
      this._items.set(id, this._chat.addWaiting("upload:" + id, "", fill));
    }

    /** @param {any} upload @param {{state: string, sent: number, total: number, refusal: string}} news */
    _progress(upload, news) {
      const item = this._items.get(upload.id);
      if (!item) return;
      if (news.state === "kept" || news.state === "refused") item.dataset.entry = news.state;
      if (news.state === "refused") this._explain(item, news.refusal);
      if (item.dataset.seq) return; // the thread has it: from then on the clinic says how far it came
      const mark = { waiting: "wait", sending: "sending", kept: "clinic", refused: "refused" }[news.state] || "wait";
      this._chat.mark(item, mark, Math.floor((100 * news.sent) / Math.max(1, news.total)));
    }

    /** @param {HTMLElement} item @param {string} refusal */
    _explain(item, refusal) {
      const why = document.createElement("span");
      why.className = "fine entry-why";
      why.textContent = this._say("refused_" + refusal) || this._say("refused");
      item.insertBefore(why, item.querySelector(".at"));
    }
  }

  Candil.Outgoing = Outgoing;
})(/** @type {any} */ (self));
