"""How everybody's line was in a consult; numbered per consult, with holes where rows were thinned out."""

from collections.abc import Collection, Sequence

import msgspec
from sqlalchemy import Connection, func, select

from candil.store import tables as t

_h = t.line_history.c


class LineRow(msgspec.Struct, frozen=True):
    """From ``at`` until the participant's next row. ``down`` and ``up`` name rungs of the ladder, the reasons say
    why not a better one (empty: it is the best); rates are bits per second on the wire as then believed.
    ``concealed``: the share of the audio they heard that was made up for lost packets, 0 to 1, as last reported."""

    participant_id: str
    at: float
    down: str
    up: str
    down_reason: str
    up_reason: str
    down_bps: int
    up_bps: int
    concealed: float = 0.0


def last_seq(tx: Connection, consult_id: str) -> int:
    return tx.scalar(select(func.max(_h.seq)).where(_h.consult_id == consult_id)) or 0


def count(tx: Connection, consult_id: str) -> int:
    return tx.scalar(select(func.count()).where(_h.consult_id == consult_id)) or 0


def add(tx: Connection, consult_id: str, first_seq: int, rows: Sequence[LineRow]) -> None:
    values = [
        {"consult_id": consult_id, "seq": first_seq + index, **msgspec.structs.asdict(row)}
        for index, row in enumerate(rows)
    ]
    if values:
        tx.execute(t.line_history.insert(), values)


def numbered(tx: Connection, consult_id: str) -> list[tuple[int, LineRow]]:
    """Every row with its number, in order."""
    found = tx.execute(select(t.line_history).where(_h.consult_id == consult_id).order_by(_h.seq)).mappings()
    return [(row["seq"], LineRow(**{name: row[name] for name in LineRow.__struct_fields__})) for row in found]


def delete(tx: Connection, consult_id: str, seqs: Collection[int]) -> None:
    tx.execute(t.line_history.delete().where(_h.consult_id == consult_id, _h.seq.in_(seqs)))
