"use strict";
const { test } = require("node:test");
const assert = require("node:assert/strict");
const { Server } = require("./fakes.js");
require("../../../webapp/static/js/uploads.js");
require("../../../webapp/static/js/ui/camera_shot.js");

/** A seeded source of numbers from 0 to 1. */
function dice(seed) {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** The clinic's end of uploads: it takes each byte once and may fall over at any moment. */
class Clinic {
  constructor(clock, options = {}) {
    Object.assign(this, { clock, options, uploads: new Map(), requests: [], kept: [] });
    this.request = (url, body, type, csrf) =>
      new Promise((resolve, reject) => {
        const size = type === "application/json" ? body.length : body.byteLength;
        this.requests.push({ url, size, csrf, at: clock.ms });
        const fate = options.fate ? options.fate() : "";
        const ms = (options.rttMs || 50) + ((size + 900) * 8000) / (options.bps || 1e6);
        clock.setTimeout(() => {
          if (fate === "lost") return reject(new Error("no connection"));
          const answer = this.answer(url, body);
          if (fate === "unanswered") return reject(new Error("no connection"));
          resolve(answer);
        }, ms);
      });
  }

  answer(url, body) {
    if (this.options.refuse) return this.options.refuse;
    const place = /uploads\/([^/]+)\/(preview|full)\?start=(\d+)$/.exec(url);
    const id = place ? place[1] : JSON.parse(body).upload;
    if (!place && !this.uploads.has(id)) this.uploads.set(id, { said: JSON.parse(body), preview: [], full: [] });
    const upload = this.uploads.get(id);
    if (this.options.held === upload.said.kind) return { status: 409, data: { code: "not_now" } };
    if (place) {
      const [, , part, start] = place;
      const had = upload[part].length;
      if (Number(start) > had) return { status: 409, data: { code: "gap", received: had } };
      upload[part].push(...new Uint8Array(body).slice(had - Number(start)));
    }
    const whole = upload.full.length === upload.said.parts.full.bytes;
    if (whole && !this.kept.includes(id)) this.kept.push(id);
    const received = {};
    for (const part of Object.keys(upload.said.parts)) received[part] = upload[part].length;
    return { status: 200, data: { state: whole ? "kept" : "receiving", received } };
  }
}

/** What a device keeps, across the pages of it. */
class Device {
  constructor() {
    this.kept = new Map();
    this.load = async () => [...this.kept.values()].map((upload) => ({ ...upload }));
    this.keep = async ({ id, kind, parts }) => void this.kept.set(id, { id, kind, parts });
    this.drop = async (id) => void this.kept.delete(id);
  }
}

const bytes = (length, seed) => Uint8Array.from({ length }, (_, i) => (i * 31 + seed) % 251).buffer;
const photo = (id, preview, full) => ({
  id, kind: "photo", parts: { preview: { bytes: bytes(preview, 1), sha256: "p" }, full: { bytes: bytes(full, 2), sha256: "f" } },
});
const voice = (id, full) => ({ id, kind: "voice", parts: { full: { bytes: bytes(full, 2), sha256: "f" } } });
const ALONE = { inCall: false, capacityBps: 0, soundBps: 0, pictureBps: 0 };

function page(clock, clinic, device, line = ALONE, random = () => 0) {
  const sender = new Candil.UploadSender({
    base: "/v/p1", csrf: "c1", store: device, line: () => line, request: clinic.request, now: clock.now,
    setTimeout: clock.setTimeout, random,
  });
  const told = [];
  sender.on("upload", ({ id }, news) => told.push({ id, ...news }));
  return { sender, told };
}

test("the preview goes first, then the full picture, one piece at a time, and then the device forgets it", async () => {
  const { clock } = new Server();
  const clinic = new Clinic(clock);
  const device = new Device();
  const { sender, told } = page(clock, clinic, device);
  sender.add(photo("a", 3000, 40000));
  await clock.advance(0);
  assert.equal(device.kept.size, 1);
  await clock.advance(60000);
  assert.deepEqual(clinic.uploads.get("a").full, [...new Uint8Array(bytes(40000, 2))]);
  const parts = clinic.requests.slice(1).map(({ url }) => /preview|full/.exec(url)[0]);
  assert.equal(parts.lastIndexOf("preview") + 1, parts.indexOf("full"));
  assert.ok(clinic.requests.every(({ csrf, size }) => csrf === "c1" && size <= 16384));
  assert.deepEqual(told[told.length - 1], { id: "a", state: "kept", sent: 43000, total: 43000, refusal: "" });
  assert.equal(device.kept.size, 0);
});

for (const seed of Array.from({ length: 40 }, (_, i) => i + 1)) {
  test(`whatever is lost, unanswered or reloaded, every byte arrives once (${seed})`, async () => {
    const random = dice(seed);
    const { clock } = new Server();
    const fate = () => (random() < 0.25 ? "lost" : random() < 0.25 ? "unanswered" : "");
    const clinic = new Clinic(clock, { fate, bps: 20000 + random() * 1e6, rttMs: random() * 900 });
    const device = new Device();
    const line = random() < 0.5 ? ALONE : { inCall: true, capacityBps: 60000, soundBps: 18000, pictureBps: 14000 };
    let now = page(clock, clinic, device, line, random);
    const wanted = new Map([["a", 1 + Math.floor(random() * 30000)], ["b", 1 + Math.floor(random() * 30000)]]);
    for (const [id, length] of wanted) {
      now.sender.add(id === "a" ? photo(id, 1 + Math.floor(random() * 4000), length) : voice(id, length));
    }
    for (let loads = 0; loads < 4; loads++) {
      await clock.advance(random() * 20000);
      now.sender._request = () => new Promise(() => {}); // the page of before is gone
      now = page(clock, clinic, device, line, random);
      now.sender.start();
    }
    await clock.advance(3600000);
    for (const [id, length] of wanted) assert.deepEqual(clinic.uploads.get(id).full, [...new Uint8Array(bytes(length, 2))]);
    assert.deepEqual([...clinic.kept].sort(), ["a", "b"]);
    assert.equal(device.kept.size, 0);
  });
}

test("in a call at 60 kbit/s the pieces are small and leave half of what is spare", async () => {
  const { clock } = new Server();
  const clinic = new Clinic(clock, { bps: 60000, rttMs: 100 });
  const line = { inCall: true, capacityBps: 60000, soundBps: 18000, pictureBps: 14000 };
  const { sender } = page(clock, clinic, new Device(), line);
  const began = clock.ms;
  const said = sender.pace.seconds(30000, line);
  sender.add(photo("a", 2000, 28000));
  await clock.advance(300000);
  const pieces = clinic.requests.slice(1);
  const last = pieces[pieces.length - 1];
  const took = (last.at - began) / 1000;
  const bits = pieces.reduce((sum, { size }) => sum + (size + 900) * 8, 0);
  assert.ok(bits / took <= 0.5 * (60000 - 32000) * 1.05, `${bits / took} bit/s`);
  assert.ok(Math.max(...pieces.map(({ size }) => ((size + 900) * 8000) / 60000)) <= 260, "none fills the line for long");
  assert.ok(Math.abs(took - said) < 0.25 * said, `said ${said}, took ${took}`);
  for (let i = 1; i < pieces.length; i++) assert.ok(pieces[i].at > pieces[i - 1].at);
});

test("a line full of pictures still gives a photo a quarter of what sound leaves, and never nothing", () => {
  const pace = new Candil.UploadPace();
  const line = { inCall: true, capacityBps: 250000, soundBps: 30000, pictureBps: 220000 };
  assert.equal(pace.shareBps(line), 55000);
  assert.equal(pace.shareBps({ inCall: true, capacityBps: 12000, soundBps: 12000, pictureBps: 0 }), 2000);
  assert.equal(pace.chunkBytes({ inCall: true, capacityBps: 12000, soundBps: 0, pictureBps: 0 }), 1024);
});

test("a clinic that refuses ends it; one that asks to wait is asked again when it said", async () => {
  const { clock } = new Server();
  const clinic = new Clinic(clock, { refuse: { status: 429, data: { code: "too_many", retry_after_s: 30 } } });
  const device = new Device();
  const { sender, told } = page(clock, clinic, device);
  sender.add(photo("a", 10, 10));
  await clock.advance(29000);
  assert.equal(clinic.requests.length, 1);
  assert.equal(told[told.length - 1].state, "waiting");
  clinic.options.refuse = { status: 400, data: { code: "too_large" } };
  await clock.advance(2000);
  assert.deepEqual(told[told.length - 1], { id: "a", state: "refused", sent: 0, total: 20, refusal: "too_large" });
  assert.equal(device.kept.size, 0);
});

test("who was put back into the waiting room keeps the photo until the visit goes on", async () => {
  const { clock } = new Server();
  const clinic = new Clinic(clock, { refuse: { status: 409, data: { code: "not_now" } } });
  const { sender, told } = page(clock, clinic, new Device());
  sender.add(photo("a", 10, 10));
  await clock.advance(10000);
  clinic.options.refuse = null;
  sender.wake();
  await clock.advance(1000);
  assert.equal(told[told.length - 1].state, "kept");
});

test("a photo that the visit does not take now holds no voice note up", async () => {
  const { clock } = new Server();
  const clinic = new Clinic(clock, { held: "photo" });
  const device = new Device();
  const { sender, told } = page(clock, clinic, device);
  sender.add(photo("a", 10, 10));
  sender.add(voice("b", 3000));
  await clock.advance(5000);
  assert.deepEqual(clinic.kept, ["b"]);
  assert.equal(device.kept.size, 1);
  clinic.options.held = "";
  await clock.advance(20000);
  assert.deepEqual(clinic.kept, ["b", "a"]);
  assert.equal(told[told.length - 1].state, "kept");
});

test("who is signed out loses nothing: it waits on the device for whoever signs in again", async () => {
  const { clock } = new Server();
  const clinic = new Clinic(clock, { refuse: { status: 401, data: { code: "no_session" } } });
  const device = new Device();
  const { sender, told } = page(clock, clinic, device);
  sender.add(voice("a", 3000));
  await clock.advance(600000);
  assert.equal(told[told.length - 1].state, "waiting");
  assert.equal(device.kept.size, 1);
  const again = page(clock, new Clinic(clock), device);
  const left = [];
  again.sender.on("left", (upload) => left.push(upload.id));
  again.sender.start();
  await clock.advance(60000);
  assert.deepEqual(left, ["a"]);
  assert.equal(device.kept.size, 0);
});

test("half a minute of voice crosses 10 kbit/s in a minute and a half, with every third answer lost", async () => {
  const { clock } = new Server();
  const random = dice(7);
  const clinic = new Clinic(clock, { bps: 10000, rttMs: 800, fate: () => (random() < 0.3 ? "unanswered" : "") });
  const { sender } = page(clock, clinic, new Device(), ALONE, random);
  const said = sender.pace.seconds(45000, Object.assign({}, ALONE));
  sender.add(voice("a", 45000));
  await clock.advance(1000);
  let waited = 1;
  while (!clinic.kept.length && waited < 600) {
    await clock.advance(1000);
    waited += 1;
  }
  assert.ok(waited <= 180, `${waited} s, told ${said} s`);
  const bytesSent = clinic.requests.reduce((sum, { size }) => sum + size, 0);
  assert.ok(bytesSent < 45000 * 1.6, `${bytesSent} bytes`);
});

test("a call in which nothing flows leaves the line to what is sent", () => {
  const order = { audio: { bitrate_bps: 12000, ptime_ms: 58 }, video: null };
  const call = { state: "connected", order, lines: new Map([["p1", { up: { capacity_bps: 50000 } }]]) };
  assert.deepEqual(Candil.uploadLine(call, "p1"), { inCall: true, capacityBps: 50000, soundBps: 20000, pictureBps: 0 });
  for (const other of [null, { ...call, state: "path_lost" }, { ...call, order: { audio: null, video: null } }]) {
    assert.equal(Candil.uploadLine(other, "p1").inCall, false);
  }
});

test("sizes keep their proportion and are never enlarged", () => {
  assert.deepEqual(Candil.fitWithin(4000, 3000, 1600), { width: 1600, height: 1200 });
  assert.deepEqual(Candil.fitWithin(300, 400, 1600), { width: 300, height: 400 });
  assert.deepEqual(Candil.fitWithin(5000, 1, 1600), { width: 1600, height: 1 });
});

test("what an order takes on the wire", () => {
  assert.deepEqual(Candil.orderedBps(null), { soundBps: 0, pictureBps: 0 });
  const order = { audio: { bitrate_bps: 12000, ptime_ms: 58 }, video: { max_bitrate_bps: 100000 } };
  assert.deepEqual(Candil.orderedBps(order), { soundBps: 20000, pictureBps: 106000 });
});

