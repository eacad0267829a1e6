"""The words that carry a link: short enough for one SMS, and never a clinical one.

A character outside the GSM alphabet (á, í, ó, ú are) turns an SMS into UCS-2 with 70 characters to a part, so
the fixed words have none, and the whole text fits 70 whatever is added to it. Texts name the clinic and the
hour, never the patient, the doctor's specialty or the reason: they pass through phones and companies that
are not ours.
"""

from collections.abc import Mapping
from datetime import datetime
from urllib.parse import quote

SMS_CHARS = 70

_SMS = {
    "es": ("{clinic}: consulta {when} {link}", "{clinic}: consulta {link}", "{clinic}: {link}", "{link}"),
    "en": ("{clinic}: visit {when} {link}", "{clinic}: visit {link}", "{clinic}: {link}", "{link}"),
}
_CHAT = {
    "es": "{clinic}: su consulta virtual es el {when}. Toque este enlace para entrar: {link}",
    "en": "{clinic}: your virtual visit is on {when}. Tap this link to enter: {link}",
}


def sms_text(short_name: str, link: str, local_time: datetime, locale: str) -> str:
    """The fullest text with the link that fits one 70-character SMS."""
    when = f"{local_time:%d/%m %H:%M}"
    texts = [shape.format(clinic=short_name, when=when, link=link) for shape in _SMS[locale]]
    return next((text for text in texts if len(text) <= SMS_CHARS), texts[-1])


def chat_text(clinic_name: str, link: str, local_time: datetime, locale: str) -> str:
    """The text for WhatsApp and for copying, where length is free."""
    return _CHAT[locale].format(clinic=clinic_name, when=f"{local_time:%d/%m/%Y %H:%M}", link=link)


def share_texts(
    *, clinic_name: str, short_name: str, link: str, local_time: datetime, locale: str, phone: str
) -> Mapping[str, str]:
    """``sms`` and ``chat`` texts, and the addresses that open them filled in: ``sms_url`` and ``whatsapp_url``.

    ``phone`` is E.164 or empty; without one the apps ask whom to send to.
    """
    sms = sms_text(short_name, link, local_time, locale)
    chat = chat_text(clinic_name, link, local_time, locale)
    return {
        "link": link,
        "sms": sms,
        "chat": chat,
        "sms_url": f"sms:{phone}?&body={quote(sms)}",
        "whatsapp_url": f"https://wa.me/{phone.removeprefix('+')}?text={quote(chat)}",
    }
