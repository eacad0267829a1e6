"""Offers and answers of one session: which m-line is whose, and whose turn it is (RFC 8829).

One offer is outstanding at a time; changes in the meantime go into the next. m-lines are never
removed: a freed pair goes inactive and the next publisher takes it.
"""

from collections.abc import Callable
from dataclasses import dataclass

from candil.errors import PeerError
from media import rtp
from media.config import AudioParameters
from media.sdp_answer import Answer, read_answer
from media.sdp_offer import INACTIVE, RECEIVE, SEND, OfferedMedia, OfferTransport, build_offer

OWN_AUDIO_MID = "a0"
OWN_VIDEO_MID = "v0"


@dataclass(slots=True)
class Slot:
    """A pair of m-lines, ``a<number>`` and ``v<number>``, that carries one publisher."""

    number: int
    publisher: str | None = None
    audio_ssrc: int = 0
    video_ssrc: int = 0
    rtx_ssrc: int = 0


class Negotiation:
    """``new_ssrc`` gives random 32 bit numbers."""

    def __init__(self, transport: OfferTransport, audio: AudioParameters, new_ssrc: Callable[[], int]) -> None:
        self._transport = transport
        self._audio = audio
        self._new_ssrc = new_ssrc
        self._used_ssrcs: set[int] = {0}
        self.slots: list[Slot] = []
        self._version = 0
        self._outstanding: list[OfferedMedia] | None = None
        self._offered: tuple[list[OfferedMedia], AudioParameters] | None = None
        self._outstanding_audio = audio
        self.last_offer = ""

    @property
    def awaiting_answer(self) -> bool:
        return self._outstanding is not None

    def take_ssrc(self) -> int:
        """A number that this session has not used yet."""
        ssrc = self._new_ssrc()
        while ssrc in self._used_ssrcs:
            ssrc = self._new_ssrc()
        self._used_ssrcs.add(ssrc)
        return ssrc

    def set_audio(self, audio: AudioParameters, *, offer: bool = True) -> None:
        """For the next offer; ``offer=False``: the page applies it by itself, no offer is due for its sake."""
        self._audio = audio
        if offer:
            return
        self._outstanding_audio = audio
        if self._offered is not None:
            self._offered = (self._offered[0], audio)

    def set_publishers(self, publishers: list[str]) -> None:
        """Give each publisher a pair of m-lines; those who left free theirs."""
        for slot in self.slots:
            if slot.publisher not in publishers:
                slot.publisher = None
        seated = {slot.publisher for slot in self.slots}
        for publisher in publishers:
            if publisher in seated:
                continue
            slot = next((free for free in self.slots if free.publisher is None), None) or self._add_slot()
            slot.publisher = publisher
            slot.audio_ssrc, slot.video_ssrc, slot.rtx_ssrc = (self.take_ssrc() for _ in range(3))

    def _add_slot(self) -> Slot:
        slot = Slot(len(self.slots) + 1)
        self.slots.append(slot)
        return slot

    def next_offer(self, *, force: bool = False) -> str | None:
        """The offer to send now; None while one is outstanding, or when nothing changed."""
        if self._outstanding is not None:
            return None
        media = self._media()
        if (media, self._audio) == self._offered and not force:
            return None
        self._version += 1
        self._outstanding, self._outstanding_audio = media, self._audio
        self.last_offer = build_offer(self._transport, self._version, media, self._audio)
        return self.last_offer

    def _media(self) -> list[OfferedMedia]:
        media = [
            OfferedMedia(OWN_AUDIO_MID, rtp.AUDIO, RECEIVE),
            OfferedMedia(OWN_VIDEO_MID, rtp.VIDEO, RECEIVE),
        ]
        for slot in self.slots:
            audio_mid, video_mid = f"a{slot.number}", f"v{slot.number}"
            if slot.publisher is None:
                media.append(OfferedMedia(audio_mid, rtp.AUDIO, INACTIVE))
                media.append(OfferedMedia(video_mid, rtp.VIDEO, INACTIVE))
                continue
            media.append(OfferedMedia(audio_mid, rtp.AUDIO, SEND, slot.publisher, slot.audio_ssrc))
            media.append(OfferedMedia(video_mid, rtp.VIDEO, SEND, slot.publisher, slot.video_ssrc, slot.rtx_ssrc))
        return media

    def apply_answer(self, sdp: str) -> tuple[Answer, list[OfferedMedia]]:
        """The answer, and the lines we may now send on. The offer stays outstanding if it raises."""
        if self._outstanding is None:
            raise PeerError("sdp_unexpected", "there is no offer to answer")
        answer = read_answer(sdp, [(line.mid, line.kind) for line in self._outstanding])
        accepted = [line for line in self._outstanding if line.direction == SEND and answer.media[line.mid].receives]
        self._offered = (self._outstanding, self._outstanding_audio)
        self._outstanding = None
        return answer, accepted
