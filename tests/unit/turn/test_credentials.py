import pytest
from hypothesis import given
from hypothesis import strategies as st

from turn.credentials import MAX_LIFE_S, MIN_LIFE_S, mint, password_for

SECRET = "0123456789abcdef0123456789abcdef"
NOW = 1_700_000_000.0


def test_password_is_the_one_openssl_computes() -> None:
    # printf '1700003600:par_1' | openssl dgst -sha1 -hmac $SECRET -binary | base64
    credential = mint(SECRET, "par_1", NOW)
    assert credential.username == "1700003600:par_1"
    assert credential.password == "hNyf/ANL+mU9x/qcKIA63eNoado="
    assert credential.expires_at == 1_700_003_600


@given(now=st.floats(0, 4e9), life_s=st.floats(-1e6, 1e9))
def test_life_is_clamped_and_renewal_comes_before_expiry(now: float, life_s: float) -> None:
    credential = mint(SECRET, "par_1", now, life_s)
    assert now + MIN_LIFE_S - 1 < credential.expires_at <= now + MAX_LIFE_S
    assert now < credential.renew_after < credential.expires_at
    assert credential.username == f"{credential.expires_at}:par_1"


def test_two_participants_and_two_secrets_never_share_a_password() -> None:
    passwords = {mint(secret, who, NOW).password for secret in (SECRET, SECRET[::-1]) for who in ("par_1", "par_2")}
    assert len(passwords) == 4


@pytest.mark.parametrize("participant_id", ["", "a:b", "a b", "ñ", "x" * 65, "a\n"])
def test_an_id_that_would_change_the_username_is_refused(participant_id: str) -> None:
    with pytest.raises(ValueError, match="participant id"):
        mint(SECRET, participant_id, NOW)


def test_password_does_not_print() -> None:
    credential = mint(SECRET, "par_1", NOW)
    assert credential.password not in repr(credential)
    assert password_for(SECRET, credential.username) == credential.password
