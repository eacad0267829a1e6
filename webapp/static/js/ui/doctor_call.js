/** The pictures, the words in their place, the lamp, and the buttons of this computer's microphone and camera. */
(function (root) {
  "use strict";

  const Candil = /** @type {any} */ (root.Candil = root.Candil || {});

  const STILLS = 3; // of Candil.RUNGS

  class DoctorCall {
    /** @param {any} page @param {any} connection */
    constructor(page, connection) {
      this._page = page;
      this._connection = connection;
      this._stage = page.root.querySelector("[data-stage]");
      this._tiles = page.root.querySelector("[data-tiles]");
      this._self = page.root.querySelector("[data-self]");
      this._bar = page.root.querySelector("[data-call-bar]");
      this._buttons = page.root.querySelector("[data-call-buttons]");
      this._hear = page.root.querySelector("[data-listen]");
      this._news = page.root.querySelector("[data-device-news]");
      this._microphone = page.root.querySelector("[data-microphone]");
      this._camera = page.root.querySelector("[data-camera]");
      /** @type {Map<string, HTMLElement>} */
      this._shown = new Map();
      /** @type {Record<string, {audio: boolean, video: boolean}>} */
      this._receiving = {};
      this._hungUp = false;
      this._opening = false;
      this.call = new Candil.Call({ connection });
      this._line = new Candil.DoctorLine(page, this.call);
      this._stills = new Candil.Stills(this._line.words);
      this._listen();
    }

    _listen() {
      const call = this.call;
      call.on("state", () => this._draw());
      call.on("stream", (/** @type {string} */ id, /** @type {any} */ stream) => this._stream(id, stream));
      call.on("local", (/** @type {any} */ stream) => this._local(stream));
      call.on("devices", (/** @type {any} */ devices) => this._devices(devices));
      call.on("line", () => this._draw());
      call.on("stats", (/** @type {any} */ stats) => {
        this._receiving = stats.receiving;
        this._draw();
      });
      this._connection.on("state", () => this._follow());
      this._connection.on("connection", () => this._draw());
      this._microphone.addEventListener("click", () => call.setMicrophone(!call.microphone));
      this._camera.addEventListener("click", () => call.setCamera(!call.camera));
      this._page.root.querySelector("[data-leave]").addEventListener("click", () => {
        this._hungUp = true;
        call.leave();
        call.release();
        this._draw();
      });
      this._page.root.querySelector("[data-rejoin]").addEventListener("click", () => {
        this._hungUp = false;
        this._follow();
      });
    }

    /** Called from the click on "Admit": browsers like to be asked for the camera from a click. */
    prepare() {
      this._open();
    }

    toggleMicrophone() {
      if (!this._buttons.hidden) this._microphone.click();
    }

    /** Be in the call whenever the visit is under way, unless the doctor left it here. */
    _follow() {
      const view = this._connection.view;
      const isOpen = view && view.consult.status === "in-progress" && !view.consult.conversation_ended;
      if (isOpen && !this._hungUp) {
        this._open();
        if (this.call.state === "idle" || this.call.state === "ended") this.call.join();
      }
      if (!isOpen && this.call.localStream && view && view.consult.status !== "arrived") this.call.release();
      this._draw();
    }

    _open() {
      if (this._opening || this.call.localStream) return;
      this._opening = true;
      this.call.capture(this._page.media).then(
        (/** @type {any} */ got) => {
          this._opening = false;
          this._explain(got.reason);
        },
        () => (this._opening = false)
      );
    }

    /** @param {string} id @param {any} stream */
    _stream(id, stream) {
      let tile = this._shown.get(id);
      if (!stream) {
        if (tile) tile.remove();
        this._shown.delete(id);
        this._line.forget(id);
      } else {
        if (!tile) tile = this._tile(id);
        Candil.play(tile, stream, () => this._soundRefused());
      }
      this._draw();
    }

    /** The browser lets no sound out before a click or a key: any will do, and a button says so. */
    _soundRefused() {
      if (!this._hear.hidden) return;
      this._hear.hidden = false;
      const again = () => {
        document.removeEventListener("click", again, true);
        document.removeEventListener("keyup", again, true);
        this._hear.hidden = true;
        for (const audio of this._tiles.querySelectorAll("audio")) {
          audio.play().catch((/** @type {any} */ error) => error.name === "NotAllowedError" && this._soundRefused());
        }
      };
      document.addEventListener("click", again, true);
      document.addEventListener("keyup", again, true);
    }

    /** @param {string} id @returns {HTMLElement} */
    _tile(id) {
      const tile = document.createElement("figure");
      tile.className = "tile";
      tile.dataset.participant = id;
      const video = document.createElement("video");
      video.autoplay = video.muted = true;
      video.setAttribute("playsinline", "");
      tile.append(video, document.createElement("audio"), document.createElement("figcaption"));
      this._tiles.append(tile);
      this._shown.set(id, tile);
      return tile;
    }

    /** @param {any} stream */
    _local(stream) {
      const hasPicture = Boolean(stream && stream.getVideoTracks().length);
      this._self.srcObject = hasPicture ? stream : null;
      this._self.hidden = !hasPicture;
    }

    /** @param {{microphone: boolean, camera: boolean, reason: string}} devices */
    _devices(devices) {
      this._microphone.setAttribute("aria-pressed", String(devices.microphone));
      this._camera.setAttribute("aria-pressed", String(devices.camera));
      this._self.classList.toggle("dim", !devices.camera);
      this._explain(devices.reason);
    }

    /** @param {string} reason */
    _explain(reason) {
      this._news.hidden = !reason;
      this._bar.hidden = this._buttons.hidden && !reason;
      for (const sentence of this._news.children) sentence.hidden = sentence.dataset.reason !== reason;
    }

    _draw() {
      const state = this._stageState();
      this._stage.dataset.state = state;
      const people = this._connection.view ? this._connection.view.participants : [];
      for (const [id, tile] of this._shown) {
        const person = people.find((/** @type {any} */ other) => other.id === id);
        this._stills.mark(tile, this._line.flow(id) === STILLS);
        tile.classList.toggle("silent", !this._hasPicture(id));
        const caption = /** @type {HTMLElement} */ (tile.querySelector("figcaption"));
        const name = person ? person.name : "";
        if (caption.textContent !== name) caption.textContent = name;
      }
      this._tiles.dataset.pictures = String(this._pictures());
      const isIn = ["joining", "connected", "path_lost", "rejoining"].indexOf(this.call.state) >= 0;
      this._buttons.hidden = !isIn;
      this._bar.hidden = !isIn && this._news.hidden;
      this._line.light(this._level(), this.call.state === "connected" && state !== "gone");
    }

    /** Photos come seconds apart: the newest stands meanwhile. @param {string} id */
    _hasPicture(id) {
      const tile = this._shown.get(id);
      if (!tile) return false;
      const arriving = this._receiving[id];
      return this._line.flow(id) >= STILLS && (Boolean(arriving && arriving.video) || this._stills.seen(tile));
    }

    _pictures() {
      return Array.from(this._shown.keys()).filter((id) => this._hasPicture(id)).length;
    }

    /** @returns {string} which words stand in the picture's place; "video" for none */
    _stageState() {
      const view = this._connection.view;
      if (!view) return this._stage.dataset.state;
      if (view.consult.status === "finished") return "signed";
      if (view.consult.conversation_ended) return "ended";
      const patient = view.participants.find((/** @type {any} */ person) => person.id === this._page.patient);
      const byDoor = { invited: "absent", waiting: "waiting", refused: "held" };
      const atDoor = patient ? /** @type {any} */ (byDoor)[patient.admission] : "absent";
      if (atDoor) return atDoor;
      if (this._hungUp) return "left";
      if (this.call.state === "path_lost" || this.call.state === "rejoining") return "lost";
      if (this.call.state !== "connected") return "joining";
      if (this._pictures()) return "video";
      if (!patient.online) return "gone";
      const arriving = this._receiving[this._page.patient];
      if (arriving && arriving.audio) return "voice";
      const carries = this._line.carries(this._page.patient);
      if (carries) return carries === "text" ? "text" : "voice"; // their media is up: silence is not absence
      return patient.media === "text" || this._line.isOverBudget ? "text" : "admitted";
    }

    /** @returns {string} the lamp: 3 picture, 2 voice, 1 text, 0 nothing */
    _level() {
      if (["offline", "replaced", "ended"].indexOf(this._connection.state) >= 0) return "0";
      if (this.call.state !== "connected") return "1";
      const all = Object.keys(this._receiving).map((id) => this._receiving[id]);
      if (all.some((arriving) => arriving.video)) return "3";
      return all.some((arriving) => arriving.audio) ? "2" : "1";
    }
  }

  Candil.DoctorCall = DoctorCall;
})(/** @type {any} */ (self));
