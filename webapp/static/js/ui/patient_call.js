/**
 * The call as the patient sees it: stage, controls, the lamp. Entering and leaving are the room's decision.
 *   const ui = new Candil.PatientCall(room, connection, (step) => ...);   asks for the steps "left" and "call"
 *   ui.enter(); ui.exit();
 */
(function (root) {
  "use strict";

  const Candil = /** @type {any} */ (root).Candil;
  const SLOW_AFTER_MS = 4000;
  /** @type {Object<string, {down: string, up: string}|null>} */
  const LIMITS = { open: null, saving: { down: "stills", up: "stills" }, audio: { down: "audio", up: "audio" } };

  class PatientCall {
    /** @param {HTMLElement} room @param {any} connection @param {(step: string) => void} go */
    constructor(room, connection, go) {
      this.room = room;
      this.connection = connection;
      this.go = go;
      const line = Candil.rememberedLine();
      this.call = new Candil.Call({ connection, line, pricePerMb: Number(room.dataset.price) });
      this.line = new Candil.PatientLine(room, this.call, connection, (/** @type {string} */ mode) => this._mode(mode));
      this.spending = new Candil.PatientSpending(room, this.call, this.line.words);
      this.tiles = new Candil.Tiles(room, this.line.words, () => (this._find("listen").hidden = false));
      this.stage = this._find("stage");
      this.lamp = this._find("lamp");
      this.isIn = false;
      this.trouble = "";
      /** Whether anything of the others came in during the last seconds. */
      this.arriving = false;
      this.slowTimer = 0;
      /** @type {any} */
      this.wakeLock = null;
      this._listen();
      this._controls();
    }

    /** @param {string} name @returns {any} */
    _find(name) {
      return this.room.querySelector("[data-" + name + "]");
    }

    _listen() {
      const call = this.call;
      call.on("state", (/** @type {string} */ state) => this._state(state));
      call.on("stream", (/** @type {string} */ id, /** @type {any} */ stream) => {
        this.tiles.stream(id, stream);
        if (this.connection.view) this._people(this.connection.view);
      });
      call.on("local", (/** @type {any} */ stream) => this._local(stream));
      call.on("devices", (/** @type {any} */ devices) => this._devices(devices));
      call.on("line", (/** @type {any} */ news) => {
        this.tiles.line(news);
        this._unsent();
        this._light();
      });
      call.on("stats", (/** @type {any} */ stats) => this._stats(stats));
      this.connection.on("state", (/** @type {any} */ view) => this.isIn && this._people(view));
      new MutationObserver(() => this._light()).observe(this.room, { attributes: true, attributeFilter: ["data-connection"] });
      document.addEventListener("visibilitychange", () => this._stayAwake());
    }

    _controls() {
      const on = (/** @type {string} */ name, /** @type {() => void} */ act) => this._find(name).addEventListener("click", act);
      on("microphone", () => this._keep("microphone", this.call.setMicrophone(!this.call.microphone)));
      on("camera", () => this._toggleCamera());
      on("leave", () => this.go("left"));
      on("return", () => this.go("call"));
      on("retry-devices", () => this._capture());
      on("listen", () => {
        this._find("listen").hidden = true;
        this.tiles.play();
      });
    }

    get wantsVideo() {
      return this.room.dataset.media === "video";
    }

    enter() {
      if (this.isIn) return;
      this.isIn = true;
      this._showStage("connecting");
      this._startMode();
      this.call.setReceive({ audio: true, video: this.wantsVideo });
      this.call.join();
      this._capture();
      this._stayAwake();
    }

    /** What this device remembers holds, unless the person came in otherwise this time. */
    _startMode() {
      const kept = this.call.limit.reason === "saving" ? "saving" : "open";
      const mode = this.wantsVideo ? kept : "audio";
      if (mode !== "saving") this.call.setLimit(LIMITS[mode], "chosen");
      this.line.showMode(mode);
    }

    exit() {
      if (!this.isIn) return;
      this.isIn = false;
      this.line.forget();
      this.call.leave();
      this.tiles.clear();
      clearTimeout(this.slowTimer);
      this._stayAwake();
      this._light();
    }

    /** Open the devices while the call is being entered: whoever is still asked for permission already hears. */
    async _capture() {
      const withCamera = this.wantsVideo && Candil.remembered("camera") !== "off";
      const got = await this.call.capture(withCamera ? "video" : "audio");
      if (!this.isIn) return this.call.release();
      this.trouble = got.reason;
      if (Candil.remembered("microphone") === "off") await this.call.setMicrophone(false);
    }

    /** @param {string} name @param {Promise<string>} change */
    async _keep(name, change) {
      await change;
      Candil.remember(name, this.call[name] ? "" : "off");
    }

    async _toggleCamera() {
      const on = !this.call.camera;
      if (on && !this.wantsVideo) return this._mode("open");
      return this._keep("camera", this.call.setCamera(on));
    }

    /** How the person wants to go on; this device remembers it. @param {string} mode "open" | "saving" | "audio" */
    async _mode(mode) {
      this.call.setLimit(LIMITS[mode], mode === "saving" ? "saving" : "chosen");
      this.line.showMode(mode);
      if ((mode !== "audio") !== this.wantsVideo) await this._receiveVideo(mode !== "audio");
    }

    /** Voice only, or the picture again; the server keeps the choice. @param {boolean} wanted */
    async _receiveVideo(wanted) {
      this.room.dataset.media = wanted ? "video" : "audio";
      this.call.setReceive({ audio: true, video: wanted });
      this.tiles.people(this.connection.view);
      this._light();
      fetch(this.room.dataset.base + "/media", {
        method: "POST",
        credentials: "same-origin",
        headers: {
          Accept: "application/json",
          "Content-Type": "application/json",
          "X-CSRF-Token": String(this.room.dataset.csrf),
        },
        body: JSON.stringify({ media: this.room.dataset.media }),
      }).catch(() => {}); // it holds on this page; the next change is kept again
      await this._keep("camera", this.call.setCamera(wanted));
    }

    /** @param {string} state */
    _state(state) {
      if (!this.isIn) return;
      if (state === "connected") this._showStage("");
      else if (state === "spent") this._showStage("spent");
      else if (state === "path_lost" || state === "rejoining") this._showStage("lost");
      else this._showStage("connecting");
      this._light();
    }

    /** @param {string} stage "" when connected: the tiles decide */
    _showStage(stage) {
      clearTimeout(this.slowTimer);
      const alone = this.tiles.tiles.size === 0;
      this.stage.dataset.stage = stage || (alone ? "alone" : "fine");
      if (stage === "connecting") {
        this.slowTimer = setTimeout(() => (this.stage.dataset.stage = "slow"), SLOW_AFTER_MS);
      }
    }

    /** @param {any} view */
    _people(view) {
      this.tiles.people(view);
      if (this.call.state === "connected") this._showStage("");
    }

    /** @param {any} stream */
    _local(stream) {
      const hasPicture = Boolean(stream && stream.getVideoTracks().length);
      this._find("self-box").hidden = !hasPicture;
      this._find("self").srcObject = hasPicture ? stream : null;
    }

    /** One's own picture says when nobody gets it. */
    _unsent() {
      const rung = this.line.shows("up");
      const unsent = rung !== "" && Candil.RUNGS.indexOf(rung) < Candil.RUNGS.indexOf("stills");
      this._find("self-box").classList.toggle("unsent", unsent);
      this._find("unsent").hidden = !unsent;
    }

    /** @param {{microphone: boolean, camera: boolean, reason: string}} devices */
    _devices(devices) {
      this._find("microphone").setAttribute("aria-pressed", String(devices.microphone));
      this._find("camera").setAttribute("aria-pressed", String(devices.camera));
      const box = this._find("devices");
      const known = ["denied", "missing", "busy"].indexOf(devices.reason) >= 0;
      box.dataset.reason = known ? devices.reason : "unsupported";
      box.hidden = !devices.reason || devices.reason === "released" || devices.microphone;
    }

    /** @param {any} stats */
    _stats(stats) {
      this.tiles.receiving(stats.receiving);
      this.arriving = Object.keys(stats.receiving).some((id) => stats.receiving[id].audio || stats.receiving[id].video);
      this._light();
    }

    /** The lamp: three flames with picture, two with voice, one for text, none without a line. */
    _light() {
      const offline = this.room.dataset.connection === "offline";
      const connected = this.call.state === "connected" && (this.arriving || !offline);
      const picture = this.tiles.pictured || (this.call.camera && this.wantsVideo);
      const level = connected ? (picture ? 3 : 2) : offline ? 0 : 1;
      this.line.light(level, connected);
      const chosen = connected && !this.wantsVideo;
      const why = level === 3 || !this.isIn ? "" : chosen ? "chosen" : this.trouble ? "no_devices" : connected ? "" : "weak";
      this.lamp.querySelectorAll("[data-why]").forEach((/** @type {HTMLElement} */ text) => {
        text.hidden = text.dataset.why !== why;
      });
    }

    /** The screen stays on while the call is seen. */
    async _stayAwake() {
      const screen = /** @type {any} */ (navigator).wakeLock;
      if (!screen) return;
      if (!this.isIn && this.wakeLock) {
        this.wakeLock.release();
        this.wakeLock = null;
      } else if (this.isIn && !document.hidden) {
        this.wakeLock = await screen.request("screen").catch(() => null);
      }
    }
  }

  Candil.PatientCall = PatientCall;
})(self);
