"""One clinic in one language, and how a page of it is photographed at both sizes."""

import sys
import traceback
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Page

from tests.support import visit
from tests.support.browser import Person, person
from tests.support.fhir_server import FhirServer
from tests.support.pictures import words as people
from tests.support.pictures.darkroom import reduced
from tests.support.pictures.words import Words
from tests.support.product import Person as Patient
from tests.support.product import Planned, Product

SIZES = {1366: 768, 360: 640}
# A slow line on demand: while the page holds, no answer of the media server is taken in.
HOLD = """(() => {
  const take = RTCPeerConnection.prototype.setRemoteDescription;
  RTCPeerConnection.prototype.setRemoteDescription = async function (...given) {
    while (self.__hold) await new Promise((done) => setTimeout(done, 100));
    return take.apply(this, given);
  };
})();"""


@dataclass
class Studio:
    folder: Path
    words: Words
    product: Product
    ehr: FhirServer
    clinic: Browser
    patients: Browser
    guests: Browser
    darkroom: Page
    missed: list[str] = field(default_factory=list)
    taken: int = 0
    _others: int = 0

    async def shoot(
        self, page: Page, name: str, *, settle_ms: int = 350, full: bool = False, at: tuple[int, ...] = ()
    ) -> None:
        """``<name>-<language>-<width>.png`` at both sizes; ``full`` takes the whole length of the page."""
        for width in at or tuple(SIZES):
            await page.set_viewport_size({"width": width, "height": SIZES[width]})
            await page.wait_for_timeout(settle_ms)
            picture = await page.screenshot(full_page=full)
            (self.folder / f"{name}-{self.words.code}-{width}.png").write_bytes(await reduced(self.darkroom, picture))
            self.taken += 1
        await page.set_viewport_size({"width": 1366, "height": 768})

    async def scene(self, act: Callable[["Studio"], Coroutine[Any, Any, None]]) -> None:
        """A scene that fails is told at the end; the others are still taken."""
        try:
            await act(self)
        except Exception as error:
            self.missed.append(f"{act.__name__} ({self.words.code}): {str(error)[:300]}")
            traceback.print_exc(file=sys.stderr)

    async def patient(self, **options: Any) -> Person:
        return await self._someone(self.patients, "a patient", **options)

    async def guest(self, name: str, **options: Any) -> Person:
        return await self._someone(self.guests, name, **options)

    async def doctor(self, **options: Any) -> Person:
        doctor = await visit.signed_in_doctor(self.clinic, self.product, locale=self.words.locale, **options)
        await doctor.context.add_init_script(HOLD)
        return doctor

    async def _someone(self, browser: Browser, name: str, **options: Any) -> Person:
        # a page without touch can be made wide and narrow at will
        someone = await person(browser, name, **{"desk": True, "locale": self.words.locale, **options})
        if options.get("java_script_enabled", True):
            await someone.context.add_init_script(HOLD)
        return someone

    def plan(self, who: Patient | None = None, *, minutes: float = 3, reason: str = "", **more: Any) -> Planned:
        """A consult of the given person, or of the next of the others."""
        if who is None:
            who = people.OTHERS[self._others % len(people.OTHERS)]
            reason = reason or self.words.other_reasons[self._others % len(self.words.other_reasons)]
            self._others += 1
        more = {**people.plan_fields(self.words), **more}
        return self.product.plan(who, minutes=minutes, reason=reason or self.words.reason, **more)

    async def arrived(self, who: Patient | None = None, **more: Any) -> tuple[Planned, str]:
        """Somebody else who waits by messages, their page closed again; their participant id."""
        planned = self.plan(who, **more)
        someone = await self.patient(permissions=())
        participant = await visit.arrive(someone, planned.link, "text")
        await someone.context.close()
        return planned, participant
