"use strict";
const { test } = require("node:test");
const assert = require("node:assert/strict");
const { Server, FakeStream, FakeTrack, peerConnections, collect, inCall, settle } = require("./fakes.js");

const ICE = [{ urls: ["turn:relay"], username: "u", credential: "c" }];

/** A call whose page is connected; `devices` answers getUserMedia. */
async function page(options = {}) {
  const server = new Server();
  server.answersPings = true;
  const connection = server.connection();
  const { FakePeer, made } = peerConnections();
  const asked = [];
  const { setTimeout, clearTimeout, now } = server.clock;
  const call = new Candil.Call({
    connection,
    RTCPeerConnection: FakePeer,
    MediaStream: FakeStream,
    getUserMedia: async (wishes) => {
      asked.push(wishes);
      return (options.devices || allow)(wishes);
    },
    setTimeout,
    clearTimeout,
    now,
    random: () => 0.5,
    relayOnly: options.relayOnly,
  });
  connection.start();
  await server.accept(options.view);
  return { server, connection, call, made, asked };
}

function allow(wishes) {
  const kinds = ["audio", "video"].filter((kind) => wishes[kind]);
  return new FakeStream(kinds.map((kind) => new FakeTrack(kind)));
}

function deny(name, kinds) {
  return (wishes) => {
    if (kinds.some((kind) => wishes[kind])) throw Object.assign(new Error("x"), { name });
    return allow(wishes);
  };
}

function offer(server, session, sdp = "offer1") {
  server.say({ type: "media.offer", session, sdp, ice_servers: ICE });
}

/** In the call, connected, by video. */
async function inTheCall(options) {
  const setup = await page(options);
  await setup.call.capture("video");
  setup.call.join();
  offer(setup.server, "m1");
  await settle();
  setup.made[0].become("connected");
  return setup;
}

test("asks the devices for what was agreed", async () => {
  const { call, asked } = await page();
  assert.deepEqual(await call.capture("video"), { media: "video", reason: "" });
  assert.equal(asked[0].audio.echoCancellation, true);
  assert.equal(asked[0].audio.channelCount, 1);
  assert.deepEqual(asked[0].video.width, { ideal: 640 });
  assert.equal(asked[0].video.frameRate.max, 20);
  assert.equal(asked[0].video.facingMode, "user");
});

test("falls back from video to audio to text and says why", async () => {
  const noCamera = await page({ devices: deny("NotFoundError", ["video"]) });
  assert.deepEqual(await noCamera.call.capture("video"), { media: "audio", reason: "missing" });
  assert.deepEqual([noCamera.call.microphone, noCamera.call.camera], [true, false]);
  const denied = await page({ devices: deny("NotAllowedError", ["audio", "video"]) });
  assert.deepEqual(await denied.call.capture("video"), { media: "text", reason: "denied" });
  const text = await page();
  assert.deepEqual(await text.call.capture("text"), { media: "text", reason: "" });
  assert.equal(text.asked.length, 0, "no permission prompt for who chose text");
});

test("a device granted after hanging up is given back at once", async () => {
  let grant;
  const { call } = await page({ devices: () => new Promise((resolve) => (grant = resolve)) });
  const capturing = call.capture("video");
  await settle();
  call.release();
  const stream = allow({ audio: true, video: true });
  grant(stream);
  assert.equal((await capturing).media, "text");
  assert.ok(stream.getTracks().every((track) => track.stopped));
});

test("joins only when admitted, and by itself once that happens", async () => {
  const { server, call, made } = await page({ view: inCall({ me: { admission: "waiting" } }) });
  call.join();
  assert.equal(call.state, "waiting");
  assert.equal(server.heard("media.join").length, 0);
  server.say(inCall());
  assert.deepEqual(server.heard("media.join"), [
    { type: "media.join", audio: true, video: true, line: null, limit: null },
  ]);
  offer(server, "m1");
  await settle();
  assert.deepEqual(made[0].config.iceServers, ICE);
  const answer = server.heard("media.answer")[0];
  assert.deepEqual([answer.session, answer.sdp], ["m1", "answer to offer1"]);
  server.say({ type: "media.state", session: "m1", state: "connected" });
  assert.equal(call.state, "connected");
});

test("its own tracks go on the first two sections, which stay open for sending without a track", async () => {
  const { call, made, server } = await inTheCall();
  const [audio, video] = made[0].transceivers;
  assert.deepEqual([audio.direction, video.direction], ["sendonly", "sendonly"]);
  assert.deepEqual([audio.sender.track.kind, video.sender.track.kind], ["audio", "video"]);
  const camera = video.sender.track;
  await call.setCamera(false);
  await settle();
  assert.equal(video.sender.track, null);
  assert.ok(camera.stopped, "the camera is free");
  assert.equal(video.direction, "sendonly");
  await call.setCamera(true);
  await settle();
  assert.equal(video.sender.track.kind, "video");
  await call.setMicrophone(false);
  assert.equal(audio.sender.track.enabled, false);
  assert.deepEqual(server.heard("media.devices").slice(-1)[0], { type: "media.devices", microphone: false, camera: true });
});

test("a known session is renegotiated in order on the same connection", async () => {
  const { server, made } = await inTheCall();
  offer(server, "m1", "offer2");
  offer(server, "m1", "offer3");
  await settle();
  assert.equal(made.length, 1);
  assert.deepEqual(made[0].offers, ["offer1", "offer2", "offer3"]);
  assert.deepEqual(server.heard("media.answer").map((m) => m.sdp), ["answer to offer1", "answer to offer2", "answer to offer3"]);
});

test("streams carry their participant's id", async () => {
  const { call, made } = await inTheCall();
  const streams = collect(call, "stream");
  const stream = made[0].receive("d1", [new FakeTrack("audio")]);
  assert.deepEqual(streams, [["d1", stream]]);
  stream.tracks = [];
  stream.onremovetrack();
  assert.deepEqual(streams[1], ["d1", null]);
});

test("a lost path: a new session is made before the old one ends, and what is seen moves over when it works", async () => {
  const { server, call, made } = await inTheCall();
  const streams = collect(call, "stream");
  made[0].receive("d1", [new FakeTrack("video")]);
  made[0].become("disconnected");
  server.say({ type: "media.state", session: "m1", state: "path_lost" });
  await server.clock.advance(0);
  assert.equal(call.state, "path_lost");
  assert.equal(server.heard("media.join").length, 2);
  offer(server, "m2");
  await settle();
  const moved = made[1].receive("d1", [new FakeTrack("video")]);
  assert.equal(streams.length, 1, "the old picture stays until the new one carries media");
  assert.equal(made[0].closed, false);
  made[1].become("connected");
  assert.equal(made[0].closed, true);
  assert.deepEqual(streams[1], ["d1", moved]);
  assert.equal(call.state, "connected");
  server.say({ type: "media.closed", session: "m1", reason: "replaced" });
  assert.equal(call.state, "connected");
});

test("tries again and again, with growing waits, while the media server does not answer", async () => {
  const { server, call } = await inTheCall();
  server.say({ type: "media.closed", session: "m1", reason: "server" });
  for (let minute = 0; minute < 10; minute++) {
    await server.clock.advance(10000);
    server.say({ type: "media.closed", session: "", reason: "server" });
    server.say({ type: "pong", at: 1 });
    await server.clock.advance(10000);
  }
  const joins = server.sockets.reduce((sum, socket) => sum + socket.sent.filter((m) => m.type === "media.join").length, 0);
  assert.ok(joins >= 8 && joins < 60, `${joins} joins`);
  assert.equal(call.state, "rejoining");
});

test("a join nobody carried out is tried again, and the session that still lives is left alone", async () => {
  const { server, made } = await inTheCall();
  made[0].become("failed");
  await server.clock.advance(0);
  assert.equal(server.heard("media.join").length, 2);
  server.say({ type: "media.closed", session: "", reason: "server" });
  await server.clock.advance(2000);
  assert.equal(server.heard("media.join").length, 3);
  assert.equal(made[0].closed, false);
});

test("a short disconnection is waited out, a longer one is not", async () => {
  const { server, made } = await inTheCall();
  made[0].become("disconnected");
  await server.clock.advance(3000);
  made[0].become("connected");
  await server.clock.advance(9000);
  assert.equal(server.heard("media.join").length, 1);
  made[0].become("disconnected");
  await server.clock.advance(5100);
  assert.equal(server.heard("media.join").length, 2);
});

for (const reason of ["conversation_ended", "refused", "finished", "replaced"]) {
  test(`closed because ${reason}: over, and the camera is given back`, async () => {
    const { server, call, made } = await inTheCall();
    const tracks = call.localStream.getTracks();
    const states = collect(call, "state");
    server.say({ type: "media.closed", session: "m1", reason });
    assert.deepEqual(states, [["ended", reason]]);
    assert.ok(made[0].closed && tracks.every((track) => track.stopped));
    await server.clock.advance(40000);
    assert.equal(server.heard("media.join").length <= 1, true);
  });
}

test("held: waits, and is back when admitted again", async () => {
  const { server, call } = await inTheCall();
  server.say(inCall({ me: { admission: "waiting" } }));
  server.say({ type: "media.closed", session: "m1", reason: "held" });
  assert.equal(call.state, "waiting");
  server.say(inCall());
  assert.equal(server.heard("media.join").length, 2);
});

test("after a reconnect it asks whether its session still lives, and tells again what it sends", async () => {
  const { server, call, made } = await inTheCall();
  server.drop();
  await server.clock.advance(20000);
  await server.accept();
  assert.equal(server.heard("media.join").length, 0);
  assert.deepEqual(server.heard("media.receive"), [{ type: "media.receive", session: "m1", audio: true, video: true }]);
  assert.equal(server.heard("media.devices").length, 1);
  assert.equal(made[0].closed, false, "a lost socket harms no call");
  server.say({ type: "media.closed", session: "m1", reason: "server" });
  await server.clock.advance(100);
  assert.equal(server.heard("media.join").length, 1);
  assert.equal(call.state, "rejoining");
});

test("a reconnect while joining joins once", async () => {
  const { server, call } = await page();
  call.join();
  server.drop();
  await server.clock.advance(20000);
  await server.accept();
  assert.equal(server.heard("media.join").length, 1);
});

test("an offer that cannot be answered ends that session and asks for another", async () => {
  const { server, call, made } = await page();
  call.join();
  offer(server, "m1", "broken");
  await settle();
  assert.ok(made[0].closed);
  assert.deepEqual(server.heard("media.leave"), [{ type: "media.leave", session: "m1" }]);
  await server.clock.advance(100);
  assert.equal(server.heard("media.join").length, 2);
});

test("leaving says so and stops everything; a late offer is sent back", async () => {
  const { server, call, made } = await inTheCall();
  call.leave();
  assert.deepEqual(server.heard("media.leave"), [{ type: "media.leave", session: "m1" }]);
  assert.ok(made[0].closed);
  assert.equal(call.state, "ended");
  offer(server, "m9");
  assert.equal(server.heard("media.leave").slice(-1)[0].session, "m9");
  assert.equal(made.length, 1);
});

test("fresh relay credentials are put in place, and relay only stays relay only", async () => {
  const { server, made } = await inTheCall({ relayOnly: true });
  assert.equal(made[0].config.iceTransportPolicy, "relay");
  server.say({ type: "media.ice", session: "m1", ice_servers: [{ urls: ["turn:other"] }] });
  assert.deepEqual(made[0].config.iceServers, [{ urls: ["turn:other"] }]);
  assert.equal(made[0].config.iceTransportPolicy, "relay");
});

test("opened in another page: this one leaves the call", async () => {
  const { server, call, made } = await inTheCall();
  server.say({ type: "bye", code: "replaced", retry: false });
  assert.equal(call.state, "ended");
  assert.ok(made[0].closed);
});

test("statistics: rates, totals over sessions, and whose media arrives", async () => {
  const { server, call, made } = await inTheCall();
  const stats = collect(call, "stats");
  const audio = new FakeTrack("audio");
  made[0].receive("d1", [audio]);
  const reports = (bytes, packets) => ({
    t: { type: "transport", bytesSent: bytes, bytesReceived: bytes * 2, packetsSent: 0, packetsReceived: 0 },
    p: { type: "candidate-pair", nominated: true, state: "succeeded", currentRoundTripTime: 0.12 },
    i: { type: "inbound-rtp", trackIdentifier: audio.id, packetsReceived: packets },
  });
  made[0].stats = reports(1000, 5);
  await server.clock.advance(2000);
  made[0].stats = reports(6000, 5);
  await server.clock.advance(2000);
  assert.equal(stats[0][0].rttMs, 120);
  assert.deepEqual(stats[0][0].receiving, { d1: { audio: true, video: false } });
  assert.deepEqual([stats[1][0].sentBps, stats[1][0].receivedBps], [20000, 40000]);
  assert.deepEqual(stats[1][0].receiving, { d1: { audio: false, video: false } });
  made[0].become("failed");
  await server.clock.advance(0);
  offer(server, "m2");
  await settle();
  made[1].become("connected");
  made[1].stats = { t: { type: "transport", bytesSent: 500, bytesReceived: 500, packetsSent: 0, packetsReceived: 0 } };
  await server.clock.advance(2000);
  assert.equal(stats.slice(-1)[0][0].sentBytes, 6500);
});
