"""One participant's connection: negotiation, DTLS, paths, and what the fast path needs at hand."""

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from candil.errors import PeerError
from candil.log import log_event
from media import control, room, rtcp, rtp
from media.aio.aiortc_private import DtlsAssociation, InPlace
from media.aio.dtls import Dtls
from media.aio.paths import Path
from media.aio.steering import Steered
from media.congestion.downlink import DownlinkControl
from media.downlink import MAX_REPEATS_PER_TICK, Downlink
from media.ice import IceLite
from media.listener import SessionListener
from media.negotiation import Negotiation
from media.sdp_offer import OfferedMedia
from media.transport_cc import FeedbackRecorder
from media.uplink import Uplink

if TYPE_CHECKING:
    from media.adaptation.orders import LineHint
    from media.aio.server import MediaServer

log = logging.getLogger(__name__)

ASK_S, LATE_ASK_S = 0.5, 2.0
"""Between two packets that only ask whether the line is back."""
LONG_OUTAGE_S = 15.0
"""Waiting longer than this, a line may be so thin that asking often takes a good part of it."""
MAX_SSRCS = 32
"""SSRCs accepted from one peer in the life of a session: libsrtp keeps state for each."""


SLOW_TICK_S = 0.19
"""Every other tick of the server."""
MAX_AUDIO_REPAIR_RTT_S = 0.5
LEAST_REPAIR_S = 0.1


def _not_ready(_length: int) -> int:
    return -1


class MediaSession(Steered):
    """Made by ``MediaServer.open_session``. Public: the fields and methods up to ``statistics``.

    The page answers the first offer with its own tracks on ``a0`` and ``v0``; a page that starts without
    camera answers ``v0`` as sendonly all the same, and needs no new offer when it adds the track.
    """

    def __init__(
        self, server: "MediaServer", room_: "room.Room", participant_id: str, listener: SessionListener,
        session_id: str, ice: IceLite, negotiation: Negotiation, hint: "LineHint | None" = None,
    ) -> None:  # fmt: skip
        self.id = session_id
        self.room_id = room_.id
        self.participant_id = participant_id
        self.connected = False
        self.closed = False
        self._server = server
        self._room = room_
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self.ice = ice
        self.negotiation = negotiation
        self._dtls = Dtls(server.certificate, self._send_plain, self._secured, self.close)
        self._remote_dtls: tuple[tuple[tuple[str, str], ...], bool] | None = None
        # For the fast path
        self.path: Path | None = None
        self.paths: dict[Any, Path] = {}
        self.srtp_in: Any = None
        self.srtp_out: Any = None
        self.protect: InPlace = _not_ready
        self.protect_rtcp: InPlace = _not_ready
        self.unprotect_rtcp: InPlace = _not_ready
        self.uplinks = {kind: Uplink(self, kind) for kind in rtp.KINDS}
        self.ssrcs: dict[int, Uplink] = {}
        self.seen_ssrcs: set[int] = set()
        self.feedback = FeedbackRecorder()
        self.feedback_ssrc = negotiation.take_ssrc()
        self.packets_in = self.bytes_in = 0
        self.packets_limit = server.config.max_packets_per_second
        self.bytes_limit = server.config.max_bits_per_second // 8
        # Towards the peer
        self._downlinks: dict[tuple[str, str], Downlink] = {}
        self.sinks_by_ssrc: dict[int, Downlink] = {}
        self.max_video_bitrate_bps = server.config.max_video_bitrate_bps
        self.round_trip = control.RoundTrip()
        self.ntp_offset_s: float | None = None
        self.reports_sent = 0
        now = server.now()
        self.opened_at = self.heard_at = now
        self.replaced_at: float | None = None
        self.path_lost = False
        self.feedback_interval_s = control.FEEDBACK_INTERVAL_S
        """Of transport feedback to the peer; longer where the way to it is thin."""
        self.start_steering(hint)
        stamped = server.config.downlink_estimator == "transport_cc"
        self.start_receiving(DownlinkControl(server.config.downlink_estimator), now, stamped=stamped)
        self._report_at = self._feedback_at = self._slow_at = self._asked_at = now
        self._rate_up, self._rate_down = control.RateMeter(now), control.RateMeter(now)

    # What the owner calls

    def answer(self, sdp: str) -> None:
        """The browser's answer to the last offer. Raises ``PeerError``; the session stays as it was."""
        if self.closed:
            raise PeerError("media_session_closed", "this media session has ended")
        answer, accepted = self.negotiation.apply_answer(sdp)
        identity = (answer.fingerprints, answer.peer_is_dtls_client)
        if self._remote_dtls is None:
            self._remote_dtls = identity
            self.ice.set_remote_ufrag(answer.ice_ufrag)
            self._dtls.start(answer)
        elif identity != self._remote_dtls:
            raise PeerError("sdp_identity", "DTLS fingerprint or role changed; open a new media session")
        for kind, mid in ((rtp.AUDIO, "a0"), (rtp.VIDEO, "v0")):
            line = answer.media[mid]
            if line.sends and line.ssrcs:
                primary = next(iter(line.rtx_of), line.ssrcs[0])
                self._assign_ssrcs(self.uplinks[kind], primary, line.rtx_of.get(primary, 0))
        self._accept(accepted)
        self.renegotiate()

    def resend_offer(self) -> None:
        """Deliver the outstanding offer once more, for a signaling connection that lost it."""
        if self.negotiation.awaiting_answer and not self.closed:
            self._loop.call_soon(self._listener.on_offer, self.id, self.negotiation.last_offer)

    def close(self, reason: str = "left") -> None:
        if self.closed:
            return
        self.closed = True
        self.connected = False
        self._server.forget(self, reason)
        self._loop.call_soon(self._listener.on_closed, self.id, reason)

    def statistics(self) -> dict[str, object]:
        """Plain numbers for pages and operators. Up is from the participant, down is to them.

        Losses are fractions in the last report interval, the worst stream of each direction; bit rates are
        of RTP with its SRTP tag, over the last interval.
        """
        now = self._server.now()
        uplinks, sinks = self.uplinks.values(), self.sinks_by_ssrc.values()
        return {
            "bitrate_up_bps": self._rate_up.bps,
            "bitrate_down_bps": self._rate_down.bps,
            "loss_up": round(max(uplink.fraction_lost for uplink in uplinks) / 256, 3),
            "loss_down": round(max((sink.fraction_lost for sink in sinks if sink.attached), default=0) / 256, 3),
            "connected": self.connected,
            "path_lost": self.path_lost,
            "rtt_ms": round(self.round_trip.rtt_s * 1000) if self.round_trip.measured else None,
            "last_heard_ago_s": round(now - self.heard_at, 3),
            "age_s": round(now - self.opened_at, 3),
            "available_downlink_bps": self.downlink_control.line(now).capacity_bps or None,
            "uplinks": {uplink.kind: uplink.statistics(now) for uplink in uplinks},
            "downlinks": [sink.statistics() for sink in sinks],
        }

    # What the room and the fast path call

    def downlink(self, publisher: str, kind: str) -> Downlink | None:
        return self._downlinks.get((publisher, kind))

    def bind_ssrc(self, ssrc: int, payload_type: int) -> Uplink | None:
        """An SSRC that the answer did not name: its payload type tells, as each kind has one m-line."""
        if ssrc not in self.seen_ssrcs:
            self.seen_ssrcs.add(ssrc)
        if payload_type == rtp.PT_RTX:
            video = self.uplinks[rtp.VIDEO]
            video.rtx_ssrc = ssrc
            self.ssrcs[ssrc] = video
            return video
        for uplink in self.uplinks.values():
            if payload_type == uplink.payload_type:
                self._assign_ssrcs(uplink, ssrc, 0)
                return uplink
        return None

    def _assign_ssrcs(self, uplink: Uplink, ssrc: int, rtx_ssrc: int) -> None:
        if uplink.ssrc not in (0, ssrc):
            self.ssrcs.pop(uplink.ssrc, None)
            if uplink.highest >= 0:
                self.restart_uplink(uplink, 0, self._server.now())
                uplink.highest = -1
        uplink.ssrc = ssrc
        self.ssrcs[ssrc] = uplink
        if rtx_ssrc:
            uplink.rtx_ssrc = rtx_ssrc
            self.ssrcs[rtx_ssrc] = uplink

    def restart_uplink(self, uplink: Uplink, seq: int, now: float) -> None:
        room.restart(uplink, seq, now)

    def attach_waiting(self, uplink: Uplink, seq: int, ts: int, payload: bytes, now: float) -> None:
        room.attach_waiting(uplink, seq, ts, payload, now)

    def media_began(self, uplink: Uplink, now: float) -> None:
        uplink.active = True
        self._room.reconcile(now)
        self._loop.call_soon(self._listener.on_media, self.id, uplink.kind, True)

    @property
    def repairs_audio(self) -> bool:
        """Whether a lost packet of sound could come again before its time is over."""
        return self._server.config.audio_nack and self.round_trip.rtt_s < MAX_AUDIO_REPAIR_RTT_S

    @property
    def repaired_after_s(self) -> float:
        """What was asked for again has come by then."""
        return max(LEAST_REPAIR_S, 1.3 * self.round_trip.rtt_s)

    def send_nack(self, uplink: Uplink, now: float) -> None:
        rtt_s = self.round_trip.rtt_s
        uplink.next_nack_at = now + 0.01
        gave_up = uplink.missing.gave_up
        seqs = uplink.missing.due(now, rtt_s)
        if uplink.is_video and uplink.missing.gave_up > gave_up:
            uplink.want_keyframe()  # its receivers would wait three seconds before they ask
        if seqs:
            self.send_rtcp(rtcp.nack(self.feedback_ssrc, uplink.ssrc, seqs))

    def repeat_packets(self, sink: Downlink, seqs: tuple[int, ...], now: float) -> None:
        """Audio at once; video only when the line takes it, else its receiver asks again."""
        if sink.kind == rtp.AUDIO and not self._server.config.audio_nack:
            return
        for seq in seqs:
            packet = sink.may_repeat(seq, now, self.round_trip.rtt_s)
            if packet is None:
                continue
            if sink.kind == rtp.VIDEO and now > self.clear_until and not self.pacer.may_send(len(packet), now):
                return
            self._server.forwarder.repeat(sink, packet, now)

    def send_rtcp(self, data: bytes) -> None:
        buffer = self._server.tx
        size = len(data)
        if size > buffer.limit:
            return
        buffer.view[:size] = data
        sealed = self.protect_rtcp(size)
        if sealed > 0:
            self.wire_down_other += sealed + rtp.IP_UDP_BYTES
            self._server.send_on(self.path, buffer.view[:sealed])

    def wake(self) -> None:
        self._server.short_timer.add(self)

    def run_urgent(self) -> bool:
        """Send what waited and what a probe wants now; whether there is more to come."""
        if self.closed or not self.connected:
            return False
        now, forwarder = self._server.now(), self._server.forwarder
        forwarder.drain(self, now)
        if self.pacer.stale(now):
            self.starve(now)
        due = self.downlink_control.probe_bytes_due(now)
        if due:
            forwarder.send_padding(self, due, now)
        return self.urgent

    # What the server calls

    def receive_dtls(self, data: bytes) -> None:
        self._dtls.pipe.push(data)

    def heard(self, now: float) -> None:
        """An authenticated packet came."""
        self.heard_at = now
        if self.path_lost:
            self.path_lost = False
            self._loop.call_soon(self._listener.on_path_restored, self.id)

    def learn_path(self, path: Path, evicted: Any, now: float) -> None:
        """``path`` passed a check. An address that another session held is now this one's."""
        if evicted is not None and (old := self.paths.pop(evicted, None)) is not None:
            old.forget()
        self.paths[path.key] = path
        path.heard_at = now
        active = self.paths[self.ice.active]
        if self.path is not None and active.key != self.path.key:
            self.downlink_control.path_changed(now)
        self.path = active
        self.heard(now)

    def drop_path(self, path: Path) -> None:
        """``path`` can carry nothing any more (its connection ended); the session goes on by another, or waits."""
        self.paths.pop(path.key, None)
        self.ice.forget(path.key)
        if self.path is path and self.paths:
            self.path = max(self.paths.values(), key=lambda other: other.heard_at)
            self.ice.active = self.path.key
            self.downlink_control.path_changed(self._server.now())

    def renegotiate(self) -> None:
        """Offer what changed in the room, unless an offer is out already."""
        if self.closed:
            return
        self.negotiation.set_publishers(self._room.publishers_for(self.participant_id))
        offer = self.negotiation.next_offer()
        if offer is not None:
            self._loop.call_soon(self._listener.on_offer, self.id, offer)

    def tick(self, now: float) -> None:
        """Ten times a second: repair and feedback; every other time all else."""
        if self.connected:
            audio, video = self.uplinks[rtp.AUDIO], self.uplinks[rtp.VIDEO]
            if video.missing:
                self.send_nack(video, now)
            if audio.missing:
                self.send_nack(audio, now)
            if video.wants_attention:
                self.request_keyframe(now)
            if self._caps_to_send:
                self.send_cap()
            if now - self._feedback_at >= self.feedback_interval_s and self.feedback.pending():
                self._send_feedback(now)
        if now >= self._slow_at:
            self._allow(now - self._slow_at + SLOW_TICK_S)
            self._slow_at = now + SLOW_TICK_S
            if self.connected:
                self._tick_media(now)
                self._tick_sinks(now)
            self._watch_silence(now)

    def _allow(self, elapsed_s: float) -> None:
        """What the peer may send until the next time, up to a second's worth."""
        config = self._server.config
        share = min(elapsed_s, 0.5)
        packets, byte_rate = config.max_packets_per_second, config.max_bits_per_second // 8
        self.packets_limit = min(self.packets_in + packets, self.packets_limit + int(packets * share))
        self.bytes_limit = min(self.bytes_in + byte_rate, self.bytes_limit + int(byte_rate * share))

    def _tick_media(self, now: float) -> None:
        for uplink in self.uplinks.values():
            if uplink.active and now - uplink.last_at > self._server.config.media_silent_s:
                uplink.active = False
                self._room.reconcile(now)
                self._loop.call_soon(self._listener.on_media, self.id, uplink.kind, False)
        if now >= self._report_at:
            self.send_rtcp(control.build_reports(self, now, self._server.ntp_s(now)))
            self.reports_sent += 1
            self._rate_up.read(sum(uplink.bytes for uplink in self.uplinks.values()), now)
            self._rate_down.read(sum(sink.bytes for sink in self.sinks_by_ssrc.values()), now)
            self._report_at = now + control.report_interval_s(self)

    def _tick_sinks(self, now: float) -> None:
        self.tick_downlink(now)
        for sink in self.sinks_by_ssrc.values():
            sink.repeat_budget = MAX_REPEATS_PER_TICK
        if now - self._asked_at >= self._ask_interval_s(now) and self.needs_acknowledgement:
            self._asked_at = now
            self._server.forwarder.send_padding(self, 1, now)
        if self.feed_starved(now):
            self._room.reconcile(now)
        if self.urgent:
            self.wake()

    def _ask_interval_s(self, now: float) -> float:
        waited_s = now - self.downlink_control.history.unacked_since
        return LATE_ASK_S if waited_s > LONG_OUTAGE_S else ASK_S

    def _send_feedback(self, now: float) -> None:
        self._feedback_at = now
        fci = self.feedback.drain(now, self.uplinks[rtp.VIDEO].missing.oldest_at)
        if fci is not None:
            self.send_rtcp(rtcp.transport_feedback(self.feedback_ssrc, self.uplinks[rtp.VIDEO].ssrc, fci))

    def request_keyframe(self, now: float) -> None:
        """Send a PLI if somebody wants a key frame and the limits allow it now."""
        video = self.uplinks[rtp.VIDEO]
        if video.take_keyframe_request(now, self._server.config.keyframe_interval_s, self.round_trip.rtt_s):
            self.send_rtcp(rtcp.picture_loss(self.feedback_ssrc, video.ssrc))

    def _watch_silence(self, now: float) -> None:
        config = self._server.config
        silence_s = now - self.heard_at
        if silence_s > config.session_lost_s:
            self.close("silent")
        elif self.replaced_at is not None and now - self.replaced_at > config.replace_after_s:
            self.close("replaced")
        elif self.connected and silence_s > config.path_lost_s and not self.path_lost:
            self.path_lost = True
            self._loop.call_soon(self._listener.on_path_lost, self.id)
        self._follow_peer(now)

    def _follow_peer(self, now: float) -> None:
        """The nominated path went quiet while another proven one speaks: answer there."""
        if self.path is None or now - self.path.heard_at < 1.0:
            return
        latest = max(self.paths.values(), key=lambda path: path.heard_at, default=self.path)
        if latest.heard_at > self.path.heard_at + 1.0:
            self.path = latest
            self.ice.active = latest.key

    async def stop_dtls(self) -> None:
        try:
            await self._dtls.stop()
        except Exception:
            log.warning(log_event("media.dtls_stop_failed", session=self.id), exc_info=True)

    # DTLS

    def _send_plain(self, data: bytes) -> None:
        self._server.send_on(self.path, data)

    def _secured(self, association: DtlsAssociation) -> None:
        if self.closed:
            return
        _, self.unprotect_rtcp = association.unprotect(self._server.rx)
        self.srtp_in = association.inbound_context
        self.protect, self.protect_rtcp = association.protect(self._server.tx)
        self.srtp_out = association.outbound_context
        self.connected = True
        self._report_at = self._server.now()
        self._server.session_connected(self)
        self._loop.call_soon(self._listener.on_connected, self.id)

    def _accept(self, lines: list[OfferedMedia]) -> None:
        """Keep the downlinks of accepted lines, by SSRC; end the others."""
        now = self._server.now()
        accepted = {(line.publisher, line.kind): line for line in lines}
        for key, sink in list(self._downlinks.items()):
            line = accepted.get(key)
            if line is None or line.ssrc != sink.ssrc:
                sink.detach(now)
                self.wire_down_other += sink.bytes + rtp.IP_UDP_BYTES * sink.packets
                del self._downlinks[key]
        for (publisher, kind), line in accepted.items():
            if (publisher, kind) not in self._downlinks:
                sink = Downlink(self, publisher, kind, line.ssrc, line.rtx_ssrc)
                sink.wanted = self._may_have(publisher, kind)
                self._downlinks[publisher, kind] = sink
        self.sinks_by_ssrc = {sink.ssrc: sink for sink in self._downlinks.values()}
        self._room.reconcile(now)
