/**
 * The doctor's note as this page holds it: edits go to the server field by field. No DOM. Needs protocol.js before it.
 *
 *   const notes = new Candil.Notes({ connection });
 *   notes.set("findings", "text");       // on every keystroke; sent when typing pauses for debounceMs (400)
 *   notes.value("findings")              // what this page shows
 *   notes.stateOf("findings")            // {state, revision}; "" when never written
 *        local (only here) | sent (under way) | saved (committed at the clinic) | conflict | refused (code)
 *   notes.on("field", (field, value, revision) => ...);        // somebody else changed a field nobody edits here
 *   notes.on("fieldState", (field, {state, revision, code}) => ...);
 *   notes.on("conflict", (field, mine, theirs) => ...);        // both wrote; ask, then:
 *   notes.resolve("findings", chosenText);
 *   notes.on("ready", () => ...);                              // the whole note arrived after a (re)connect
 *   notes.pending()                      // fields that are not saved yet
 *   await notes.flush(timeoutMs);        // all committed: {revision} for "Finish and sign";
 *        rejects with error.code "timeout", "conflict" or "refused" (error.fields: which)
 *
 * Edits of one field that were not sent yet become one. At most one edit of a field is under way at a time.
 */
(function (root) {
  "use strict";

  const Candil = /** @type {any} */ (root.Candil = root.Candil || {});

  const DEBOUNCE_MS = 400;

  /**
   * @typedef {object} Field
   * @property {string} value what the page shows
   * @property {string} remote the newest value the server has told us, ours or another's
   * @property {number} revision of `remote`
   * @property {number} base what the editor had seen when the edit began
   * @property {"saved"|"local"|"sent"|"conflict"|"refused"} state
   * @property {any} entry the outbox entry under way, or null
   * @property {any} timer of the debounce, or null
   * @property {string} code why it was refused
   * @property {number} lost revision of our operation that lost, while in conflict
   */

  class Notes extends Candil.Emitter {
    /** @param {any} options {connection, debounceMs, setTimeout, clearTimeout} */
    constructor(options) {
      super();
      this._connection = options.connection;
      this._debounceMs = options.debounceMs === undefined ? DEBOUNCE_MS : options.debounceMs;
      this._setTimeout = options.setTimeout || ((/** @type {any} */ fn, /** @type {number} */ ms) => root.setTimeout(fn, ms));
      this._clearTimeout = options.clearTimeout || ((/** @type {any} */ timer) => root.clearTimeout(timer));
      /** The newest revision up to which this page has seen everything. */
      this.revision = 0;
      this._acknowledged = 0;
      /** @type {Map<string, Field>} */
      this._fields = new Map();
      /** @type {{done: Function, fail: Function, timer: any}[]} */
      this._flushing = [];
      this._connection.on("sync", (/** @type {any} */ sync) => sync.note && this._synced(sync.note));
      this._connection.on("note", (/** @type {any} */ operation) => this._operation(operation));
      this._connection.on("sending", (/** @type {any} */ entry, /** @type {any} */ ack) => this._settled(entry, ack));
      this._connection.on("restored", () => (this.revision = this._acknowledged = 0));
    }

    /** @param {string} field @returns {string} */
    value(field) {
      const known = this._fields.get(field);
      return known ? known.value : "";
    }

    /** @param {string} field */
    stateOf(field) {
      const known = this._fields.get(field);
      return known ? { state: known.state, revision: known.revision, code: known.code } : { state: "", revision: 0, code: "" };
    }

    /** Every field that has a value. @returns {string[]} */
    names() {
      return Array.from(this._fields.keys());
    }

    /** @returns {string[]} */
    pending() {
      return this.names().filter((name) => this._field(name).state !== "saved");
    }

    /** @param {string} name @param {string} value */
    set(name, value) {
      const field = this._field(name);
      if (value === field.value && field.state !== "refused") return;
      if (field.state === "saved") field.base = this.revision;
      field.value = value;
      if (field.state === "conflict") return;
      field.code = "";
      this._clearTimeout(field.timer);
      field.timer = this._setTimeout(() => this._send(name, field), this._debounceMs);
      this._setState(name, field, "local");
    }

    /** Settle a conflict: `value` is what the doctor chose. @param {string} name @param {string} value */
    resolve(name, value) {
      const field = this._field(name);
      field.value = value;
      field.base = this.revision;
      field.state = "local";
      this._send(name, field);
    }

    /**
     * Send what waits for a pause in typing, and wait until all of it is committed.
     * @param {number} [timeoutMs]
     * @returns {Promise<{revision: number}>}
     */
    flush(timeoutMs) {
      for (const [name, field] of this._fields) if (field.timer !== null) this._send(name, field);
      return new Promise((resolve, reject) => {
        /** @type {{done: Function, fail: Function, timer: any}} */
        const waiter = { done: resolve, fail: reject, timer: null };
        if (timeoutMs) waiter.timer = this._setTimeout(() => this._fail(waiter, "timeout", this.pending()), timeoutMs);
        this._flushing.push(waiter);
        this._checkFlushed();
      });
    }

    /** @param {string} name @returns {Field} */
    _field(name) {
      let field = this._fields.get(name);
      if (!field) {
        field = { value: "", remote: "", revision: 0, base: this.revision, state: "saved", entry: null, timer: null, code: "", lost: 0 };
        this._fields.set(name, field);
      }
      return field;
    }

    /** @param {string} name @param {Field} field */
    _send(name, field) {
      this._clearTimeout(field.timer);
      field.timer = null;
      if (field.entry !== null || field.state === "conflict") return; // its acknowledgement sends what is newer
      field.entry = this._connection.writeNote(name, field.value, field.base);
      this._setState(name, field, "sent");
    }

    /** The server committed or refused an edit. @param {any} entry @param {any} ack */
    _settled(entry, ack) {
      const name = entry.message.field;
      const field = name === undefined ? undefined : this._fields.get(name);
      if (ack) this._acknowledged = Math.max(this._acknowledged, ack.revision || 0);
      if (!field || field.entry !== entry) return this._checkFlushed();
      field.entry = null;
      if (entry.state === "refused") {
        field.code = entry.code || "";
        if (field.value === entry.message.value) this._setState(name, field, "refused");
        else if (field.timer === null) this._send(name, field);
      } else if (ack.outcome === "applied") {
        field.base = Math.max(field.base, ack.revision);
        field.remote = entry.message.value;
        field.revision = Math.max(field.revision, ack.revision);
        if (field.value === entry.message.value) this._setState(name, field, "saved");
        else if (field.timer === null) this._send(name, field);
      } else {
        this._conflicted(name, field, ack.revision);
      }
      this._checkFlushed();
    }

    /** An operation of any page of the doctor, in order. @param {any} operation */
    _operation(operation) {
      if (operation.revision <= this.revision) return;
      this.revision = operation.revision;
      if (operation.outcome === "applied") {
        const ours = operation.client_id === this._connection.clientId;
        this._arrived(operation.field, operation.value, operation.revision, ours);
      }
      this._announceConflicts();
      this._checkFlushed();
    }

    /** @param {any} note */
    _synced(note) {
      this.revision = note.revision;
      for (const name of Object.keys(note.fields)) {
        const known = this._fields.get(name);
        if (!known || note.fields[name].revision > known.revision) {
          this._arrived(name, note.fields[name].value, note.fields[name].revision, false);
        }
      }
      for (const conflict of note.conflicts) {
        const field = this._field(conflict.field);
        if (field.state !== "saved" && field.state !== "conflict") continue; // what is typed here will meet it
        field.value = conflict.value;
        this._conflicted(conflict.field, field, conflict.revision);
      }
      this.emit("ready");
      this._announceConflicts();
      this._checkFlushed();
    }

    /** @param {string} name @param {string} value @param {number} revision @param {boolean} ours */
    _arrived(name, value, revision, ours) {
      const field = this._field(name);
      if (revision < field.revision) return;
      field.remote = value;
      field.revision = revision;
      if (ours || field.state === "local" || field.state === "sent" || field.state === "refused") return;
      if (field.state === "conflict" && revision < field.lost) return; // the very one we lost against
      const changed = field.value !== value;
      field.value = value;
      this._setState(name, field, "saved");
      if (changed) this.emit("field", name, value, revision);
    }

    /** @param {string} name @param {Field} field @param {number} revision */
    _conflicted(name, field, revision) {
      field.lost = revision;
      this._clearTimeout(field.timer);
      field.timer = null;
      this._setState(name, field, "conflict");
      this._unannounced = (this._unannounced || []).concat([name]);
      this._announceConflicts();
    }

    /** The acknowledgement may come before the operation that it lost against: wait for that one. */
    _announceConflicts() {
      if (!this._unannounced || this.revision < this._acknowledged) return;
      const names = this._unannounced;
      this._unannounced = undefined;
      for (const name of names) {
        const field = this._field(name);
        if (field.state === "conflict") this.emit("conflict", name, field.value, field.remote);
      }
    }

    /** @param {string} name @param {Field} field @param {Field["state"]} state */
    _setState(name, field, state) {
      field.state = state;
      this.emit("fieldState", name, this.stateOf(name));
    }

    _checkFlushed() {
      if (!this._flushing.length) return;
      const stuck = (/** @type {string} */ state) => this.pending().filter((name) => this._field(name).state === state);
      const conflicts = stuck("conflict");
      const refused = stuck("refused");
      const isDone = !this.pending().length && this.revision >= this._acknowledged;
      for (const waiter of this._flushing.slice()) {
        if (conflicts.length) this._fail(waiter, "conflict", conflicts);
        else if (refused.length) this._fail(waiter, "refused", refused);
        else if (isDone) this._release(waiter, () => waiter.done({ revision: this.revision }));
      }
    }

    /** @param {any} waiter @param {string} code @param {string[]} fields */
    _fail(waiter, code, fields) {
      this._release(waiter, () => waiter.fail(Object.assign(new Error(code), { code, fields })));
    }

    /** @param {any} waiter @param {Function} act */
    _release(waiter, act) {
      this._clearTimeout(waiter.timer);
      this._flushing = this._flushing.filter((other) => other !== waiter);
      act();
    }
  }

  Candil.Notes = Notes;
})(/** @type {any} */ (self));
