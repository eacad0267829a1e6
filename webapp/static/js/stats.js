/** Traffic of a call in figures a page can show. No DOM. */
(function (root) {
  "use strict";

  const Candil = /** @type {any} */ (root.Candil = root.Candil || {});

  /** Adds up what a call's media sessions carried, one after the other. */
  class TrafficMeter {
    constructor() {
      this._session = "";
      this._before = { sent: 0, received: 0 };
      this._last = { at: 0, sent: 0, received: 0 };
      /** @type {Map<string, number>} packets by track id */
      this._arrived = new Map();
    }

    /**
     * @param {string} sessionId
     * @param {any} reports an RTCStatsReport
     * @param {Map<string, any>} streams by participant
     * @param {number} at ms
     */
    read(sessionId, reports, streams, at) {
      const seen = Candil.readStats(reports);
      if (sessionId !== this._session) {
        this._session = sessionId;
        this._before = { sent: this._last.sent, received: this._last.received };
      }
      const sentBytes = this._before.sent + seen.sentBytes;
      const receivedBytes = this._before.received + seen.receivedBytes;
      const last = this._last;
      const elapsedS = (at - last.at) / 1000;
      const bps = (/** @type {number} */ bytes) => (last.at && elapsedS > 0 ? Math.max(0, (bytes * 8) / elapsedS) : 0);
      this._last = { at, sent: sentBytes, received: receivedBytes };
      return {
        rttMs: seen.rttMs,
        sentBps: bps(sentBytes - last.sent),
        receivedBps: bps(receivedBytes - last.received),
        sentBytes,
        receivedBytes,
        receiving: this._receiving(streams, seen.packets),
      };
    }

    /** @param {Map<string, any>} streams @param {Map<string, number>} packets */
    _receiving(streams, packets) {
      /** @type {Object<string, {audio: boolean, video: boolean}>} */
      const receiving = {};
      for (const [id, stream] of streams) {
        receiving[id] = { audio: false, video: false };
        for (const track of stream.getTracks()) {
          const kind = /** @type {"audio"|"video"} */ (track.kind);
          if ((packets.get(track.id) || 0) > (this._arrived.get(track.id) || 0)) receiving[id][kind] = true;
        }
      }
      this._arrived = packets;
      return receiving;
    }
  }

  /**
   * The figures we use out of an RTCStatsReport, whatever the browser.
   * @param {any} reports
   * @returns {{sentBytes: number, receivedBytes: number, rttMs: number|null, packets: Map<string, number>}}
   */
  Candil.readStats = function (reports) {
    const rtp = { sent: 0, received: 0 };
    /** @type {Map<string, number>} */
    const packets = new Map();
    let transport = null;
    let rttMs = null;
    reports.forEach((/** @type {any} */ report) => {
      if (report.type === "transport" && report.bytesSent !== undefined) transport = report;
      if (report.type === "outbound-rtp") rtp.sent += (report.bytesSent || 0) + (report.headerBytesSent || 0);
      if (report.type === "inbound-rtp") {
        rtp.received += (report.bytesReceived || 0) + (report.headerBytesReceived || 0);
        if (report.trackIdentifier) packets.set(report.trackIdentifier, report.packetsReceived || 0);
      }
      const inUse = report.type === "candidate-pair" && report.nominated && report.state === "succeeded";
      if (inUse && report.currentRoundTripTime !== undefined) rttMs = Math.round(report.currentRoundTripTime * 1000);
    });
    const sums = /** @type {any} */ (transport);
    return {
      sentBytes: sums ? sums.bytesSent : rtp.sent,
      receivedBytes: sums ? sums.bytesReceived : rtp.received,
      rttMs,
      packets,
    };
  };

  Candil.TrafficMeter = TrafficMeter;
})(/** @type {any} */ (self));
