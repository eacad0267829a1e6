"""How bytes reach a peer. UDP is one way; another (ICE-TCP, RFC 6544) needs only its own ``send``."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from media.aio.session import MediaSession


class Path:
    """A remote address that passed an authenticated check of ``session``.

    ``send(data, address)`` must not block and may raise ``OSError``; ``data`` is only valid during the
    call. ``table`` is where the receiving side looks addresses up, ``key`` names the path in the session.
    """

    __slots__ = ("address", "heard_at", "key", "send", "session", "table")

    def __init__(
        self,
        session: "MediaSession",
        table: dict[Any, "Path"],
        address: Any,
        send: Callable[[Any, Any], Any],
        now: float,
    ) -> None:
        self.session = session
        self.table = table
        self.address = address
        self.key = (id(table), address)
        self.send = send
        self.heard_at = now

    def forget(self) -> None:
        if self.table.get(self.address) is self:
            del self.table[self.address]
