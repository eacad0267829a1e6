/**
 * The device check: <div data-check data-media data-probe data-state>. CSS shows what belongs to data-state:
 * idle | asking | ready | denied | missing | busy | unsupported. [data-line data-result] shows what the line bears.
 */
(function (root) {
  "use strict";

  const Candil = /** @type {any} */ (root).Candil;
  const METER_EVERY_MS = 100;
  const QUIET_AFTER_MS = 5000;
  const HEARD_LEVEL = 0.06;
  const PROBE_BYTES = 50000;
  const PROBE_SLOW_MS = 3000;
  const PROBE_LIMIT_MS = 15000;
  const RETRY_MS = 10000;
  const VIDEO_KBPS = 300; // the low video tier with voice, both ways, and room for what the line does next
  const AUDIO_KBPS = 30;
  const LONG_RTT_MS = 1200;

  /** @param {Element} box */
  function check(box) {
    const data = /** @type {HTMLElement} */ (box).dataset;
    const find = (/** @type {string} */ name) => /** @type {any} */ (box.querySelector("[data-" + name + "]"));
    const devices = new Candil.Devices({});
    /** @type {any} */
    let audio = null;
    let timer = 0;
    data.live = "";

    async function start() {
      data.state = "asking";
      audio = audio || openAudio();
      const got = await devices.capture(data.media);
      if (got.media === "text") {
        data.state = ["denied", "missing", "busy"].indexOf(got.reason) >= 0 ? got.reason : "unsupported";
        return;
      }
      data.state = "ready";
      const preview = find("preview");
      if (preview) {
        preview.hidden = got.media !== "video";
        preview.srcObject = devices.stream;
        preview.play().catch(() => {}); // refused play leaves the first picture, which is enough
      }
      find("camera-missing").hidden = !(data.media === "video" && got.media === "audio");
      listen();
      find("enter").focus({ preventScroll: true });
    }

    function listen() {
      clearInterval(timer);
      if (!audio) return;
      if (audio.state === "suspended") audio.resume();
      const analyser = audio.createAnalyser();
      analyser.fftSize = 1024;
      audio.createMediaStreamSource(devices.stream).connect(analyser);
      const samples = new Uint8Array(analyser.fftSize);
      const since = Date.now();
      let heard = false;
      timer = setInterval(() => {
        analyser.getByteTimeDomainData(samples);
        let sum = 0;
        for (let i = 0; i < samples.length; i += 1) sum += Math.pow((samples[i] - 128) / 128, 2);
        const level = Math.min(1, Math.sqrt(sum / samples.length) * 4);
        find("meter").value = level;
        heard = heard || level > HEARD_LEVEL;
        find("heard").hidden = !heard;
        find("quiet").hidden = heard || Date.now() - since < QUIET_AFTER_MS;
      }, METER_EVERY_MS);
    }

    function playTone() {
      audio = audio || openAudio();
      if (!audio) return;
      if (audio.state === "suspended") audio.resume();
      const tone = audio.createOscillator();
      const volume = audio.createGain();
      const at = audio.currentTime;
      tone.frequency.setValueAtTime(523, at);
      tone.frequency.setValueAtTime(659, at + 0.4);
      volume.gain.setValueAtTime(0.25, at);
      volume.gain.linearRampToValueAtTime(0.001, at + 0.9);
      tone.connect(volume);
      volume.connect(audio.destination);
      tone.start(at);
      tone.stop(at + 0.9);
    }

    find("try").addEventListener("click", start);
    find("tone").addEventListener("click", playTone);
    window.addEventListener("pagehide", () => devices.release());
    measureLine(find("line"), /** @type {string} */ (data.probe));
  }

  function openAudio() {
    const Context = /** @type {any} */ (root).AudioContext || /** @type {any} */ (root).webkitAudioContext;
    return Context ? new Context() : null;
  }

  /** @param {HTMLElement} card @param {string} url */
  async function measureLine(card, url) {
    card.dataset.live = "";
    card.dataset.result = "measuring";
    const slow = setTimeout(() => (card.dataset.result = "slow"), PROBE_SLOW_MS);
    try {
      const rttMs = Math.min((await download(url, 1)).ms, (await download(url, 1)).ms);
      const body = await download(url, PROBE_BYTES);
      const kbps = (body.bytes * 8) / Math.max(1, body.ms - rttMs);
      card.dataset.result = bears(kbps, rttMs);
    } catch (error) {
      card.dataset.result = "none";
      setTimeout(() => measureLine(card, url), RETRY_MS);
    } finally {
      clearTimeout(slow);
    }
  }

  /** @param {number} kbps @param {number} rttMs */
  function bears(kbps, rttMs) {
    if (kbps >= VIDEO_KBPS && rttMs < LONG_RTT_MS) return "video";
    return kbps >= AUDIO_KBPS ? "audio" : "text";
  }

  /**
   * Bytes that arrived and how long they took. A line too slow for all of them gives what came in time.
   * @param {string} url
   * @param {number} bytes
   * @returns {Promise<{bytes: number, ms: number}>}
   */
  function download(url, bytes) {
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      const began = performance.now();
      let arrived = 0;
      const done = () => resolve({ bytes: arrived, ms: performance.now() - began });
      request.open("GET", url + "?bytes=" + bytes);
      request.responseType = "arraybuffer";
      request.timeout = PROBE_LIMIT_MS;
      request.onprogress = (event) => {
        arrived = event.loaded;
      };
      request.onload = () => {
        arrived = bytes;
        if (request.status === 200) done();
        else reject(new Error("probe " + request.status));
      };
      request.ontimeout = () => (arrived ? done() : reject(new Error("probe timed out")));
      request.onerror = () => reject(new Error("probe failed"));
      request.send();
    });
  }

  document.querySelectorAll("[data-check]").forEach(check);
})(self);
