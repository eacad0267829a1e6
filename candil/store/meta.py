"""Facts about the database itself."""

from sqlalchemy import Connection, select

from candil.store import tables as t
from candil.store.rows import insert_unless_present

EPOCH = "epoch"  # a new one after a restore tells clients that history is another one


def get(tx: Connection, name: str) -> str | None:
    return tx.scalar(select(t.meta.c.value).where(t.meta.c.name == name))


def put(tx: Connection, name: str, value: str) -> None:
    """Set a value, replacing the earlier one."""
    tx.execute(t.meta.delete().where(t.meta.c.name == name))
    tx.execute(t.meta.insert().values(name=name, value=value))


def ensure_epoch(tx: Connection, new: str) -> str:
    """The epoch in force; ``new`` becomes it when there is none yet."""
    insert_unless_present(tx, t.meta, {"name": EPOCH, "value": new})
    return get(tx, EPOCH) or new
