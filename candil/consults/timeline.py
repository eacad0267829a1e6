"""What happened in a consult, in order: written with each act, replayed to whoever missed it."""

import json
from collections.abc import Iterable

from candil.consults.record import Modality
from candil.store import audit, consults, thread
from candil.store.consults import ConsultRow
from candil.store.thread import TimelineRow
from candil.store.tx import Transaction

EVERYBODY = "all"
STAFF = "staff"


def append(
    tx: Transaction,
    consult: ConsultRow,
    kind: str,
    *,
    actor: str,
    now: float,
    audience: str = EVERYBODY,
    **data: object,
) -> int:
    """Add an event and its audit row to a consult that the caller has locked; the event's number.

    ``data`` holds ids, codes and times only. Call it last: it reads the number to give from the database.
    """
    fresh = consults.get(tx, consult.id)
    if fresh is None:
        raise LookupError(consult.id)
    seq = fresh.event_seq + 1
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False)
    thread.add_event(tx, TimelineRow(consult.id, seq, kind, audience, actor, text, now))
    consults.update(tx, consult.id, event_seq=seq)
    audit.record(tx, at=now, clinic_id=consult.clinic_id, actor=actor, act=kind, consult_id=consult.id, **data)
    return seq


def segments(events: Iterable[TimelineRow], start: float, end: float) -> list[tuple[Modality, float, float]]:
    """The visit's stretches by modality from ``media.changed`` events of the patient: (modality, from, to).

    Text is the base: it holds until something better is reported. Stretches shorter than a second are noise.
    """
    changes = [(e.at, json.loads(e.data)["modality"]) for e in events if e.kind == "media.changed"]
    return stretches(changes, start, end)


def stretches(
    reported: Iterable[tuple[float, Modality]], start: float, end: float
) -> list[tuple[Modality, float, float]]:
    """From changes in order of time to stretches that cover ``start``..``end`` without a hole."""
    changes: list[tuple[float, Modality]] = [(start, "text")]
    changes += [(min(max(at, start), end), modality) for at, modality in reported]
    found: list[tuple[Modality, float, float]] = []
    for (at, modality), (until, _) in zip(changes, [*changes[1:], (end, "text")], strict=True):
        if until - at < 1.0 and len(changes) > 1 and end - start >= 1.0:
            continue
        if found and found[-1][0] == modality:
            found[-1] = (modality, found[-1][1], until)
        else:
            found.append((modality, found[-1][2] if found else start, until))
    if found:  # a change in the last second is noise too: what held before it holds to the end
        found[-1] = (*found[-1][:2], end)
    return found or [("text", start, end)]
