"""When consent is needed, whose it must be, whether it still holds, and what it opens."""

from dataclasses import dataclass
from typing import Literal, Protocol

from candil.consults.permissions import Role
from consent.wording import Wording

MediaChoice = Literal["video", "audio", "text"]


class GivenConsent(Protocol):
    """What the rules read of a stored consent."""

    @property
    def status(self) -> str: ...
    @property
    def wording_version(self) -> str: ...
    @property
    def wording_locale(self) -> str: ...
    @property
    def wording_sha256(self) -> str: ...


@dataclass(frozen=True)
class AllowedMedia:
    """What a participant may send and receive besides text."""

    audio: bool
    video: bool


NO_MEDIA = AllowedMedia(audio=False, video=False)


def must_consent(role: Role) -> bool:
    """The patient, or whoever represents them. Staff act under their duties; guests come at the
    patient's side and nothing of theirs enters the record."""
    return role == Role.PATIENT


def holds(given: GivenConsent | None, current: Wording) -> bool:
    """Whether a stored consent is good for what we would show now.

    A newer version asks again. So does the same version with another text in the same language (the
    doctor changed, for instance). The same version read in the other language is the same permission.
    """
    if given is None or given.status != "active" or given.wording_version != current.version:
        return False
    return given.wording_locale != current.locale or given.wording_sha256 == current.sha256


def allowed_media(role: Role, given: GivenConsent | None, current: Wording, choice: MediaChoice) -> AllowedMedia:
    """Nothing before consent; after it, no more than the person chose."""
    if must_consent(role) and not holds(given, current):
        return NO_MEDIA
    return AllowedMedia(audio=choice != "text", video=choice == "video")
