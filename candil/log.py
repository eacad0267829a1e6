"""Structured log lines: a static event name and identifiers as fields, never clinical values.

``log.info(log_event("consult.finished", consult=consult_id))`` prints one JSON object per line.
"""

import json
import logging
import sys

from candil.clock import to_iso


class Event:
    """One log event; the name is a constant so that events can be counted."""

    __slots__ = ("fields", "name")

    def __init__(self, name: str, fields: dict[str, object]) -> None:
        self.name = name
        self.fields = fields

    def __str__(self) -> str:
        return " ".join([self.name, *(f"{key}={value}" for key, value in self.fields.items())])


def log_event(name: str, **fields: object) -> Event:
    return Event(name, fields)


class JsonFormatter(logging.Formatter):
    """One JSON object a line. Exceptions keep their type and place, not their text:
    a driver's message may quote the row it failed on."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "at": to_iso(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
        }
        if isinstance(record.msg, Event):
            line["event"] = record.msg.name
            line.update({key: _plain(value) for key, value in record.msg.fields.items()})
        else:
            line["event"] = record.getMessage()
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = record.exc_info[0].__name__
            line["where"] = _where(record)
        return json.dumps(line, ensure_ascii=False)


def _plain(value: object) -> object:
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def _where(record: logging.LogRecord) -> list[str]:
    places: list[str] = []
    trace = record.exc_info[2] if record.exc_info else None
    while trace is not None:
        code = trace.tb_frame.f_code
        places.append(f"{code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    return places[-8:]


def set_up(level: str = "INFO") -> None:
    """Send every logger to stderr as JSON lines; libraries only from WARNING up
    (aiortc's debug lines hold SDP, which holds addresses)."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in ("aiortc", "aioice", "aiohttp", "sqlalchemy", "alembic", "asyncio"):
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
