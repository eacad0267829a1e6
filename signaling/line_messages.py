"""The messages of adaptive media: what to send, how everybody's line is, and what a page wants of it.

Rates are bits per second on the wire (IP and UDP headers included), except in orders, where they are what a
codec is told.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from media.adaptation.orders import DirectionNews, LineHint, LineNews, PublishOrder
from media.adaptation.rungs import Rung
from signaling.message_base import AboutSession, Outgoing

RungName = Literal["text", "emergency", "audio", "stills", "low_video", "video", "hd"]
LimitReason = Literal["", "chosen", "saving", "budget"]
# JSON has neither NaN nor infinity; a page may round or not. Ten gigabits: beyond any line, far from overflow.
Bps = Annotated[float, Meta(ge=0, le=10_000_000_000)]
Milliseconds = Annotated[float, Meta(ge=0, le=600_000)]
Share = Annotated[float, Meta(ge=0, le=1)]


class MeasuredLine(msgspec.Struct, frozen=True):
    """What the page's test before the call found; null: not measured."""

    down_bps: Bps | None = None
    up_bps: Bps | None = None
    rtt_ms: Milliseconds | None = None

    @property
    def hint(self) -> LineHint:
        down, up = (None if bps is None else int(bps) for bps in (self.down_bps, self.up_bps))
        return LineHint(down, up, self.rtt_ms)


class Limit(msgspec.Struct, frozen=True):
    """Ceilings of both directions and why; ``hd`` with an empty reason: none."""

    down: RungName = "hd"
    up: RungName = "hd"
    reason: LimitReason = ""


class MediaLimit(AboutSession, frozen=True, tag="media.limit"):
    down: RungName
    up: RungName
    reason: LimitReason = ""

    @property
    def limit(self) -> Limit:
        return Limit(self.down, self.up, self.reason)


class MediaReport(AboutSession, frozen=True, tag="media.report"):
    outgoing_bps: Bps | None = None
    concealed: Share | None = None


class AudioWanted(msgspec.Struct, frozen=True):
    bitrate_bps: int
    ptime_ms: int
    dtx: bool
    fec: bool
    narrowband: bool


class VideoWanted(msgspec.Struct, frozen=True):
    max_bitrate_bps: int
    max_framerate: float
    max_height: int


class MediaOrder(Outgoing, frozen=True, tag="media.order"):
    session: str
    audio: AudioWanted | None
    video: VideoWanted | None
    probe: bool


class Direction(msgspec.Struct, frozen=True):
    rung: RungName
    tier: str
    reason: str
    capacity_bps: int
    needed_bps: int
    since: float


class MediaLine(Outgoing, frozen=True, tag="media.line"):
    participant: str
    down: Direction
    up: Direction


def media_order(session_id: str, order: PublishOrder) -> MediaOrder:
    audio, video = order.audio, order.video
    return MediaOrder(
        session_id,
        AudioWanted(audio.bitrate_bps, audio.ptime_ms, audio.dtx, audio.fec, audio.narrowband) if audio else None,
        VideoWanted(video.max_bitrate_bps, video.max_framerate, video.max_height) if video else None,
        order.probe,
    )


def media_line(participant_id: str, news: LineNews, since_offset_s: float) -> MediaLine:
    """``since_offset_s`` is added to the ladder's monotonic times to make Unix seconds."""
    return MediaLine(participant_id, _direction(news.down, since_offset_s), _direction(news.up, since_offset_s))


def _direction(news: DirectionNews, since_offset_s: float) -> Direction:
    return Direction(
        rung=wire_rung(news.rung),
        tier=news.rung.tier,
        reason=news.reason,
        capacity_bps=int(news.capacity_bps),
        needed_bps=int(news.needed_bps),
        since=round(news.since + since_offset_s, 1),
    )


def wire_rung(rung: Rung) -> RungName:
    return rung.wire_name  # type: ignore[return-value]  # the names of Rung are those of RungName; a test says so
