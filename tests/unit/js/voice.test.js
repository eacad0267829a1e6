"use strict";
const { test } = require("node:test");
const assert = require("node:assert/strict");
const { Server } = require("./fakes.js");
require("../../../webapp/static/js/devices.js");
require("../../../webapp/static/js/voice.js");
require("../../../webapp/static/js/ui/entries.js");

// What a press means

test("held and let go it is kept; slid away it is thrown away", () => {
  const press = new Candil.VoicePress();
  assert.equal(press.down(1000, 300), "start");
  press.move(250);
  assert.equal(press.state, "holding");
  assert.equal(press.up(4000), "keep");
  assert.equal(press.state, "idle");
  press.down(5000, 300);
  press.move(200);
  assert.equal(press.state, "cancelling");
  press.move(280);
  assert.equal(press.state, "holding", "slid back: it goes on");
  press.move(150);
  assert.equal(press.up(9000), "discard");
});

test("tapped it goes on with a free hand until it is tapped again, or a key is", () => {
  const press = new Candil.VoicePress();
  assert.equal(press.down(1000, 300), "start");
  assert.equal(press.up(1200), "");
  assert.equal(press.state, "free");
  press.move(0);
  assert.equal(press.state, "free", "a free hand slides nothing away");
  assert.equal(press.tap(9000), "keep");
  assert.equal(press.tap(10000), "start");
  assert.equal(press.state, "free");
  assert.equal(press.down(12000, 10), "keep");
});

test("a finger that the system takes leaves what is said", () => {
  const press = new Candil.VoicePress();
  press.down(0, 300);
  press.lost();
  assert.equal(press.state, "free");
  assert.equal(press.cancel(), "discard");
  assert.equal(press.cancel(), "");
  assert.equal(press.up(10), "");
  assert.equal(press.lost(), "");
});

test("two minutes are kept, counted from when it records", () => {
  const press = new Candil.VoicePress();
  press.tap(0);
  press.began(30000);
  assert.equal(press.tick(149999), "");
  assert.equal(press.tick(150000), "keep");
  assert.equal(press.tick(150001), "");
});

// The recorder

class Track {
  constructor() {
    Object.assign(this, { kind: "audio", readyState: "live", enabled: true, stopped: 0 });
  }

  clone() {
    return (this.copy = Object.assign(new Track(), { enabled: this.enabled, of: this }));
  }

  stop() {
    this.stopped += 1;
  }
}

class Stream {
  constructor(tracks = []) {
    this.tracks = tracks;
    this.addTrack = (track) => this.tracks.push(track);
    this.getTracks = () => this.tracks;
  }
}

/** A browser's recorder: a piece a second, the last when it is stopped. */
function recorderOf(clock, known) {
  return class Recorder {
    static isTypeSupported(type) {
      return known.includes(type);
    }

    constructor(stream, options) {
      Object.assign(this, { stream, options, state: "inactive", mimeType: options.mimeType || "audio/other" });
      Recorder.last = this;
    }

    start(everyMs) {
      this.state = "recording";
      const piece = () => {
        if (this.state !== "recording") return;
        this._give(100);
        clock.setTimeout(piece, everyMs);
      };
      clock.setTimeout(piece, everyMs);
    }

    stop() {
      this.state = "inactive";
      clock.setTimeout(() => {
        this._give(7);
        if (this.onstop) this.onstop();
      }, 1);
    }

    _give(size) {
      if (this.ondataavailable) this.ondataavailable({ data: new Blob([new Uint8Array(size)]) });
    }
  };
}

function scene({ known = ["audio/webm;codecs=opus", "audio/mp4"], call = null, refuse = "" } = {}) {
  const { clock } = new Server();
  const opened = [];
  const getUserMedia = async () => {
    if (refuse) throw Object.assign(new Error(refuse), { name: refuse });
    opened.push(new Track());
    return new Stream([opened[opened.length - 1]]);
  };
  const devices = new Candil.Devices({ getUserMedia, MediaStream: Stream });
  const Recorder = recorderOf(clock, known);
  const recorder = new Candil.VoiceRecorder({
    call, devices, MediaRecorder: Recorder, MediaStream: Stream, AudioContext: null, now: clock.now, setTimeout: clock.setTimeout,
    setInterval: () => 0, clearInterval: () => {},
  });
  return { clock, recorder, Recorder, opened };
}

test("it takes the smallest container the browser writes, says 12 kbit/s, and gives the microphone back", async () => {
  for (const [known, type] of [
    [["audio/webm;codecs=opus", "audio/ogg;codecs=opus"], "audio/ogg;codecs=opus"],
    [["audio/mp4", "audio/webm;codecs=opus"], "audio/webm;codecs=opus"],
    [["audio/mp4"], "audio/mp4"],
    [[], undefined],
  ]) {
    const { clock, recorder, Recorder, opened } = scene({ known });
    assert.equal(await recorder.start(), "");
    assert.deepEqual([Recorder.last.options.mimeType, Recorder.last.options.audioBitsPerSecond], [type, 12000]);
    await clock.advance(3500);
    assert.equal(recorder.ms, 3500);
    const stopping = recorder.stop();
    await clock.advance(5);
    const note = await stopping;
    assert.deepEqual([note.blob.size, note.ms, note.loudest], [307, 3500, 1]);
    assert.ok(opened[0].stopped);
    assert.equal(await recorder.stop(), null);
  }
});

test("thrown away, nothing is left and the microphone is back", async () => {
  const { clock, recorder, opened } = scene();
  await recorder.start();
  await clock.advance(2000);
  recorder.drop();
  assert.equal(recorder.ms, 0);
  assert.ok(opened[0].stopped);
  assert.equal(await recorder.stop(), null);
});

test("why it cannot record", async () => {
  assert.equal(await scene({ refuse: "NotAllowedError" }).recorder.start(), "denied");
  assert.equal(await scene({ refuse: "NotFoundError" }).recorder.start(), "missing");
  assert.equal(await scene({ refuse: "NotReadableError" }).recorder.start(), "busy");
  const { recorder } = scene();
  recorder._MediaRecorder = undefined;
  assert.equal(await recorder.start(), "unsupported");
});

/** A call with its microphone open. */
function inCall({ state = "connected", microphone = true, audio = {}, people = 2 } = {}) {
  const track = new Track();
  track.enabled = microphone;
  const lines = new Map(Array.from({ length: people }, (_, i) => [i, {}]));
  return { state, microphone, order: { audio }, lines, track, devices: { track: () => track } };
}

test("in a call the call's own microphone is listened to, muted for the others, and stays theirs", async () => {
  const call = inCall({ microphone: false });
  const { clock, recorder, opened } = scene({ call });
  assert.equal(await recorder.start(), "");
  assert.equal(opened.length, 0, "no second capture: a phone has one");
  assert.deepEqual([call.track.enabled, call.track.copy.enabled], [false, true]);
  await clock.advance(1500);
  const stopping = recorder.stop();
  await clock.advance(5);
  assert.ok((await stopping).blob.size);
  assert.deepEqual([call.track.stopped, call.track.copy.stopped], [0, 1]);
});

test("whoever is heard in the call is told so; in text, alone or muted they may record", () => {
  assert.equal(scene({ call: inCall() }).recorder.isHeard, true);
  for (const quiet of [{ audio: null }, { microphone: false }, { state: "path_lost" }, { people: 1 }]) {
    assert.equal(scene({ call: inCall(quiet) }).recorder.isHeard, false);
  }
  assert.equal(scene().recorder.isHeard, false);
});

test("a microphone that is taken away is told", async () => {
  const { recorder, Recorder } = scene();
  let cut = 0;
  recorder.on("cut", () => (cut += 1));
  await recorder.start();
  Recorder.last.stream.tracks[0].onended();
  assert.equal(cut, 1);
});

test("the level follows what is heard", () => {
  const tone = (amplitude) => Uint8Array.from({ length: 1024 }, (_, i) => 128 + Math.round(amplitude * 127 * Math.sin(i / 5)));
  const levels = [0, 0.005, 0.05, 0.4, 1].map((amplitude) => Candil.levelOf(tone(amplitude)));
  assert.equal(levels[0], 0);
  for (let i = 1; i < levels.length; i++) assert.ok(levels[i] >= levels[i - 1], String(levels));
  assert.ok(levels[2] > 0.2 && levels[3] > 0.6 && levels[4] === 1, String(levels));
});

// In the thread

test("what an own message is known by, and how far it came", () => {
  assert.equal(Candil.messageKey({ client_id: "c", client_seq: 3 }), "c:3");
  assert.equal(Candil.messageKey({ client_id: "att_1", client_seq: 1, attachment: { upload: "u1" } }), "upload:u1");
  const doctor = { delivered: 5, read: 4 };
  const mark = (dataset) => Candil.markOf({ dataset }, doctor);
  assert.deepEqual([mark({ seq: "4" }), mark({ seq: "5" }), mark({ seq: "6" })], ["read", "delivered", "clinic"]);
  assert.equal(mark({ seq: "4", kind: "photo" }), "read");
  assert.equal(mark({ seq: "4", kind: "voice" }), "delivered", "to see it is not to hear it");
  assert.equal(mark({ seq: "6", kind: "voice", heard: "1" }), "heard");
});

test("a length in words of a clock", () => {
  assert.deepEqual([0, 499, 29940, 60000, 119900].map(Candil.clock), ["0:00", "0:00", "0:30", "1:00", "2:00"]);
});
