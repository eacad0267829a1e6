"""The receiving half of a session: what numbers its packets, and what holds its video back.

Read and written by the fast path in ``forwarder.py``; everything here is cheap while the line is good.
"""

import math
from collections import deque
from typing import Any

from media import rtp
from media.congestion.downlink import DownlinkControl
from media.congestion.history import SendHistory
from media.downlink import Downlink
from media.pacer import PACKET_OVERHEAD_BYTES, Pacer, QueuedPacket

AUDIO_STAMP_S = 0.5
"""At least so far apart are audio packets that the browser must acknowledge: each costs it a datagram."""
THIN_AUDIO_STAMP_S = 1.0
"""The same on a line that bears little more than the sound itself."""
THIN_BPS = 16_000
COMFORTABLE_FACTOR = 4
"""A pace this many times above what flows needs no bucket."""
QUIET_BPS = 20_000
CLEAR_S = 0.4
"""How long a tick's judgement that nothing needs to wait holds good; longer than between two ticks."""
FLOW_TICKS = 5
"""What flows is measured over so many ticks: a second."""
CALM_S = 5.0
CALM_LOSS = 0.1
"""One of the few packets that are numbered then; more is looked at closely."""
CALM_STAMP_S = 0.16
"""So far apart are numbered packets on a calm line: as often as needed to notice that it is calm no more, for a
tenth of the feedback's work. The first sign of a queue makes it every packet again."""
STARVED_RETRY_S = 1.0
"""At most so often does a receiver whose video was dropped ask for a key frame."""


class Receiving:
    """Mixed into the session. ``stamped`` tells whether packets carry transport-wide numbers."""

    path: Any
    sinks_by_ssrc: dict[int, Downlink]

    def start_receiving(self, control: DownlinkControl, now: float, *, stamped: bool) -> None:
        self.downlink_control = control
        self.history: SendHistory | None = control.history if stamped else None
        self.stamp_interval_s = 0.0
        """Numbered video packets are at least so far apart; 0: every packet is numbered."""
        self.audio_stamp_interval_s = AUDIO_STAMP_S
        self.video_stamp_at = now
        self.audio_stamp_at = now if stamped else math.inf
        self.clear_until = math.inf
        """Until then video is sent without asking the pacer."""
        self.pacer = Pacer(control, now)
        self.wire_down_other = 0
        """Wire bytes sent other than forwarded packets: repeats, padding, reports, answers to checks."""
        self.paced = False
        """Whether video may be held back: only where somebody steers what is sent, or it would be for ever."""
        self.probe_goal_bps: int | None = None
        """Wire rate of the whole downlink to be proven by padding; None: no probing."""
        self.padding_bytes = 0
        """On the wire, in all: not counted as flowing."""
        self._flow: deque[tuple[float, int, int]] = deque([(now, 0, 0)], maxlen=FLOW_TICKS + 1)
        self._starved_at = -math.inf
        self._calm_since = now

    @property
    def urgent(self) -> bool:
        """Whether the short timer is needed."""
        return bool(self.pacer.queue) or self.downlink_control.probing

    def wake(self) -> None:
        """Ask for calls of ``MediaServer``'s short timer while ``urgent``."""
        raise NotImplementedError

    def tick_downlink(self, now: float) -> None:
        """Every 200 ms: the estimate goes on, and whether video may skip the pacer until the next time."""
        before, octets, sound_octets = self._flow[0]
        total, sound = self.wire_down_bytes - self.padding_bytes, self._sound_bytes()
        elapsed_s = max(now - before, 0.1)
        flowing_bps = round(max(0, total - octets) * 8 / elapsed_s)
        self._flow.append((now, total, sound))
        self.downlink_control.tick(
            now,
            flowing_bps=flowing_bps,
            probe_goal_bps=self.probe_goal_bps,
            sound_bps=round(max(0, sound - sound_octets) * 8 / elapsed_s),
        )
        if self.history is None:
            return
        self._choose_stamps(now)
        if not self.paced:
            self.clear_until = math.inf
            return
        control, history = self.downlink_control, self.history
        comfortable = not self.pacer.queue and control.pace_bps > COMFORTABLE_FACTOR * max(flowing_bps, QUIET_BPS)
        # While acknowledgements come as they should, the brake cannot fall before this:
        brake_at = history.unacked_since + control.hold_after_s if history.newest_acked else math.inf
        self.clear_until = min(now + CLEAR_S, brake_at) if comfortable else 0.0

    def _choose_stamps(self, now: float) -> None:
        """Every packet is numbered while something is to be found out, few when all has been well for a while."""
        control = self.downlink_control
        asking = self.probe_goal_bps is not None or control.probing
        if asking or not control.at_ease or control.loss(now) >= CALM_LOSS:
            self._calm_since = now
        self.stamp_interval_s = CALM_STAMP_S if now - self._calm_since > CALM_S else 0.0
        line = control.line(now)
        thin = line.proven and line.capacity_bps < THIN_BPS and control.at_ease and not asking
        self.audio_stamp_interval_s = THIN_AUDIO_STAMP_S if thin else AUDIO_STAMP_S

    def on_feedback(self, fci: bytes, now: float) -> None:
        """Transport feedback of the peer."""
        control = self.downlink_control
        control.on_feedback(fci, now)
        if self.stamp_interval_s and not control.at_ease:
            self._calm_since = self.video_stamp_at = now
            self.stamp_interval_s = 0.0
            if self.paced:
                self.clear_until = 0.0

    def admit(self, packet: QueuedPacket, now: float) -> bool:
        """Whether a video packet may be sent now; otherwise it waits, or everything waiting is given up."""
        if not self.pacer.queue and self.pacer.may_send(len(packet.payload) + PACKET_OVERHEAD_BYTES, now):
            return True
        if not self.pacer.push(packet) or self.pacer.stale(now):
            self.starve(now)
        else:
            self.wake()
        return False

    def starve(self, now: float) -> None:
        """Drop what waits; its streams continue without a gap at a key frame, once the line is clear."""
        if self.pacer.held(now):
            self.downlink_control.given_up(now)
        for sink in {id(packet.sink): packet.sink for packet in self.pacer.queue}.values():
            source = sink.source
            sink.detach(now)
            sink.starved = True
            if source is not None:
                source.sinks = [other for other in source.sinks if other is not sink]
        self.pacer.queue.clear()
        self._starved_at = now

    def feed_starved(self, now: float) -> bool:
        """Whether receivers that were starved may begin again now; the room is to be reconciled then."""
        starved = [sink for sink in self.sinks_by_ssrc.values() if sink.starved]
        if not starved or now - self._starved_at < STARVED_RETRY_S or self.pacer.held(now):
            return False
        for sink in starved:
            sink.starved = False
        return True

    @property
    def needs_acknowledgement(self) -> bool:
        """Something is waited for, and no audio flows that would tell that the line is back."""
        sinks = self.sinks_by_ssrc.values()
        if self.history is None or any(sink.attached and sink.kind == rtp.AUDIO for sink in sinks):
            return False
        return any(sink.starved for sink in sinks) or self.history.unacked_since < math.inf

    def _sound_bytes(self) -> int:
        sinks = [sink for sink in self.sinks_by_ssrc.values() if sink.kind == rtp.AUDIO]
        return sum(sink.bytes + rtp.IP_UDP_BYTES * sink.packets for sink in sinks)

    @property
    def wire_down_bytes(self) -> int:
        """Everything sent to the peer so far, with IPv4 and UDP headers."""
        forwarded = sum(sink.bytes + rtp.IP_UDP_BYTES * sink.packets for sink in self.sinks_by_ssrc.values())
        return self.wire_down_other + forwarded
