"""Claims, presence and counters of one process: what the bus is when alone, and what it falls back on.

Pure: ``now`` is Unix seconds. Entries carry when they were made, because a clock that was set back
(a dead battery after a power cut, then NTP) must not keep them alive for the length of the jump.
"""

import math

import msgspec

from candil.bus.port import RateDecision

CLOCK_SLACK_S = 2.0  # NTP steps smaller than this are ignored
MAX_COUNTERS = 50_000  # names come from outside (addresses), so a flood must not fill memory


class _Claim(msgspec.Struct, frozen=True):
    owner: str
    made_at: float
    until: float


class _Presence(msgspec.Struct, frozen=True):
    info: str
    own: bool
    made_at: float
    until: float


class _Window(msgspec.Struct):
    count: int
    began_at: float
    until: float


def is_current(made_at: float, until: float, now: float) -> bool:
    return made_at - CLOCK_SLACK_S <= now < until


class Claims:
    """Who owns which name, as far as this process knows."""

    def __init__(self) -> None:
        self._claims: dict[str, _Claim] = {}

    def claim(self, name: str, node_id: str, ttl_s: float, now: float) -> str:
        """Own ``name`` unless somebody else does; the owner."""
        owner = self.owner(name, now)
        if owner is not None and owner != node_id:
            return owner
        self.record(name, node_id, ttl_s, now)
        return node_id

    def record(self, name: str, owner: str, ttl_s: float, now: float) -> None:
        """Believe that ``owner`` owns ``name`` for ``ttl_s``, whatever was believed before."""
        self._claims[name] = _Claim(owner, now, now + ttl_s)

    def owner(self, name: str, now: float) -> str | None:
        claim = self._claims.get(name)
        return claim.owner if claim and is_current(claim.made_at, claim.until, now) else None

    def release(self, name: str, node_id: str) -> None:
        claim = self._claims.get(name)
        if claim and claim.owner == node_id:
            del self._claims[name]

    def forget(self, name: str) -> None:
        self._claims.pop(name, None)

    def owned_by(self, node_id: str, now: float) -> dict[str, float]:
        """Names that a node owns now, with the seconds each still lasts."""
        return {
            name: claim.until - now
            for name, claim in self._claims.items()
            if claim.owner == node_id and is_current(claim.made_at, claim.until, now)
        }

    def expire(self, now: float) -> None:
        self._claims = {n: c for n, c in self._claims.items() if is_current(c.made_at, c.until, now)}


class Presences:
    """Who is present in which group. ``own`` members are those that this process announced itself."""

    def __init__(self) -> None:
        self._groups: dict[str, dict[str, _Presence]] = {}

    def put(self, group: str, member: str, info: str, ttl_s: float, now: float, *, own: bool = True) -> None:
        self._groups.setdefault(group, {})[member] = _Presence(info, own, now, now + ttl_s)

    def remove(self, group: str, member: str) -> None:
        self._groups.get(group, {}).pop(member, None)

    def replace_others(self, group: str, members: dict[str, str], ttl_s: float, now: float) -> None:
        """Remember who else was seen in a group, in place of what was remembered before."""
        kept = {name: entry for name, entry in self._groups.get(group, {}).items() if entry.own}
        others = {name: _Presence(info, False, now, now + ttl_s) for name, info in members.items() if name not in kept}
        self._groups[group] = kept | others

    def present(self, group: str, now: float) -> dict[str, str]:
        entries = self._groups.get(group, {})
        return {name: entry.info for name, entry in entries.items() if is_current(entry.made_at, entry.until, now)}

    def own(self, now: float) -> list[tuple[str, str, str, float]]:
        """(group, member, info, seconds left) of everything announced by this process."""
        return [
            (group, member, entry.info, entry.until - now)
            for group, entries in self._groups.items()
            for member, entry in entries.items()
            if entry.own and is_current(entry.made_at, entry.until, now)
        ]

    def expire(self, now: float) -> None:
        for group, entries in list(self._groups.items()):
            kept = {name: entry for name, entry in entries.items() if is_current(entry.made_at, entry.until, now)}
            if kept:
                self._groups[group] = kept
            else:
                del self._groups[group]


class Counters:
    """Hits per name in windows that begin with the first hit."""

    def __init__(self) -> None:
        self._windows: dict[str, _Window] = {}

    def hit(self, name: str, limit: int, window_s: int, now: float) -> RateDecision:
        window = self._windows.get(name)
        if window is None or not is_current(window.began_at, window.until, now):
            self._windows.pop(name, None)  # so that a renewed window moves to the end, and the oldest stay in front
            self._make_room(now)
            window = self._windows[name] = _Window(0, now, now + window_s)
        window.count += 1
        return decide(window.count, limit, window.until - now)

    def expire(self, now: float) -> None:
        self._windows = {n: w for n, w in self._windows.items() if is_current(w.began_at, w.until, now)}

    def _make_room(self, now: float) -> None:
        if len(self._windows) < MAX_COUNTERS:
            return
        self.expire(now)
        while len(self._windows) >= MAX_COUNTERS:
            del self._windows[next(iter(self._windows))]


def decide(count: int, limit: int, remaining_s: float) -> RateDecision:
    """The answer to the ``count``-th hit of a window that lasts ``remaining_s`` more."""
    if count <= limit:
        return RateDecision(True)
    return RateDecision(False, max(1, math.ceil(remaining_s)))
