import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from candil.errors import NotFound
from consent.wording import Block, WordingCatalogue, load_wordings, parse_blocks

NAMES = {"clinic": "Clínica San José", "doctor": "Dra. Ana Rojas"}
SHIPPED = load_wordings()
# What a wording must speak of, with a word that can only stand there.
SUBJECTS = {
    "es": ["emergencia", "en persona", "sin cifrar", "no se graba", "guarda", "responsabilidad", "decir que no",
           "cambiar de idea", "menor", "representante legal", "solo para esta consulta"],
    "en": ["emergency", "in person", "unencrypted", "not recorded", "keeps", "responsibility", "say no",
           "change your mind", "minor", "legal representative", "this visit only"],
}  # fmt: skip


def test_both_languages_ship_the_same_current_version() -> None:
    assert SHIPPED.locales == {"es", "en"}
    assert SHIPPED.current_version("es") == SHIPPED.current_version("en") == "2026-11"


@pytest.mark.parametrize("locale", ["es", "en"])
def test_the_wording_is_short_names_who_is_who_and_covers_every_subject(locale: str) -> None:
    wording = SHIPPED.wording(locale, **NAMES)
    words = re.findall(r"\w+", wording.text)
    assert 230 <= len(words) <= 380
    assert NAMES["clinic"] in wording.text
    assert NAMES["doctor"] in wording.text
    assert [subject for subject in SUBJECTS[locale] if subject not in wording.text] == []
    sentences = re.split(r"[.:?!]\s", " ".join(line for block in wording.blocks for line in block.lines))
    assert max(len(sentence.split()) for sentence in sentences) <= 45


def test_the_two_languages_have_the_same_parts_in_the_same_order() -> None:
    shapes = [
        [(block.kind, len(block.lines)) for block in SHIPPED.wording(locale, **NAMES).blocks] for locale in ("es", "en")
    ]
    assert shapes[0] == shapes[1]
    assert shapes[0][0] == ("title", 1)
    assert ("list", 3) in shapes[0]


def test_published_texts_never_change() -> None:
    """A clinic's records point at these by version: a change is a new file, and a new line here."""
    names = {"clinic": "C", "doctor": "D"}
    published = {
        ("es", "2026-11"): "68fe13d86de5b6254e4b489615f306553bdc81fa7d81c33fa44e7e27a115f918",
        ("en", "2026-11"): "73999bacce4cbf24198fe1001c925e29d3bff9a1c3cc7fbba8c0a74ee7f5fdbb",
    }
    assert {key: SHIPPED.wording(key[0], version=key[1], **names).sha256 for key in published} == published


def test_hash_is_of_the_text_with_the_names_in_it() -> None:
    wording = SHIPPED.wording("es", **NAMES)
    assert wording.sha256 == hashlib.sha256(wording.text.encode()).hexdigest()
    assert wording.sha256 != SHIPPED.wording("es", clinic=NAMES["clinic"], doctor="Dr. Otro").sha256


def test_newest_version_is_current_and_old_ones_stay_readable() -> None:
    catalogue = WordingCatalogue({("es", "2026-11"): "# Uno\n", ("es", "2027-02"): "# Dos\n"})
    assert catalogue.wording("es", **NAMES).version == "2027-02"
    assert catalogue.wording("es", version="2026-11", **NAMES).text == "# Uno\n"


def test_unknown_wordings_are_not_found() -> None:
    with pytest.raises(NotFound):
        SHIPPED.wording("pt", **NAMES)
    with pytest.raises(NotFound):
        SHIPPED.wording("es", version="1999-01", **NAMES)


@pytest.mark.parametrize(
    "texts",
    [{("es", "latest"): "x"}, {("es", "2026-11"): "$patient"}, {("es", "2026-11"): "costs $5"}],
)
def test_a_broken_wording_file_is_found_at_load(texts: dict[tuple[str, str], str]) -> None:
    with pytest.raises(ValueError, match="wording es/"):
        WordingCatalogue(texts)


@given(clinic=st.text(), doctor=st.text())
def test_names_never_change_the_structure_of_the_text(clinic: str, doctor: str) -> None:
    expected = [(block.kind, len(block.lines)) for block in SHIPPED.wording("es", **NAMES).blocks]
    wording = SHIPPED.wording("es", clinic=clinic, doctor=doctor)
    assert [(block.kind, len(block.lines)) for block in wording.blocks] == expected


def test_blocks() -> None:
    text = "# Title\n\n## Part\n\nOne line\nand its rest.\n\n- a\n- b\n\n\n<b>*kept* as text</b>"
    assert parse_blocks(text) == (
        Block("title", ("Title",)),
        Block("heading", ("Part",)),
        Block("paragraph", ("One line and its rest.",)),
        Block("list", ("a", "b")),
        Block("paragraph", ("<b>*kept* as text</b>",)),
    )


@given(st.text())
def test_any_text_parses_and_no_word_of_it_is_lost(text: str) -> None:
    shown = " ".join(line for block in parse_blocks(text) for line in block.lines)
    assert [word.lstrip("#-") for word in text.split() if word.strip("#-")] == [
        word.lstrip("#-") for word in shown.split() if word.strip("#-")
    ]
