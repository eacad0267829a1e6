"""What the ladder orders and tells. Frozen values; whoever drives the room carries them out.

Rates are payload bits per second where a codec is told its rate, and wire bits per second (IPv4, UDP and all
inside) everywhere else.
"""

from dataclasses import dataclass

from media.adaptation.rungs import Rung
from media.congestion.line import LineState

AUDIO_HEADER_BYTES = 58
"""IPv4 20, UDP 8, RTP 12, extensions 8, SRTP tag 10: what each packet of sound costs beyond its payload."""


@dataclass(frozen=True, slots=True)
class AudioOrder:
    """What a publisher's Opus encoder is to do (RFC 7587)."""

    bitrate_bps: int
    ptime_ms: int
    dtx: bool
    fec: bool
    narrowband: bool

    @property
    def wire_bps(self) -> int:
        """While somebody speaks."""
        return self.bitrate_bps + AUDIO_HEADER_BYTES * 8 * 1000 // self.ptime_ms


@dataclass(frozen=True, slots=True)
class VideoOrder:
    """What a publisher's video encoder is to do: payload bits per second, frames per second, lines."""

    max_bitrate_bps: int
    max_framerate: float
    max_height: int


@dataclass(frozen=True, slots=True)
class PublishOrder:
    """Everything a publisher is to send from now on. None: nothing of that kind, its packets stop."""

    audio: AudioOrder | None
    video: VideoOrder | None
    probe: bool = False
    """The order is a test of the uplink: what it adds is not forwarded to anybody."""


@dataclass(frozen=True, slots=True)
class DirectionNews:
    """One direction of one participant, as people see it."""

    rung: Rung
    reason: str
    capacity_bps: int
    needed_bps: int
    """What the line must be proven to bear for the next rung; 0 when no line can bring it."""
    since: float


@dataclass(frozen=True, slots=True)
class LineNews:
    down: DirectionNews
    up: DirectionNews


@dataclass(frozen=True, slots=True)
class LineHint:
    """What a test before the call found; a missing figure is None."""

    down_bps: int | None = None
    up_bps: int | None = None
    rtt_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Lines:
    """Both directions of one participant's line at a tick."""

    down: LineState
    up: LineState
    alive: bool
    """The media session is connected and its path is heard."""
    audio_up_bps: int | None = None
    """Measured wire rate of the sound this participant sends, None when not measured. It corrects the sums for
    browsers that do not follow the order (other packet lengths)."""


@dataclass(frozen=True, slots=True)
class Forward:
    """Begin or stop passing a publisher's packets of one kind to a receiver."""

    receiver: str
    publisher: str
    kind: str
    on: bool


@dataclass(frozen=True, slots=True)
class Publish:
    """Tell a participant's browser what to send."""

    participant: str
    order: PublishOrder


@dataclass(frozen=True, slots=True)
class ProbeDownlink:
    """Prove that a downlink bears this wire rate, with everything that flows; None: stop probing."""

    participant: str
    goal_bps: int | None


@dataclass(frozen=True, slots=True)
class Tell:
    """Show the people in the room how a participant's line is."""

    participant: str
    news: LineNews


Action = Forward | Publish | ProbeDownlink | Tell
