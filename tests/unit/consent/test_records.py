import pytest
from hypothesis import given
from hypothesis import strategies as st

from candil.errors import Refused
from consent.records import MAX_NAME_LENGTH, ConsentAnswer, ConsentRecord, build_record
from consent.wording import load_wordings

WORDING = load_wordings().wording("es", clinic="Clínica San José", doctor="Dra. Ana Rojas")
NOW = 1_800_000_000.0


def build(*, accepted: bool = True, minor: bool = False, sha256: str = WORDING.sha256, **names: str) -> ConsentRecord:
    answer = ConsentAnswer(accepted=accepted, wording_sha256=sha256, **names)
    return build_record(WORDING, answer, patient_is_minor=minor, method="tap", now=NOW)


def refusal_of(**arguments: object) -> str:
    with pytest.raises(Refused) as caught:
        build(**arguments)
    return caught.value.code


def test_an_adult_accepts_for_themselves() -> None:
    record = build(name="  María   Pérez ")
    assert record.accepted
    assert (record.given_by, record.relation) == ("María Pérez", "")
    assert (record.version, record.locale) == ("2026-11", "es")
    assert (record.sha256, record.text, record.method, record.given_at) == (WORDING.sha256, WORDING.text, "tap", NOW)


def test_a_minor_is_represented() -> None:
    record = build(minor=True, name="Luisito", representative="Carmen Díaz", relation="madre")
    assert (record.given_by, record.relation) == ("Carmen Díaz", "madre")


def test_an_adult_who_cannot_answer_may_be_represented_too() -> None:
    record = build(representative="José Díaz", relation="hijo")
    assert (record.given_by, record.relation) == ("José Díaz", "hijo")


def test_each_missing_piece_is_named() -> None:
    assert refusal_of() == "consent_name_needed"
    assert refusal_of(name=" . ") == "consent_name_needed"
    assert refusal_of(minor=True, name="Luisito") == "consent_representative_needed"
    assert refusal_of(minor=True, representative="Carmen Díaz") == "consent_relation_needed"
    assert refusal_of(representative="Carmen Díaz") == "consent_relation_needed"
    assert refusal_of(relation="madre") == "consent_representative_needed"
    assert refusal_of(name="x" * (MAX_NAME_LENGTH + 1)) == "consent_name_too_long"


def test_a_text_that_changed_while_it_was_read_is_not_accepted() -> None:
    assert refusal_of(name="María", sha256="0" * 64) == "consent_wording_changed"
    assert refusal_of(name="María", sha256="") == "consent_wording_changed"


@pytest.mark.parametrize("minor", [False, True])
def test_nobody_needs_a_name_to_say_no(minor: bool) -> None:
    record = build(accepted=False, minor=minor)
    assert not record.accepted
    assert record.given_by == ""


def test_a_refusal_by_half_a_representative_is_not_put_in_the_patients_mouth() -> None:
    record = build(accepted=False, minor=True, representative="Carmen Díaz")
    assert (record.given_by, record.relation) == ("", "")


def test_statement_carries_everything_to_the_store() -> None:
    record = build(representative="Carmen Díaz", relation="madre")
    statement = record.statement()
    assert statement.accepted
    assert (statement.wording_version, statement.wording_locale) == (record.version, record.locale)
    assert (statement.wording_sha256, statement.wording_text) == (record.sha256, record.text)
    assert (statement.given_by, statement.representative_relation) == ("Carmen Díaz", "madre")
    assert statement.method == "tap"


@given(name=st.text(max_size=200), representative=st.text(max_size=200), relation=st.text(max_size=80), minor=...)
def test_an_accepted_record_always_says_who_on_one_clean_line(
    name: str, representative: str, relation: str, minor: bool
) -> None:
    try:
        record = build(minor=minor, name=name, representative=representative, relation=relation)
    except Refused:
        return
    assert any(character.isalpha() for character in record.given_by)
    assert record.given_by.isprintable()
    assert record.given_by == " ".join(record.given_by.split())
    assert record.relation if minor else True
