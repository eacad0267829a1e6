"use strict";
const { test, beforeEach } = require("node:test");
const assert = require("node:assert/strict");
const { Server, FakeStream, FakeTrack, peerConnections, collect, settle } = require("./fakes.js");

beforeEach(() => ["limit", "cap", "spent", "call"].forEach((name) => Candil.keep(name, "")));

async function page(options) {
  const server = new Server();
  server.answersPings = true;
  const connection = server.connection();
  const { FakePeer, made } = peerConnections();
  const { setTimeout, clearTimeout, now } = server.clock;
  const call = new Candil.Call({
    connection, RTCPeerConnection: FakePeer, MediaStream: FakeStream, setTimeout, clearTimeout, now, random: () => 0.5,
    getUserMedia: async () => new FakeStream([new FakeTrack("audio"), new FakeTrack("video")]), ...options,
  });
  connection.start();
  await server.accept();
  return { server, connection, call, made };
}

async function inTheCall(options) {
  const setup = await page(options);
  setup.call.join();
  setup.server.say({ type: "media.offer", session: "m1", sdp: "offer", ice_servers: [] });
  await settle();
  setup.made[0].become("connected");
  return setup;
}

test("the lower of what was chosen and what the cap allows, with the reason of the lower", () => {
  const ceilings = new Candil.Ceilings();
  assert.deepEqual(ceilings.limit, { down: "hd", up: "hd", reason: "" });
  assert.ok(ceilings.isOpen);
  ceilings.choose({ down: "video", up: "audio" }, "saving");
  assert.deepEqual(ceilings.limit, { down: "video", up: "audio", reason: "saving" });
  assert.ok(ceilings.budget("stills"));
  assert.deepEqual(ceilings.limit, { down: "stills", up: "audio", reason: "budget" });
  assert.ok(ceilings.budget("hd"));
  assert.equal(ceilings.limit.reason, "saving");
  assert.equal(ceilings.budget("video"), false);
});

test("what was chosen last is remembered on the device; nonsense in its place is not", () => {
  new Candil.Ceilings().choose({ down: "audio", up: "emergency" }, "chosen");
  assert.deepEqual(new Candil.Ceilings().limit, { down: "audio", up: "emergency", reason: "chosen" });
  new Candil.Ceilings().choose(null);
  assert.ok(new Candil.Ceilings().isOpen);
  for (const nonsense of ["x y chosen", "audio audio budget", "audio"]) {
    Candil.keep("limit", nonsense);
    assert.ok(new Candil.Ceilings().isOpen, nonsense);
  }
});

test("the ceiling goes with the join and again after every welcome; an open one is not told", async () => {
  const { server, call } = await inTheCall({ line: { down_bps: 1e5, up_bps: null, rtt_ms: 80, bears: "stills", done: true } });
  assert.deepEqual(server.heard("media.join")[0].line, { down_bps: 1e5, up_bps: null, rtt_ms: 80 });
  assert.equal(server.heard("media.join")[0].limit, null);
  call.setLimit({ down: "audio", up: "audio" }, "chosen");
  const told = { type: "media.limit", session: "m1", down: "audio", up: "audio", reason: "chosen" };
  assert.deepEqual(server.heard("media.limit"), [told]);
  server.drop();
  await server.clock.advance(2000);
  await server.accept();
  assert.deepEqual(server.heard("media.limit"), [told]);
  call.setLimit(null);
  assert.deepEqual(server.heard("media.limit")[1], { ...told, down: "hd", up: "hd", reason: "" });
  call.setLimit({ down: "low_video", up: "stills" }, "saving");
  const other = await inTheCall();
  assert.deepEqual(other.server.heard("media.join")[0].limit, { down: "low_video", up: "stills", reason: "saving" });
});

test("the line's news reach the page, of everybody", async () => {
  const { server, call } = await inTheCall();
  const news = collect(call, "line");
  const way = (rung) => ({ rung, tier: "audio", reason: "line", capacity_bps: 60000, needed_bps: 85000, since: 5 });
  server.say({ type: "media.line", participant: "d1", down: way("audio"), up: way("emergency") });
  assert.deepEqual(news, [[{ participant: "d1", down: way("audio"), up: way("emergency") }]]);
  assert.equal(call.lines.get("d1").up.rung, "emergency");
});

/** A browser that carries so much both ways, in sound with a part of it concealed. */
function carrying(peer, bytesPerS, { frames = 0, concealed = 0 } = {}, clock) {
  const since = clock.ms;
  peer.getStats = async () => {
    const s = (clock.ms - since) / 1000;
    return new Map([
      ["t", { type: "transport", bytesSent: (bytesPerS * s) / 2, bytesReceived: (bytesPerS * s) / 2, packetsSent: 0, packetsReceived: 0 }],
      ["p", { type: "candidate-pair", nominated: true, state: "succeeded", availableOutgoingBitrate: 123456.7, currentRoundTripTime: 0.1 }],
      ["v", { type: "outbound-rtp", kind: "video", framesEncoded: frames * s }],
      ["a", { type: "inbound-rtp", kind: "audio", totalSamplesReceived: 48000 * s, concealedSamples: 48000 * s * concealed }],
    ]);
  };
}

test("reports every 5 s while a picture goes out, else every 15 s", async () => {
  const { server, made } = await inTheCall();
  carrying(made[0], 1000, { frames: 10, concealed: 0.02 }, server.clock);
  await server.clock.advance(32000);
  const often = server.heard("media.report");
  assert.deepEqual(often[0], { type: "media.report", session: "m1", outgoing_bps: 123457, concealed: 0.02 });
  assert.ok(often.length >= 4 && often.length <= 6, `${often.length}`);
  carrying(made[0], 1000, {}, server.clock);
  await server.clock.advance(46000);
  assert.ok(server.heard("media.report").length - often.length <= 4);
});

test("a cap steps the ceiling down, closes the session in the end, and raising it brings the call back", async () => {
  const { server, call, made } = await inTheCall();
  const spent = collect(call, "spending");
  call.setCap({ megabytes: 4, per: "call" });
  carrying(made[0], 50000, {}, server.clock);
  await server.clock.advance(90000);
  const told = server.heard("media.limit");
  assert.ok(told.length >= 2 && told.every((one) => one.reason === "budget"), JSON.stringify(told));
  assert.equal(call.state, "spent");
  assert.ok(made[0].closed, "not even a check of the path goes out");
  assert.equal(server.heard("media.leave").length, 1);
  assert.ok(spent[spent.length - 1][0].callBytes <= 4.08e6, `${spent[spent.length - 1][0].callBytes}`);
  const joins = server.heard("media.join").length;
  await server.clock.advance(60000);
  assert.equal(server.heard("media.join").length, joins);
  call.setCap({ megabytes: 40, per: "call" });
  await settle();
  assert.equal(server.heard("media.join").length, joins + 1);
  assert.equal(server.heard("media.join")[joins].limit, null);
  assert.equal(call.state, "joining");
});

test("a call entered with nothing left waits for a higher cap; a reload does not start the count anew", async () => {
  const first = await inTheCall();
  first.call.setCap({ megabytes: 1, per: "call" });
  first.call.countBytes(2e6);
  await first.server.clock.advance(2500);
  assert.equal(first.call.state, "spent");
  const again = await page();
  again.call.join();
  assert.equal(again.call.state, "spent");
  assert.equal(again.server.heard("media.join").length, 0);
  assert.ok(again.call.spent.callBytes >= 2e6);
  again.call.setCap(null);
  assert.equal(again.server.heard("media.join").length, 1);
});

test("bytes on the wire: headers of every packet, checks of the path, and the way over a relay or TCP", () => {
  const base = { type: "candidate-pair", nominated: true, state: "succeeded", localCandidateId: "l", bytesSent: 1000, packetsSent: 10, bytesReceived: 500, packetsReceived: 5, requestsSent: 2, responsesSent: 1 };
  const sent = (pair, local) => {
    const reports = new Map([["p", { ...base, ...pair }], ["l", { type: "local-candidate", protocol: "udp", address: "10.0.0.1", candidateType: "host", ...local }]]);
    return Candil.readStats(reports).sentBytes;
  };
  const checks = (header) => 2 * (104 + header) + 68 + header;
  assert.equal(sent({}, {}), 1000 + 280 + checks(28));
  assert.equal(sent({}, { address: "2001:db8::1" }), 1000 + 480 + checks(48));
  assert.equal(sent({}, { protocol: "tcp" }), 1000 + 800 + checks(80));
  assert.equal(sent({}, { candidateType: "relay", relayProtocol: "tls" }), 1000 + 1130 + checks(113));
  const firefox = { bytesSent: 1000, packetsSent: undefined, requestsSent: 0, responsesSent: 0 };
  const reports = new Map([["p", { ...base, ...firefox }], ["o", { type: "outbound-rtp", packetsSent: 7 }]]);
  assert.equal(Candil.readStats(reports).sentBytes, 1000 + 7 * 28);
});
