/**
 * One media session with the server: an RTCPeerConnection, its offers and answers, and the streams that came through it.
 * No DOM. Needs orders.js before it. `session.work` is the chain in which everything that touches the descriptions waits.
 */
(function (root) {
  "use strict";

  const Candil = /** @type {any} */ (root.Candil = root.Candil || {});

  /**
   * How long arriving sound and picture wait for what was lost to be sent again: only while loss is felt and a round
   * trip fits into the wait; otherwise the browser's own choice, which is the shortest.
   */
  Candil.PLAYOUT = { waitMs: 200, lossAbove: 0.03, lossBelow: 0.01, longestRttMs: 180, calmReadings: 5 };

  class Session {
    /** @param {string} id @param {any} pc @param {any} devices this device's tracks */
    constructor(id, pc, devices) {
      this.id = id;
      this.pc = pc;
      this._devices = devices;
      /** @type {Map<string, any>} */
      this.streams = new Map();
      this.work = Promise.resolve();
      this.closed = false;
      /** The server's last offer that was answered, and how it was applied. */
      this.offer = "";
      this.applied = "";
      this._calm = 0;
      this._waitMs = 0;
    }

    get isUp() {
      const state = "connectionState" in this.pc ? this.pc.connectionState : this.pc.iceConnectionState;
      return state === "connected" || state === "completed";
    }

    /** @param {string} sdp @param {any} orders @returns {Promise<string>} the answer, or "" when closed meanwhile */
    async answer(sdp, orders) {
      if (this.closed) return "";
      const pc = this.pc;
      const applied = orders.offer(sdp);
      await pc.setRemoteDescription({ type: "offer", sdp: applied });
      // Sending stays negotiated even without a track, so that a camera switched on later costs no new offer.
      for (const own of pc.getTransceivers().slice(0, 2)) own.direction = "sendonly";
      await this.attach(orders);
      await pc.setLocalDescription(await pc.createAnswer());
      if (this.closed) return "";
      this.offer = sdp;
      this.applied = applied;
      return pc.localDescription.sdp;
    }

    /** The last offer once more, changed by ourselves; the server hears nothing of it. @param {string} sdp */
    async reapply(sdp) {
      await this.pc.setRemoteDescription({ type: "offer", sdp });
      await this.pc.setLocalDescription(await this.pc.createAnswer());
      this.applied = sdp;
    }

    /** Put our tracks on the first two media sections, which are ours. @param {any} orders */
    async attach(orders) {
      const own = this.pc.getTransceivers().slice(0, 2);
      if (own.length < 2) return;
      for (const [index, kind] of [[0, "audio"], [1, "video"]]) {
        const track = orders.sends(kind) ? this._devices.track(kind) : null;
        if (own[index].sender.track !== track) await own[index].sender.replaceTrack(track);
      }
    }

    /** @param {number} loss share of packets lost lately @param {number|null} rttMs */
    wait(loss, rttMs) {
      const { waitMs, lossAbove, lossBelow, longestRttMs, calmReadings } = Candil.PLAYOUT;
      this._calm = loss < lossBelow ? this._calm + 1 : 0;
      const repairable = rttMs !== null && rttMs <= longestRttMs;
      let wanted = this._waitMs;
      if (loss > lossAbove && repairable) wanted = waitMs;
      else if (this._calm >= calmReadings || !repairable) wanted = 0;
      if (wanted === this._waitMs || !this.pc.getReceivers) return;
      this._waitMs = wanted;
      for (const receiver of this.pc.getReceivers()) setWait(receiver, wanted);
    }

    close() {
      if (this.closed) return;
      this.closed = true;
      this.pc.ontrack = this.pc.onconnectionstatechange = this.pc.oniceconnectionstatechange = null;
      this.pc.close();
    }
  }

  /** @param {any} receiver @param {number} ms 0: the browser's own choice */
  function setWait(receiver, ms) {
    if ("jitterBufferTarget" in receiver) receiver.jitterBufferTarget = ms || null;
    else if ("playoutDelayHint" in receiver) receiver.playoutDelayHint = ms ? ms / 1000 : null;
  }

  Candil.Session = Session;
})(/** @type {any} */ (self));
