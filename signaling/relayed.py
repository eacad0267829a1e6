"""Media messages between the process that has a page's socket and the one that has the consult's room."""

from typing import Any, Literal

import msgspec

from signaling import messages
from signaling.line_messages import MediaLine, MediaOrder
from signaling.messages import Outgoing, RoomMessage
from signaling.room_effects import Page

# What may come back to a page from the room's process.
ToPage = (
    messages.MediaOffer
    | messages.MediaIce
    | messages.MediaState
    | messages.MediaClosed
    | messages.Error
    | MediaOrder
    | MediaLine
)


class Relayed(msgspec.Struct, frozen=True):
    """One message on the topic of a node; ``node`` is where the page is connected."""

    to: Literal["room", "page"]
    consult: str
    participant: str
    client: str
    node: str
    message: Any

    @property
    def page(self) -> Page:
        return Page(self.participant, self.client, self.node)


def to_room(consult_id: str, page: Page, message: RoomMessage) -> dict[str, Any]:
    return _payload("room", consult_id, page, message)


def to_page(consult_id: str, page: Page, message: Outgoing) -> dict[str, Any]:
    return _payload("page", consult_id, page, message)


def _payload(to: Literal["room", "page"], consult_id: str, page: Page, message: msgspec.Struct) -> dict[str, Any]:
    whole = Relayed(to, consult_id, page.participant_id, page.client_id, page.node_id, message)
    return dict(msgspec.to_builtins(whole))


def read(payload: Any) -> tuple[Relayed, RoomMessage | Outgoing]:
    """Raises msgspec.ValidationError for what another version of us may have sent."""
    relayed = msgspec.convert(payload, Relayed)
    if relayed.to == "room":
        return relayed, msgspec.convert(relayed.message, RoomMessage)
    return relayed, msgspec.convert(relayed.message, ToPage)
