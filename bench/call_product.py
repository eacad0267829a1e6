"""A consult at Candil's real pages: the service on this machine, the doctor and the patient behind their lines."""

from __future__ import annotations

import asyncio
import ssl
import time
import urllib.request
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Error

from bench.call_side import Side, side
from tests.support import visit
from tests.support.product import LOGIN, PASSWORD, Product

_SETTLE_S = 4.0


class LabProduct(Product):
    """The service under an address of the laboratory, with a certificate of its own making."""

    def __init__(self, folder: Path, address: str) -> None:
        self._address = address
        unchecked = urllib.request.HTTPSHandler(context=ssl._create_unverified_context())
        urllib.request.install_opener(urllib.request.build_opener(unchecked))
        super().__init__(folder)

    def _configuration(self, *given: Any) -> str:
        self.url = f"https://{self._address}:{self.port}"
        text = super()._configuration(*given)
        text = text.replace("[server]\n", f'[server]\nhost = "{self._address}"\ntls = "self-signed"\n')
        media = f'[media]\nbind_host = "{self._address}"\nadvertised_addresses = ["{self._address}"]\n'
        return text.replace("[media]\n", media)


class ProductCall:
    """``prepare`` ends in the waiting room; ``join`` is the doctor's tap that lets the patient in, and all after it."""

    name = "candil"

    def __init__(self, product: Product, patient: Browser, doctor: Browser, *, video: bool) -> None:
        self._product = product
        self._browsers = (patient, doctor)
        self._media = "video" if video else "audio"
        self._messages = 0

    async def prepare(self) -> None:
        self._planned = await asyncio.to_thread(self._product.plan)
        self.doctor = await side(self._browsers[1], "doctor", desk=True)
        await self._sign_in(self.doctor)
        await visit.open_consult(self.doctor.person, self._product, self._planned)
        self.patient = await side(self._browsers[0], "patient")
        self.participant = await visit.take_link(self.patient.person, self._planned.link)
        await visit.accept(self.patient.person)
        await visit.choose(self.patient.person, self._media)
        await visit.try_devices(self.patient.person)
        await visit.enter_waiting_room(self.patient.person)
        await asyncio.sleep(_SETTLE_S)  # what the page fetches after it is shown

    async def join(self) -> None:
        await self.doctor.person.get(f"[data-person='{self.participant}'] [data-admit] button").click(timeout=90_000)
        await visit.in_room(self.patient.person, "call", 90)

    async def message_delay_s(self) -> float | None:
        """From the doctor's tap to the patient's screen."""
        self._messages += 1
        text = f"Mensaje {self._messages}"
        began = time.monotonic()
        await visit.write(self.doctor.person, text)
        bubble = self.patient.page.locator("[data-messages] .bubble", has_text=text)
        try:
            await bubble.wait_for(state="attached", timeout=30_000)
        except Error:
            return float("inf")
        return time.monotonic() - began

    async def close(self) -> None:
        for one in (self.patient, self.doctor):
            await one.close()

    async def _sign_in(self, doctor: Side) -> None:
        await doctor.page.goto(self._product.url + "/login")
        await doctor.page.fill("#login", LOGIN)
        await doctor.page.fill("#password", PASSWORD)
        await doctor.person.press("form[action='/login'] button")
        await doctor.page.wait_for_url("**/board")
