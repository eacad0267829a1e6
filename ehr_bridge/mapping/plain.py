"""Characters FHIR strings and XHTML cannot carry, taken out of a record before it is mapped."""

import re
from typing import cast

import msgspec

from candil.consults.record import FinalRecord

# R4 string: nothing below U+0020 but tab, line feed, carriage return; XML adds DEL's neighbours and U+FFFE/F.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]")
# The pattern of string allows no other white space than these, so a no-break space would be refused.
_OTHER_SPACE = re.compile(r"[^\S \t\r\n]")


def clean_record(record: FinalRecord) -> FinalRecord:
    """The same record, every text in it acceptable to FHIR."""
    return cast(FinalRecord, _clean(record))


def _clean(value: object) -> object:
    if isinstance(value, str):
        return _OTHER_SPACE.sub(" ", _FORBIDDEN.sub("", value))
    if isinstance(value, msgspec.Struct):
        return type(value)(**{name: _clean(getattr(value, name)) for name in value.__struct_fields__})
    if isinstance(value, tuple):
        return tuple(_clean(item) for item in value)
    return value
