"use strict";

const test = require("node:test");
const assert = require("node:assert");

globalThis.self = globalThis;
require("../../../webapp/static/js/outbox.js");

test("one listener's mistake does not keep a message from the others, and is reported", (t) => {
  const reported = [];
  t.mock.method(globalThis, "setTimeout", (fn) => reported.push(fn));
  const emitter = new globalThis.Candil.Emitter();
  const heard = [];
  emitter.on("message", () => { throw new Error("first"); });
  emitter.on("message", (value) => heard.push(value));
  emitter.emit("message", 7);
  assert.deepStrictEqual(heard, [7]);
  assert.throws(reported[0], /first/);
});
