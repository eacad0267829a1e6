/**
 * What waits for the server's acknowledgement, and the small parts every script here uses. No DOM.
 * Load order: outbox.js, protocol.js, then devices.js, stats.js, media.js where there is a call, notes.js for the doctor.
 */
(function (root) {
  "use strict";

  const Candil = /** @type {any} */ (root.Candil = root.Candil || {});

  const IN_FLIGHT = 16;
  const KEPT_ACKNOWLEDGED = 300;

  /** Handlers by event type. */
  class Emitter {
    constructor() {
      /** @type {Map<string, Function[]>} */
      this._handlers = new Map();
    }

    /**
     * @param {string} type
     * @param {Function} handler
     * @returns {() => void} takes the handler away again
     */
    on(type, handler) {
      this._handlers.set(type, (this._handlers.get(type) || []).concat([handler]));
      return () => {
        this._handlers.set(type, (this._handlers.get(type) || []).filter((other) => other !== handler));
      };
    }

    /**
     * @param {string} type
     * @param {...any} values
     */
    emit(type, ...values) {
      for (const handler of this._handlers.get(type) || []) {
        try {
          handler(...values);
        } catch (error) {
          // One listener's mistake must not keep a message from the others; it is still reported.
          root.setTimeout(() => { throw error; }, 0);
        }
      }
    }
  }

  /**
   * @typedef {object} Entry
   * @property {string} clientId
   * @property {number} clientSeq
   * @property {"waiting"|"sent"|"refused"} state
   * @property {any} message what goes over the wire
   * @property {string} [code] why it was refused
   */

  /** What waits for the server's acknowledgement, in order. */
  class Outbox {
    /**
     * @param {string} clientId
     * @param {{load: Function, save: Function}|undefined} store
     */
    constructor(clientId, store) {
      this.clientId = clientId;
      this._store = store;
      this._loaded = false; // until then saving would lose what an earlier page left
      this._seq = 0;
      /** @type {Entry[]} */
      this.waiting = [];
      /** @type {Entry[]} */
      this._acknowledged = [];
      /** @type {Set<Entry>} */
      this._inFlight = new Set();
    }

    /** Entries an earlier page left behind come first, under their own client id. */
    async load() {
      if (!this._store) return;
      const kept = (await this._store.load()) || [];
      this.waiting = kept.concat(this.waiting);
      this._loaded = true;
      this._save();
    }

    /** @param {any} fields @returns {Entry} */
    add(fields) {
      this._seq += 1;
      const identity = { client_id: this.clientId, client_seq: this._seq };
      const message = Object.assign({}, fields, identity);
      /** @type {Entry} */
      const entry = { clientId: this.clientId, clientSeq: this._seq, state: "waiting", message };
      this.waiting.push(entry);
      this._save();
      return entry;
    }

    /** Entries that may go out now, marked as under way. @returns {Entry[]} */
    take() {
      const taken = [];
      for (const entry of this.waiting) {
        if (this._inFlight.size >= IN_FLIGHT) break;
        if (this._inFlight.has(entry)) continue;
        this._inFlight.add(entry);
        taken.push(entry);
      }
      return taken;
    }

    /** Nothing is under way any more: the line broke, or the server asked to wait. */
    recall() {
      this._inFlight.clear();
    }

    /**
     * @param {string|undefined} clientId
     * @param {number} clientSeq
     * @returns {Entry|undefined}
     */
    find(clientId, clientSeq) {
      const owner = clientId || this.clientId;
      return this.waiting.find((entry) => entry.clientId === owner && entry.clientSeq === clientSeq);
    }

    /** @param {Entry} entry @param {"sent"|"refused"} state */
    settle(entry, state) {
      entry.state = state;
      this._inFlight.delete(entry);
      this.waiting = this.waiting.filter((other) => other !== entry);
      if (state === "sent") this._acknowledged = this._acknowledged.concat([entry]).slice(-KEPT_ACKNOWLEDGED);
      this._save();
    }

    /** The server's history is an older one: what it had acknowledged may be gone, so all of it goes again. */
    repeatAcknowledged() {
      this.waiting = this._acknowledged.concat(this.waiting);
      this._acknowledged = [];
      this.recall();
      this._save();
    }

    _save() {
      if (this._store && this._loaded) this._store.save(this.waiting);
    }
  }

  /** @returns {string} 32 hex digits, 128 random bits: new for each page load */
  Candil.randomId = function () {
    const bytes = root.crypto.getRandomValues(new Uint8Array(16));
    return Array.from(bytes, (/** @type {number} */ b) => (b + 256).toString(16).slice(1)).join("");
  };
  Candil.Emitter = Emitter;
  Candil.Outbox = Outbox;
})(/** @type {any} */ (self));
