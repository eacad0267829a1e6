"""Sentences in the reader's language, from the catalogues in locale/.

Message ids are English sentences; ``locale/<language>/*.po`` hold the translations, read at start (no compiled
files to forget). A sentence with no translation is shown in English and fails a test.
"""

from datetime import datetime
from functools import lru_cache
from importlib.resources import files
from zoneinfo import ZoneInfo

from babel import Locale
from babel.core import negotiate_locale
from babel.dates import format_date, format_datetime, format_time
from babel.messages.pofile import read_po

LANGUAGES = ("es", "en")


@lru_cache
def catalogue(language: str) -> dict[str, str | tuple[str, ...]]:
    """Message id to translation; plural messages map to their forms."""
    found: dict[str, str | tuple[str, ...]] = {}
    folder = files("webapp") / "locale" / language
    for entry in sorted(folder.iterdir(), key=lambda e: e.name):
        if entry.name.endswith(".po"):
            with entry.open("rb") as file:
                for message in read_po(file, locale=language):
                    _add(found, message.id, message.string)
    return found


def _add(found: dict[str, str | tuple[str, ...]], key: object, text: object) -> None:
    if isinstance(key, tuple) and isinstance(text, tuple | list) and all(text):
        found[key[0]] = tuple(text)
    elif isinstance(key, str) and key and isinstance(text, str) and text:
        found[key] = text


class Language:
    """One reader's language: translations, numbers of things, and dates in the clinic's zone."""

    def __init__(self, code: str, time_zone: str) -> None:
        self.code = code
        self.zone = ZoneInfo(time_zone)
        self._locale = Locale.parse("es_VE" if code == "es" else code)
        self._texts = catalogue(code)

    def gettext(self, message: str) -> str:
        text = self._texts.get(message, message)
        return text if isinstance(text, str) else text[0]

    def ngettext(self, singular: str, plural: str, count: int) -> str:
        forms = self._texts.get(singular)
        if isinstance(forms, tuple):
            return forms[0 if count == 1 else -1]
        return singular if count == 1 else plural

    def local(self, at: float) -> datetime:
        return datetime.fromtimestamp(at, self.zone)

    def day_and_time(self, at: float) -> str:
        """jueves 21 de noviembre, 10:30 a. m."""
        return f"{self.day(at)}, {self.time(at)}"

    def day(self, at: float) -> str:
        pattern = "EEEE d 'de' MMMM" if self.code == "es" else "EEEE d MMMM"
        return format_date(self.local(at), pattern, locale=self._locale)

    def time(self, at: float) -> str:
        return format_time(self.local(at), "short", locale=self._locale).replace("\u202f", " ")

    def date_and_time_numeric(self, at: float) -> str:
        return format_datetime(self.local(at), "dd/MM/yyyy HH:mm", locale=self._locale)


def pick_language(accept_language: str, default: str) -> str:
    """The first language a browser asks for that we speak, else the clinic's."""
    asked = [part.split(";")[0].strip().replace("-", "_") for part in accept_language.split(",") if part.strip()]
    found = negotiate_locale([code.split("_")[0] for code in asked], LANGUAGES)
    return found or default
