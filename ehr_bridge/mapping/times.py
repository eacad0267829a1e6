"""Times of the record as FHIR wants them: always with an offset, whole seconds, an end after its start."""

import re
from datetime import UTC, date, datetime, timedelta

from ehr_bridge.codes import Json
from ehr_bridge.errors import MappingRefused

_DATE = re.compile(r"^\d{4}-\d{2}-\d{2}$")


def parse(value: str, field: str) -> datetime:
    """RFC 3339 with an offset; anything else is refused."""
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise MappingRefused(field, "not an RFC 3339 date-time") from None
    if moment.tzinfo is None or _DATE.match(value):
        raise MappingRefused(field, "has no offset from UTC")
    return moment.replace(microsecond=0)


def date_time(value: str, field: str) -> str:
    """A FHIR dateTime in the record's own offset."""
    return parse(value, field).isoformat(timespec="seconds")


def instant(value: str, field: str) -> str:
    """A FHIR instant, in UTC so that receivers compare it without thought."""
    return parse(value, field).astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def period(start: str, end: str, field: str) -> Json:
    """A FHIR Period; schema and invariants let an end before its start through, we do not."""
    first, last = parse(start, f"{field}.start"), parse(end, f"{field}.end")
    if last < first:
        raise MappingRefused(field, "ends before it starts")
    return {"start": first.isoformat(timespec="seconds"), "end": last.isoformat(timespec="seconds")}


def is_date(value: str) -> bool:
    return bool(_DATE.match(value))


def date_or_date_time(value: str, field: str) -> str:
    """A whole day (YYYY-MM-DD) stays one; a date-time keeps its offset."""
    if not is_date(value):
        return date_time(value, field)
    try:
        return date.fromisoformat(value).isoformat()
    except ValueError:
        raise MappingRefused(field, "not a date") from None


def instant_after(value: str, minutes: int, field: str) -> str:
    """The instant ``minutes`` after a date-time of the record."""
    return instant((parse(value, field) + timedelta(minutes=minutes)).isoformat(), field)
