"""What an ICE-lite agent decides about each connectivity check (RFC 8445 sections 2.5, 7.3, 8.2).

The agent never sends checks. It answers those that prove knowledge of its password, remembers from
where they came, and sends media to the path nominated last. Nothing here times out: a path is as good
as what was last heard on it, which the session watches.
"""

from collections.abc import Hashable
from dataclasses import dataclass

from media import stun

MAX_PATHS = 8
"""Addresses one peer may hold at a time: a phone on two networks with IPv4 and IPv6 has four."""

Path = Hashable


@dataclass(frozen=True, slots=True)
class IceReply:
    """What to do about a check: send ``response``; if ``authenticated``, the path may carry media."""

    response: bytes
    authenticated: bool
    evicted: Path | None = None


class IceLite:
    """One session's ICE state. ``paths`` is ordered by last use, oldest first."""

    def __init__(self, ufrag: str, password: str) -> None:
        self.ufrag = ufrag
        self.password = password
        self._key = password.encode()
        self._remote_ufrag: str | None = None
        self.paths: dict[Path, float] = {}
        self.active: Path | None = None

    def set_remote_ufrag(self, ufrag: str) -> None:
        """From the peer's answer. Checks may arrive before it, later ones must carry this name."""
        self._remote_ufrag = ufrag

    def handle_check(
        self, data: bytes, request: stun.BindingRequest, path: Path, host: str, port: int, now: float
    ) -> IceReply | None:
        """None means drop without a word: strangers learn nothing and reflect nothing."""
        if not stun.integrity_is_valid(data, request.integrity_offset, self._key):
            return None
        if self._remote_ufrag is not None and request.remote_ufrag != self._remote_ufrag:
            return None
        if request.unknown_required:
            response = stun.binding_error(
                request.transaction_id, stun.UNKNOWN_ATTRIBUTE, self._key, request.unknown_required
            )
            return IceReply(response, authenticated=False)
        if request.claims_controlled:
            # RFC 8445 section 6.1.1: a full agent facing a lite one controls. 487 makes it switch.
            response = stun.binding_error(request.transaction_id, stun.ROLE_CONFLICT, self._key)
            return IceReply(response, authenticated=False)
        evicted = self._remember(path, now)
        if request.use_candidate or self.active is None:
            self.active = path
        response = stun.binding_success(request.transaction_id, host, port, self._key)
        return IceReply(response, authenticated=True, evicted=evicted)

    def forget(self, path: Path) -> None:
        """``path`` has ended; the next check may take its place."""
        self.paths.pop(path, None)
        if self.active == path:
            self.active = None

    def _remember(self, path: Path, now: float) -> Path | None:
        self.paths.pop(path, None)
        evicted = None
        if len(self.paths) >= MAX_PATHS:
            evicted = next(old for old in self.paths if old != self.active)
            del self.paths[evicted]
        self.paths[path] = now
        return evicted
