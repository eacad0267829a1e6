"use strict";
const { test } = require("node:test");
const assert = require("node:assert/strict");
require("./fakes.js");
const Candil = globalThis.Candil || globalThis.self.Candil;

/** A brake whose time and statistics are ours. */
function rig(bps) {
  const timers = [];
  const state = { at: 0, bps, braked: [], reports: [] };
  const pc = {
    getStats: async () => new Map([["pair", { type: "candidate-pair", nominated: true, state: "succeeded", availableOutgoingBitrate: state.bps }]]),
  };
  const session = { pc, closed: false };
  const orders = new Candil.Orders();
  const brake = new Candil.Brake({
    orders,
    session: () => session,
    braked: (_session, value) => state.braked.push(value),
    report: (_session, value) => state.reports.push(value),
    now: () => state.at,
    setTimeout: (fn, ms) => timers.push({ fn, at: state.at + ms }) && timers[timers.length - 1],
    clearTimeout: (timer) => timers.splice(0, timers.length, ...timers.filter((one) => one !== timer)),
  });
  const order = (video, probe = false) => {
    orders.set({ audio: null, video, probe }, state.at);
    brake.ordered();
  };
  const pass = async (ms) => {
    const until = state.at + ms;
    while (timers.length && timers[0].at <= until) {
      const timer = timers.shift();
      state.at = timer.at;
      await timer.fn();
    }
    state.at = until;
  };
  return { state, orders, order, pass, timers, brake, session };
}

const VIDEO = { max_bitrate_bps: 200000, max_framerate: 15, max_height: 240 };
const STILLS = { max_bitrate_bps: 14000, max_framerate: 1, max_height: 240 };

test("a picture whose sending fell to the encoder's floor is stopped before the server can say so", async () => {
  const { state, orders, order, pass, timers } = rig(180000);
  order(VIDEO);
  await pass(3000);
  assert.ok(orders.order.video);
  state.bps = 30000;
  await pass(700);
  assert.equal(orders.order.video, null);
  assert.deepEqual(state.braked, [30000]);
  assert.equal(timers.length, 0, "nothing is watched while no picture is sent");
});

test("one low reading, a slow start and a rate that only fell are no reason", async () => {
  const { state, orders, order, pass } = rig(30000);
  order(VIDEO);
  await pass(900);
  state.bps = 60000;
  await pass(1500);
  state.bps = 30000;
  await pass(300);
  state.bps = 60000;
  await pass(2000);
  assert.ok(orders.order.video);
  assert.deepEqual(state.braked, []);
});

test("while the uplink is tested the server hears what the browser believes", async () => {
  const { state, order, pass } = rig(95000);
  order(VIDEO, true);
  await pass(2500);
  assert.deepEqual(state.reports, [95000, 95000]);
});

test("stills are below every floor and are not watched; the next order decides again", async () => {
  const { state, orders, order, pass, timers } = rig(30000);
  order(STILLS);
  assert.equal(timers.length, 0);
  order(VIDEO);
  await pass(3000);
  assert.equal(orders.order.video, null);
  state.bps = 200000;
  order(VIDEO);
  await pass(3000);
  assert.ok(orders.order.video);
});

const SOUND = { bitrate_bps: 22000, ptime_ms: 60, dtx: true, fec: true, narrowband: false };

/** A call with sound alone, whose statistics are read every 2 s; each reading brings a new report of the server. */
function talking() {
  const one = rig(0);
  one.orders.set({ audio: SOUND, video: null, probe: false }, 0);
  let answers = 0;
  one.read = (seconds, { loss, rttMs, answered }) => {
    for (let passed = 0; passed < seconds; passed += 2) {
      one.state.at += 2000;
      answers += answered ? 1 : 0;
      one.brake.felt(one.session, { theirLoss: loss, reportedAt: one.state.at, rttMs, answers });
    }
  };
  return one;
}

test("sound that fills the line is made as thin as can be, then stopped, and the server is told", () => {
  const one = talking();
  one.read(2, { loss: 0.4, rttMs: 3000, answered: true });
  assert.deepEqual(one.orders.order.audio, SOUND, "one report may be of a passing outage");
  one.read(2, { loss: 0.4, rttMs: 3000, answered: true });
  assert.equal(one.orders.order.audio.ptime_ms, 120);
  assert.deepEqual(one.state.reports, []);
  one.read(4, { loss: 0.4, rttMs: 3000, answered: true });
  assert.equal(one.orders.order.audio, null);
  assert.deepEqual(one.state.braked, [0, 0]);
  assert.deepEqual(one.state.reports, [0]);
});

test("loss on a quick line is no reason: it may be that of who listens; with checks that nobody answers it is", () => {
  const lossy = talking();
  lossy.read(20, { loss: 0.9, rttMs: 100, answered: true });
  assert.deepEqual(lossy.orders.order.audio, SOUND);
  const unanswered = talking();
  unanswered.read(6, { loss: 0.4, rttMs: 100, answered: false });
  assert.deepEqual(unanswered.orders.order.audio, SOUND);
  unanswered.read(6, { loss: 0.4, rttMs: 100, answered: false });
  assert.equal(unanswered.orders.order.audio.ptime_ms, 120);
});

test("the same report again says nothing new", () => {
  const one = talking();
  const seen = { theirLoss: 0.9, reportedAt: 7, rttMs: 3000, answers: 1 };
  for (let n = 0; n < 20; n += 1) one.brake.felt(one.session, seen);
  assert.deepEqual(one.orders.order.audio, SOUND);
});

test("without a socket a slow line is given thin sound, then none; a quick one is left alone", async () => {
  const slow = talking();
  slow.read(2, { loss: 0, rttMs: 1200, answered: true });
  slow.session.isUp = true;
  slow.brake.deaf(true);
  await slow.pass(4500);
  assert.equal(slow.orders.order.audio.ptime_ms, 120);
  await slow.pass(11000);
  assert.equal(slow.orders.order.audio, null);
  const quick = talking();
  quick.read(2, { loss: 0, rttMs: 200, answered: true });
  quick.session.isUp = true;
  quick.brake.deaf(true);
  await quick.pass(20000);
  assert.deepEqual(quick.orders.order.audio, SOUND);
});

test("an order that comes late does not undo what the page found; a test of the line, or calm reports, do", () => {
  const one = talking();
  one.read(4, { loss: 0.9, rttMs: 3000, answered: true });
  one.orders.set({ audio: SOUND, video: VIDEO, probe: false }, 0);
  assert.equal(one.orders.order.audio.ptime_ms, 120);
  assert.equal(one.orders.order.video, null);
  one.read(6, { loss: 0, rttMs: 200, answered: true });
  assert.equal(one.orders.order.audio.ptime_ms, 120, "three calm reports may be luck");
  one.read(2, { loss: 0, rttMs: 200, answered: true });
  assert.deepEqual(one.orders.order.audio, SOUND);
  one.read(8, { loss: 0.9, rttMs: 3000, answered: true });
  assert.equal(one.orders.order.audio, null);
  one.orders.set({ audio: SOUND, video: null, probe: true }, 0);
  assert.deepEqual(one.orders.order.audio, SOUND);
});
