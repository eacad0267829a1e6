"""Just enough SDP (RFC 8866, JSEP) for a load-test peer. Kept apart from the server's own reader on purpose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

MID = "urn:ietf:params:rtp-hdrext:sdes:mid"
AUDIO_LEVEL = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
ABS_SEND_TIME = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
TRANSPORT_CC = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
EXTENSIONS = (MID, AUDIO_LEVEL, ABS_SEND_TIME, TRANSPORT_CC)

OPUS_FMTP = "minptime=10;useinbandfec=1"


@dataclass
class Section:
    """One m-line."""

    kind: str
    mid: str = ""
    direction: str = "sendrecv"
    payload_types: list[int] = field(default_factory=list)
    codecs: dict[int, str] = field(default_factory=dict)  # payload type -> "opus/48000/2"
    fmtp: dict[int, str] = field(default_factory=dict)
    feedback: dict[int, list[str]] = field(default_factory=dict)  # payload type -> ["nack", "nack pli"]
    extensions: dict[str, int] = field(default_factory=dict)  # URI -> id
    rtx_of: dict[int, int] = field(default_factory=dict)  # RTX SSRC -> the SSRC it repairs

    def payload_type(self, codec: str) -> int | None:
        """The first offered payload type of a codec, compared without case ("vp8")."""
        return next((pt for pt in self.payload_types if self._named(pt, codec)), None)

    def rtx_payload_type(self, media_payload_type: int) -> int | None:
        """The RFC 4588 payload type whose apt is the given one."""
        wanted = f"apt={media_payload_type}"
        for pt in self.payload_types:
            if self._named(pt, "rtx") and wanted in self.fmtp.get(pt, "").replace(" ", "").split(";"):
                return pt
        return None

    def _named(self, payload_type: int, codec: str) -> bool:
        return self.codecs.get(payload_type, "").lower().startswith(codec + "/")


@dataclass
class Description:
    """An offer or an answer; transport facts are those of the first m-line, as everything is bundled."""

    sections: list[Section] = field(default_factory=list)
    ufrag: str = ""
    password: str = ""
    fingerprint: str = ""  # "sha-256 AB:CD:..."
    setup: str = ""
    candidates: list[tuple[str, int]] = field(default_factory=list)


def parse(text: str) -> Description:
    description = Description()
    for line in text.splitlines():
        if line.startswith("m="):
            kind, _port, _profile, *payload_types = line[2:].split()
            numbers = [int(pt) for pt in payload_types if pt.isdigit()]
            description.sections.append(Section(kind, payload_types=numbers))
        elif line.startswith("a="):
            name, _, value = line[2:].partition(":")
            _read_transport(description, name, value)
            if description.sections:
                _read_media(description.sections[-1], name, value)
    return description


def _read_transport(description: Description, name: str, value: str) -> None:
    if name == "ice-ufrag" and not description.ufrag:
        description.ufrag = value
    elif name == "ice-pwd" and not description.password:
        description.password = value
    elif name == "fingerprint" and not description.fingerprint:
        description.fingerprint = value
    elif name == "setup" and not description.setup:
        description.setup = value
    elif name == "candidate":
        fields = value.split()
        if fields[2].lower() == "udp" and ":" not in fields[4]:
            description.candidates.append((fields[4], int(fields[5])))


def _read_rtpmap(section: Section, value: str) -> None:
    payload_type, codec = value.split(" ", 1)
    section.codecs[int(payload_type)] = codec


def _read_fmtp(section: Section, value: str) -> None:
    payload_type, parameters = value.split(" ", 1)
    section.fmtp[int(payload_type)] = parameters


def _read_feedback(section: Section, value: str) -> None:
    payload_type, kind = value.split(" ", 1)
    numbers = section.payload_types if payload_type == "*" else [int(payload_type)]
    for number in numbers:
        section.feedback.setdefault(number, []).append(kind)


def _read_extension(section: Section, value: str) -> None:
    number, uri = value.split(" ", 1)
    section.extensions[uri.split()[0]] = int(number.split("/")[0])


def _read_ssrc_group(section: Section, value: str) -> None:
    semantics, *ssrcs = value.split()
    if semantics == "FID" and len(ssrcs) == 2:
        section.rtx_of[int(ssrcs[1])] = int(ssrcs[0])


_MEDIA_READERS: dict[str, Callable[[Section, str], None]] = {
    "rtpmap": _read_rtpmap,
    "fmtp": _read_fmtp,
    "rtcp-fb": _read_feedback,
    "extmap": _read_extension,
    "ssrc-group": _read_ssrc_group,
}


def _read_media(section: Section, name: str, value: str) -> None:
    if name == "mid":
        section.mid = value
    elif name in ("sendrecv", "sendonly", "recvonly", "inactive"):
        section.direction = name
    elif name in _MEDIA_READERS:
        _MEDIA_READERS[name](section, value)


@dataclass(frozen=True)
class LocalTransport:
    """What a peer says of itself in every description."""

    ufrag: str
    password: str
    fingerprint: str
    address: tuple[str, int]


@dataclass(frozen=True)
class Source:
    """The SSRCs a peer announces for one m-line it sends; rtx_ssrc 0 means no retransmission stream."""

    cname: str
    ssrc: int
    rtx_ssrc: int = 0


_ANSWER_DIRECTION = {"sendonly": "recvonly", "recvonly": "sendonly", "inactive": "inactive", "sendrecv": "sendrecv"}


def chosen_codecs(section: Section) -> tuple[int | None, int | None]:
    """The payload types this peer uses of an offered m-line: the codec's, and its RTX where there is one."""
    media = section.payload_type("opus" if section.kind == "audio" else "vp8")
    return media, None if media is None else section.rtx_payload_type(media)


def answer(offer: Description, local: LocalTransport, sources: dict[str, Source]) -> str:
    """Accept every offered m-line; `sources` names, by mid, what this peer sends."""
    sections = []
    for offered in offer.sections:
        media, rtx = chosen_codecs(offered)
        keep = [pt for pt in (media, rtx) if pt is not None]
        sections.append(
            Section(
                kind=offered.kind,
                mid=offered.mid,
                direction=_ANSWER_DIRECTION[offered.direction],
                payload_types=keep,
                codecs={pt: offered.codecs[pt] for pt in keep},
                fmtp={pt: offered.fmtp[pt] for pt in keep if pt in offered.fmtp},
                feedback={pt: offered.feedback[pt] for pt in keep if pt in offered.feedback},
                extensions={uri: n for uri, n in offered.extensions.items() if uri in EXTENSIONS},
            )
        )
    return _write(sections, local, sources, setup="active")


def publisher_offer(local: LocalTransport, audio: Source, video: Source) -> str:
    """An offer that sends Opus and VP8, for a server that wants its publishers to begin (Janus does)."""
    extensions = {AUDIO_LEVEL: 1, ABS_SEND_TIME: 2, TRANSPORT_CC: 3, MID: 4}
    video_feedback = ["nack", "nack pli", "ccm fir", "goog-remb", "transport-cc"]
    sections = [
        Section(
            kind="audio",
            mid="0",
            direction="sendonly",
            payload_types=[111],
            codecs={111: "opus/48000/2"},
            fmtp={111: OPUS_FMTP},
            feedback={111: ["transport-cc"]},
            extensions=extensions,
        ),
        Section(
            kind="video",
            mid="1",
            direction="sendonly",
            payload_types=[96, 97],
            codecs={96: "VP8/90000", 97: "rtx/90000"},
            fmtp={97: "apt=96"},
            feedback={96: video_feedback},
            extensions={uri: n for uri, n in extensions.items() if uri != AUDIO_LEVEL},
        ),
    ]
    return _write(sections, local, {"0": audio, "1": video}, setup="active")


def _write(sections: list[Section], local: LocalTransport, sources: dict[str, Source], setup: str) -> str:
    mids = " ".join(section.mid for section in sections)
    lines = ["v=0", "o=- 1 2 IN IP4 127.0.0.1", "s=-", "t=0 0", f"a=group:BUNDLE {mids}"]
    for section in sections:
        lines += _section_lines(section, local, setup)
        source = sources.get(section.mid)
        if source is not None and section.direction in ("sendonly", "sendrecv"):
            lines += _source_lines(source, section.kind)
    return "\r\n".join(lines) + "\r\n"


def _section_lines(section: Section, local: LocalTransport, setup: str) -> list[str]:
    host, port = local.address
    lines = [
        f"m={section.kind} 9 UDP/TLS/RTP/SAVPF {' '.join(map(str, section.payload_types))}",
        f"c=IN IP4 {host}",
        f"a=mid:{section.mid}",
        f"a={section.direction}",
        "a=rtcp-mux",
        f"a=ice-ufrag:{local.ufrag}",
        f"a=ice-pwd:{local.password}",
        f"a=fingerprint:{local.fingerprint}",
        f"a=setup:{setup}",
        f"a=candidate:1 1 udp 2130706431 {host} {port} typ host",
        "a=end-of-candidates",
    ]
    lines += [f"a=extmap:{number} {uri}" for uri, number in section.extensions.items()]
    for pt in section.payload_types:
        lines.append(f"a=rtpmap:{pt} {section.codecs[pt]}")
        lines += [f"a=fmtp:{pt} {section.fmtp[pt]}"] if pt in section.fmtp else []
        lines += [f"a=rtcp-fb:{pt} {kind}" for kind in section.feedback.get(pt, [])]
    return lines


def _source_lines(source: Source, kind: str) -> list[str]:
    lines = [f"a=msid:{source.cname} {kind}"]
    if source.rtx_ssrc:
        lines.append(f"a=ssrc-group:FID {source.ssrc} {source.rtx_ssrc}")
    ssrcs = [source.ssrc] + ([source.rtx_ssrc] if source.rtx_ssrc else [])
    return lines + [f"a=ssrc:{ssrc} cname:{source.cname}" for ssrc in ssrcs]
