"use strict";
const { test } = require("node:test");
const assert = require("node:assert/strict");
const { Server } = require("./fakes.js");

const HEAD_BYTES = 600;

/** Requests over a line of so many bits per second; `cutAt` ms the line dies. */
function over({ downBps, upBps, rttMs, cutAt = Infinity, status = 200, options = {} }) {
  const { clock } = new Server();
  const began = clock.ms;
  const asked = [];
  const XMLHttpRequest = class {
    constructor() {
      this.upload = {};
      this.status = 0;
    }
    open(method, url) {
      Object.assign(this, { method, url });
    }
    setRequestHeader(name, value) {
      this[name] = value;
    }
    send(body) {
      const bytes = this.method === "GET" ? Number(this.url.split("=")[1]) : body.length;
      asked.push({ method: this.method, url: this.url, bytes, token: this["X-CSRF-Token"] });
      const bps = this.method === "GET" ? downBps : upBps;
      const ms = rttMs + ((bytes + HEAD_BYTES) * 8000) / bps;
      for (let part = 0.25; part < 1; part += 0.25) {
        const report = this.method === "GET" ? () => this.onprogress : () => this.upload.onprogress;
        this.at(ms * part, () => report() && report()({ loaded: bytes * part }));
      }
      this.at(ms, () => {
        this.status = this.method === "GET" ? status : 204;
        this.onload();
      });
    }
    at(ms, act) {
      if (clock.ms - began + ms < cutAt) clock.setTimeout(() => this.over || act(), ms);
    }
    abort() {
      this.over = true;
      this.onabort();
    }
  };
  const test = Candil.testLine({
    base: "/v/p1", csrf: "c1", XMLHttpRequest, fill: (bytes) => bytes, now: clock.now,
    setTimeout: clock.setTimeout, clearTimeout: clock.clearTimeout, ...options,
  });
  return { test, clock, asked, began };
}

for (const [name, line, bears] of [
  ["a good line", { downBps: 4e6, upBps: 1e6, rttMs: 40 }, "video"],
  ["an uplink of 60 kbit/s", { downBps: 1e6, upBps: 60000, rttMs: 100 }, "stills"],
  ["a thin line", { downBps: 36000, upBps: 36000, rttMs: 200 }, "audio"],
  ["2G", { downBps: 280000, upBps: 256000, rttMs: 800 }, "low_video"],
  ["a long way", { downBps: 280000, upBps: 256000, rttMs: 1300 }, "stills"],
  ["next to nothing", { downBps: 8000, upBps: 8000, rttMs: 800 }, "text"],
]) {
  test(`${name}: within a third of its rate both ways, in 8 s, for 23 kB of bodies`, async () => {
    const { test: running, clock, asked } = over(line);
    await clock.advance(8100);
    const result = await running.finished;
    assert.equal(result.bears, bears, JSON.stringify(result));
    assert.ok(result.done);
    assert.ok(Math.abs(result.rtt_ms - line.rttMs) <= 620, `${result.rtt_ms}`);
    for (const [found, real] of [[result.down_bps, line.downBps], [result.up_bps, line.upBps]]) {
      if (found !== null) assert.ok(found > real / (line.rttMs > 1200 ? 6 : 1.6) && found < real * 1.34, `${found} of ${real}`);
    }
    assert.ok(asked.length <= 6 && asked.reduce((sum, one) => sum + one.bytes, 0) <= 23002);
  });
}

test("more is asked only of a line that did the little quickly", async () => {
  const thin = over({ downBps: 30000, upBps: 30000, rttMs: 100 });
  await thin.clock.advance(8100);
  assert.deepEqual(thin.asked.map((one) => one.bytes), [1, 1, 3000, 2000]);
  const quick = over({ downBps: 2e6, upBps: 2e6, rttMs: 100 });
  await quick.clock.advance(8100);
  assert.deepEqual(quick.asked.map((one) => one.bytes), [1, 1, 3000, 10000, 2000, 8000]);
  assert.deepEqual(quick.asked.map((one) => one.url.split("?")[0].slice(-5)), ["/down", "/down", "/down", "/down", "ne/up", "ne/up"]);
  assert.ok(quick.asked.slice(4).every((one) => one.token === "c1"));
});

test("a line that dies under the test: what was known is the result, in time", async () => {
  const { test: running, clock, began } = over({ downBps: 300000, upBps: 300000, rttMs: 100, cutAt: 480 });
  let at = 0;
  running.finished.then(() => (at = clock.ms - began));
  await clock.advance(9000);
  assert.equal(at, 8000);
  assert.ok(running.result.down_bps > 0);
  assert.equal(running.result.up_bps, null);
});

test("dead from the start, or refused: no figure, no error", async () => {
  for (const line of [{ cutAt: 0 }, { status: 429 }]) {
    const { test: running, clock } = over({ downBps: 1e6, upBps: 1e6, rttMs: 50, ...line });
    await clock.advance(8100);
    assert.deepEqual(await running.finished, { down_bps: null, up_bps: null, rtt_ms: null, bears: "", done: true });
  }
});

test("whoever goes in does not wait for it, and takes along what is known", async () => {
  const { test: running, clock } = over({ downBps: 50000, upBps: 50000, rttMs: 100 });
  await clock.advance(1400);
  running.stop();
  await clock.advance(0);
  assert.ok(running.result.done && running.result.down_bps > 30000, JSON.stringify(running.result));
});
