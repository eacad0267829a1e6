"use strict";
const { test } = require("node:test");
const assert = require("node:assert/strict");
const { Server, FakeStream, FakeTrack, peerConnections, settle } = require("./fakes.js");

const OFFER = [
  "v=0",
  "a=group:BUNDLE 0 1 2",
  "m=audio 9 UDP/TLS/RTP/SAVPF 111",
  "a=recvonly",
  "a=rtpmap:111 opus/48000/2",
  "a=fmtp:111 maxaveragebitrate=24000;minptime=10;stereo=0;useinbandfec=1;usedtx=0",
  "a=ptime:60",
  "a=maxptime:60",
  "m=video 9 UDP/TLS/RTP/SAVPF 96",
  "a=recvonly",
  "a=rtpmap:96 VP8/90000",
  "m=audio 9 UDP/TLS/RTP/SAVPF 111",
  "a=sendonly",
  "a=rtpmap:111 opus/48000/2",
  "a=fmtp:111 maxaveragebitrate=24000;minptime=10;stereo=0;useinbandfec=1;usedtx=0",
  "a=ptime:60",
  "",
].join("\r\n");
const SPEECH = { bitrate_bps: 24000, ptime_ms: 60, dtx: false, fec: true, narrowband: false };
const THIN = { bitrate_bps: 6000, ptime_ms: 120, dtx: true, fec: false, narrowband: true };
const PICTURE = { max_bitrate_bps: 300000, max_framerate: 15, max_height: 240 };
const STILLS = { max_bitrate_bps: 14000, max_framerate: 0.33, max_height: 240 };

/** A page in a call, connected; what it sends on is in `audio` and `video`. */
async function inCall() {
  const server = new Server();
  server.answersPings = true;
  const connection = server.connection();
  const { FakePeer, made } = peerConnections();
  const { setTimeout, clearTimeout, now } = server.clock;
  const getUserMedia = async () => new FakeStream([new FakeTrack("audio"), new FakeTrack("video")]);
  const random = () => 0.5;
  const call = new Candil.Call({
    connection, RTCPeerConnection: FakePeer, MediaStream: FakeStream, getUserMedia, setTimeout, clearTimeout, now, random,
  });
  connection.start();
  await server.accept();
  await call.capture("video");
  call.join();
  server.say({ type: "media.offer", session: "m1", sdp: OFFER, ice_servers: [] });
  const order = async (audio, video, more) => {
    server.say({ type: "media.order", session: "m1", audio, video, probe: false, ...more });
    await settle();
  };
  return { server, call, made, order, peer: made[0], get senders() { return made[0].transceivers.map((one) => one.sender); } };
}

async function settled() {
  const setup = await inCall();
  await settle();
  setup.peer.become("connected");
  return setup;
}

const section = (sdp, index) => sdp.split(/(?=^m=)/m)[index];

test("only our own sound in an offer is changed, and the same order gives the same offer", () => {
  const thin = Candil.audioOffer(OFFER, THIN);
  assert.match(section(thin, 1), /a=fmtp:111 minptime=10;stereo=0;maxaveragebitrate=6000;useinbandfec=0;usedtx=1;maxplaybackrate=8000\r\n/);
  assert.match(section(thin, 1), /a=ptime:120\r\na=maxptime:120\r\n$/);
  assert.equal(section(thin, 1).match(/ptime:/g).length, 2);
  for (const index of [0, 2, 3]) assert.equal(section(thin, index), section(OFFER, index));
  assert.equal(Candil.audioOffer(thin, THIN), thin);
  const back = Candil.audioOffer(thin, SPEECH);
  assert.match(section(back, 1), /maxplaybackrate=16000/);
  assert.match(section(back, 1), /a=ptime:60\r\na=maxptime:60\r\n$/);
  assert.equal(Candil.audioOffer("v=0\r\n", THIN), "v=0\r\n");
});

test("video is steered without a word to the server", async () => {
  const { server, order, senders } = await settled();
  const answers = server.heard("media.answer").length;
  await order(SPEECH, PICTURE);
  const [encoding] = senders[1].parameters.encodings;
  assert.deepEqual(
    [encoding.active, encoding.maxBitrate, encoding.maxFramerate, encoding.scaleResolutionDownBy],
    [true, 300000, 15, 2],
  );
  assert.equal(senders[1].parameters.degradationPreference, "balanced");
  assert.equal(server.heard("media.answer").length, answers);
});

test("the camera's own size says how far it is scaled, upright or not", () => {
  const track = (width, height) => ({ getSettings: () => ({ width, height }) });
  assert.equal(Candil.scaleDown(track(640, 480), 240), 2);
  assert.equal(Candil.scaleDown(track(480, 640), 240), 2);
  assert.equal(Candil.scaleDown(track(1280, 720), 480), 1.5);
  assert.equal(Candil.scaleDown(track(320, 240), 480), 1, "never up");
  assert.deepEqual([Candil.scaleDown(null, 240), Candil.scaleDown(null, 480)], [2, 1]);
});

test("stills are one picture a second: below that browsers send none", async () => {
  const { order, senders } = await settled();
  await order(THIN, STILLS);
  const { encodings, degradationPreference } = senders[1].parameters;
  assert.deepEqual([encodings[0].maxFramerate, encodings[0].maxBitrate], [1, 14000]);
  assert.equal(degradationPreference, "maintain-resolution");
});

test("null stops that kind, its device stays, and the next order starts it again", async () => {
  const { order, senders, call } = await settled();
  await order(null, null);
  assert.deepEqual(senders.slice(0, 2).map((one) => one.parameters.encodings[0].active), [false, false]);
  assert.ok(call.localStream.getTracks().every((track) => !track.stopped));
  await order(SPEECH, PICTURE);
  assert.deepEqual(senders.slice(0, 2).map((one) => one.parameters.encodings[0].active), [true, true]);
});

test("other sound: the last offer again, changed by ourselves, and no answer is sent", async () => {
  const { server, order, peer } = await settled();
  await order(THIN, null);
  assert.equal(peer.offers.length, 2);
  assert.match(peer.offers[1], /a=ptime:120/);
  await order(THIN, PICTURE);
  assert.equal(peer.offers.length, 2, "the sound is as it was");
  assert.equal(server.heard("media.answer").length, 1);
});

test("an order before the first answer waits for it; a later offer is applied with the order in force", async () => {
  const { server, order, peer } = await inCall();
  await order(THIN, STILLS);
  assert.equal(server.heard("media.answer").length, 1);
  assert.match(peer.offers[peer.offers.length - 1], /a=ptime:120/);
  server.say({ type: "media.offer", session: "m1", sdp: OFFER.replace("v=0", "v=0\r\ns=2"), ice_servers: [] });
  await settle();
  assert.match(peer.offers[peer.offers.length - 1], /s=2[^]*a=ptime:120/);
  assert.equal(server.heard("media.answer").length, 2);
});

test("a sender that refuses parameters is given no track instead, and the camera the frame", async () => {
  const { order, senders, call } = await settled();
  const asked = [];
  call.devices.track("video").applyConstraints = async (wanted) => void asked.push(wanted);
  for (const sender of senders) sender.setParameters = async () => Promise.reject(new Error("InvalidModification"));
  await order(SPEECH, PICTURE);
  assert.equal(call._orders.abilities.parameters, false);
  assert.deepEqual(asked, [{ frameRate: { max: 15 }, height: { ideal: 240 } }]);
  await order(SPEECH, null);
  assert.deepEqual([senders[0].track.kind, senders[1].track], ["audio", null]);
  await order(SPEECH, PICTURE);
  assert.equal(senders[1].track.kind, "video");
});

test("an engine that refuses only the preference between sharpness and movement keeps the rest", async () => {
  const { order, senders, call } = await settled();
  const plain = senders[1].setParameters;
  senders[1].setParameters = async (all) => {
    if (all.degradationPreference) throw new TypeError("degradationPreference");
    return plain(all);
  };
  await order(SPEECH, PICTURE);
  assert.equal(senders[1].parameters.encodings[0].maxBitrate, 300000);
  assert.equal(call._orders.abilities.parameters, true);
});

/** Statistics of a browser that sends so many packets and frames a second. */
function sending(server, peer, packetsPerS, framesPerS, height = 240) {
  peer.getStats = async () => {
    const packets = (packetsPerS * server.clock.ms) / 1000;
    const frames = (framesPerS * server.clock.ms) / 1000;
    return new Map([
      ["a", { type: "outbound-rtp", kind: "audio", packetsSent: packets }],
      ["v", { type: "outbound-rtp", kind: "video", framesEncoded: frames, frameWidth: height * 1.33, frameHeight: height }],
    ]);
  };
}

test("packets that stay short are noticed, and paid for out of the sound", async () => {
  const { server, order, senders, call, peer } = await settled();
  sending(server, peer, 50, 15);
  await order(THIN, null);
  await server.clock.advance(14000);
  assert.equal(call._orders.abilities.ptime, false);
  assert.equal(senders[0].parameters.encodings[0].maxBitrate, 6000);
  await order({ ...SPEECH, bitrate_bps: 32000 }, null);
  await server.clock.advance(8000);
  assert.equal(senders[0].parameters.encodings[0].maxBitrate, 32000 + Math.round(464000 / 60) - 23200);
});

test("a browser that obeys is left alone", async () => {
  const { server, order, senders, call, peer } = await settled();
  sending(server, peer, 16.7, 15);
  await order(SPEECH, PICTURE);
  await server.clock.advance(14000);
  assert.deepEqual(call._orders.abilities, { parameters: true, framing: true, ptime: true, silence: null });
  assert.equal(senders[0].parameters.encodings[0].maxBitrate, undefined);
});

test("sound that goes on after it was stopped (Firefox) loses its track; pictures too many are told the camera", async () => {
  const { server, order, senders, call, peer } = await settled();
  const asked = [];
  call.devices.track("video").applyConstraints = async (wanted) => void asked.push(wanted);
  sending(server, peer, 16.7, 30);
  await order(null, PICTURE);
  await server.clock.advance(14000);
  assert.deepEqual([call._orders.abilities.silence, call._orders.abilities.framing], [false, false]);
  assert.equal(senders[0].track, null);
  assert.deepEqual(asked[0], { frameRate: { max: 15 }, height: { ideal: 240 } });
  await order(SPEECH, PICTURE);
  assert.equal(senders[0].track.kind, "audio");
});

test("high definition only while it is ordered", async () => {
  const { order, call } = await settled();
  const asked = [];
  call.devices.track("video").applyConstraints = async (wanted) => void asked.push(wanted.height.ideal);
  await order(SPEECH, PICTURE);
  await order(SPEECH, { max_bitrate_bps: 1500000, max_framerate: 25, max_height: 720 });
  await order(SPEECH, { max_bitrate_bps: 1500000, max_framerate: 25, max_height: 720 });
  await order(SPEECH, PICTURE);
  assert.deepEqual(asked, [720, 480]);
});

test("who waits for repairs: only while sound is lost and a round trip fits; shortest again when clean", async () => {
  const receivers = [{ jitterBufferTarget: null }, { playoutDelayHint: null }, {}];
  const session = new Candil.Session("m1", { getReceivers: () => receivers }, null);
  session.wait(0.02, 100);
  assert.equal(receivers[0].jitterBufferTarget, null);
  session.wait(0.05, 400);
  assert.equal(receivers[0].jitterBufferTarget, null, "a repair would come too late");
  session.wait(0.05, 100);
  const { waitMs, calmReadings } = Candil.PLAYOUT;
  assert.deepEqual(receivers, [{ jitterBufferTarget: waitMs }, { playoutDelayHint: waitMs / 1000 }, {}]);
  for (let i = 1; i < calmReadings; i++) session.wait(0, 100);
  assert.equal(receivers[0].jitterBufferTarget, waitMs);
  session.wait(0, 100);
  assert.deepEqual(receivers, [{ jitterBufferTarget: null }, { playoutDelayHint: null }, {}]);
});
