"""Reading a browser's SDP answer. Everything wrong is a ``PeerError``; nothing else escapes."""

import re
from dataclasses import dataclass, field

from candil.errors import PeerError
from media import rtp

MAX_SDP_BYTES = 32 * 1024
MAX_LINES = 1_000
MAX_LINE_CHARACTERS = 2_048
MAX_SSRCS_PER_LINE = 8
DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")

_ICE = re.compile(r"[A-Za-z0-9+/]+")
_FINGERPRINT = re.compile(r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2})+")
_DIGEST_BYTES = {"sha-256": 32, "sha-384": 48, "sha-512": 64}


@dataclass(slots=True)
class AnsweredMedia:
    """One m-line as the peer accepted it."""

    mid: str = ""
    kind: str = ""
    rejected: bool = False
    direction: str = "sendrecv"
    payload_types: frozenset[int] = frozenset()
    codecs: dict[int, str] = field(default_factory=dict)
    ssrcs: list[int] = field(default_factory=list)
    rtx_of: dict[int, int] = field(default_factory=dict)
    """Primary SSRC to its retransmission SSRC."""
    transport: dict[str, str] = field(default_factory=dict)

    @property
    def sends(self) -> bool:
        return not self.rejected and self.direction in ("sendrecv", "sendonly")

    @property
    def receives(self) -> bool:
        return not self.rejected and self.direction in ("sendrecv", "recvonly")


@dataclass(frozen=True, slots=True)
class Answer:
    ice_ufrag: str
    ice_password: str
    fingerprints: tuple[tuple[str, str], ...]
    """(hash name, value) pairs; all of them must match the peer's certificate."""
    peer_is_dtls_client: bool
    media: dict[str, AnsweredMedia]


def read_answer(sdp: str, offered: list[tuple[str, str]]) -> Answer:
    """``offered`` holds (mid, kind) of each m-line of the offer, in order."""
    session, sections = _split(sdp)
    fingerprints: list[tuple[str, str]] = []
    transport: dict[str, str] = {}
    for name, value in session:
        _read_transport(name, value, transport, fingerprints)
    if len(sections) != len(offered):
        raise PeerError("sdp_media_count", "the answer must have the m-lines of the offer")
    media: dict[str, AnsweredMedia] = {}
    for (mid, kind), section in zip(offered, sections, strict=True):
        line = _read_media(section, fingerprints)
        if line.kind != kind or line.mid not in (mid, "") or (not line.mid and not line.rejected):
            raise PeerError("sdp_media_order", "the answer's m-lines do not follow the offer's")
        media[mid] = line
        if not line.rejected:
            for key, value in line.transport.items():
                transport.setdefault(key, value)
    return _assemble(transport, fingerprints, media)


def _assemble(
    transport: dict[str, str], fingerprints: list[tuple[str, str]], media: dict[str, AnsweredMedia]
) -> Answer:
    ufrag, password = transport.get("ice-ufrag", ""), transport.get("ice-pwd", "")
    if not 4 <= len(ufrag) <= 256 or not _ICE.fullmatch(ufrag):
        raise PeerError("sdp_ice", "ice-ufrag is missing or malformed")
    if not 22 <= len(password) <= 256 or not _ICE.fullmatch(password):
        raise PeerError("sdp_ice", "ice-pwd is missing or malformed")
    if not fingerprints:
        raise PeerError("sdp_fingerprint", "no DTLS fingerprint of a supported hash")
    setup = transport.get("setup", "")
    if setup not in ("active", "passive"):
        raise PeerError("sdp_setup", "a=setup of an answer must be active or passive")
    return Answer(ufrag, password, tuple(dict.fromkeys(fingerprints)), setup == "active", media)


def _split(sdp: str) -> tuple[list[tuple[str, str]], list[list[tuple[str, str]]]]:
    """Session attributes, and per m-line its own; the m-line itself comes first, named ``m``."""
    if not isinstance(sdp, str) or len(sdp) > MAX_SDP_BYTES or not sdp.isascii():
        raise PeerError("sdp_size", "SDP must be ASCII text of at most 32 KiB")
    lines = sdp.replace("\r\n", "\n").split("\n")
    if len(lines) > MAX_LINES or not lines[0].startswith("v=0"):
        raise PeerError("sdp_syntax", "not an SDP description")
    session: list[tuple[str, str]] = []
    sections: list[list[tuple[str, str]]] = []
    for line in lines:
        if len(line) > MAX_LINE_CHARACTERS:
            raise PeerError("sdp_syntax", "an SDP line is too long")
        if line.startswith("m="):
            sections.append([("m", line[2:])])
        elif line.startswith("a="):
            name, _, value = line[2:].partition(":")
            (sections[-1] if sections else session).append((name, value.strip()))
        elif line and line[1:2] != "=":
            raise PeerError("sdp_syntax", "an SDP line has no type")
    return session, sections


def _read_media(section: list[tuple[str, str]], fingerprints: list[tuple[str, str]]) -> AnsweredMedia:
    line = AnsweredMedia()
    _read_m_line(section[0][1], line)
    for name, value in section[1:]:
        if name in DIRECTIONS:
            line.direction = name
        elif name == "mid":
            line.mid = value
        elif name == "rtpmap":
            _read_rtpmap(value, line)
        elif name == "ssrc":
            _read_ssrc(value, line)
        elif name == "ssrc-group" and value.startswith("FID "):
            numbers = [_integer(item, 32) for item in value.split()[1:]]
            if len(numbers) == 2 and len(line.rtx_of) < MAX_SSRCS_PER_LINE:
                line.rtx_of[numbers[0]] = numbers[1]
        elif not line.rejected:
            _read_transport(name, value, line.transport, fingerprints)
    _check_codecs(line)
    return line


def _read_m_line(value: str, line: AnsweredMedia) -> None:
    parts = value.split()
    if len(parts) < 4 or parts[0] not in rtp.KINDS or parts[2] != "UDP/TLS/RTP/SAVPF":
        raise PeerError("sdp_media", "an m-line is not audio or video over UDP/TLS/RTP/SAVPF")
    line.kind = parts[0]
    line.rejected = _integer(parts[1], 16) == 0
    line.payload_types = frozenset(_integer(item, 7) for item in parts[3:19])


def _read_rtpmap(value: str, line: AnsweredMedia) -> None:
    number, _, encoding = value.partition(" ")
    if len(line.codecs) < 16:
        line.codecs[_integer(number, 7)] = encoding.split("/")[0].lower()


def _read_ssrc(value: str, line: AnsweredMedia) -> None:
    ssrc = _integer(value.partition(" ")[0], 32)
    if ssrc not in line.ssrcs:
        if len(line.ssrcs) >= MAX_SSRCS_PER_LINE:
            raise PeerError("sdp_ssrcs", "too many SSRCs in one m-line")
        line.ssrcs.append(ssrc)


def _check_codecs(line: AnsweredMedia) -> None:
    """The offer's payload type numbers must come back meaning the same (RFC 3264 section 6.1)."""
    if line.rejected or line.direction == "inactive":
        return
    payload_type, codec = (rtp.PT_OPUS, "opus") if line.kind == rtp.AUDIO else (rtp.PT_VP8, "vp8")
    if payload_type not in line.payload_types or line.codecs.get(payload_type) != codec:
        raise PeerError("sdp_codec", f"the answer must accept {codec} as payload type {payload_type}")


def _read_transport(name: str, value: str, transport: dict[str, str], fingerprints: list[tuple[str, str]]) -> None:
    if name in ("ice-ufrag", "ice-pwd", "setup"):
        transport.setdefault(name, value)
    elif name == "fingerprint":
        algorithm, _, digest = value.partition(" ")
        size = _DIGEST_BYTES.get(algorithm.lower())
        if size is None:
            return
        if not _FINGERPRINT.fullmatch(digest) or len(digest) != size * 3 - 1:
            raise PeerError("sdp_fingerprint", "a fingerprint is malformed")
        if len(fingerprints) < 32:
            fingerprints.append((algorithm.lower(), digest.upper()))


def _integer(text: str, bits: int) -> int:
    if not text.isdecimal() or len(text) > 10 or (number := int(text)) >> bits:
        raise PeerError("sdp_number", "a number in the SDP is out of range")
    return number
