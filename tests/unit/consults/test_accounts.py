"""Sign-in sessions and keys: what ends them, and that only hashes are kept."""

import pytest

from candil.consults import accounts
from candil.consults.permissions import Role
from candil.errors import NotAuthenticated, NotFound, PeerError, Refused
from candil.store import audit
from tests.support.clinic import NOW, Clinic

LIMITS = {"idle_s": 3600.0, "absolute_s": 7200.0}


def sign_in(clinic: Clinic, now: float = NOW) -> str:
    return accounts.open_session(clinic.tx, clinic.doctor, now=now, ids=clinic.ids)[0]


def test_a_session_is_of_who_signed_in(clinic: Clinic) -> None:
    who = accounts.signed_in(clinic.tx, sign_in(clinic), now=NOW + 10, **LIMITS)
    assert who.actor == clinic.actor


@pytest.mark.parametrize("after_s", [3601.0, 7201.0])
def test_idle_and_old_sessions_end(clinic: Clinic, after_s: float) -> None:
    token = sign_in(clinic)
    if after_s > LIMITS["idle_s"] + 10:
        for at in range(0, 7200, 1800):
            accounts.touch(clinic.tx, token, now=NOW + at)
    with pytest.raises(NotAuthenticated):
        accounts.signed_in(clinic.tx, token, now=NOW + after_s, **LIMITS)


def test_signing_out_and_a_new_password_end_sessions(clinic: Clinic) -> None:
    first, second = sign_in(clinic), sign_in(clinic)
    accounts.sign_out(clinic.tx, first, clinic.doctor, now=NOW)
    with pytest.raises(NotAuthenticated):
        accounts.signed_in(clinic.tx, first, now=NOW, **LIMITS)
    accounts.set_password(clinic.tx, "DRA.ROJAS", "new", clinic_id=clinic.settings.id, now=NOW)
    with pytest.raises(NotAuthenticated):
        accounts.signed_in(clinic.tx, second, now=NOW, **LIMITS)
    with pytest.raises(NotFound):
        accounts.set_password(clinic.tx, "nadie", "new", clinic_id=clinic.settings.id, now=NOW)


def test_last_use_is_written_once_a_minute(clinic: Clinic) -> None:
    token = sign_in(clinic)
    assert not accounts.needs_touch(clinic.tx, token, NOW + 30)
    assert accounts.needs_touch(clinic.tx, token, NOW + 61)


def test_a_login_is_taken_once_whatever_its_case(clinic: Clinic) -> None:
    with pytest.raises(Refused):
        clinic.add_doctor("DRA.Rojas")


def test_a_doctor_has_a_licence(clinic: Clinic) -> None:
    new = accounts.NewStaff("dr.x", "Dr. X", Role.DOCTOR, "hash")
    with pytest.raises(PeerError):
        accounts.add(clinic.tx, new, clinic_id=clinic.settings.id, now=NOW, ids=clinic.ids)


@pytest.mark.parametrize("role", accounts.API_ROLES)
def test_a_key_acts_in_its_role(clinic: Clinic, role: Role) -> None:
    token = accounts.add_api_key(clinic.tx, "agenda", role=role, clinic_id=clinic.settings.id, now=NOW, ids=clinic.ids)
    assert accounts.api_actor(clinic.tx, token).role == role
    with pytest.raises(NotAuthenticated):
        accounts.api_actor(clinic.tx, token + "x")


def test_signing_in_and_out_and_failing_to_are_audited(clinic: Clinic) -> None:
    token = sign_in(clinic)
    accounts.sign_out(clinic.tx, token, clinic.doctor, now=NOW)
    accounts.sign_in_refused(clinic.tx, clinic.settings.id, now=NOW)
    acts = [(row.actor, row.act) for row in audit.newest(clinic.tx, 3)]
    assert acts == [
        ("anonymous", "staff.sign_in_refused"),
        (clinic.doctor.id, "staff.sign_out"),
        (clinic.doctor.id, "staff.sign_in"),
    ]
