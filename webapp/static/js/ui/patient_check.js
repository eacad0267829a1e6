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
  const TEST_SLOW_MS = 3000;
  const RETRY_MS = 10000;

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
    testLine(find("line"), data);
  }

  function openAudio() {
    const Context = /** @type {any} */ (root).AudioContext || /** @type {any} */ (root).webkitAudioContext;
    return Context ? new Context() : null;
  }

  /** Nothing waits for it; whoever goes in before takes along what is known. @param {HTMLElement} card @param {DOMStringMap} data */
  function testLine(card, data) {
    card.dataset.live = "";
    card.dataset.result = "measuring";
    const slow = setTimeout(() => (card.dataset.result = "slow"), TEST_SLOW_MS);
    const test = Candil.testLine({ base: data.base, csrf: data.csrf });
    window.addEventListener("pagehide", () => {
      test.stop();
      Candil.rememberLine(test.result);
    });
    test.finished.then((/** @type {any} */ result) => {
      clearTimeout(slow);
      Candil.rememberLine(result);
      card.dataset.result = result.bears || "none";
      if (!result.bears) setTimeout(() => testLine(card, data), RETRY_MS);
    });
  }

  document.querySelectorAll("[data-check]").forEach(check);
})(self);
