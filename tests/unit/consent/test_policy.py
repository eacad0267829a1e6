import itertools
from dataclasses import dataclass

import pytest

from candil.consults.permissions import Role
from consent.policy import NO_MEDIA, AllowedMedia, allowed_media, holds, must_consent
from consent.wording import Wording, load_wordings

CATALOGUE = load_wordings()
ES = CATALOGUE.wording("es", clinic="C", doctor="D")
EN = CATALOGUE.wording("en", clinic="C", doctor="D")


@dataclass(frozen=True)
class Given:
    status: str
    wording_version: str
    wording_locale: str
    wording_sha256: str


def given(wording: Wording = ES, status: str = "active", **changes: str) -> Given:
    values = {
        "wording_version": wording.version,
        "wording_locale": wording.locale,
        "wording_sha256": wording.sha256,
    }
    return Given(status=status, **(values | changes))


def test_only_the_patient_must_consent() -> None:
    assert [role for role in Role if must_consent(role)] == [Role.PATIENT]


def test_what_was_accepted_holds() -> None:
    assert holds(given(), ES)


def test_the_same_version_in_the_other_language_holds() -> None:
    assert holds(given(ES), EN)


@pytest.mark.parametrize(
    "stored",
    [
        None,
        given(status="rejected"),
        given(status="inactive"),
        given(status=""),
        given(wording_version="2025-01"),
        given(wording_sha256="0" * 64),
        given(CATALOGUE.wording("es", clinic="C", doctor="Another")),
    ],
)
def test_what_does_not_hold(stored: Given | None) -> None:
    assert not holds(stored, ES)


def test_no_media_for_the_patient_before_consent_whatever_they_chose() -> None:
    for choice, stored in itertools.product(("video", "audio", "text"), (None, given(status="rejected"))):
        assert allowed_media(Role.PATIENT, stored, ES, choice) == NO_MEDIA


@pytest.mark.parametrize("role", list(Role))
def test_after_consent_no_more_than_was_chosen(role: Role) -> None:
    assert allowed_media(role, given(), ES, "video") == AllowedMedia(audio=True, video=True)
    assert allowed_media(role, given(), ES, "audio") == AllowedMedia(audio=True, video=False)
    assert allowed_media(role, given(), ES, "text") == NO_MEDIA
