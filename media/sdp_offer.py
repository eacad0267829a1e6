"""SDP offers (RFC 8829, RFC 8843): short, only what this server supports, always from us."""

import ipaddress
import re
from dataclasses import dataclass

from media import rtp
from media.config import AudioParameters

RECEIVE = "recvonly"
SEND = "sendonly"
INACTIVE = "inactive"

_EXTENSION_URI = {
    rtp.EXT_MID: "urn:ietf:params:rtp-hdrext:sdes:mid",
    rtp.EXT_ABS_SEND_TIME: "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
    rtp.EXT_AUDIO_LEVEL: "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
    rtp.EXT_TRANSPORT_CC: "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
}
WIDEBAND_HZ = 16_000
"""Speech needs no more, and at these rates Opus then codes whole packets in the mode that in-band repair works in:
with full band a copy repairs only part of a 60 ms packet."""
_NAME = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_UDP_HOST_PREFERENCE = 126
_TCP_HOST_PREFERENCE = 90
"""Below any UDP pair, above any relay (RFC 6544 section 4.2)."""
_TCP_PASSIVE_DIRECTION = 4


@dataclass(frozen=True, slots=True)
class OfferedMedia:
    """One m-line. ``publisher`` and the SSRCs are set on the lines that we send."""

    mid: str
    kind: str
    direction: str
    publisher: str = ""
    ssrc: int = 0
    rtx_ssrc: int = 0


@dataclass(frozen=True, slots=True)
class OfferTransport:
    """What every offer of one session repeats."""

    session_number: int
    ufrag: str
    password: str
    fingerprint_sha256: str
    addresses: tuple[str, ...]
    port: int
    tcp_port: int = 0
    stamped: bool = True
    """What we send carries transport-wide numbers; otherwise abs-send-time."""
    audio_nack: bool = True


def is_name(text: str) -> bool:
    """Whether a participant id can stand in ``msid`` and ``cname`` as it is."""
    return _NAME.fullmatch(text) is not None


def build_offer(transport: OfferTransport, version: int, media: list[OfferedMedia], audio: AudioParameters) -> str:
    """The whole offer. Candidates stand in the first m-line, which carries the bundle."""
    lines = [
        "v=0",
        f"o=- {transport.session_number} {version} IN IP4 0.0.0.0",
        "s=-",
        "t=0 0",
        "a=ice-lite",
        "a=group:BUNDLE " + " ".join(line.mid for line in media),
        f"a=ice-ufrag:{transport.ufrag}",
        f"a=ice-pwd:{transport.password}",
        f"a=fingerprint:sha-256 {transport.fingerprint_sha256}",
        "a=setup:actpass",
    ]
    for index, line in enumerate(media):
        lines += _audio_lines(line, audio, transport) if line.kind == rtp.AUDIO else _video_lines(line, transport)
        if index == 0:
            lines += _candidates(transport)
    return "\r\n".join(lines) + "\r\n"


def _candidates(transport: OfferTransport) -> list[str]:
    lines = []
    for index, host in enumerate(transport.addresses):
        preference = 65535 - index
        if ipaddress.ip_address(host).version == 4:
            preference -= 1000  # RFC 8421: IPv6 first where both work
        priority = (_UDP_HOST_PREFERENCE << 24) | (preference << 8) | 255
        lines.append(f"a=candidate:{index + 1} 1 udp {priority} {host} {transport.port} typ host")
        if transport.tcp_port:
            preference = (_TCP_PASSIVE_DIRECTION << 13) | (preference & 0x1FFF)  # RFC 6544 section 4.2
            priority = (_TCP_HOST_PREFERENCE << 24) | (preference << 8) | 255
            foundation = len(transport.addresses) + index + 1
            lines.append(
                f"a=candidate:{foundation} 1 tcp {priority} {host} {transport.tcp_port} typ host tcptype passive"
            )
    return [*lines, "a=end-of-candidates"]


def _audio_lines(line: OfferedMedia, audio: AudioParameters, transport: OfferTransport) -> list[str]:
    fmtp = f"maxaveragebitrate={audio.max_average_bitrate_bps};minptime=10;stereo=0"
    fmtp += f";useinbandfec={int(audio.use_inband_fec)};usedtx={int(audio.use_dtx)}"
    fmtp += f";maxplaybackrate={8000 if audio.narrowband else WIDEBAND_HZ}"
    extensions = [rtp.EXT_AUDIO_LEVEL] if audio.level_extension else []
    if line.direction == RECEIVE:
        extensions.insert(0, rtp.EXT_MID)
    feedback = ["nack"] if transport.audio_nack else []
    if line.direction == SEND and transport.stamped:
        extensions.append(rtp.EXT_TRANSPORT_CC)
        feedback.append("transport-cc")
    return [
        *_head(line, f"{rtp.PT_OPUS}"),
        f"a=rtpmap:{rtp.PT_OPUS} opus/48000/2",
        f"a=fmtp:{rtp.PT_OPUS} {fmtp}",
        *(f"a=rtcp-fb:{rtp.PT_OPUS} {item}" for item in feedback),
        f"a=ptime:{audio.ptime_ms}",
        f"a=maxptime:{max(audio.ptime_ms, 60)}",
        *_extensions(extensions),
        *_sources(line),
    ]


def _video_lines(line: OfferedMedia, transport: OfferTransport) -> list[str]:
    feedback = ["nack", "nack pli"]
    if line.direction == RECEIVE:
        feedback += ["goog-remb", "transport-cc"]
        extensions = [rtp.EXT_MID, rtp.EXT_TRANSPORT_CC]
    elif transport.stamped:
        feedback += ["ccm fir", "transport-cc"]
        extensions = [rtp.EXT_TRANSPORT_CC]
    else:
        feedback += ["ccm fir", "goog-remb"]
        extensions = [rtp.EXT_ABS_SEND_TIME]
    return [
        *_head(line, f"{rtp.PT_VP8} {rtp.PT_RTX}"),
        f"a=rtpmap:{rtp.PT_VP8} VP8/90000",
        *(f"a=rtcp-fb:{rtp.PT_VP8} {item}" for item in feedback),
        f"a=rtpmap:{rtp.PT_RTX} rtx/90000",
        f"a=fmtp:{rtp.PT_RTX} apt={rtp.PT_VP8}",
        *_extensions(extensions),
        *_sources(line),
    ]


def _head(line: OfferedMedia, payload_types: str) -> list[str]:
    return [
        f"m={line.kind} 9 UDP/TLS/RTP/SAVPF {payload_types}",
        "c=IN IP4 0.0.0.0",
        f"a=mid:{line.mid}",
        "a=rtcp-mux",
        "a=rtcp-rsize",
        f"a={line.direction}",
    ]


def _extensions(ids: list[int]) -> list[str]:
    return [f"a=extmap:{number} {_EXTENSION_URI[number]}" for number in ids]


def _sources(line: OfferedMedia) -> list[str]:
    if line.direction != SEND:
        return []
    lines = [f"a=msid:{line.publisher} {line.kind}"]
    if line.rtx_ssrc:
        lines.append(f"a=ssrc-group:FID {line.ssrc} {line.rtx_ssrc}")
    lines.append(f"a=ssrc:{line.ssrc} cname:{line.publisher}")
    if line.rtx_ssrc:
        lines.append(f"a=ssrc:{line.rtx_ssrc} cname:{line.publisher}")
    return lines
