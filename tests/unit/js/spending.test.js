"use strict";
const { test } = require("node:test");
const assert = require("node:assert/strict");
require("./fakes.js");

const MB = 1e6;
/** Both directions while everybody speaks and moves, bits per second on the wire. */
const RATE_BPS = { hd: 3000000, video: 1070000, low_video: 300000, stills: 80000, audio: 45000, emergency: 20000, text: 0 };

function memory() {
  const months = new Map();
  return {
    read: (month) => months.get(month) || 0,
    add: (month, bytes) => months.set(month, (months.get(month) || 0) + bytes),
  };
}

/**
 * A call in virtual time, in steps of 30 ms. What is ordered takes `reactionMs`; `rate(s, ceiling)` is what flows.
 * Closing stops our own packets at once, and those of the others after half a round trip.
 */
function call(spending, { megabytes, per = "call", seconds, rate, rttMs = 200, reactionMs = 1500, before = 0 }) {
  spending.setCap(megabytes ? { megabytes, per } : null);
  const steps = [];
  let bytes = before, readAt = 0, ceiling = "hd", closedAt = -1;
  const ordered = [{ at: -reactionMs, ceiling: "hd" }];
  for (let ms = 1; ms <= seconds * 1000; ms += 30) {
    while (ordered.length > 1 && ordered[1].at + reactionMs <= ms) ordered.shift();
    const flows = closedAt < 0 ? 1 : ms - closedAt < rttMs / 2 ? 0.5 : 0;
    bytes += ((rate(ms / 1000, ordered[0].ceiling) * flows) / 8) * 0.03;
    if (ms < readAt) continue;
    const now = spending.note(ms, Math.round(bytes), rttMs, "2026-11");
    readAt = ms + now.nextMs;
    if (now.ceiling === ceiling) continue;
    ceiling = now.ceiling;
    ordered.push({ at: ms, ceiling });
    steps.push({ s: ms / 1000, ceiling });
    if (ceiling === "text") closedAt = ms;
  }
  return { bytes, steps, ended: closedAt >= 0 };
}

const obedient = (_, ceiling) => RATE_BPS[ceiling];

for (const megabytes of [3, 5, 15, 50]) {
  test(`a cap of ${megabytes} MB steps down in order and holds, and most of it is used`, () => {
    const { bytes, steps, ended } = call(new Candil.Spending({ store: memory() }), { megabytes, seconds: 3600 * 3, rate: obedient });
    const ranks = steps.map((step) => Candil.RUNGS.indexOf(step.ceiling));
    assert.deepEqual(ranks, [...ranks].sort((a, b) => b - a), "never up again by itself");
    assert.ok(ended && steps.length >= 3, JSON.stringify(steps));
    assert.ok(bytes <= megabytes * MB * 1.02, `${bytes}`);
    assert.ok(bytes >= megabytes * MB * 0.95, `${bytes}`);
  });
}

for (const bps of [20000, 80000, 300000, 700000, 1500000]) {
  test(`a line that obeys no ceiling, at ${bps / 1000} kbit/s, passes no cap by 2 %`, () => {
    for (const megabytes of [3, 5, 15]) {
      for (const rttMs of [40, 400, 800]) {
        const { bytes, ended } = call(new Candil.Spending({ store: memory() }), { megabytes, rttMs, seconds: 8000, rate: () => bps });
        assert.ok(ended, `${megabytes} MB`);
        assert.ok(bytes <= megabytes * MB * 1.02, `${megabytes} MB, ${rttMs} ms: ${bytes}`);
      }
    }
  });
}

test("a rate that jumps from the thinnest voice to 1.5 Mbit/s at any moment passes no cap by 2 %", () => {
  for (const megabytes of [3, 5, 15]) {
    for (let leftBytes = 10000; leftBytes < megabytes * MB; leftBytes = Math.round(leftBytes * 1.3)) {
      const before = megabytes * MB - leftBytes;
      const { bytes } = call(new Candil.Spending({ store: memory() }), {
        megabytes, before, seconds: 200, rate: (s) => (s < 3.7 ? 20000 : 1500000),
      });
      assert.ok(bytes <= megabytes * MB * 1.02, `${leftBytes} left of ${megabytes} MB: ${bytes}`);
    }
  }
});

test("used up stays used up; raising the cap brings all back, and so does the next month for a month's cap", () => {
  const spending = new Candil.Spending({ store: memory() });
  const { bytes } = call(spending, { megabytes: 5, per: "month", seconds: 8000, rate: obedient });
  assert.equal(spending.note(9e6, bytes, 200, "2026-11").ceiling, "text");
  spending.setCap({ megabytes: 50, per: "month" });
  assert.equal(spending.note(9e6 + 1000, bytes, 200, "2026-11").ceiling, "hd");
  spending.setCap({ megabytes: 5, per: "month" });
  assert.ok(["emergency", "text"].includes(spending.note(9e6 + 2000, bytes, 200, "2026-11").ceiling));
  assert.notEqual(spending.note(9e6 + 3000, bytes, 200, "2026-12").ceiling, "text");
  spending.setCap(null);
  const free = spending.note(9e6 + 4000, bytes, 200, "2026-12");
  assert.deepEqual([free.ceiling, free.leftBytes, free.nextMs], ["hd", null, 2000]);
});

test("the month sums calls, reloads and tabs; what an earlier load counted is not counted twice", () => {
  const store = memory();
  const [one, other] = [new Candil.Spending({ store, pricePerMb: 0.5 }), new Candil.Spending({ store })];
  one.note(1000, 2 * MB, null, "2026-11");
  other.note(1000, 3 * MB, null, "2026-11");
  const now = one.note(3000, 3 * MB, null, "2026-11");
  assert.equal(now.monthBytes, 6 * MB);
  assert.deepEqual([now.price, now.monthPrice], [1.5, 3]);
  assert.equal(now.bps, 4 * MB);
  const reloaded = new Candil.Spending({ store });
  reloaded.begin(3 * MB);
  assert.equal(reloaded.note(5000, 3 * MB + 100, null, "2026-11").monthBytes, 6 * MB + 100);
  assert.equal(reloaded.note(6000, 3 * MB + 300, null, "2026-12").monthBytes, 200);
});

test("the month is the device's own, and is kept on it", () => {
  assert.equal(Candil.monthOf(new Date(2026, 10, 30, 23, 59)), "2026-11");
  assert.equal(Candil.monthOf(new Date(2027, 0, 1)), "2027-01");
  const store = new Candil.MonthStore();
  store.add("2026-11", 100.4);
  new Candil.MonthStore().add("2026-11", 50);
  assert.equal(store.read("2026-11"), 150);
  assert.equal(store.read("2026-12"), 0);
  Candil.keep("spent", "");
});
