"""A receiver's complaint in words that may be stored and shown: no value of the record survives.

Servers quote what they dislike. Of an OperationOutcome only the codes, the places and a scrubbed text remain.
"""

import json
import re
import unicodedata
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

from candil.consults.record import FinalRecord

MAX_TEXT = 300
_GAP = "…"
_CODE = re.compile(r"^[a-z-]{1,40}$")
_EXPRESSION = re.compile(r"^[A-Za-z][A-Za-z0-9_.\[\]()]{0,120}$")
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|«[^»]*»|“[^”]*”|‘[^’]*’|`[^`]*`")
_QUERY = re.compile(r"\b([A-Z][A-Za-z]+)\?\S+")
_ADDRESS = re.compile(r"\b[a-z][a-z0-9+.-]*:/*\S*[/:|@]\S*|\S+@\S+|\S*\|\S*")
_WORD = re.compile(r"HAPI-\d{1,5}|\w+")


def parse_outcome(body: bytes) -> dict[str, Any] | None:
    """The OperationOutcome in an answer, or None when it is anything else."""
    try:
        found = json.loads(body)
    except ValueError:
        return None
    is_outcome = isinstance(found, dict) and found.get("resourceType") == "OperationOutcome"
    return found if is_outcome else None


def describe(status: int, outcome: dict[str, Any] | None, record: FinalRecord) -> str:
    """``HTTP 422; error invalid at Encounter.status: …``, at most a few hundred characters."""
    parts = [f"HTTP {status}"]
    for issue in _issues(outcome):
        severity, code = _plain(issue.get("severity")), _plain(issue.get("code"))
        place = " at " + ", ".join(_places(issue)) if _places(issue) else ""
        details = issue.get("details")
        text = issue.get("diagnostics") or (details.get("text") if isinstance(details, dict) else "") or ""
        said = scrub(str(text), sensitive_words(record))
        parts.append(f"{severity} {code}{place}" + (f": {said}" if said else ""))
    if outcome is None:
        parts.append("the answer was not an OperationOutcome")
    return "; ".join(parts)[: 2 * MAX_TEXT]


def diagnostics(outcome: dict[str, Any] | None) -> str:
    """The raw text of every issue, for deciding only; never stored."""
    texts: list[str] = []
    for issue in _issues(outcome):
        details = issue.get("details")
        texts.append(str(issue.get("diagnostics") or ""))
        texts.append(str(details.get("text") or "") if isinstance(details, dict) else "")
    return "\n".join(texts)


def scrub(text: str, sensitive: frozenset[str]) -> str:
    """Without quotations, addresses, identifiers, numbers and every word the record itself contains."""
    text = _QUOTED.sub(_GAP, text)
    text = _QUERY.sub(rf"\1?{_GAP}", text)
    text = _ADDRESS.sub(_GAP, text)
    text = _WORD.sub(lambda match: _keep(match.group(), sensitive), text)
    text = re.sub(rf"{_GAP}(?:[\s.,:;/-]*{_GAP})+", _GAP, text)
    return " ".join(text.split())[:MAX_TEXT]


def sensitive_words(record: FinalRecord) -> frozenset[str]:
    """Every word of three letters or more that the record holds, folded: what a server could quote back."""
    words: set[str] = set()
    for value in _texts(msgspec.to_builtins(record)):
        words.update(_fold(word) for word in re.findall(r"\w{3,}", value))
    return frozenset(words)


def parse_retry_after(value: str | None, now: float) -> float | None:
    """Seconds to wait (RFC 9110 section 10.2.3): a number of seconds or an HTTP date."""
    if not value:
        return None
    if value.strip().isdigit():
        return float(value.strip()[:9])
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now)
    except (ValueError, OverflowError):
        return None


def _keep(word: str, sensitive: frozenset[str]) -> str:
    if word.startswith("HAPI-"):
        return word
    if sum(character.isdigit() for character in word) > 1 or _fold(word) in sensitive:
        return _GAP
    return word


def _fold(word: str) -> str:
    decomposed = unicodedata.normalize("NFKD", word.casefold())
    return "".join(character for character in decomposed if not unicodedata.combining(character))


def _issues(outcome: dict[str, Any] | None) -> list[dict[str, Any]]:
    issues = outcome.get("issue") if outcome else None
    return [issue for issue in issues if isinstance(issue, dict)][:5] if isinstance(issues, list) else []


def _places(issue: dict[str, Any]) -> list[str]:
    places = issue.get("expression") or issue.get("location") or []
    if not isinstance(places, list):
        return []
    return [place for place in places[:3] if isinstance(place, str) and _EXPRESSION.match(place)]


def _plain(code: object) -> str:
    return code if isinstance(code, str) and _CODE.match(code) else "unknown"


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
