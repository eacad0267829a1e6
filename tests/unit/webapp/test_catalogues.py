"""Every sentence of the pages has its translation, the same in whichever file, with the same slots."""

import re
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

WEBAPP = Path(__file__).resolve().parents[3] / "webapp"
METHODS = [("templates/**.html", "jinja2"), ("pages/**.py", "python"), ("views/**.py", "python")]
OPTIONS = {"templates/**.html": {"trim_blocks": "true", "lstrip_blocks": "true"}}
KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2)}
SLOT = re.compile(r"%\((\w+)\)[sd]")


def sentences() -> dict[str, str]:
    """Message id (the singular one of a plural) to the file it is in."""
    found = {}
    for name, _, message, _, _ in extract_from_dir(WEBAPP, METHODS, OPTIONS, keywords=KEYWORDS):
        found[message if isinstance(message, str) else message[0]] = name
    return found


def translations(language: str) -> list[tuple[str, str, tuple[str, ...]]]:
    """(file, message id, its forms) of every entry."""
    entries = []
    for path in sorted((WEBAPP / "locale" / language).glob("*.po")):
        with path.open("rb") as file:
            for message in read_po(file, locale=language):
                forms = message.string if isinstance(message.string, tuple) else (message.string,)
                if message.id and all(forms):
                    key = message.id if isinstance(message.id, str) else message.id[0]
                    entries.append((path.name, key, forms))
    return entries


def test_there_are_sentences_to_translate() -> None:
    assert len(sentences()) > 100


def test_no_sentence_lacks_its_spanish() -> None:
    known = {key for _, key, _ in translations("es")}
    missing = {message: name for message, name in sentences().items() if message not in known}
    assert not missing


def test_two_files_never_say_the_same_sentence_differently() -> None:
    said: dict[str, tuple[str, ...]] = {}
    for name, key, forms in translations("es"):
        assert said.setdefault(key, forms) == forms, f"{name}: {key}"


@pytest.mark.parametrize("language", ["es", "en"])
def test_translations_keep_the_slots(language: str) -> None:
    for path in sorted((WEBAPP / "locale" / language).glob("*.po")):
        with path.open("rb") as file:
            for message in read_po(file, locale=language):
                ids = [message.id] if isinstance(message.id, str) else list(message.id)
                forms = [message.string] if isinstance(message.string, str) else list(message.string)
                expected = set(SLOT.findall(ids[-1]))  # "one day" may leave its number out, "%(num)s days" may not
                assert set(SLOT.findall(forms[-1])) == (expected if forms[-1] else set()), ids[0]


def test_nothing_is_translated_that_no_page_says() -> None:
    known = sentences()
    left_over = [(name, key) for name, key, _ in translations("es") if key not in known]
    assert not left_over
