"use strict";
const { test } = require("node:test");
const assert = require("node:assert/strict");
const { Server, collect, inCall, settle } = require("./fakes.js");

async function open(note) {
  const server = new Server();
  const connection = server.connection();
  const { setTimeout, clearTimeout } = server.clock;
  const notes = new Candil.Notes({ connection, setTimeout, clearTimeout });
  connection.start();
  await server.accept();
  sync(server, note || { revision: 0, fields: {}, conflicts: [] });
  return { server, connection, notes };
}

function sync(server, note) {
  server.say({ type: "sync", state: inCall(), events: [], messages: [], note, more: false, visibility: "room" });
}

/** The server commits the newest edit as `revision`. */
function commit(server, revision, outcome = "applied") {
  const said = server.heard("note.write").slice(-1)[0];
  const { client_id, client_seq, field, value } = said;
  server.say({ type: "note.ack", client_id, client_seq, revision, outcome });
  server.say({ type: "note", revision, field, value, outcome, client_id, client_seq, at: 1 });
}

const theirs = (revision, field, value) => ({ type: "note", revision, field, value, outcome: "applied", client_id: "page2", client_seq: revision, at: 1 });

test("keystrokes of one field become one edit, and its state is true at every moment", async () => {
  const { server, notes } = await open();
  const states = collect(notes, "fieldState");
  for (const text of ["t", "to", "tos"]) notes.set("reason", text);
  assert.equal(notes.stateOf("reason").state, "local");
  await server.clock.advance(400);
  assert.deepEqual(server.heard("note.write").map((m) => [m.field, m.value, m.base_revision]), [["reason", "tos", 0]]);
  assert.equal(notes.stateOf("reason").state, "sent");
  commit(server, 1);
  assert.deepEqual(notes.stateOf("reason"), { state: "saved", revision: 1, code: "" });
  assert.deepEqual([...new Set(states.map(([, s]) => s.state))], ["local", "sent", "saved"]);
});

test("what is typed while an edit is under way follows it, one at a time", async () => {
  const { server, notes } = await open();
  notes.set("findings", "a");
  await server.clock.advance(400);
  notes.set("findings", "ab");
  await server.clock.advance(400);
  assert.equal(server.heard("note.write").length, 1);
  commit(server, 1);
  assert.deepEqual(server.heard("note.write").map((m) => [m.value, m.base_revision]), [["a", 0], ["ab", 1]]);
  assert.notEqual(notes.stateOf("findings").state, "saved");
  commit(server, 2);
  assert.equal(notes.stateOf("findings").state, "saved");
});

test("somebody else's edit shows in a field nobody touches here, and never over what is being typed", async () => {
  const { server, notes } = await open();
  const fields = collect(notes, "field");
  server.say(theirs(1, "reason", "fiebre"));
  assert.deepEqual(fields, [["reason", "fiebre", 1]]);
  notes.set("findings", "mío");
  server.say(theirs(2, "findings", "suyo"));
  assert.equal(notes.value("findings"), "mío");
  await server.clock.advance(400);
  assert.equal(server.heard("note.write")[0].base_revision, 1, "the base is what was seen when the edit began");
});

for (const order of ["acknowledgement first", "their operation first"]) {
  test(`both texts of a conflict reach the page: ${order}`, async () => {
    const { server, notes } = await open();
    const conflicts = collect(notes, "conflict");
    notes.set("findings", "mío");
    await server.clock.advance(400);
    const said = server.heard("note.write")[0];
    const ack = { type: "note.ack", client_id: said.client_id, client_seq: said.client_seq, revision: 2, outcome: "conflict" };
    const own = { type: "note", revision: 2, field: "findings", value: "mío", outcome: "conflict", client_id: said.client_id, client_seq: said.client_seq, at: 1 };
    if (order === "acknowledgement first") server.say(ack);
    server.say(theirs(1, "findings", "suyo"));
    server.say(own);
    if (order !== "acknowledgement first") server.say(ack);
    assert.deepEqual(conflicts, [["findings", "mío", "suyo"]]);
    assert.equal(notes.stateOf("findings").state, "conflict");
    await assert.rejects(notes.flush(), { code: "conflict", fields: ["findings"] });
    notes.resolve("findings", "suyo y mío");
    assert.equal(server.heard("note.write").slice(-1)[0].base_revision, 2);
    commit(server, 3);
    assert.equal(notes.stateOf("findings").state, "saved");
  });
}

test("flush sends at once and gives the revision that was committed", async () => {
  const { server, notes } = await open();
  notes.set("reason", "tos");
  const flushed = notes.flush();
  assert.equal(server.heard("note.write").length, 1);
  commit(server, 4);
  assert.deepEqual(await flushed, { revision: 4 });
});

test("flush waits for the line, says when that takes too long, and names a refused field", async () => {
  const { server, notes } = await open();
  server.drop();
  notes.set("reason", "tos");
  const late = notes.flush(3000);
  late.catch(() => {});
  await server.clock.advance(3000);
  await assert.rejects(late, { code: "timeout", fields: ["reason"] });
  await server.clock.advance(20000);
  await server.accept();
  const said = server.heard("note.write")[0];
  const flushed = notes.flush();
  server.say({ type: "error", code: "value_too_long", message: "", ref: said.client_seq, client_id: said.client_id });
  await assert.rejects(flushed, { code: "refused", fields: ["reason"] });
  assert.deepEqual(notes.stateOf("reason").code, "value_too_long");
});

test("a reload shows the whole note with its open conflicts; a reconnect keeps what is typed", async () => {
  const note = {
    revision: 5,
    fields: { reason: { value: "tos", revision: 3 }, findings: { value: "suyo", revision: 4 } },
    conflicts: [{ field: "findings", value: "mío", revision: 5 }],
  };
  const { server, notes } = await open();
  const conflicts = collect(notes, "conflict");
  const fields = collect(notes, "field");
  sync(server, note);
  assert.deepEqual(fields.map(([name, value]) => [name, value]), [["reason", "tos"], ["findings", "suyo"]]);
  assert.deepEqual(conflicts, [["findings", "mío", "suyo"]]);
  notes.set("reason", "tos seca");
  server.drop();
  await server.clock.advance(20000);
  await server.accept();
  sync(server, { ...note, revision: 6, fields: { ...note.fields, reason: { value: "otra", revision: 6 } } });
  assert.equal(notes.value("reason"), "tos seca");
  await settle();
  assert.equal(server.heard("note.write")[0].base_revision, 5, "so that the server sees the conflict");
});
