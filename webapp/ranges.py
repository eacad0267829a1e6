"""One byte range of a whole, as media players ask for it (RFC 9110, 14.2): Safari plays nothing without."""

import re

_ONE = re.compile(r"bytes=(\d{0,12})-(\d{0,12})")


def byte_range(header: str, size: int) -> tuple[int, int] | None:
    """(start, end) of what is asked for, the end left out; None: everything (no range, or one that we do not give).
    Raises ValueError when there is nothing of it."""
    found = _ONE.fullmatch(header.strip())
    if found is None or found[1] == found[2] == "":
        return None
    if found[1] == "":
        start, end = max(0, size - int(found[2])), size
    else:
        start, end = int(found[1]), min(size, int(found[2]) + 1 if found[2] else size)
        if found[2] and int(found[2]) < start:
            return None
    if start >= end:
        raise ValueError("nothing of this range")
    return start, end
