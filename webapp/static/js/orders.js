/**
 * Carries out `media.order`: what this page sends from now on. No DOM. Needs outbox.js before it.
 *
 *   const orders = new Candil.Orders();
 *   orders.order                         // the newest order, or null before the first: then everything goes by the offer
 *   orders.stopVideo()                   // no picture until the next order
 *   orders.offer(sdp)                    // a server offer as it is applied: our own audio section with the order's ptime and fmtp
 *   orders.sends(kind)                   // whether a track of "audio" or "video" belongs on its sender now
 *   await orders.apply(session)          // inside session.work: setParameters, and the last offer again when audio changed
 *   orders.watch(reports, at_ms)         // statistics show what this browser ignores; true: apply again with the next best
 *   orders.abilities                     // {parameters, framing, ptime, silence}: true | false | null (not seen yet)
 */
(function (root) {
  "use strict";

  const Candil = /** @type {any} */ (root.Candil = root.Candil || {});

  /** Below one picture a second Chromium 156 and Firefox 153 send none at all: the fraction is cut off. */
  const LEAST_FRAMERATE = 1;
  const STILLS_FRAMERATE = 1;
  const LOW_HEIGHT = 240;
  /** IPv4, UDP, RTP, its extensions and the SRTP tag: what every packet of sound costs beside the sound. */
  const AUDIO_HEADER_BITS = 58 * 8;
  const LEAST_AUDIO_BPS = 6000;
  const LEAST_SOUND = { bitrate_bps: 6000, ptime_ms: 120, dtx: true, fec: false, narrowband: true };
  /** So far above what was ordered, so many readings in a row, and the browser is taken not to obey. */
  const IGNORED_FACTOR = 1.6;
  const IGNORED_READINGS = 3;
  const SETTLE_MS = 2500;

  class Orders {
    constructor() {
      /** What is sent now. @type {any} */
      this.order = null;
      /** @type {any} */
      this._ordered = null;
      /** @type {""|"thin"|"silent"} */
      this._most = "";
      /** @type {Record<string, boolean|null>} */
      this.abilities = { parameters: null, framing: null, ptime: null, silence: null };
      this._packetMs = 0;
      this._watch = new Watch();
    }

    /** @param {any} order @param {number} at ms */
    set(order, at) {
      this._ordered = { audio: order.audio, video: order.video, probe: Boolean(order.probe) };
      if (order.probe) this._most = ""; // asked on purpose
      this._decide();
      this._watch.restart(at);
    }

    /**
     * Whatever is ordered, no more than the poorest sound, or nothing, until `release` or a test of the line: orders that
     * come late may be of a better time.
     * @param {boolean} withSound
     */
    starve(withSound) {
      this._most = withSound ? "thin" : "silent";
      this._decide();
    }

    /** The newest order counts again. @returns {boolean} whether that changed anything */
    release() {
      const was = this._most;
      this._most = "";
      if (was) this._decide();
      return Boolean(was);
    }

    _decide() {
      const ordered = this._ordered;
      if (!ordered || !this._most) this.order = ordered;
      else this.order = { audio: this._most === "thin" && ordered.audio ? LEAST_SOUND : null, video: null, probe: false };
    }

    /** No picture until the next order. */
    stopVideo() {
      if (this.order) this.order = Object.assign({}, this.order, { video: null });
    }

    /** @param {string} sdp @returns {string} */
    offer(sdp) {
      return this.order && this.order.audio ? Candil.audioOffer(sdp, this.order.audio) : sdp;
    }

    /** @param {"audio"|"video"} kind */
    sends(kind) {
      if (!this.order || this.order[kind]) return true;
      return this.abilities.parameters !== false && (kind === "video" || this.abilities.silence !== false);
    }

    /** @param {any} session see session.js */
    async apply(session) {
      if (session.closed || !session.offer) return;
      if (!this.order) return session.attach(this);
      const [audio, video] = session.pc.getTransceivers().slice(0, 2);
      if (!video) return;
      if (this.offer(session.offer) !== session.applied) await session.reapply(this.offer(session.offer));
      await this._set(audio.sender, (/** @type {any} */ encoding) => this._audio(encoding));
      await this._set(video.sender, (/** @type {any} */ encoding, /** @type {any} */ all) =>
        this._video(encoding, all, video.sender.track)
      );
      await session.attach(this);
      if (this.order.video) await this._frame(video.sender.track);
    }

    /** @param {any} sender @param {(encoding: any, parameters: any) => void} change */
    async _set(sender, change) {
      if (this.abilities.parameters === false) return;
      const before = sender.getParameters ? sender.getParameters() : null;
      try {
        change(before.encodings[0], before);
        await sender.setParameters(before);
        this.abilities.parameters = true;
      } catch (error) {
        if (before && before.degradationPreference) return this._setPlain(sender, change);
        this.abilities.parameters = false;
      }
    }

    /** Once more without the field that older engines refuse. @param {any} sender @param {(encoding: any, parameters: any) => void} change */
    async _setPlain(sender, change) {
      try {
        const parameters = sender.getParameters();
        change(parameters.encodings[0], {});
        await sender.setParameters(parameters);
        this.abilities.parameters = true;
      } catch (error) {
        this.abilities.parameters = false;
      }
    }

    /** @param {any} encoding */
    _audio(encoding) {
      const audio = this.order.audio;
      encoding.active = Boolean(audio);
      delete encoding.maxBitrate;
      if (audio && this.abilities.ptime === false) encoding.maxBitrate = thinnerSound(audio, this._packetMs);
    }

    /** @param {any} encoding @param {any} parameters @param {any} track */
    _video(encoding, parameters, track) {
      const video = this.order.video;
      encoding.active = Boolean(video);
      if (!video) return;
      encoding.maxBitrate = video.max_bitrate_bps;
      encoding.maxFramerate = framerate(video);
      encoding.scaleResolutionDownBy = Candil.scaleDown(track, video.max_height);
      parameters.degradationPreference = isStills(video) ? "maintain-resolution" : "balanced";
    }

    /** Where the sender has no such control, the camera itself is told. @param {any} track */
    async _frame(track) {
      if (!track || !track.applyConstraints) return;
      if (this.abilities.parameters !== false && this.abilities.framing !== false) return;
      const video = this.order.video;
      try {
        await track.applyConstraints({ frameRate: { max: framerate(video) }, height: { ideal: video.max_height } });
      } catch (error) {
        // A camera that cannot either is held by the bitrate alone.
      }
    }

    /** @param {any} reports an RTCStatsReport @param {number} at ms @returns {boolean} whether to apply again */
    watch(reports, at) {
      if (!this.order) return false;
      const seen = this._watch.read(reports, at, this.order);
      this._packetMs = seen.packetMs;
      const before = JSON.stringify(this.abilities);
      for (const name of ["ptime", "framing", "silence"]) {
        if (seen.judged[name] !== undefined && this.abilities[name] !== false) this.abilities[name] = seen.judged[name];
      }
      const lost = ["ptime", "framing", "silence"].some((name) => this.abilities[name] === false);
      return lost && JSON.stringify(this.abilities) !== before;
    }
  }

  /** Compares what leaves with what was ordered, reading by reading. */
  class Watch {
    constructor() {
      /** @type {any} */
      this._last = null;
      this._since = 0;
      /** @type {Record<string, number>} */
      this._ignored = {};
    }

    /** @param {number} at */
    restart(at) {
      this._since = at;
      this._last = null;
      this._ignored = {};
    }

    /** @param {any} reports @param {number} at @param {any} order */
    read(reports, at, order) {
      const now = Object.assign({ at }, sentSoFar(reports));
      const last = this._last;
      /** @type {Record<string, boolean|undefined>} */
      const judged = {};
      this._last = now;
      const elapsedS = last ? (at - last.at) / 1000 : 0;
      if (!last || elapsedS <= 0 || at - this._since < SETTLE_MS) return { packetMs: 0, judged };
      const packetsPerS = (now.packets - last.packets) / elapsedS;
      const framesPerS = (now.frames - last.frames) / elapsedS;
      if (order.audio) judged.ptime = this._judge("ptime", packetsPerS, 1000 / order.audio.ptime_ms);
      else judged.silence = this._judge("silence", packetsPerS, 0.5);
      if (order.video) {
        const lines = Math.min(now.height || 0, now.width || 0);
        const rate = Math.max(framesPerS / framerate(order.video), lines / (1.3 * order.video.max_height));
        judged.framing = this._judge("framing", rate, 1);
      }
      return { packetMs: packetsPerS > 0 ? 1000 / packetsPerS : 0, judged };
    }

    /** @param {string} name @param {number} rate @param {number} ordered @returns {boolean|undefined} */
    _judge(name, rate, ordered) {
      const isAbove = rate > ordered * IGNORED_FACTOR;
      this._ignored[name] = isAbove ? (this._ignored[name] || 0) + 1 : 0;
      if (this._ignored[name] >= IGNORED_READINGS) return false;
      const seen = name === "silence" || rate > 0;
      return !isAbove && seen ? true : undefined;
    }
  }

  /** @param {any} reports */
  function sentSoFar(reports) {
    const sent = { packets: 0, frames: 0, width: 0, height: 0 };
    reports.forEach((/** @type {any} */ report) => {
      if (report.type !== "outbound-rtp") return;
      if (report.kind === "audio") sent.packets += report.packetsSent || 0;
      if (report.kind !== "video") return;
      sent.frames += report.framesEncoded || 0;
      sent.width = report.frameWidth || 0;
      sent.height = report.frameHeight || 0;
    });
    return sent;
  }

  /** The same rate on the wire when packets stay short: their headers are taken from the sound. @param {any} audio @param {number} packetMs */
  function thinnerSound(audio, packetMs) {
    const wire = audio.bitrate_bps + (AUDIO_HEADER_BITS * 1000) / audio.ptime_ms;
    return Math.max(LEAST_AUDIO_BPS, Math.round(wire - (AUDIO_HEADER_BITS * 1000) / (packetMs || 20)));
  }

  /** @param {any} video */
  function isStills(video) {
    return video.max_framerate <= STILLS_FRAMERATE;
  }

  /** @param {any} video */
  function framerate(video) {
    return Math.max(LEAST_FRAMERATE, video.max_framerate);
  }

  /** How far a track must be scaled down so that its shorter side has so many lines. @param {any} track @param {number} lines */
  Candil.scaleDown = function (track, lines) {
    const settings = track && track.getSettings ? track.getSettings() : {};
    const shorter = Math.min(settings.height || 0, settings.width || settings.height || 0);
    if (!shorter) return lines <= LOW_HEIGHT ? 2 : 1;
    return Math.max(1, shorter / lines);
  };

  /**
   * A server offer with other parameters for our own sound, in its first section. Everything else stays.
   * @param {string} sdp
   * @param {{bitrate_bps: number, ptime_ms: number, dtx: boolean, fec: boolean, narrowband: boolean}} audio
   * @returns {string}
   */
  Candil.audioOffer = function (sdp, audio) {
    const sections = sdp.split(/(?=^m=)/m);
    if (sections.length < 2 || sections[1].indexOf("m=audio") !== 0) return sdp;
    const opus = /^a=rtpmap:(\d+) opus\//im.exec(sections[1]);
    if (!opus) return sdp;
    const lines = sections[1].split("\r\n").filter((line) => !/^a=(max)?ptime:/.test(line));
    const prefix = "a=fmtp:" + opus[1] + " ";
    const at = lines.findIndex((line) => line.indexOf(prefix) === 0);
    const format = prefix + opusFormat(at < 0 ? "" : lines[at].slice(prefix.length), audio);
    if (at >= 0) lines[at] = format;
    else lines.splice(lines.length - 1, 0, format);
    lines.splice(lines.length - 1, 0, "a=ptime:" + audio.ptime_ms, "a=maxptime:" + Math.max(audio.ptime_ms, 60));
    sections[1] = lines.join("\r\n");
    return sections.join("");
  };

  /** RFC 7587, section 6.1. @param {string} before @param {any} audio */
  function opusFormat(before, audio) {
    const ours = ["maxaveragebitrate", "useinbandfec", "usedtx", "maxplaybackrate"];
    const kept = before.split(";").filter((part) => part && ours.indexOf(part.split("=")[0].trim()) < 0);
    const said = ["maxaveragebitrate=" + audio.bitrate_bps, "useinbandfec=" + Number(audio.fec), "usedtx=" + Number(audio.dtx)];
    said.push("maxplaybackrate=" + (audio.narrowband ? 8000 : 16000)); // wideband: what in-band repair works in
    return kept.concat(said).join(";");
  }

  Candil.Orders = Orders;
})(/** @type {any} */ (self));
