/** Traffic of a call in figures a page can show, out of the statistics of its sessions. No DOM. */
(function (root) {
  "use strict";

  const Candil = /** @type {any} */ (root.Candil = root.Candil || {});

  // What the statistics leave out, per packet: IP and UDP; over TCP its header and time stamps, the frame, half an acknowledgement.
  const UDP_BYTES = { v4: 28, v6: 48 };
  const TCP_MORE_BYTES = 52;
  const TLS_MORE_BYTES = 29;
  const RELAY_BYTES = 4;
  // Checks of the path are in no count of bytes, only in one of messages.
  const STUN_REQUEST_BYTES = 104;
  const STUN_ANSWER_BYTES = 68;
  const SRTP_TAG_BYTES = 10;

  /** Adds up what a call's media sessions carried, one after the other. */
  class TrafficMeter {
    constructor() {
      /** @type {Map<string, {sent: number, received: number}>} by session, on the wire */
      this._sessions = new Map();
      this._last = { at: 0, sent: 0, received: 0 };
      /** @type {Map<string, number>} packets by track id */
      this._arrived = new Map();
    }

    /** @param {string} sessionId @param {any} reports an RTCStatsReport @returns {any} the figures in it, see `Candil.readStats` */
    read(sessionId, reports) {
      const seen = Candil.readStats(reports);
      const before = this._sessions.get(sessionId) || { sent: 0, received: 0 };
      const sent = Math.max(before.sent, seen.sentBytes);
      this._sessions.set(sessionId, { sent, received: Math.max(before.received, seen.receivedBytes) });
      return seen;
    }

    get total() {
      const total = { sent: 0, received: 0 };
      for (const one of this._sessions.values()) {
        total.sent += one.sent;
        total.received += one.received;
      }
      return total;
    }

    /**
     * What the page shows, of the session in use.
     * @param {any} seen @param {Map<string, any>} streams by participant @param {number} at ms
     */
    figures(seen, streams, at) {
      const { sent, received } = this.total;
      const last = this._last;
      const elapsedS = (at - last.at) / 1000;
      const bps = (/** @type {number} */ bytes) => (last.at && elapsedS > 0 ? Math.max(0, (bytes * 8) / elapsedS) : 0);
      this._last = { at, sent, received };
      return {
        rttMs: seen.rttMs,
        sentBps: bps(sent - last.sent),
        receivedBps: bps(received - last.received),
        sentBytes: sent,
        receivedBytes: received,
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
   * The figures we use out of an RTCStatsReport, whatever the browser. Bytes are those on the wire; counters are since the start.
   * @param {any} reports
   */
  Candil.readStats = function (reports) {
    /** @type {any} `theirLoss`: the share of our sound lost, as the server last reported at `reportedAt` */
    const seen = { rttMs: null, outgoingBps: null, theirLoss: null, reportedAt: 0, answers: 0, packets: new Map(), received: 0, lost: 0, samples: 0, concealed: 0, framesSent: 0 };
    /** @type {any} */
    let transport = null;
    const rtp = { sent: 0, sentPackets: 0, received: 0, receivedPackets: 0 };
    /** @type {any[]} */
    const pairs = [];
    reports.forEach((/** @type {any} */ report) => {
      if (report.type === "transport" && report.packetsSent !== undefined) transport = report;
      else if (report.type === "candidate-pair") pairs.push(report);
      else if (report.type === "outbound-rtp") outbound(report, seen, rtp);
      else if (report.type === "inbound-rtp") inbound(report, seen, rtp);
      else if (report.type === "remote-inbound-rtp" && report.kind === "audio" && report.fractionLost !== undefined) {
        seen.theirLoss = report.fractionLost;
        seen.reportedAt = report.timestamp;
      }
    });
    const used = pairs.find((pair) => pair.nominated && pair.state === "succeeded");
    if (used && used.currentRoundTripTime !== undefined) seen.rttMs = Math.round(used.currentRoundTripTime * 1000);
    if (used) seen.answers = used.responsesReceived || 0;
    if (used && used.availableOutgoingBitrate) seen.outgoingBps = used.availableOutgoingBitrate;
    return Object.assign(seen, onTheWire(transport, pairs, rtp, headerBytes(reports, used)));
  };

  /** @param {any} report @param {any} seen @param {any} rtp */
  function outbound(report, seen, rtp) {
    rtp.sent += (report.bytesSent || 0) + (report.headerBytesSent || 0);
    rtp.sentPackets += report.packetsSent || 0;
    seen.framesSent += report.framesEncoded || 0;
  }

  /** @param {any} report @param {any} seen @param {any} rtp */
  function inbound(report, seen, rtp) {
    rtp.received += (report.bytesReceived || 0) + (report.headerBytesReceived || 0);
    rtp.receivedPackets += report.packetsReceived || 0;
    if (report.trackIdentifier) seen.packets.set(report.trackIdentifier, report.packetsReceived || 0);
    if (report.kind !== "audio") return;
    seen.received += report.packetsReceived || 0;
    seen.lost += report.packetsLost || 0;
    seen.samples += report.totalSamplesReceived || 0;
    seen.concealed += (report.concealedSamples || 0) - (report.silentConcealedSamples || 0);
  }

  /** The best count that this browser has: of the transport, of its pairs, or of the streams alone. @param {any} transport @param {any[]} pairs @param {any} rtp @param {number} header */
  function onTheWire(transport, pairs, rtp, header) {
    const sum = (/** @type {string} */ name) => pairs.reduce((total, pair) => total + (pair[name] || 0), 0);
    const checks = (/** @type {number} */ requests, /** @type {number} */ answers) =>
      requests * (STUN_REQUEST_BYTES + header) + answers * (STUN_ANSWER_BYTES + header);
    const counted = transport || {
      bytesSent: sum("bytesSent"),
      packetsSent: sum("packetsSent") || rtp.sentPackets,
      bytesReceived: sum("bytesReceived"),
      packetsReceived: sum("packetsReceived") || rtp.receivedPackets,
    };
    const sentBytes = counted.bytesSent || rtp.sent + rtp.sentPackets * SRTP_TAG_BYTES;
    const receivedBytes = counted.bytesReceived || rtp.received + rtp.receivedPackets * SRTP_TAG_BYTES;
    return {
      sentBytes: sentBytes + counted.packetsSent * header + checks(sum("requestsSent"), sum("responsesSent")),
      receivedBytes: receivedBytes + counted.packetsReceived * header + checks(sum("requestsReceived"), sum("responsesReceived")),
    };
  }

  /** @param {any} reports @param {any} pair @returns {number} bytes before each packet's payload */
  function headerBytes(reports, pair) {
    const local = pair && reports.get ? reports.get(pair.localCandidateId) : null;
    if (!local) return UDP_BYTES.v4;
    const address = String(local.address || local.ip || "");
    const relay = local.candidateType === "relay" ? local.relayProtocol || "udp" : "";
    const isTcp = local.protocol === "tcp" || relay === "tcp" || relay === "tls";
    let bytes = address.indexOf(":") >= 0 ? UDP_BYTES.v6 : UDP_BYTES.v4;
    if (isTcp) bytes += TCP_MORE_BYTES;
    if (relay) bytes += RELAY_BYTES;
    return bytes + (relay === "tls" ? TLS_MORE_BYTES : 0);
  }

  Candil.TrafficMeter = TrafficMeter;
})(/** @type {any} */ (self));
