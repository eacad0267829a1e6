"""From the planning form to a request, with every wrong field named."""

from candil.config import ClinicSettings
from webapp.pages.plan import moment, read

NOW = 1_795_257_000.0  # 2026-11-21 06:30 in Caracas
FORM = {
    "form_id": "frm_0123456789abcdef",
    "identifier_kind": "pasaporte",
    "identifier": "ab 12345",
    "name": "Ana  Peña",
    "date": "2026-11-21",
    "time": "10:30",
    "duration_min": "30",
    "minor": "1",
    "locale": "es",
}


def test_a_complete_form_is_a_request_in_the_clinics_time() -> None:
    wanted, problems = read(FORM, ClinicSettings(), NOW)
    assert problems == {}
    assert wanted is not None
    assert wanted.scheduled_at == NOW + 4 * 3600
    assert (wanted.minor, wanted.external_id) == (True, "page:frm_0123456789abcdef")


def test_every_wrong_field_is_named_at_once() -> None:
    form = FORM | {"identifier": "?", "name": "", "phone": "1", "date": "", "duration_min": "x", "locale": "fr"}
    wanted, problems = read(form, ClinicSettings(), NOW)
    assert wanted is None
    assert set(problems) == {"identifier", "name", "phone", "date", "duration_min", "locale"}


def test_a_day_in_the_past_is_the_days_problem() -> None:
    assert read(FORM | {"date": "2026-11-01"}, ClinicSettings(), NOW)[1] == {"date": "invalid_time"}


def test_an_unknown_kind_of_document_ends_the_looking() -> None:
    assert "identifier_kind" in read(FORM | {"identifier_kind": "dni"}, ClinicSettings(), NOW)[1]


def test_a_form_id_that_is_not_ours_is_left_out() -> None:
    wanted, _ = read(FORM | {"form_id": "agenda-17"}, ClinicSettings(), NOW)
    assert wanted is not None
    assert wanted.external_id is None


def test_what_is_not_a_time_is_none() -> None:
    assert moment("2026-02-31", "10:00", "America/Caracas") is None
    assert moment("2026-11-21", "25:00", "America/Caracas") is None
