/**
 * A voice note is loaded when somebody wants to hear it, in pieces that go on where the line broke, and then played.
 *   Candil.playVoice(element)     element: [data-voice] with data-src (folder of its parts) or data-local (an address here)
 *   Candil.forgetVoice(element)   it holds another one now
 * One plays at a time. data-state: loading, playing, paused, ready (the browser wants one more tap) or failed.
 */
(function (root) {
  "use strict";

  const Candil = /** @type {any} */ (root.Candil = root.Candil || {});
  const PIECE_BYTES = 16384;
  const PIECE_LIMIT_MS = 45000;
  const TRIES = 4;
  const RETRY_MS = 2000;
  const FAST = 1.5;
  const say = Candil.words("voice");
  /** @type {Map<HTMLElement, VoicePlayer>} */
  const players = new Map();
  let rate = 1;
  /** @type {VoicePlayer|null} */
  let playing = null;

  class VoicePlayer {
    /** @param {HTMLElement} element */
    constructor(element) {
      this.element = element;
      this.link = /** @type {HTMLElement} */ (element.querySelector("[data-play]"));
      this.says = /** @type {HTMLElement} */ (element.querySelector("[data-voice-says]"));
      this.audio = new Audio();
      this.lengthMs = Number(element.dataset.ms) || 0;
      this.url = element.dataset.local || "";
      /** What this browser plays: Opus, or the form that every one does. */
      this.part = this.audio.canPlayType("audio/ogg; codecs=opus") ? "full" : "mp3";
      /** @type {ArrayBuffer[]} */
      this.pieces = [];
      this.isLoading = false;
      this.at = document.createElement("input");
      this.speed = document.createElement("button");
      this._build();
      this._listen();
    }

    _build() {
      this.link.setAttribute("role", "button");
      Object.assign(this.at, { type: "range", min: "0", max: "1000", value: "0", className: "voice-at" });
      this.at.setAttribute("aria-label", say("position"));
      Object.assign(this.speed, { type: "button", className: "button small voice-speed" });
      this.element.insertBefore(this.at, this.says);
      this.element.append(this.speed);
      this._paceWords();
      this.element.scrollIntoView({ block: "nearest" });
    }

    _listen() {
      const audio = this.audio;
      audio.addEventListener("timeupdate", () => this._moved());
      audio.addEventListener("play", () => this._state("playing"));
      audio.addEventListener("pause", () => this._state("paused"));
      audio.addEventListener("ended", () => {
        audio.currentTime = 0;
        this._moved();
      });
      audio.addEventListener("error", () => this.url && this._cannotPlay());
      this.at.addEventListener("input", () => {
        audio.currentTime = (Number(this.at.value) / 1000) * this._lengthS();
        this._moved();
      });
      this.link.addEventListener("keydown", (event) => {
        if (event.key !== " ") return;
        event.preventDefault();
        this.toggle();
      });
      this.speed.addEventListener("click", () => {
        rate = rate === 1 ? FAST : 1;
        players.forEach((player) => player._paceWords());
      });
    }

    /** Play, or stop where it is. */
    toggle() {
      if (this.isLoading) return;
      if (!this.audio.paused) return this.audio.pause();
      if (this.url) return this._play();
      this._load().then(() => this._play(), () => this._failed());
    }

    _play() {
      if (playing && playing !== this) playing.audio.pause();
      playing = this;
      if (!this.audio.src) this.audio.src = this.url;
      this.audio.playbackRate = rate;
      const played = this.audio.play();
      if (played) played.catch((error) => error.name === "NotAllowedError" && this._state("ready"));
    }

    async _load() {
      this.isLoading = true;
      this._state("loading");
      try {
        let total = Infinity;
        let tries = 0;
        while (this._have() < total) {
          try {
            total = await this._piece();
            tries = 0;
          } catch (error) {
            tries += 1;
            if (tries >= TRIES) throw error;
            await new Promise((resolve) => root.setTimeout(resolve, RETRY_MS * tries));
          }
          this.says.textContent = say("loading", { percent: Math.floor((100 * this._have()) / Math.max(1, total)) || 0 });
        }
        const type = this.part === "mp3" ? "audio/mpeg" : "audio/ogg";
        this.url = URL.createObjectURL(new Blob(this.pieces, { type }));
      } finally {
        this.isLoading = false;
      }
    }

    _have() {
      return this.pieces.reduce((sum, piece) => sum + piece.byteLength, 0);
    }

    /** @returns {Promise<number>} of how many bytes in all */
    async _piece() {
      const from = this._have();
      const headers = { Range: "bytes=" + from + "-" + (from + PIECE_BYTES - 1) };
      const late = new Promise((_, reject) => root.setTimeout(() => reject(new Error("late")), PIECE_LIMIT_MS));
      const asked = fetch(this.element.dataset.src + this.part, { headers, credentials: "same-origin", cache: "no-store" });
      const answer = /** @type {Response} */ (await Promise.race([asked, late]));
      const whole = /\/(\d+)$/.exec(answer.headers.get("Content-Range") || "");
      if (answer.status !== 206 || !whole) throw new Error("no piece");
      const piece = /** @type {ArrayBuffer} */ (await Promise.race([answer.arrayBuffer(), late]));
      this.pieces.push(piece);
      document.dispatchEvent(new CustomEvent("candil:bytes", { detail: piece.byteLength }));
      return Number(whole[1]);
    }

    /** It said that it could: then the form that every browser plays. */
    _cannotPlay() {
      if (this.part === "mp3" || this.element.dataset.local) return this._failed();
      URL.revokeObjectURL(this.url);
      Object.assign(this, { part: "mp3", url: "", pieces: [] });
      this.audio.removeAttribute("src");
      this._load().then(() => this._play(), () => this._failed());
    }

    _failed() {
      this._state("failed");
    }

    /** A recorder's file may not know how long it is: its page does. @returns {number} */
    _lengthS() {
      return this.lengthMs / 1000 || (isFinite(this.audio.duration) ? this.audio.duration : 0);
    }

    _moved() {
      const length = this._lengthS();
      if (length) this.at.value = String(Math.round((1000 * this.audio.currentTime) / length));
      this.says.textContent = Candil.clock(1000 * this.audio.currentTime) + " / " + Candil.clock(1000 * length);
    }

    /** @param {string} state */
    _state(state) {
      this.element.dataset.state = state;
      /** @type {HTMLElement} */ (this.link.querySelector("[data-play-word]")).textContent = say(state === "playing" ? "pause" : "listen");
      if (state === "failed" || state === "ready") this.says.textContent = say(state);
      else if (state === "loading") this.says.textContent = say("loading", { percent: 0 });
    }

    _paceWords() {
      this.speed.textContent = say(rate === 1 ? "speed_1" : "speed_15");
      this.speed.setAttribute("aria-label", say("speed") + " " + this.speed.textContent);
      this.audio.playbackRate = rate;
    }

    forget() {
      this.audio.pause();
      this.audio.removeAttribute("src");
      if (!this.element.dataset.local) URL.revokeObjectURL(this.url);
      this.at.remove();
      this.speed.remove();
      this._state("");
      this.says.textContent = this.element.dataset.says || "";
    }
  }

  Candil.playVoice = function (/** @type {HTMLElement} */ element) {
    const player = players.get(element) || new VoicePlayer(element);
    players.set(element, player);
    player.toggle();
  };

  Candil.forgetVoice = function (/** @type {HTMLElement} */ element) {
    const player = players.get(element);
    if (player) player.forget();
    players.delete(element);
  };
})(/** @type {any} */ (self));
