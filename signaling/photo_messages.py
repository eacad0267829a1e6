"""The doctor asks somebody for a full-resolution photo. The photo itself does not come over the socket."""

from typing import ClassVar

from signaling.message_base import Id, Incoming, Outgoing


class PhotoRequest(Incoming, frozen=True, tag="photo.request"):
    act: ClassVar[str] = "photo.request"
    participant: Id

    @property
    def ref(self) -> str:
        return self.participant


class PhotoAnswer(Incoming, frozen=True, tag="photo.answer"):
    act: ClassVar[str] = "photo.answer"
    request: Id
    accepted: bool

    @property
    def ref(self) -> str:
        return self.request


class PhotoRequested(Outgoing, frozen=True, tag="photo.requested"):
    request: str


class PhotoAnswered(Outgoing, frozen=True, tag="photo.answered"):
    request: str
    participant: str
    accepted: bool
