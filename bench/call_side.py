"""One side of a measured call: a real Chromium at a host of the laboratory, and what its page's statistics said."""

from __future__ import annotations

import base64
import contextlib
import stat
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from playwright.async_api import Browser, BrowserContext, Error, Page, Playwright

from bench.netlab.lab import Lab
from bench.speech import Samples
from tests.support.browser import DESK, PHONE, Person

CHROMIUM = "/usr/bin/chromium"
PROBE = Path(__file__).with_name("call_probe.js")
RECORDED_HZ = 16_000
FLAGS = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--use-fake-device-for-media-stream=fps=20", "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required", "--ignore-certificate-errors",
]  # fmt: skip

Sample = dict[str, Any]


@dataclass(eq=False)
class Side:
    """A page of one person; ``drain`` collects what its probe has seen since."""

    name: str
    person: Person
    samples: list[Sample] = field(default_factory=list)
    news: list[dict[str, Any]] = field(default_factory=list)
    _pcm: list[bytes] = field(default_factory=list)

    @property
    def page(self) -> Page:
        return self.person.page

    async def drain(self) -> None:
        with contextlib.suppress(Error):  # between two pages
            taken = await self.page.evaluate("() => self.__probe ? self.__probe.take() : null")
            if taken:
                self.samples += taken["samples"]
                self.news += taken["news"]
                self._pcm.append(base64.b64decode(taken["pcm"]))

    async def record(self) -> None:
        """Keep what is heard from now on."""
        self._pcm.clear()
        await self.page.evaluate("() => self.__probe.record()")

    @property
    def heard(self) -> Samples:
        """At ``RECORDED_HZ``."""
        return np.frombuffer(b"".join(self._pcm), dtype="<i2").astype(np.float64) / 32768

    async def close(self) -> None:
        with contextlib.suppress(Error):
            await self.person.context.close()


@contextlib.asynccontextmanager
async def browser_at(
    playwright: Playwright, lab: Lab, host: str, folder: Path, speech: Path | None, *extra: str
) -> AsyncIterator[Browser]:
    """A Chromium in a host's namespace that hears ``speech`` from its microphone."""
    launcher = folder / f"chromium-{host}"
    launcher.write_text(f'#!/bin/sh\nexec {" ".join(lab.within(host))} {CHROMIUM} "$@"\n', "utf-8")
    launcher.chmod(launcher.stat().st_mode | stat.S_IXUSR)
    spoken = [f"--use-file-for-fake-audio-capture={speech}"] if speech else []
    browser = await playwright.chromium.launch(
        executable_path=str(launcher), args=[*FLAGS, *spoken, *extra], ignore_default_args=["--mute-audio"]
    )
    try:
        yield browser
    finally:
        await browser.close()


async def side(browser: Browser, name: str, *, desk: bool = False, **options: Any) -> Side:
    given = {**(DESK if desk else PHONE), "device_scale_factor": 1, "permissions": ["camera", "microphone"]}
    context: BrowserContext = await browser.new_context(
        **{**given, "ignore_https_errors": True, "bypass_csp": True, **options}
    )
    context.set_default_timeout(60_000)
    await context.add_init_script(PROBE.read_text("utf-8"))
    person = Person(name, context, await context.new_page())
    person.watch()
    return Side(name, person)
