/**
 * Keeps what has not reached the clinic on this device, across reloads and dead browsers (IndexedDB, flushed to disk).
 *
 *   const store = new Candil.DoctorStore(consultId, pageId);   // for Candil.Connection's options.store
 *   store.onKept = (kept) => ...;       // kept: everything handed to us is on the disk; false: it is not, or cannot be
 *
 * Each page keeps its own entries; a new page takes over those that earlier pages left. Sending one twice is harmless.
 */
(function (root) {
  "use strict";

  const Candil = /** @type {any} */ (root.Candil = root.Candil || {});

  const NAME = "candil-doctor";
  const TABLE = "outbox";

  class DoctorStore {
    /** @param {string} consult @param {string} page */
    constructor(consult, page) {
      this._consult = consult;
      this._key = consult + ":" + page;
      this._version = 0;
      /** @type {(kept: boolean) => void} */
      this.onKept = () => {};
      /** @type {Promise<IDBDatabase>} */
      this._opened = new Promise((resolve, reject) => {
        if (!root.indexedDB) return reject(new Error("no database"));
        const asked = root.indexedDB.open(NAME, 1);
        asked.onupgradeneeded = () => asked.result.createObjectStore(TABLE);
        asked.onsuccess = () => resolve(asked.result);
        asked.onerror = () => reject(asked.error);
      });
      this._opened.catch(() => {});
    }

    /** @returns {Promise<any[]>} what earlier pages of this consult left */
    async load() {
      try {
        const database = await this._opened;
        const range = root.IDBKeyRange.bound(this._consult + ":", this._consult + ":\uffff");
        /** @type {any[]} */
        const found = [];
        await this._run(database, (table) => {
          table.openCursor(range).onsuccess = (/** @type {any} */ event) => {
            const cursor = event.target.result;
            if (!cursor) return;
            if (cursor.key !== this._key) {
              for (const entry of cursor.value) found.push(entry);
              cursor.delete();
            }
            cursor.continue();
          };
        });
        if (found.length) await this._put(database, found);
        return found;
      } catch (error) {
        return [];
      }
    }

    /** @param {any[]} entries all that waits now */
    save(entries) {
      const version = (this._version += 1);
      this.onKept(!entries.length);
      const plain = entries.map((entry) => Object.assign({}, entry));
      this._opened
        .then((database) => this._put(database, plain))
        .then(() => version === this._version && this.onKept(true), () => this.onKept(false));
    }

    /** @param {IDBDatabase} database @param {any[]} entries */
    _put(database, entries) {
      return this._run(database, (table) => (entries.length ? table.put(entries, this._key) : table.delete(this._key)));
    }

    /** @param {any} database @param {(table: IDBObjectStore) => void} work @returns {Promise<void>} when it is on the disk */
    _run(database, work) {
      return new Promise((resolve, reject) => {
        const transaction = database.transaction(TABLE, "readwrite", { durability: "strict" });
        transaction.oncomplete = () => resolve();
        transaction.onabort = transaction.onerror = () => reject(transaction.error);
        work(transaction.objectStore(TABLE));
      });
    }
  }

  Candil.DoctorStore = DoctorStore;
})(/** @type {any} */ (self));
