"use strict";
// The state of a line in words: which sentence, with which numbers.

const test = require("node:test");
const assert = require("node:assert");

globalThis.self = globalThis;
for (const name of ["outbox", "ui/line_words"]) require(`../../../webapp/static/js/${name}.js`);
const { LineWords, lampLevel } = globalThis.Candil;

const SENTENCES = {
  "tier.audio": "Solo audio", "tier.emergency": "Lo esencial", "tier.stills": "Fotos", "tier.low_video": "Video pequeño",
  "tier.video": "Video", "tier.hd": "Video", "tier.text": "Texto",
  "own.best": "alcanza", "own.line": "no da para más", "own.trying": "ya da {now}", "own.chosen": "lo eligió",
  "own.line_low_video": "da {now}; hacen falta {need} para video", "own.line_video": "más imagen: {now} de {need}",
  "own.peer_down": "el médico no da más", "own.no_camera_up": "su cámara", "other.no_camera_up": "la cámara del paciente",
  "left": "quedan {mb}",
};
const words = new LineWords(SENTENCES, "es");
const way = (rung, reason = "", capacity_bps = 0, needed_bps = 0) => ({ rung, reason, capacity_bps, needed_bps });

test("the reason says what the line gives and what the next rung needs", () => {
  assert.equal(words.why(way("stills", "line", 60400, 85000), "down", "own"), "da 60; hacen falta 85 para video");
  assert.equal(words.why(way("video", "line", 500000, 1900000), "down", "own"), "más imagen: 500 de 1.900");
});

test("without figures nothing is made up", () => {
  assert.equal(words.why(way("stills", "line", 0, 85000), "down", "own"), "no da para más");
  assert.equal(words.why(way("hd", "line", 2000000, 0), "down", "own"), "no da para más");
});

test("a line that gives enough by now is being tested", () => {
  assert.equal(words.why(way("stills", "line", 90000, 85000), "down", "own"), "ya da 90");
});

test("each side and each reader has its own sentence", () => {
  assert.equal(words.why(way("video"), "down", "own"), "alcanza");
  assert.equal(words.why(way("audio", "peer"), "down", "own"), "el médico no da más");
  assert.equal(words.why(way("audio", "no_camera"), "up", "own"), "su cámara");
  assert.equal(words.why(way("audio", "no_camera"), "up", "other"), "la cámara del paciente");
  assert.equal(words.why(way("audio", "a_code_of_tomorrow"), "up", "own"), "no da para más");
});

test("a change is news when people see or hear it, and did not ask for it", () => {
  assert.equal(words.change(way("video"), way("stills", "line"), "hd"), "worse.stills");
  assert.equal(words.change(way("audio"), way("low_video", "line"), "hd"), "better.low_video");
  assert.equal(words.change(way("emergency"), way("audio", "line"), "hd"), "better.clear");
  assert.equal(words.change(way("low_video"), way("video"), "hd"), "better.larger");
  assert.equal(words.change(way("audio"), way("video"), "hd"), "better.video");
  assert.equal(words.change(way("video"), way("audio", "chosen"), "hd"), "");
  assert.equal(words.change(way("video"), way("hd"), "hd"), "");
  assert.equal(words.change(null, way("audio"), "hd"), "");
});

test("the first climb of a call brings nothing back", () => {
  assert.equal(words.change(way("audio"), way("low_video", "line"), "audio"), "");
  assert.equal(words.change(way("audio"), way("low_video", "line"), "low_video"), "better.low_video");
  assert.equal(words.change(way("audio"), way("emergency", "line"), "audio"), "worse.emergency");
  assert.equal(globalThis.Candil.betterRung("audio", "stills"), "stills");
});

test("numbers as the reader writes them", () => {
  assert.equal(words.say("left", { mb: 3.44 }), "quedan 3,4");
  assert.equal(words.say("left", { mb: 11.6 }), "quedan 12");
  assert.equal(words.price(0.5, "Bs."), "Bs.\u00a00,50");
  assert.equal(new LineWords(SENTENCES, "en").say("left", { mb: 3.44 }), "quedan 3.4");
});

test("flames: picture, voice, writing", () => {
  assert.deepEqual(["hd", "low_video", "stills", "emergency", "text"].map(lampLevel), [3, 3, 2, 2, 1]);
});
