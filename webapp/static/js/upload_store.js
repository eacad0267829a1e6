/**
 * Photos and voice notes that the clinic does not have yet, kept on this device across reloads and dead browsers (IndexedDB).
 *   new Candil.UploadStore(participant)     for Candil.UploadSender's options.store
 */
(function (root) {
  "use strict";

  const Candil = /** @type {any} */ (root.Candil = root.Candil || {});
  const NAME = "candil-uploads";
  const TABLE = "uploads";
  const KEPT_MS = 3 * 86400 * 1000; // what nobody came back to send is forgotten

  class UploadStore {
    /** @param {string} participant */
    constructor(participant) {
      this._participant = participant;
      /** @type {Promise<any>} */
      this._opened = new Promise((resolve, reject) => {
        if (!root.indexedDB) return reject(new Error("no database"));
        const asked = root.indexedDB.open(NAME, 1);
        asked.onupgradeneeded = () => asked.result.createObjectStore(TABLE);
        asked.onsuccess = () => resolve(asked.result);
        asked.onerror = () => reject(asked.error);
      });
      this._opened.catch(() => {});
    }

    /** @returns {Promise<any[]>} oldest first */
    async load() {
      /** @type {any[]} */
      const found = [];
      let others = 0;
      await this._do((table) => {
        table.openCursor().onsuccess = (/** @type {any} */ event) => {
          const cursor = event.target.result;
          if (!cursor) return;
          const { participant, at, upload } = cursor.value;
          if (Date.now() - at > KEPT_MS) cursor.delete();
          else if (participant === this._participant) found.push({ at, upload });
          else others += 1;
          cursor.continue();
        };
      });
      mark(found.length + others > 0);
      return found.sort((one, other) => one.at - other.at).map((entry) => entry.upload);
    }

    /** @param {any} upload @returns {Promise<void>} */
    keep(upload) {
      const { id, kind, parts, ms, type, width, height } = upload;
      mark(true);
      const plain = { id, kind, parts, ms, type, width, height };
      const entry = { participant: this._participant, at: Date.now(), upload: plain };
      return this._do((table) => table.put(entry, id));
    }

    /** @param {string} id @returns {Promise<void>} */
    drop(id) {
      return this._do((table) => table.delete(id));
    }

    /** @param {(table: any) => void} work @returns {Promise<void>} when it is on the disk */
    async _do(work) {
      const database = await this._opened;
      return new Promise((resolve, reject) => {
        const transaction = database.transaction(TABLE, "readwrite", { durability: "strict" });
        transaction.oncomplete = () => resolve();
        transaction.onabort = transaction.onerror = () => reject(transaction.error);
        work(transaction.objectStore(TABLE));
      });
    }
  }

  /** A word for the next page, which then loads what sends it. @param {boolean} isLeft */
  function mark(isLeft) {
    try {
      if (isLeft) root.localStorage.setItem("candil.uploads", "1");
      else root.localStorage.removeItem("candil.uploads");
    } catch (error) {
      // A forbidden store: it lasts as long as the page.
    }
  }

  Candil.UploadStore = UploadStore;
})(/** @type {any} */ (self));
