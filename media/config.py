"""Settings of the media plane. One frozen object; every field says its unit and why it has its default."""

from dataclasses import dataclass, field
from typing import Literal

from candil.errors import ConfigError
from media.adaptation.policy import LadderPolicy


@dataclass(frozen=True)
class AudioParameters:
    """What we ask a browser's Opus encoder for (RFC 7587 section 6.1, SDP ``ptime``)."""

    ptime_ms: int = 60
    """Milliseconds of sound per packet. 60 costs 7.7 kbit/s of headers, 20 costs 23; it adds 40 ms of delay."""
    max_average_bitrate_bps: int = 24_000
    """Payload rate. 24 kbit/s is wideband speech; with 60 ms packets it is about 31 kbit/s on the wire."""
    use_dtx: bool = False
    """Off by default: a clinician may listen for breath and coughs that discontinuous transmission would cut."""
    use_inband_fec: bool = True
    """A lost packet is repaired from the next one."""
    narrowband: bool = False
    """Telephone band only (``maxplaybackrate`` 8000): for the lowest rates, where bits for more are missing."""
    level_extension: bool = False
    """Ask for RFC 6464 audio levels: 8 bytes more per packet, both ways."""

    def __post_init__(self) -> None:
        if self.ptime_ms not in (10, 20, 40, 60, 80, 100, 120):
            raise ConfigError("media_ptime", "audio ptime must be one of 10, 20, 40, 60, 80, 100, 120 ms")
        if not 6_000 <= self.max_average_bitrate_bps <= 510_000:
            raise ConfigError("media_audio_bitrate", "audio bitrate must be 6000 to 510000 bit/s (RFC 7587)")


@dataclass(frozen=True)
class MediaConfig:
    """The media server. Addresses are literal IPs: whoever builds this object resolves host names."""

    bind_host: str = "0.0.0.0"  # noqa: S104 - a media server listens on every interface by default
    """Local IPv4 or IPv6 address of the one UDP socket; ``::`` takes both families."""
    udp_port: int = 0
    """0 lets the system choose (tests); ``MediaServer.port`` tells which."""
    tcp_port: int = 0
    """Port of passive ICE-TCP, for networks that drop UDP; 0: none."""
    max_tcp_connections: int = 512
    """TCP connections at a time, proven or not: half of the 1024 descriptors a process usually has."""
    max_tcp_connections_per_address: int = 64
    """Of those, from one source address: many patients of one carrier share an address (CGNAT)."""
    advertised_addresses: tuple[str, ...] = ("127.0.0.1",)
    """IP addresses that participants are told to send to, best first; behind NAT 1:1 the public ones."""
    audio: AudioParameters = field(default_factory=AudioParameters)
    max_video_bitrate_bps: int = 500_000
    """Cap on a participant's camera, sent as REMB: standard definition."""
    downlink_estimator: Literal["transport_cc", "remb"] = "transport_cc"
    """What a participant's downlink is measured by: ``transport_cc`` (our own estimate from the browser's
    feedback on every packet) or ``remb`` (the browser's estimate; for comparison)."""
    ladder: LadderPolicy | None = None
    """When who gets pictures, sound or text; None: pages send what they like and get what others send."""
    audio_nack: bool = True
    """Lost audio is asked for again while the round trip allows."""
    max_participants_per_room: int = 6
    max_sessions: int = 400
    """Bound on media sessions of the whole server."""
    max_packets_per_second: int = 2_000
    """Packets accepted from one session; above it they are dropped. 500 kbit/s of video is about 60."""
    max_bits_per_second: int = 8_000_000
    """Bits accepted from one session per second."""
    keyframe_interval_s: float = 0.5
    """At most one keyframe request per source in this time, however many receivers ask."""
    path_lost_s: float = 8.0
    """Nothing authenticated heard for this long: the path is reported lost. The session lives on."""
    session_lost_s: float = 120.0
    """Nothing authenticated heard for this long: the session is closed."""
    media_silent_s: float = 5.0
    """No RTP of a kind for this long: ``on_media(kind, False)``."""
    replace_after_s: float = 10.0
    """A replaced session is closed when its successor connects, or after this."""

    def __post_init__(self) -> None:
        if not self.advertised_addresses:
            raise ConfigError("media_addresses", "at least one advertised media address is needed")
        if len(self.advertised_addresses) > 8:
            raise ConfigError("media_addresses", "at most 8 advertised media addresses")
        if not 0 <= self.udp_port <= 65535:
            raise ConfigError("media_port", "the media UDP port must be 0 to 65535")
        if not 0 <= self.tcp_port <= 65535:
            raise ConfigError("media_port", "the media TCP port must be 0 to 65535")
        if self.downlink_estimator not in ("transport_cc", "remb"):
            raise ConfigError("media_estimator", "the downlink estimator must be transport_cc or remb")
        if not 2 <= self.max_participants_per_room <= 16:
            raise ConfigError("media_participants", "a room holds 2 to 16 participants")
