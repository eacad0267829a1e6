"""The clinic's imported list of diagnosis codes (none is shipped: licences)."""

import unicodedata
from collections.abc import Iterable

import msgspec
from sqlalchemy import Connection, select

from candil.store import tables as t
from candil.store.rows import many, one


class DiagnosisCodeRow(msgspec.Struct, frozen=True):
    system: str
    code: str
    display: str
    search: str


def folded(text: str) -> str:
    """Lower case without accents, so that "cefalea tensiónal" is found however it is typed."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c for c in decomposed if not unicodedata.combining(c))


def replace_all(tx: Connection, system: str, codes: Iterable[tuple[str, str]]) -> int:
    """Put (code, display) pairs in place of a system's codes; how many there are now."""
    table = t.diagnosis_codes
    tx.execute(table.delete().where(table.c.system == system))
    rows = [
        {"system": system, "code": code, "display": display, "search": folded(f"{code} {display}")}
        for code, display in codes
    ]
    if rows:
        tx.execute(table.insert(), rows)
    return len(rows)


def get(tx: Connection, system: str, code: str) -> DiagnosisCodeRow | None:
    table = t.diagnosis_codes
    return one(tx, select(table).where(table.c.system == system, table.c.code == code), DiagnosisCodeRow)


def search(tx: Connection, words: str, limit: int = 12) -> list[DiagnosisCodeRow]:
    """Codes that hold every word typed."""
    query = select(t.diagnosis_codes)
    for word in folded(words).split()[:6]:
        query = query.where(t.diagnosis_codes.c.search.contains(word, autoescape=True))
    return many(tx, query.order_by(t.diagnosis_codes.c.code).limit(limit), DiagnosisCodeRow)
