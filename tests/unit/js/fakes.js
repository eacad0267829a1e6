"use strict";
// A hand-moved clock, a socket and peer connections that a test holds in its hand; and the scripts under test.

globalThis.self = globalThis;
for (const name of ["outbox", "reconnect", "protocol", "devices", "ceilings", "stats", "spending", "orders", "brake", "session", "path", "metering", "media", "line_test", "notes"]) {
  require(`../../../webapp/static/js/${name}.js`);
}

/** Timers that run only when time is moved. */
class Clock {
  constructor() {
    this.ms = 1_000_000;
    this._next = 1;
    this._timers = new Map();
    this.setTimeout = (fn, delay) => {
      this._timers.set(this._next, { at: this.ms + delay, fn });
      return this._next++;
    };
    this.clearTimeout = (id) => this._timers.delete(id);
    this.now = () => this.ms;
  }

  /** Move time on, running what comes due in order, with promises settled in between. */
  async advance(ms) {
    const end = this.ms + ms;
    await settle();
    for (;;) {
      const due = [...this._timers].filter(([, t]) => t.at <= end).sort((a, b) => a[1].at - b[1].at)[0];
      if (!due) break;
      this._timers.delete(due[0]);
      this.ms = Math.max(this.ms, due[1].at);
      due[1].fn();
      await settle();
    }
    this.ms = end;
  }
}

/** Let every promise that can settle do so. */
async function settle() {
  for (let i = 0; i < 30; i++) await null;
}

/** The server's end of everything a Connection does. */
class Server {
  constructor() {
    this.clock = new Clock();
    this.sockets = [];
    this.ticketStatus = 200;
    this.ticketRequests = [];
    this.down = false;
    this.answersPings = false;
    const server = this;
    this.WebSocket = class {
      constructor(url) {
        this.url = url;
        this.sent = [];
        this.closed = false;
        server.sockets.push(this);
      }
      send(text) {
        const message = JSON.parse(text);
        this.sent.push(message);
        if (message.type !== "ping" || !server.answersPings) return;
        Promise.resolve().then(() => this.onmessage && this.onmessage({ data: JSON.stringify({ type: "pong", at: 1 }) }));
      }
      close() {
        this.closed = true;
      }
    };
    this.fetch = async (url, init) => {
      this.ticketRequests.push({ url, init });
      if (this.down) throw new TypeError("network");
      return { ok: this.ticketStatus === 200, status: this.ticketStatus, json: async () => ({ ticket: "t1" }) };
    };
  }

  connection(more) {
    const { setTimeout, clearTimeout, now } = this.clock;
    return new Candil.Connection({
      ticketUrl: "/v/p1/ticket",
      csrf: "c1",
      wsUrl: "wss://clinic/ws",
      clientId: "page1",
      WebSocket: this.WebSocket,
      fetch: this.fetch,
      setTimeout,
      clearTimeout,
      now,
      random: () => 0.5,
      ...more,
    });
  }

  get socket() {
    return this.sockets[this.sockets.length - 1];
  }

  say(message) {
    this.socket.onmessage({ data: JSON.stringify(message) });
  }

  /** What the page sent on the newest socket, of one type. */
  heard(type) {
    return this.socket.sent.filter((m) => m.type === type);
  }

  /** Accept the newest connection as participant p1. */
  async accept(view, more) {
    await settle();
    this.socket.onopen();
    this.say({ type: "welcome", version: 1, epoch: "e1", server_time: 1000, heartbeat_s: 15, participant: "p1", role: "patient", ...more });
    this.say({ type: "sync", state: view || inCall(), events: [], messages: [], note: null, more: false, visibility: "room" });
    await settle();
  }

  drop(code) {
    this.socket.onclose({ code: code || 1006 });
  }
}

/** A `state` message in which p1 is in a running consult with doctor d1. */
function inCall(changes) {
  const person = (id, role) => ({ id, role, admission: "admitted", delivered: 0, read: 0 });
  return {
    type: "state",
    consult: { status: "in-progress", conversation_ended: false, ...(changes && changes.consult) },
    participants: [{ ...person("p1", "patient"), ...(changes && changes.me) }, person("d1", "doctor")],
    line: null,
  };
}

class FakeTrack {
  constructor(kind) {
    this.kind = kind;
    this.id = `${kind}-${FakeTrack.made++}`;
    this.enabled = true;
    this.stopped = false;
  }
  stop() {
    this.stopped = true;
  }
}
FakeTrack.made = 1;

class FakeStream {
  constructor(tracks, id) {
    this.tracks = tracks || [];
    this.id = id || "local";
  }
  getTracks() {
    return this.tracks.slice();
  }
  addTrack(track) {
    this.tracks.push(track);
  }
  removeTrack(track) {
    this.tracks = this.tracks.filter((other) => other !== track);
  }
}

/** RTCPeerConnections that keep what was done to them. */
function peerConnections() {
  const made = [];
  class FakePeer {
    constructor(config) {
      this.config = config;
      this.connectionState = "new";
      this.offers = [];
      this.closed = false;
      const transceiver = () => {
        const sender = {
          track: null,
          parameters: { encodings: [{ active: true }], transactionId: "t" },
          replaceTrack: async (track) => void (sender.track = track),
          getParameters: () => JSON.parse(JSON.stringify(sender.parameters)),
          setParameters: async (parameters) => void (sender.parameters = parameters),
        };
        return { direction: "recvonly", sender };
      };
      this.transceivers = [transceiver(), transceiver()];
      made.push(this);
    }
    async setRemoteDescription(offer) {
      if (offer.sdp === "broken") throw new Error("sdp");
      this.offers.push(offer.sdp);
    }
    getTransceivers() {
      return this.transceivers;
    }
    async createAnswer() {
      return { type: "answer", sdp: `answer to ${this.offers[this.offers.length - 1]}` };
    }
    async setLocalDescription(answer) {
      this.localDescription = answer;
    }
    setConfiguration(config) {
      this.config = config;
    }
    async getStats() {
      return new Map(Object.entries(this.stats || {}));
    }
    close() {
      this.closed = true;
    }
    become(state) {
      this.connectionState = state;
      if (this.onconnectionstatechange) this.onconnectionstatechange();
    }
    receive(participant, tracks) {
      const stream = new FakeStream(tracks, participant);
      for (const track of tracks) this.ontrack({ track, streams: [stream] });
      return stream;
    }
  }
  return { FakePeer, made };
}

function collect(emitter, type) {
  const got = [];
  emitter.on(type, (...values) => got.push(values));
  return got;
}

module.exports = { Server, FakeTrack, FakeStream, peerConnections, inCall, settle, collect };
