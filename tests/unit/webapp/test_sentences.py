"""Every sentence of every page has its Spanish, with the same places for names and numbers."""

import re
from collections.abc import Iterator
from importlib.resources import files

import pytest
from babel.messages.extract import extract

from webapp.i18n import catalogue

TEMPLATES = sorted(str(path) for path in (files("webapp") / "templates").rglob("*.html"))  # type: ignore[attr-defined]
KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2)}
OPTIONS = {"trim_blocks": "true", "lstrip_blocks": "true"}
_PLACE = re.compile(r"%\(\w+\)[sd]|\{\w+\}")


def sentences(path: str) -> Iterator[tuple[str, ...]]:
    with open(path, "rb") as file:
        for _, message, _, _ in extract("jinja2.ext:babel_extract", file, keywords=KEYWORDS, options=OPTIONS):
            yield message if isinstance(message, tuple) else (message,)


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.rpartition("templates/")[2])
def test_a_page_speaks_spanish(path: str) -> None:
    spanish = catalogue("es")
    for message in sentences(path):
        found = spanish.get(message[0])
        assert found is not None, f"no Spanish for {message[0]!r}"
        forms = found if isinstance(found, tuple) else (found,)
        assert len(forms) == len(message), message[0]
        for form in forms:
            assert set(_PLACE.findall(form)) <= set(_PLACE.findall(message[-1])), form
        assert set(_PLACE.findall(forms[-1])) == set(_PLACE.findall(message[-1])), message[0]


def test_some_sentences_were_read() -> None:
    assert sum(1 for path in TEMPLATES for _ in sentences(path)) > 200
