"""Participants in Python that behave as browsers do in a call: they send what they are ordered, acknowledge what
arrives, and may sit behind a thin line of the pure link model."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from bench.netlab.link import Direction, Shape
from media import rtcp, rtp
from media.adaptation.orders import AudioOrder, LineNews, PublishOrder, VideoOrder
from media.adaptation.rungs import Rung
from media.aio.server import MediaServer
from media.transport_cc import FeedbackRecorder
from tests.support.media_fakes import rtp_packet, vp8_payload
from tests.support.media_peer import MediaPeer

_IP_AND_UDP = bytes(9) + b"\x11" + bytes(18)
_COMFORT_NOISE_S = 0.4
_PACKET_BYTES = 1000
_KEYFRAME_SCALE = 3


class ThinLine:
    """Both directions of a line between a peer and the server, on the running loop's time."""

    def __init__(self, up: Shape, down: Shape) -> None:
        self.up, self.down = Direction(up, 1), Direction(down, 2)
        self._handles: dict[Direction, asyncio.TimerHandle] = {}

    def carry(self, direction: Direction, data: bytes, deliver: Callable[[bytes], None]) -> None:
        direction.offer(time.monotonic(), _IP_AND_UDP + data)
        self._wake(direction, deliver)

    def change(self, **changes: Any) -> None:
        for direction in (self.up, self.down):
            direction.change(time.monotonic(), **changes)

    def close(self) -> None:
        for handle in self._handles.values():
            handle.cancel()

    def _wake(self, direction: Direction, deliver: Callable[[bytes], None]) -> None:
        for _, packet in direction.arrivals(time.monotonic()):
            deliver(packet[len(_IP_AND_UDP) :])
        if direction in self._handles:
            self._handles[direction].cancel()
        wait_s = direction.next_at() - time.monotonic()
        if wait_s < float("inf"):
            loop = asyncio.get_running_loop()
            self._handles[direction] = loop.call_later(max(0.0, wait_s), self._wake, direction, deliver)


class Caller(MediaPeer):
    """``talks`` tells by the monotonic time whether the person speaks; ``rungs`` keeps the news of the own line."""

    def __init__(
        self, server: MediaServer, room_id: str, name: str, talks: Callable[[float], bool], line: ThinLine | None = None
    ) -> None:
        super().__init__(server, room_id, name)
        self.order: PublishOrder | None = None
        self.rungs: list[tuple[float, Rung, Rung]] = []
        self.bytes_of: dict[int, int] = {}
        self._talks, self._line = talks, line
        self._arrivals = FeedbackRecorder()
        self._seqs: dict[int, list[int]] = {}
        self._keyframe_wanted = True
        self.left = False

    async def call(self) -> "Caller":
        await self.join()
        for work in (self._speak(), self._film(), self._acknowledge(), self._report()):
            self._spawn(work)
        return self

    def close(self) -> None:
        """Leave the room."""
        self.left = True
        self.session.close("left")
        super().close()
        if self._line is not None:
            self._line.close()

    def rungs_down(self, start: float, end: float) -> list[Rung]:
        """The rung at the start and all until the end, by the monotonic clock."""
        before = [down for at, down, _ in self.rungs if at <= start][-1:]
        return before + [down for at, down, _ in self.rungs if start < at <= end]

    # The line

    def send(self, data: bytes) -> None:
        if self._line is None:
            super().send(data)
        elif not self.transport.is_closing():
            self._line.carry(self._line.up, data, super().send)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if self._line is None:
            self._take(data)
        else:
            self._line.carry(self._line.down, data, self._take)

    def _take(self, data: bytes) -> None:
        super().datagram_received(data, None)
        for packet in self.rtp:
            ssrc = int.from_bytes(packet[8:12], "big")
            self.bytes_of[ssrc] = self.bytes_of.get(ssrc, 0) + len(packet)
            self._seqs.setdefault(ssrc, []).append(packet[2] << 8 | packet[3])
            if packet[0] & 0x10 and packet[16] == rtp.EXT_TRANSPORT_CC << 4 | 1:
                self._arrivals.add(packet[17] << 8 | packet[18], time.monotonic())
        if rtcp.KeyframeRequest(self.VIDEO_SSRC) in self.rtcp:
            self._keyframe_wanted = True
        self.rtp.clear()
        self.rtcp.clear()
        self.raw_rtcp.clear()

    # The listener

    def on_offer(self, session_id: str, sdp: str) -> None:
        if not self.left:
            super().on_offer(session_id, sdp)

    def on_order(self, session_id: str, order: PublishOrder) -> None:
        self.order = order

    def on_line(self, participant_id: str, news: LineNews) -> None:
        if participant_id == self.name:
            self.rungs.append((time.monotonic(), news.down.rung, news.up.rung))

    # What a browser does by itself

    async def _speak(self) -> None:
        due, noise_at, seq = time.monotonic(), 0.0, 0
        while True:
            order = self.order.audio if self.order else None
            ptime_s = order.ptime_ms / 1000 if order else 0.06
            due = max(due + ptime_s, time.monotonic() - 0.5)
            await asyncio.sleep(due - time.monotonic())
            talks = self._talks(due)
            if order is not None and (talks or not order.dtx or due >= noise_at):
                seq, noise_at = seq + 1, due + _COMFORT_NOISE_S
                self.send_rtp(self._sound(order, seq, due, talks or not order.dtx))

    def _sound(self, order: AudioOrder, seq: int, now: float, talks: bool) -> bytes:
        size = order.bitrate_bps * order.ptime_ms // 8000 if talks else 2
        return rtp_packet(rtp.PT_OPUS, seq, int(now * 48_000), self.AUDIO_SSRC, bytes(size))

    async def _film(self) -> None:
        due, seq, picture = time.monotonic(), 0, 0
        while True:
            order = self.order.video if self.order else None
            due = max(due + min(1 / order.max_framerate if order else 0.1, 0.2), time.monotonic() - 0.2)
            await asyncio.sleep(due - time.monotonic())
            if order is None:
                self._keyframe_wanted = True
                continue
            picture += 1
            for packet in self._picture(order, picture, seq, due):
                seq += 1
                self.send_rtp(packet)

    def _picture(self, order: VideoOrder, picture: int, seq: int, now: float) -> list[bytes]:
        """Slow pictures are cut in pieces of a fifth of a second, each as one: the rate is what matters here."""
        key, self._keyframe_wanted = self._keyframe_wanted, False
        left = int(order.max_bitrate_bps / 8 / max(order.max_framerate, 5) * (_KEYFRAME_SCALE if key else 1))
        packets: list[bytes] = []
        while left > 0:
            payload = vp8_payload(picture, key=key, body=bytes(min(left, _PACKET_BYTES)))
            if packets:
                payload = b"\x80" + payload[1:]  # not the start of a partition
            left -= _PACKET_BYTES
            packets.append(
                rtp_packet(rtp.PT_VP8, seq + len(packets) + 1, int(now * 90_000), self.VIDEO_SSRC, payload,
                           marker=left <= 0)
            )  # fmt: skip
        return packets

    async def _acknowledge(self) -> None:
        while True:
            await asyncio.sleep(0.1)
            fci = self._arrivals.drain(time.monotonic())
            if fci is not None:
                self.send_rtcp(rtcp.transport_feedback(1, next(iter(self.bytes_of)), fci))

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(1)
            self.check()
            seen, self._seqs = self._seqs, {}
            blocks = [self._block(ssrc, seqs) for ssrc, seqs in seen.items() if len(seqs) > 1][:30]
            if blocks:
                self.send_rtcp(rtcp.receiver_report(1, blocks))

    def _block(self, ssrc: int, seqs: list[int]) -> rtcp.ReportBlock:
        expected = (seqs[-1] - seqs[0] & 0xFFFF) + 1
        lost = max(0, expected - len(set(seqs)))
        return rtcp.ReportBlock(ssrc, min(255, lost * 256 // expected), lost, seqs[-1], 10, 0, 0)
