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
  return { state, orders, order, pass, timers };
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
