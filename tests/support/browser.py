"""Real Chromium pages as the people of a consult: what they did wrong, what they asked for, what they decode."""

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, Request, async_playwright

from tests.support.eventually import eventually

ROOT = Path(__file__).resolve().parents[2]
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--use-fake-device-for-media-stream=fps=10", "--use-fake-ui-for-media-stream",
]  # fmt: skip
DESK = {"viewport": {"width": 1366, "height": 768}, "locale": "es-VE", "timezone_id": "America/Caracas"}
PHONE = {
    "viewport": {"width": 360, "height": 640}, "locale": "es-VE", "timezone_id": "America/Caracas",
    "is_mobile": True, "has_touch": True, "device_scale_factor": 2,
}  # fmt: skip

# Runs before every page's own scripts: remembers media connections and what was asked of the devices.
WATCH = """(options) => {
  const watched = { connections: [], asked: [] };
  Object.defineProperty(self, "__watched", { value: watched });
  const Native = self.RTCPeerConnection;
  if (Native) {
    const forced = options.relayOnly ? { iceTransportPolicy: "relay" } : {};
    self.RTCPeerConnection = class extends Native {
      constructor(configuration) {
        super(Object.assign({}, configuration, forced));
        watched.connections.push(this);
        this.addEventListener("track", (event) => {
          event.track.publisher = event.streams[0] && event.streams[0].id;
        });
      }
      setConfiguration(configuration) {
        super.setConfiguration(Object.assign({}, configuration, forced));
      }
    };
  }
  const devices = navigator.mediaDevices;
  if (devices) {
    const ask = devices.getUserMedia.bind(devices);
    devices.getUserMedia = (wishes) => {
      watched.asked.push(JSON.stringify(wishes));
      const smaller = Object.assign({}, wishes);
      if (options.smallVideo && wishes.video) smaller.video = { width: 160, height: 120, frameRate: 5 };
      return ask(smaller);
    };
  }
}"""

RECEIVED = """async () => {
  const result = {};
  for (const connection of self.__watched ? self.__watched.connections : []) {
    if (connection.connectionState === "closed") continue;
    for (const transceiver of connection.getTransceivers()) {
      const track = transceiver.receiver.track;
      if (!track.publisher) continue;
      const one = result[track.publisher] = result[track.publisher] || { frames: 0, energy: 0, audioPackets: 0 };
      for (const report of (await transceiver.receiver.getStats()).values()) {
        if (report.type !== "inbound-rtp") continue;
        if (report.kind === "video") one.frames += report.framesDecoded || 0;
        else {
          one.energy += report.totalAudioEnergy || 0;
          one.audioPackets += report.packetsReceived || 0;
        }
      }
    }
  }
  return result;
}"""

PAIR = """async () => {
  for (const connection of self.__watched.connections) {
    if (connection.connectionState !== "connected") continue;
    const reports = await connection.getStats();
    for (const report of reports.values()) {
      if (report.type !== "candidate-pair" || !report.nominated || report.state !== "succeeded") continue;
      const local = reports.get(report.localCandidateId);
      return { type: local.candidateType, relay: local.relayProtocol || "", url: local.url || "" };
    }
  }
  return null;
}"""


@asynccontextmanager
async def chromium(*extra_flags: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=[*FLAGS, *extra_flags], ignore_default_args=["--mute-audio"]
        )
        try:
            yield browser
        finally:
            await browser.close()


OPEN: set["Person"] = set()  # people a test has not closed: after a failure, all of them


@dataclass(eq=False)
class Person:
    """Somebody at a page. ``errors`` holds their browser's complaints; closing fails the test when any is left."""

    name: str
    context: BrowserContext
    page: Page
    errors: list[str] = field(default_factory=list)
    requested: list[str] = field(default_factory=list)
    forgiven: list[str] = field(default_factory=list)

    def watch(self) -> None:
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.errors.append(f"{self.page.url}: {error.stack}"))
        self.page.on("request", self._asked)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(f"{message.location.get('url', '')}: {message.text}")

    def _asked(self, request: Request) -> None:
        self.requested.append(f"{request.method} {request.url}")

    def forgive(self, *patterns: str) -> None:
        """What this test itself causes, as when it ends the server."""
        self.forgiven += patterns

    @property
    def complaints(self) -> list[str]:
        return [e for e in self.errors if not any(re.search(pattern, e) for pattern in self.forgiven)]

    def get(self, selector: str) -> Locator:
        """The visible element."""
        return self.page.locator(f"{selector} >> visible=true").first

    async def press(self, selector: str) -> None:
        await self.get(selector).click()

    async def sees(self, selector: str, timeout_s: float = 10) -> Locator:
        found = self.get(selector)
        await found.wait_for(state="visible", timeout=timeout_s * 1000)
        return found

    async def reads(self, text: str, timeout_s: float = 10) -> None:
        await self.page.get_by_text(text).locator("visible=true").first.wait_for(timeout=timeout_s * 1000)

    async def received(self) -> dict[str, dict[str, float]]:
        """By participant: frames decoded, audio energy played and audio packets."""
        return await self.page.evaluate(RECEIVED)

    async def asked_devices(self) -> list[str]:
        return await self.page.evaluate("() => self.__watched.asked")

    async def path(self) -> dict[str, str] | None:
        """The candidate in use: {type, relay, url}."""
        return await self.page.evaluate(PAIR)

    async def sees_and_hears(self, *others: str, timeout_s: float = 20, pictures: bool = True) -> None:
        """Wait until more frames are decoded and more sound is played of each of ``others`` than now."""
        before: dict[str, dict[str, float]] = {}

        async def grown() -> bool:
            if await self.page.locator("[data-listen]").is_visible():  # a browser may want a tap after a reload
                await self.press("[data-listen]")
            now = await self.received()
            moved = True
            for other in others:
                first = before.setdefault(other, dict(now.get(other, {})))
                last = now.get(other, {})
                if last.get("frames", 0) < first.get("frames", 0):
                    before[other] = first = dict(last)  # a new media session counts from zero
                frames = last.get("frames", 0) - first.get("frames", 0)
                energy = last.get("energy", 0) - first.get("energy", 0)
                moved = moved and (frames >= 5 or not pictures) and energy > 1e-4
            return moved

        try:
            await eventually(f"{self.name} sees and hears {others}", grown, timeout_s)
        except AssertionError as error:
            raise AssertionError(f"{error}; {json.dumps(await self.received())}; {self.complaints}") from None

    async def stays_without(self, other: str, kind: str, for_s: float = 2.5) -> None:
        """Nothing of ``kind`` ("frames" or "energy") of ``other`` arrives for a while, once it has stopped."""
        last = [-1.0, 0]

        async def still() -> bool:
            now = (await self.received()).get(other, {}).get(kind, 0)
            last[1] = last[1] + 1 if now - last[0] < 1e-5 else 0
            last[0] = now
            await self.page.wait_for_timeout(250)
            return last[1] >= for_s * 4

        await eventually(f"no more {kind} of {other}", still, 20)

    async def axe(self) -> list[str]:
        """Serious and critical accessibility violations of the page as it is now."""
        await self.page.evaluate(AXE.read_text("utf-8"))
        found = await self.page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
        return [
            f"{v['id']} ({v['impact']}): {v['help']} {[n['target'] for n in v['nodes']][:4]}"
            for v in found["violations"]
            if v["impact"] in ("serious", "critical")
        ]

    async def tell(self) -> str:
        """What this person has before them, for a test that failed."""
        text = await self.page.evaluate("() => document.body.innerText") if self.page.url != "about:blank" else ""
        return f"--- {self.name} at {self.page.url}\n{text}\n--- complaints: {self.complaints}"

    async def close(self) -> None:
        OPEN.discard(self)
        await self.context.close()
        assert not self.complaints, f"{self.name}: {self.complaints}"


async def person(
    browser: Browser,
    name: str,
    *,
    desk: bool = False,
    watch: bool = True,
    relay_only: bool = False,
    small_video: bool = False,
    permissions: Sequence[str] = ("camera", "microphone"),
    **options: Any,
) -> Person:
    """Somebody with a browser of their own; ``desk`` is the clinic's screen, else a phone."""
    context = await browser.new_context(**{**(DESK if desk else PHONE), "permissions": list(permissions), **options})
    page = await context.new_page()
    if watch:
        given = json.dumps({"relayOnly": relay_only, "smallVideo": small_video})
        await context.add_init_script(f"({WATCH})({given});")
    someone = Person(name, context, page)
    OPEN.add(someone)
    someone.watch()
    return someone


class Weight:
    """Bytes on the wire of everything a page loads, headers included, as the browser's network layer counts them."""

    def __init__(self) -> None:
        self.bytes = 0.0
        self.by_url: dict[str, float] = {}
        self._urls: dict[str, str] = {}

    def started(self, event: dict[str, Any]) -> None:
        self._urls[event["requestId"]] = event["request"]["url"]

    def finished(self, event: dict[str, Any]) -> None:
        self.bytes += event["encodedDataLength"]
        url = self._urls.get(event["requestId"], "?")
        self.by_url[url] = self.by_url.get(url, 0) + event["encodedDataLength"]


async def weigh(someone: Person, act: Callable[[], Awaitable[Any]]) -> Weight:
    """What ``act`` makes the page load, with nothing in its cache."""
    session = await someone.context.new_cdp_session(someone.page)
    weight = Weight()
    await session.send("Network.enable")
    await session.send("Network.setCacheDisabled", {"cacheDisabled": True})
    session.on("Network.requestWillBeSent", weight.started)
    session.on("Network.loadingFinished", weight.finished)
    await act()
    await someone.page.wait_for_load_state("load")
    await someone.page.wait_for_timeout(500)
    await session.detach()
    return weight
