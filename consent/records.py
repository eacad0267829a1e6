"""Turns what a person answered into the record of it, or says which piece is missing."""

from typing import Literal

import msgspec

from candil.consults.consenting import ConsentStatement
from candil.errors import Refused
from consent.wording import Wording

Method = Literal["tap", "form"]
"""``tap``: the page's button, with the script. ``form``: the plain form, without it."""
MAX_NAME_LENGTH = 120
MAX_RELATION_LENGTH = 60


class ConsentAnswer(msgspec.Struct, frozen=True):
    """What came back from the page. All of it is the sender's word."""

    accepted: bool
    wording_sha256: str
    """Of the text the page showed, so that nobody accepts a text that changed meanwhile."""
    name: str = ""
    """The patient's own name, when they answer for themselves."""
    representative: str = ""
    """The name of whoever answers for them."""
    relation: str = ""
    """What the representative is to the patient, in their words: "madre", "tutor legal"."""


class ConsentRecord(msgspec.Struct, frozen=True):
    """What is kept of one answer. A refusal is kept like an acceptance."""

    accepted: bool
    version: str
    locale: str
    sha256: str
    text: str
    given_by: str
    """The patient's name, or the representative's. May be empty in a refusal."""
    relation: str
    """Empty when patients answered for themselves."""
    method: Method
    given_at: float
    """Unix seconds."""

    def statement(self) -> ConsentStatement:
        """As ``candil.consults.consenting.record`` stores it, together with the time it is told."""
        return ConsentStatement(
            accepted=self.accepted,
            wording_version=self.version,
            wording_locale=self.locale,
            wording_sha256=self.sha256,
            wording_text=self.text,
            given_by=self.given_by,
            representative_relation=self.relation,
            method=self.method,
        )


def build_record(
    wording: Wording, answer: ConsentAnswer, *, patient_is_minor: bool, method: Method, now: float
) -> ConsentRecord:
    """The record of ``answer`` to ``wording``. Raises Refused with the code of what is missing:

    ``consent_wording_changed``, ``consent_name_needed``, ``consent_representative_needed``,
    ``consent_relation_needed``, ``consent_name_too_long``.
    """
    if answer.wording_sha256 != wording.sha256:
        raise Refused("consent_wording_changed", "The text changed while it was being read; show it again.")
    given_by, relation = _who(answer, patient_is_minor)
    return ConsentRecord(
        accepted=answer.accepted,
        version=wording.version,
        locale=wording.locale,
        sha256=wording.sha256,
        text=wording.text,
        given_by=given_by,
        relation=relation,
        method=method,
        given_at=now,
    )


def _who(answer: ConsentAnswer, patient_is_minor: bool) -> tuple[str, str]:
    """(name, relation). Nobody has to say who they are in order to say no."""
    name = _clean(answer.name, MAX_NAME_LENGTH)
    representative = _clean(answer.representative, MAX_NAME_LENGTH)
    relation = _clean(answer.relation, MAX_RELATION_LENGTH)
    if patient_is_minor or representative or relation:
        if answer.accepted and not representative:
            raise Refused("consent_representative_needed", "Write the name of the representative.")
        if answer.accepted and not relation:
            raise Refused("consent_relation_needed", "Write what the representative is to the patient.")
        # A refusal may lack either; a name without the relation would read as the patient's own.
        return (representative, relation) if relation else ("", "")
    if answer.accepted and not name:
        raise Refused("consent_name_needed", "Write your name.")
    return name, ""


def _clean(text: str, longest: int) -> str:
    """One line without control characters; a name must hold a letter to be a name."""
    printable = "".join(character if character.isprintable() else " " for character in text)
    line = " ".join(printable.split())
    if len(line) > longest:
        raise Refused("consent_name_too_long", f"At most {longest} characters.")
    return line if any(character.isalpha() for character in line) else ""
