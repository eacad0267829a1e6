"""How everybody's line was during a consult: tiers with their reasons, capacities, and the gaps. For staff only.

It has a table of its own: as events of the timeline these rows would be sent again to the very lines that were
too thin. What is written here is a few rows a minute at most and bounded per consult.
"""

import itertools
from collections.abc import Iterable, Sequence

import msgspec

from candil.consults import timeline
from candil.consults.record import Modality
from candil.store import consults
from candil.store import line_history as store
from candil.store.line_history import LineRow
from candil.store.tx import Transaction

MAX_ROWS = 1200  # of one consult: an hour's call of three people on bad lines stays below
THINNED_ROWS = 900

SILENCE = "silence"  # the reason that says: nothing was heard
LEFT = "left"  # the reason of a row that ends somebody's media session

_MODALITIES: dict[str, Modality] = {
    "hd": "video",
    "video": "video",
    "low_video": "video",
    "stills": "stills",
    "audio": "audio",
    "emergency": "audio",
    "text": "text",
}


class Gap(msgspec.Struct, frozen=True):
    """Nothing was heard of somebody's line; ``end`` None: until the last row there is."""

    participant_id: str
    begin: float
    end: float | None


def append(tx: Transaction, consult_id: str, rows: Sequence[LineRow]) -> None:
    """Keep rows, in order of time; rows of a consult that never started are dropped."""
    consult = consults.lock(tx, consult_id)
    if consult is None or consult.started_at is None:
        return
    store.add(tx, consult_id, store.last_seq(tx, consult_id) + 1, rows)
    if store.count(tx, consult_id) > MAX_ROWS:
        store.delete(tx, consult_id, surplus(store.numbered(tx, consult_id), THINNED_ROWS))


def of_consult(tx: Transaction, consult_id: str) -> list[LineRow]:
    """Everything known of the lines in a consult, oldest first."""
    return [row for _, row in store.numbered(tx, consult_id)]


def surplus(numbered: Sequence[tuple[int, LineRow]], limit: int) -> list[int]:
    """Numbers of the rows to give up so that ``limit`` remain: those that changed only a capacity first, then
    the shortest stretches. The first and the last of each participant stay."""
    previous: dict[str, LineRow] = {}
    following = _following_times(numbered)
    ranked: list[tuple[bool, float, int]] = []
    for seq, row in numbered:
        before = previous.get(row.participant_id)
        until = following.get(seq)
        if before is not None and until is not None:
            ranked.append((_standing(before) != _standing(row), until - row.at, seq))
        previous[row.participant_id] = row
    return [seq for _, _, seq in sorted(ranked)[: max(0, len(numbered) - limit)]]


def gaps(rows: Iterable[LineRow]) -> list[Gap]:
    """Stretches of silence in order of their beginning."""
    begun: dict[str, float] = {}
    found: list[Gap] = []
    for row in rows:
        if _is_silent(row):
            begun.setdefault(row.participant_id, row.at)
        elif row.participant_id in begun:
            found.append(Gap(row.participant_id, begun.pop(row.participant_id), row.at))
    found += [Gap(participant_id, begin, None) for participant_id, begin in begun.items()]
    return sorted(found, key=lambda gap: gap.begin)


def modalities(rows: Iterable[LineRow], start: float, end: float) -> list[tuple[Modality, float, float]]:
    """One participant's stretches by what they sent: (modality, from, to), covering ``start`` to ``end``."""
    changes: list[tuple[float, Modality]] = [
        (row.at, "interrupted" if _is_silent(row) else _MODALITIES[row.up]) for row in rows
    ]
    return timeline.stretches(changes, start, end)


def _is_silent(row: LineRow) -> bool:
    return SILENCE in (row.down_reason, row.up_reason)


def _standing(row: LineRow) -> tuple[str, str, str, str]:
    return row.down, row.up, row.down_reason, row.up_reason


def _following_times(numbered: Sequence[tuple[int, LineRow]]) -> dict[int, float]:
    """When the same participant's next row begins, by number; the last of each has none."""
    found: dict[int, float] = {}
    by_participant = sorted(numbered, key=lambda item: (item[1].participant_id, item[0]))
    for (seq, row), (_, after) in itertools.pairwise(by_participant):
        if row.participant_id == after.participant_id:
            found[seq] = after.at
    return found
