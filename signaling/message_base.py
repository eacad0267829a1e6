"""What every message of the protocol is made of."""

from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta

Id = Annotated[str, Meta(min_length=1, max_length=40)]
Number = Annotated[int, Meta(ge=0, le=2**31 - 1)]


class Incoming(msgspec.Struct, frozen=True, tag_field="type"):
    """A message of the client. ``act`` is its row in the table of permissions; ``ref`` names it in an error."""

    act: ClassVar[str] = ""

    @property
    def ref(self) -> str | int | None:
        return None


class AboutSession(Incoming, frozen=True):
    act: ClassVar[str] = "room.join"
    session: Id

    @property
    def ref(self) -> str:
        return self.session


class Outgoing(msgspec.Struct, frozen=True, tag_field="type"):
    """A message of the server."""
