/**
 * This device's camera and microphone: opening them with a fallback, switching them, giving them back. No DOM.
 * Emits "local" (stream or null) and "devices" ({microphone, camera, reason}); `Candil.Call` passes both on.
 */
(function (root) {
  "use strict";

  const Candil = /** @type {any} */ (root.Candil = root.Candil || {});

  const AUDIO = { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1 };
  const VIDEO = {
    width: { ideal: 640 },
    height: { ideal: 480 },
    frameRate: { ideal: 15, max: 20 },
    facingMode: "user",
  };
  /** High definition, only while an order asks for more lines than SD has. */
  const HD_VIDEO = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 25, max: 25 } };
  const SD_LINES = 480;
  const REASONS = {
    NotAllowedError: "denied",
    PermissionDeniedError: "denied",
    SecurityError: "denied",
    NotFoundError: "missing",
    DevicesNotFoundError: "missing",
    OverconstrainedError: "missing",
    NotReadableError: "busy",
    TrackStartError: "busy",
    AbortError: "busy",
  };

  class Devices extends Candil.Emitter {
    /** @param {any} options {getUserMedia, MediaStream}: injected by tests */
    constructor(options) {
      super();
      const devices = root.navigator && root.navigator.mediaDevices;
      const ask = (/** @type {any} */ wishes) => devices.getUserMedia(wishes);
      this._getUserMedia = options.getUserMedia || (devices && ask);
      this._MediaStream = options.MediaStream || root.MediaStream;
      this.microphone = false;
      this.camera = false;
      /** @type {any} */
      this.stream = null;
      this._released = 0;
      /** @type {WeakSet<any>} */
      this._isHd = new WeakSet();
    }

    /**
     * Open camera and microphone, falling back from video to audio to text.
     * @param {"video"|"audio"|"text"} media
     * @returns {Promise<{media: "video"|"audio"|"text", reason: string}>}
     */
    async capture(media) {
      let reason = "";
      let wished = media;
      while (wished !== "text" && reason !== "released") {
        try {
          const stream = await this._open({ audio: AUDIO, video: wished === "video" ? VIDEO : false });
          this._useLocal(stream);
          return this._captured(wished, reason);
        } catch (error) {
          reason = reason || reasonOf(error);
          wished = wished === "video" ? "audio" : "text";
        }
      }
      this.release();
      return this._captured("text", reason);
    }

    /** @param {any} wishes */
    async _open(wishes) {
      if (!this._getUserMedia) {
        throw Object.assign(new Error("no devices"), { reason: root.isSecureContext === false ? "insecure" : "unsupported" });
      }
      const released = this._released;
      const stream = await this._getUserMedia(wishes);
      if (released === this._released) return stream;
      for (const track of stream.getTracks()) stopTrack(track); // hung up while the permission was being asked
      throw Object.assign(new Error("released"), { reason: "released" });
    }

    /** @param {"video"|"audio"|"text"} media @param {string} reason */
    _captured(media, reason) {
      this.microphone = media !== "text";
      this.camera = media === "video";
      this._changed(reason);
      return { media, reason };
    }

    /** @param {any} stream */
    _useLocal(stream) {
      if (this.stream) for (const track of this.stream.getTracks()) stopTrack(track);
      this.stream = stream;
      if (stream) for (const track of stream.getTracks()) track.onended = () => this._trackEnded(track);
      this.emit("local", stream);
    }

    /** A device was unplugged, or the system took it. @param {any} track */
    _trackEnded(track) {
      if (!this.stream) return;
      this.stream.removeTrack(track);
      if (track.kind === "video") this.camera = false;
      else this.microphone = false;
      this.emit("local", this.stream);
      this._changed("missing");
    }

    /** Stop camera and microphone. */
    release() {
      this._released += 1;
      this.microphone = this.camera = false;
      if (this.stream) this._useLocal(null);
    }

    /** @param {boolean} on @returns {Promise<string>} the reason when it could not be done, or "" */
    async setMicrophone(on) {
      let reason = "";
      if (on && !this.track("audio")) reason = await this._addTrack({ audio: AUDIO });
      const track = this.track("audio");
      if (track) track.enabled = on;
      this.microphone = on && Boolean(track);
      this._changed(reason);
      return reason;
    }

    /** Off frees the camera and sends nothing. @param {boolean} on @returns {Promise<string>} as setMicrophone */
    async setCamera(on) {
      let reason = "";
      const track = this.track("video");
      if (on && !track) {
        reason = await this._addTrack({ video: VIDEO });
      } else if (!on && track) {
        stopTrack(track);
        this.stream.removeTrack(track);
        this.emit("local", this.stream);
      }
      this.camera = on && Boolean(this.track("video"));
      this._changed(reason);
      return reason;
    }

    /** @param {any} wishes @returns {Promise<string>} */
    async _addTrack(wishes) {
      try {
        const stream = await this._open(wishes);
        for (const track of stream.getTracks()) {
          track.onended = () => this._trackEnded(track);
          if (!this.stream) this.stream = new this._MediaStream();
          this.stream.addTrack(track);
        }
      } catch (error) {
        return reasonOf(error);
      }
      this.emit("local", this.stream);
      return "";
    }

    /** The camera takes SD unless more is asked for, and SD again afterwards. @param {number} lines */
    fit(lines) {
      const track = this.track("video");
      const isHd = lines > SD_LINES;
      if (!track || !track.applyConstraints || isHd === this._isHd.has(track)) return;
      if (isHd) this._isHd.add(track);
      else this._isHd.delete(track);
      const wanted = isHd ? HD_VIDEO : { width: VIDEO.width, height: VIDEO.height, frameRate: VIDEO.frameRate };
      track.applyConstraints(wanted).catch(() => {}); // a camera that cannot stays as it is
    }

    /** @param {"audio"|"video"} kind @returns {any} the track that is being sent, or null */
    track(kind) {
      const tracks = this.stream ? this.stream.getTracks() : [];
      return tracks.find((/** @type {any} */ track) => track.kind === kind) || null;
    }

    /** @param {string} reason */
    _changed(reason) {
      this.emit("devices", { microphone: this.microphone, camera: this.camera, reason });
    }
  }

  /** @param {any} track */
  function stopTrack(track) {
    track.onended = null;
    track.stop();
  }

  /** @param {any} error @returns {string} */
  function reasonOf(error) {
    const names = /** @type {any} */ (REASONS);
    return error.reason || names[error.name] || "unsupported";
  }

  Candil.CAPTURE = { AUDIO, VIDEO };
  Candil.Devices = Devices;
})(/** @type {any} */ (self));
