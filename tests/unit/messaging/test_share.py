"""Whatever the clinic's name and host, the SMS with the link fits one part and says no clinical word."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from candil.ids import INVITATION_TOKEN_LENGTH
from messaging.share import SMS_CHARS, share_texts, sms_text

WHEN = datetime(2026, 11, 21, 10, 30)
TOKEN = "x" * INVITATION_TOKEN_LENGTH


@pytest.mark.parametrize("locale", ["es", "en"])
@given(name=st.text("Abc 1&.", min_size=1, max_size=12), host_chars=st.integers(4, 46))
def test_sms_fits_one_part(locale: str, name: str, host_chars: int) -> None:
    link = f"https://{'h' * host_chars}/i/{TOKEN}"
    text = sms_text(name, link, WHEN, locale)
    assert link in text
    assert len(text) <= SMS_CHARS


def test_a_usual_host_keeps_the_hour() -> None:
    text = sms_text("ClinicaSol", f"https://cita.clinicasol.com/i/{TOKEN}", WHEN, "es")
    assert text == f"ClinicaSol: consulta https://cita.clinicasol.com/i/{TOKEN}"
    assert "21/11 10:30" in sms_text("Sol", f"https://sol.com.ve/i/{TOKEN}", WHEN, "es")


def test_fixed_words_stay_in_the_gsm_alphabet() -> None:
    assert sms_text("Sol", "https://a.b/i/x", WHEN, "es").isascii()


def test_app_addresses_carry_the_text() -> None:
    texts = share_texts(
        clinic_name="Clínica Sol",
        short_name="Sol",
        link=f"https://sol.com.ve/i/{TOKEN}",
        local_time=WHEN,
        locale="es",
        phone="+584141234567",
    )
    assert texts["whatsapp_url"].startswith("https://wa.me/584141234567?text=Cl%C3%ADnica%20Sol%3A")
    assert texts["sms_url"].startswith("sms:+584141234567?&body=Sol%3A")
