"""What may be asked of a session while it runs: by its participant, and by the adaptation to the line."""

import asyncio
from typing import TYPE_CHECKING

from media import control, rtp
from media.config import AudioParameters
from media.congestion.uplink import UplinkObserver, UplinkSample
from media.downlink import Downlink
from media.receiving import Receiving
from media.uplink import Uplink

if TYPE_CHECKING:
    from media.adaptation.orders import LineHint, LineNews, PublishOrder
    from media.adaptation.rungs import Rung
    from media.aio.server import MediaServer
    from media.listener import SessionListener
    from media.negotiation import Negotiation
    from media.room import Room

CAP_REPEATS = 4
"""A lower cap is said again at the following ticks."""


class Steered(Receiving):
    """The part of ``MediaSession`` that others steer by."""

    id: str
    connected: bool
    negotiation: "Negotiation"
    uplinks: dict[str, Uplink]
    packets_in: int
    bytes_in: int
    max_video_bitrate_bps: int
    _server: "MediaServer"
    _room: "Room"
    _listener: "SessionListener"
    _loop: asyncio.AbstractEventLoop
    _downlinks: dict[tuple[str, str], Downlink]

    def start_steering(self, hint: "LineHint | None") -> None:
        self._caps_to_send = 0
        self._ordered_audio_bps = 0
        self.wanted = {rtp.AUDIO: True, rtp.VIDEO: True}
        self.microphone = self.camera = True
        """Whether the participant's devices are on; set by ``set_devices``."""
        self._held_back: set[tuple[str, str]] = set()
        self.uplink_observer = UplinkObserver()
        self.hint = hint
        self.gave_up_sound = False
        """The page stopped its sound by itself; the adaptation has not heard yet."""
        self.limit: tuple[Rung, Rung, str] | None = None
        """Ceilings that the page set: down, up, why."""

    def renegotiate(self) -> None:
        raise NotImplementedError

    def send_rtcp(self, data: bytes) -> None:
        raise NotImplementedError

    def set_wanted(self, *, audio: bool, video: bool) -> None:
        """What this participant wants to receive; what is not wanted costs no bytes."""
        self.wanted = {rtp.AUDIO: audio, rtp.VIDEO: video}
        self._apply_wishes()

    def set_devices(self, *, microphone: bool, camera: bool) -> None:
        """What the participant turned on; a device that is off is not waited for."""
        self.microphone, self.camera = microphone, camera

    def set_forwarding(self, publisher: str, kind: str, on: bool) -> None:
        """Whether the line lets this participant have ``kind`` of ``publisher``; what is off costs no bytes."""
        if on:
            self._held_back.discard((publisher, kind))
        else:
            self._held_back.add((publisher, kind))
        self._apply_wishes()

    def _apply_wishes(self) -> None:
        changed = False
        for sink in self._downlinks.values():
            wanted = self._may_have(sink.publisher, sink.kind)
            changed |= wanted != sink.wanted
            sink.wanted = wanted
        if changed:
            self._room.reconcile(self._server.now())

    def _may_have(self, publisher: str, kind: str) -> bool:
        return self.wanted[kind] and (publisher, kind) not in self._held_back

    def set_audio(self, audio: AudioParameters, *, offer: bool = True) -> None:
        """Another packet time or bitrate of the microphone, by a new offer.

        ``offer=False``: the page was told otherwise and applies it by itself; only later offers say it too.
        """
        self.negotiation.set_audio(audio, offer=offer)
        if offer:
            self.renegotiate()

    def set_max_video_bitrate(self, bitrate_bps: int) -> None:
        """Cap the participant's camera, at once; 0 brakes it as far as a browser lets itself be braked."""
        if bitrate_bps == self.max_video_bitrate_bps:
            return
        self._caps_to_send = CAP_REPEATS if bitrate_bps < self.max_video_bitrate_bps else 1
        self.max_video_bitrate_bps = bitrate_bps
        self.send_cap()

    def send_cap(self) -> None:
        """The cap, while it is new: a line that needs a lower one loses packets."""
        if self._caps_to_send and self.connected and self.uplinks[rtp.VIDEO].ssrc:
            self._caps_to_send -= 1
            self.send_rtcp(control.cap(self))

    def set_limit(self, down: "Rung", up: "Rung", reason: str) -> None:
        """Ceilings that the participant chose, or that their device or budget sets."""
        self.limit = (down, up, reason)

    def note_browser_estimate(self, bitrate_bps: int) -> None:
        """What the page's browser believes it can send of pictures; its sound goes beside that. 0: the page found the
        line too thin for any sound, and stopped by itself."""
        if not bitrate_bps:
            self.gave_up_sound = True
            return
        self.uplink_observer.on_browser_estimate(bitrate_bps + self._ordered_audio_bps, self._server.now())

    def uplink_samples(self) -> tuple[UplinkSample | None, UplinkSample | None]:
        """(audio, video), for ``uplink_observer``."""
        return self.uplinks[rtp.AUDIO].sample(), self.uplinks[rtp.VIDEO].sample()

    @property
    def wire_up_bytes(self) -> int:
        """Everything genuine that came from the peer so far, with IPv4 and UDP headers."""
        return self.bytes_in + rtp.IP_UDP_BYTES * self.packets_in

    def tell_order(self, order: "PublishOrder") -> None:
        self._ordered_audio_bps = order.audio.wire_bps if order.audio is not None else 0
        self._loop.call_soon(self._listener.on_order, self.id, order)

    def tell_line(self, participant_id: str, news: "LineNews") -> None:
        self._loop.call_soon(self._listener.on_line, participant_id, news)
