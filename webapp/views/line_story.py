"""The lines of a visit told afterwards: what changed and when, and for whom there is a picture. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from candil.consults import line_history
from candil.consults.line_history import LEFT, SILENCE
from candil.store.line_history import LineRow
from webapp.views.line_picture import Track, tracks

SHORTEST_GAP_S = 2.0


@dataclass(frozen=True)
class LineChange:
    """``kind``: ``line.down``, ``line.up``, ``line.both`` (the same each way) or ``line.gap`` with its ``seconds``."""

    at: float
    kind: str
    participant_id: str
    rung: str = ""
    reason: str = ""
    seconds: int = 0


def changes(rows: Sequence[LineRow]) -> list[LineChange]:
    """What is worth a line of the timeline, in order: another tier in words, and gaps. How it began is not told."""
    found = [
        LineChange(gap.begin, "line.gap", gap.participant_id, seconds=round(gap.end - gap.begin))
        for gap in line_history.gaps(rows)
        if gap.end is not None and gap.end - gap.begin >= SHORTEST_GAP_S
    ]
    standing: dict[str, LineRow] = {}
    for row in rows:
        if _is_pause(row):
            continue
        before = standing.get(row.participant_id)
        if before is not None:
            found += _between(before, row)
        standing[row.participant_id] = row
    return sorted(found, key=lambda change: change.at)


def _between(before: LineRow, row: LineRow) -> list[LineChange]:
    down = _word(before.down) != _word(row.down)
    up = _word(before.up) != _word(row.up)
    who = row.participant_id
    if down and up and (row.down, row.down_reason) == (row.up, row.up_reason):
        return [LineChange(row.at, "line.both", who, _word(row.down), row.down_reason)]
    told = [LineChange(row.at, "line.down", who, _word(row.down), row.down_reason)] if down else []
    return told + ([LineChange(row.at, "line.up", who, _word(row.up), row.up_reason)] if up else [])


def _is_pause(row: LineRow) -> bool:
    return bool({LEFT, SILENCE} & {row.down_reason, row.up_reason})


def _word(rung: str) -> str:
    return "video" if rung == "hd" else rung  # people are not told of a difference they did not ask for


@dataclass(frozen=True)
class PersonLine:
    """One person's line: their name, a track each way, and the rows of the table that says the same."""

    name: str
    down: Track
    up: Track
    rows: tuple[LineRow, ...]


def people(rows: Sequence[LineRow], names: Mapping[str, str], first: str, end: float) -> list[PersonLine]:
    """Everybody whose line is known, the participant ``first`` before the others."""
    ids = sorted({row.participant_id for row in rows}, key=lambda one: (one != first, names.get(one, "")))
    found = []
    for one in ids:
        own = [row for row in rows if row.participant_id == one]
        down, up = tracks(own, end)
        found.append(PersonLine(names.get(one, ""), down, up, tuple(_told(own))))
    return found


def _told(rows: Sequence[LineRow]) -> list[LineRow]:
    """Without those that changed only a capacity."""
    kept: list[LineRow] = []
    for row in rows:
        last = kept[-1] if kept else None
        standing = (row.down, row.up, row.down_reason, row.up_reason)
        if last is None or standing != (last.down, last.up, last.down_reason, last.up_reason):
            kept.append(row)
    return kept
