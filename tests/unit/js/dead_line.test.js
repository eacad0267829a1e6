"use strict";
const { test } = require("node:test");
const assert = require("node:assert/strict");
const { Server, FakeStream, FakeTrack, peerConnections, settle, inCall } = require("./fakes.js");

const RTT_MS = 200;
/** What Chromium does with a path that went silent: says so, and gives up at last; until then it finds it again at once. */
const NOTICED_MS = 5000;
const GIVEN_UP_MS = 30000;
const REVIVED_MS = 500;
/** A connection's first packet is repeated after these times (RFC 6298: 1 s, doubling). */
const SYN_MS = [0, 1000, 3000, 7000, 15000, 31000];

/** What Chromium makes a socket wait for before it connects: by those pending, and the failed against those that stood. */
const throttleMs = (pending, failed, stood, random) =>
  ((1000 + 4000 * random) * 2 ** Math.min(pending + Math.floor(failed / (stood + 1)), 16)) / 65536;

/** A page in a call on a line that dies for a while and comes back, with nobody touching anything. */
class DeadLine {
  constructor(random, resume = "r") {
    this.server = new Server();
    this.resume = resume;
    /** Connections for requests: a request given up leaves its own to the next one, as Chromium does. */
    this.jobs = [];
    /** Sockets: only one connects at a time, the others stand in line. */
    this.queue = [];
    this.connecting = null;
    this.pending = 0;
    this.failed = 0;
    this.stood = 0;
    this.deadUntil = 0;
    this.deadSince = Infinity;
    this.random = random;
  }

  get now() {
    return this.server.clock.ms;
  }

  isDead(at = this.now) {
    return at >= this.deadSince && at < this.deadUntil;
  }

  /** Run when something sent now has been answered, over a connection that repeats its first packet. */
  opened(act) {
    const began = this.now;
    const at = SYN_MS.map((ms) => began + ms).find((ms) => !this.isDead(ms));
    if (at !== undefined) this.server.clock.setTimeout(act, at + 3 * RTT_MS - this.now);
  }

  nextSocket() {
    if (this.connecting || !this.queue.length) return;
    const socket = (this.connecting = this.queue.shift());
    this.opened(() => this.settled(socket) && socket.onopen());
  }

  /** Whether a socket was still wanted; it is no longer in anybody's way. */
  settled(socket) {
    if (socket.isSettled) return false;
    socket.isSettled = true;
    this.pending -= 1;
    this.queue = this.queue.filter((other) => other !== socket);
    if (this.connecting === socket) this.connecting = null;
    this[socket.closed ? "failed" : "stood"] += 1;
    this.nextSocket();
    return true;
  }

  request(resolve, init) {
    let job = this.jobs.find((one) => !one.resolve);
    if (!job) {
      this.jobs.push((job = {}));
      this.opened(() => {
        this.jobs = this.jobs.filter((one) => one !== job);
        if (job.resolve) job.resolve({ ok: true, status: 200, json: async () => ({ ticket: "t" }) });
      });
    }
    job.resolve = resolve;
    if (init.signal) init.signal.addEventListener("abort", () => (job.resolve = null));
  }

  async start() {
    const line = this, server = this.server;
    const { setTimeout, clearTimeout, now } = server.clock;
    const { FakePeer, made } = peerConnections();
    this.made = made;
    const Peer = class extends FakePeer {
      async setLocalDescription(answer) {
        await super.setLocalDescription(answer);
        setTimeout(() => !this.closed && !line.isDead() && this.connectionState === "new" && this.become("connected"), 2 * RTT_MS);
      }
    };
    const Socket = class extends server.WebSocket {
      constructor(url) {
        super(url);
        const wait = throttleMs(line.pending++, line.failed, line.stood, line.random());
        setTimeout(() => !this.closed && (line.queue.push(this), line.nextSocket()), wait);
      }
      close() {
        super.close();
        line.settled(this);
      }
      send(text) {
        const message = JSON.parse(text);
        this.sent.push(message);
        if (this.doomed || line.isDead()) return void (this.doomed = true); // TCP's next try is minutes away
        setTimeout(() => !this.closed && !line.isDead() && this.onmessage && line.answer(this, message), RTT_MS);
      }
    };
    const fetch = (url, init) =>
      new Promise((resolve, reject) => {
        line.request(resolve, init);
        if (init.signal) init.signal.addEventListener("abort", () => reject(new Error("aborted")));
      });
    this.connection = new Candil.Connection({
      ticketUrl: "/t", csrf: "c", wsUrl: "w", WebSocket: Socket, fetch, setTimeout, clearTimeout, now, random: this.random,
    });
    this.call = new Candil.Call({
      connection: this.connection, RTCPeerConnection: Peer, MediaStream: FakeStream, setTimeout, clearTimeout, now,
      random: this.random, getUserMedia: async () => new FakeStream([new FakeTrack("audio")]),
    });
    this.connection.start();
    await this.call.capture("audio");
    this.call.join();
    await server.clock.advance(20000);
    assert.equal(this.call.state, "connected");
  }

  answer(socket, message) {
    const say = (answer) => socket.onmessage({ data: JSON.stringify(answer) });
    if (message.type === "ping") say({ type: "pong", at: 1 });
    if (message.type === "hello") {
      say({ type: "welcome", version: 1, epoch: "e", server_time: 1, heartbeat_s: 15, participant: "p1", role: "patient", resume: this.resume });
      say({ type: "sync", state: inCall(), events: [], messages: [], note: null, more: false, visibility: "room" });
    }
    if (message.type === "media.join") say({ type: "media.offer", session: `m${this.made.length + 1}`, sdp: "offer", ice_servers: [] });
  }

  /** Seconds from the line's return to media, or Infinity. */
  async dieFor(ms) {
    this.deadSince = this.now;
    this.deadUntil = this.now + ms;
    const before = this.made.length;
    const [peer] = this.made.slice(-1);
    const at = (wait, act) => this.server.clock.setTimeout(() => peer.closed || act(), wait);
    at(NOTICED_MS, () => this.isDead() && peer.become("disconnected"));
    at(GIVEN_UP_MS, () => this.isDead() && peer.become("failed"));
    if (ms < GIVEN_UP_MS) at(ms + REVIVED_MS, () => peer.become("connected"));
    for (let waited = 0; waited < 60000; waited += 100) {
      await this.server.clock.advance(waited ? 100 : ms);
      const isUp = this.made.some((one) => !one.closed && one.connectionState === "connected");
      if (isUp && this.call.state === "connected" && !this.isDead()) {
        return { s: (this.now - this.deadUntil) / 1000, sessions: this.made.length - before };
      }
    }
    return { s: Infinity, sessions: this.made.length - before };
  }
}

for (const [seconds, limit] of [[2, 2], [6, 2], [12, 2], [29, 5], [30, 5], [45, 5], [78, 5], [170, 5], [290, 5]]) {
  test(`a line dead for ${seconds} s: media at most ${limit} s after it returns, whenever it happens`, async () => {
    const took = [];
    for (let offset = 0; offset < 15; offset++) {
      const line = new DeadLine(() => ((offset * 7) % 15) / 15);
      await line.start();
      await line.server.clock.advance(offset * 1000);
      const { s, sessions } = await line.dieFor(seconds * 1000);
      took.push(s);
      assert.ok(s <= limit, `${s} s, begun at ${offset}`);
      if (seconds < 30) assert.equal(sessions, 0, "the path that revives is kept");
    }
    if (process.env.FIGURES) console.log(seconds, "s:", took.join(" "));
  });
}

test("a dead socket is noticed in seven seconds when somebody asks, and in 22 when nobody does", async () => {
  const line = new DeadLine(() => 0.5);
  await line.start();
  line.deadSince = line.now;
  line.deadUntil = Infinity;
  line.connection.probe();
  await line.server.clock.advance(6900);
  assert.equal(line.connection.state, "slow");
  await line.server.clock.advance(200);
  assert.equal(line.connection.state, "offline");
  const other = new DeadLine(() => 0.5);
  await other.start();
  other.deadSince = other.now;
  other.deadUntil = Infinity;
  await other.server.clock.advance(22100);
  assert.equal(other.connection.state, "offline");
});

test("attempts stay close together for minutes, then not, and a request for a ticket never piles up", async () => {
  const line = new DeadLine(() => 0.5, "");
  let open = 0, most = 0, asked = [];
  await line.start();
  const fetch = line.connection._tickets._options;
  const before = fetch.fetch;
  fetch.fetch = (url, init) => {
    asked.push(line.now);
    most = Math.max(most, (open += 1));
    return before(url, init).finally(() => (open -= 1));
  };
  line.deadSince = line.now;
  line.deadUntil = Infinity;
  line.connection.probe();
  await line.server.clock.advance(600000);
  const gaps = asked.slice(1).map((at, i) => at - asked[i]);
  assert.ok(gaps.slice(0, 60).every((gap) => gap <= 3000), `${gaps.slice(0, 60)}`);
  assert.ok(gaps.slice(-5).every((gap) => gap >= 5000), `${gaps.slice(-5)}`);
  assert.ok(most <= 5, `${most} at a time: four, and one being given up`);
  const count = asked.length;
  line.connection.reconnectNow();
  await settle();
  assert.equal(asked.length, count + 1, "at once when told that the line is back");
});

test("without a resume ticket a request may wait long after the line is back: what Chromium repeats, it repeats rarely", async () => {
  const line = new DeadLine(() => 0.5, "");
  await line.start();
  const { s } = await line.dieFor(78000);
  assert.ok(s > 5, `${s} s`);
});

test("sockets are tried close together for five minutes, then not; at most three at a time; at once when told", async () => {
  const line = new DeadLine(() => 0.5);
  await line.start();
  line.deadSince = line.now;
  line.deadUntil = Infinity;
  line.connection.probe();
  const asked = [], { sockets } = line.server;
  for (let count = sockets.length, waited = 0; waited < 600000; waited += 100) {
    await line.server.clock.advance(100);
    while (count < sockets.length) asked.push((count++, line.now));
    assert.ok(sockets.filter((one) => !one.closed).length <= 3);
  }
  const gaps = asked.slice(1).map((at, i) => at - asked[i]);
  const early = gaps.slice(0, 100).sort((a, b) => a - b);
  assert.ok(early[80] <= 2500 && early[99] <= 6300, `${early}`);
  assert.ok(gaps.slice(-5).every((gap) => gap >= 6000), `${gaps.slice(-5)}`);
  const count = sockets.length;
  line.connection.reconnectNow();
  assert.equal(sockets.length, count + 1);
});

test("a thin line that answers late is not taken for a dead one", async () => {
  const pulse = [];
  const { clock } = new Server();
  const retry = new Candil.Retry(() => 0);
  const heart = new Candil.Pulse({
    setTimeout: clock.setTimeout, clearTimeout: clock.clearTimeout, now: clock.now, retry,
    ping: () => pulse.push("ping"), slow: () => pulse.push("slow"), fine: () => pulse.push("fine"), dead: () => pulse.push("dead"),
  });
  heart.rest(15000);
  await clock.advance(15000);
  await clock.advance(4000);
  heart.heard();
  await clock.advance(15000);
  await clock.advance(15500);
  assert.deepEqual(pulse, ["ping", "slow", "fine", "ping", "slow"], "four times the last answer is waited for");
  await clock.advance(1000);
  assert.equal(pulse[5], "dead");
  retry.crawls = true;
  pulse.length = 0;
  heart.stop();
  heart.ask();
  await clock.advance(44000);
  assert.deepEqual(pulse, ["ping", "slow"], "a line known to crawl is given three quarters of a minute");
  await clock.advance(1500);
  assert.equal(pulse[2], "dead");
});

test("a socket on a line that crawls is given the time its handshakes take", () => {
  const retry = new Candil.Retry(() => 0.5);
  const usual = retry.stepMs(0);
  retry.crawls = true;
  assert.ok(retry.stepMs(0) > 5 * usual);
  assert.ok(retry.stageMs >= 20000);
});
