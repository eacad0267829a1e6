"use strict";
const { test } = require("node:test");
const assert = require("node:assert/strict");
const { Server, collect, inCall, settle } = require("./fakes.js");

async function connected(more) {
  const server = new Server();
  const connection = server.connection(more);
  connection.start();
  await server.accept();
  return { server, connection };
}

const chat = (seq, sender) => ({ type: "message", seq, sender, body: "x", at: 1, client_id: "c", client_seq: seq });

test("asks for a ticket with the CSRF token, then says hello with what it has", async () => {
  const { server, connection } = await connected();
  const asked = server.ticketRequests[0];
  assert.equal(asked.url, "/v/p1/ticket");
  assert.equal(asked.init.method, "POST");
  assert.equal(asked.init.headers["X-CSRF-Token"], "c1");
  assert.equal(server.socket.url, "wss://clinic/ws");
  const hello = server.heard("hello")[0];
  assert.deepEqual(hello.versions, [1]);
  assert.equal(hello.ticket, "t1");
  assert.equal(hello.client_id, "page1");
  assert.equal(connection.state, "open");
  assert.equal(connection.me.id, "p1");
});

test("it comes back without a request, with the newest resume ticket, and asks for a ticket when that one is refused", async () => {
  const server = new Server();
  const connection = server.connection();
  connection.start();
  await server.accept(null, { resume: "r1" });
  server.drop();
  await server.clock.advance(3000);
  await server.accept(null, { resume: "r2" });
  server.say({ type: "pong", at: 1 });
  server.say({ type: "pong", at: 1, resume: "r3" });
  assert.equal(server.heard("hello")[0].ticket, "r1");
  server.drop();
  await server.clock.advance(3000);
  server.socket.onopen();
  assert.deepEqual([server.heard("hello")[0].ticket, server.ticketRequests.length], ["r3", 1]);
  server.say({ type: "bye", code: "no_ticket", retry: false });
  await server.clock.advance(10);
  assert.equal(server.ticketRequests.length, 2);
  await server.accept(null, { resume: "r4" });
  assert.equal(server.heard("hello")[0].ticket, "t1");
  assert.equal(connection.state, "open");
});

test("a session that ended while the line was dead ends the page that resumes", async () => {
  const server = new Server();
  const connection = server.connection();
  connection.start();
  await server.accept(null, { resume: "r1" });
  server.drop();
  await server.clock.advance(3000);
  server.socket.onopen();
  server.say({ type: "bye", code: "session_ended", retry: false });
  assert.equal(connection.state, "ended");
  assert.equal(server.ticketRequests.length, 1);
});

test("of several sockets the first to open is spoken to and the others are closed; a thin line gets longer steps", async () => {
  const server = new Server();
  const connection = server.connection();
  connection.start();
  await server.accept(null, { resume: "r1" });
  server.drop();
  await server.clock.advance(40000);
  const open = server.sockets.filter((one) => !one.closed && one.onopen);
  assert.equal(open.length, 3, "after many failures some are kept");
  open[1].onopen();
  assert.deepEqual(open.map((one) => one.closed), [true, false, true]);
  assert.deepEqual(open.map((one) => one.sent.length), [0, 1, 0]);
  const retry = new Candil.Retry(() => 0.5);
  retry.opened(4000);
  assert.equal(retry.stepMs(0), 8000);
});

test("messages and events come once each, and the next hello says up to where", async () => {
  const { server, connection } = await connected();
  const messages = collect(connection, "message");
  server.say(chat(1, "d1"));
  server.say(chat(2, "d1"));
  server.say(chat(2, "d1"));
  server.say({ type: "event", seq: 7, kind: "consult.started", actor: "d1", at: 1, data: {} });
  assert.deepEqual(messages.map(([m]) => m.seq), [1, 2]);
  server.drop();
  await server.clock.advance(20000);
  await settle();
  server.socket.onopen();
  const hello = server.heard("hello")[0];
  assert.deepEqual([hello.last_message, hello.last_event, hello.epoch, hello.visibility], [2, 7, "e1", "room"]);
});

test("what was written without a line waits, goes out in order, and is settled by its acknowledgement", async () => {
  const { server, connection } = await connected();
  server.drop();
  const first = connection.sendMessage("uno");
  connection.sendMessage("dos");
  assert.deepEqual([first.state, first.clientSeq], ["waiting", 1]);
  await server.clock.advance(20000);
  await server.accept();
  assert.deepEqual(server.heard("message.send").map((m) => m.body), ["uno", "dos"]);
  server.say({ type: "message.ack", client_id: "page1", client_seq: 1, seq: 1, at: 5 });
  assert.equal(first.state, "sent");
  server.drop();
  await server.clock.advance(20000);
  await server.accept();
  assert.deepEqual(server.heard("message.send").map((m) => [m.client_seq, m.body]), [[2, "dos"]]);
});

test("at most sixteen are under way at a time", async () => {
  const { server, connection } = await connected();
  for (let i = 0; i < 40; i++) connection.sendMessage(String(i));
  assert.equal(server.heard("message.send").length, 16);
  server.say({ type: "message.ack", client_id: "page1", client_seq: 1, seq: 1, at: 5 });
  assert.deepEqual(server.heard("message.send").map((m) => m.client_seq), Array.from({ length: 17 }, (_, i) => i + 1));
});

test("a failed disk or a limit keeps the message and tries later; a refusal ends it", async () => {
  const { server, connection } = await connected();
  server.answersPings = true;
  const entry = connection.sendMessage("uno");
  server.say({ type: "error", code: "storage_failed", message: "", ref: 1, client_id: "page1" });
  assert.equal(entry.state, "waiting");
  await server.clock.advance(8000);
  assert.equal(server.heard("message.send").length, 2);
  server.say({ type: "error", code: "invalid_body", message: "", ref: 1, client_id: "page1" });
  assert.deepEqual([entry.state, entry.code], ["refused", "invalid_body"]);
  await server.clock.advance(30000);
  assert.equal(server.heard("message.send").length, 2);
});

test("an error about something else leaves the outbox alone", async () => {
  const { server, connection } = await connected();
  const entry = connection.sendMessage("uno");
  server.say({ type: "error", code: "not_now", message: "", ref: "media.join" });
  assert.equal(entry.state, "waiting");
});

test("another epoch: what was acknowledged goes again, and everything is shown anew", async () => {
  const { server, connection } = await connected();
  const restored = collect(connection, "restored");
  const messages = collect(connection, "message");
  connection.sendMessage("uno");
  server.say({ type: "message.ack", client_id: "page1", client_seq: 1, seq: 1, at: 5 });
  server.say(chat(1, "p1"));
  server.drop();
  await server.clock.advance(20000);
  await server.accept(inCall(), { epoch: "e2" });
  assert.equal(restored.length, 1);
  assert.deepEqual(server.heard("message.send").map((m) => [m.client_seq, m.body]), [[1, "uno"]]);
  server.say(chat(1, "p1"));
  assert.equal(messages.length, 2);
});

test("slow after three seconds without a pong, open again with it, lost after two missed", async () => {
  const { server, connection } = await connected();
  const states = collect(connection, "connection");
  await server.clock.advance(15000);
  assert.equal(server.heard("ping").length, 1);
  await server.clock.advance(3000);
  assert.equal(connection.state, "slow");
  server.say({ type: "pong", at: 1 });
  assert.equal(connection.state, "open");
  const before = server.sockets.length;
  await server.clock.advance(15000 * 3);
  assert.ok(server.sockets.length > before, "a silent socket is given up");
  assert.deepEqual(states.map(([s]) => s).filter((s) => s === "offline"), ["offline"]);
});

test("tries for hours with a growing, bounded wait, and at once when told that the line is back", async () => {
  const { server, connection } = await connected();
  server.down = true;
  server.drop();
  await server.clock.advance(3600 * 1000);
  const tries = server.ticketRequests.length;
  assert.ok(tries > 200 && tries < 700, `${tries} tries in an hour`);
  assert.equal(connection.state, "offline");
  server.down = false;
  connection.reconnectNow();
  await server.accept();
  assert.equal(connection.state, "open");
});

test("told that the page is visible again, it probes the line and gives up a dead one in seven seconds", async () => {
  const { server, connection } = await connected();
  connection.reconnectNow();
  assert.equal(server.heard("ping").length, 1);
  await server.clock.advance(6900);
  assert.equal(server.sockets.length, 1);
  await server.clock.advance(200);
  assert.equal(server.sockets.length, 2);
});

test("replaced and ended are final", async () => {
  for (const [bye, state] of [
    [{ type: "bye", code: "replaced", retry: false }, "replaced"],
    [{ type: "bye", code: "session_ended", retry: false }, "ended"],
  ]) {
    const { server, connection } = await connected();
    server.say(bye);
    assert.equal(connection.state, state);
    connection.reconnectNow();
    await server.clock.advance(600000);
    assert.equal(server.sockets.length, 1);
  }
});

test("a session that has ended is learnt from the ticket; a restart is not an end", async () => {
  const { server, connection } = await connected();
  server.say({ type: "bye", code: "restart" });
  server.drop(1012);
  await server.clock.advance(3000);
  assert.equal(server.sockets.length, 2);
  server.ticketStatus = 401;
  server.drop();
  await server.clock.advance(20000);
  assert.equal(connection.state, "ended");
});

test("delivered and read are reported once for a burst, and again after a reconnect that lost them", async () => {
  const { server, connection } = await connected();
  for (let seq = 1; seq <= 5; seq++) server.say(chat(seq, "d1"));
  connection.markRead(3);
  await server.clock.advance(500);
  assert.deepEqual(server.heard("message.seen"), [{ type: "message.seen", delivered: 5, read: 3 }]);
  server.drop();
  await server.clock.advance(20000);
  await server.accept();
  await server.clock.advance(500);
  assert.equal(server.heard("message.seen").length, 1);
});

test("an earlier page's outbox comes first, under its own client id, and is saved as it empties", async () => {
  const saved = [];
  const kept = { clientId: "page0", clientSeq: 9, state: "waiting", message: { type: "message.send", body: "antes", client_id: "page0", client_seq: 9 } };
  const store = { load: async () => [kept], save: (entries) => saved.push(entries.length) };
  const server = new Server();
  const connection = server.connection({ store });
  connection.sendMessage("ahora");
  assert.deepEqual(saved, [], "saving before loading would lose what is kept");
  connection.start();
  await server.accept();
  assert.deepEqual(server.heard("message.send").map((m) => [m.client_id, m.body]), [["page0", "antes"], ["page1", "ahora"]]);
  server.say({ type: "message.ack", client_id: "page0", client_seq: 9, seq: 1, at: 5 });
  assert.equal(saved[saved.length - 1], 1);
});
