"""The second engine: Firefox and Chromium see and hear each other through the media server."""

import asyncio
import json
import os
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from media.aio.server import MediaServer
from tests.support.eventually import eventually
from tests.support.media_browser import HTML, chromium, media_server, participant

PREFERENCES = {
    "media.navigator.streams.fake": True,
    "media.navigator.permission.disabled": True,
    "media.autoplay.default": 0,
    "media.peerconnection.ice.obfuscate_host_addresses": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "app.update.enabled": False,
}
START = """
(async () => {
  await capture(true, true, 320, 15);
  const ws = new WebSocket('ws://' + location.host + '/ws');
  ws.onmessage = async event => ws.send(JSON.stringify({answer: await accept(event.data)}));
  setInterval(async () => ws.send(JSON.stringify({received: await received()})), 300);
})();
</script>"""


def own_address() -> str:
    """An address of this machine that is not loopback: Firefox gathers no candidates for loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # sends nothing
        return str(probe.getsockname()[0])


class FirefoxParticipant:
    """A Firefox process whose page joins over a WebSocket; also its session's listener."""

    def __init__(self, server: MediaServer) -> None:
        self.server = server
        self.received: dict[str, dict[str, Any]] = {}
        self.events: list[str] = []

    async def page(self, _request: web.Request) -> web.Response:
        return web.Response(text=HTML.replace("</script>", START, 1), content_type="text/html")

    async def socket(self, request: web.Request) -> web.WebSocketResponse:
        self.ws = web.WebSocketResponse()
        await self.ws.prepare(request)
        session = self.server.open_session("room", "fox", self)
        async for message in self.ws:
            content = json.loads(message.data)
            if "answer" in content:
                session.answer(content["answer"])
            else:
                self.received = content["received"]
        session.close()
        return self.ws

    def on_offer(self, _session_id: str, sdp: str) -> None:
        if not self.ws.closed:
            self.sending = asyncio.get_running_loop().create_task(self.ws.send_str(sdp))

    def on_connected(self, _session_id: str) -> None:
        self.events.append("connected")

    def on_path_lost(self, _session_id: str) -> None:
        self.events.append("path_lost")

    def on_path_restored(self, _session_id: str) -> None:
        self.events.append("path_restored")

    def on_media(self, _session_id: str, kind: str, active: bool) -> None:
        self.events.append(f"{kind} {active}")

    def on_closed(self, _session_id: str, reason: str) -> None:
        self.events.append(reason)


@asynccontextmanager
async def firefox(server: MediaServer) -> AsyncIterator[FirefoxParticipant]:
    fox = FirefoxParticipant(server)
    app = web.Application()
    app.add_routes([web.get("/", fox.page), web.get("/ws", fox.socket)])
    runner = web.AppRunner(app, shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        lines = [f"user_pref({json.dumps(key)}, {json.dumps(value)});\n" for key, value in PREFERENCES.items()]
        (Path(profile) / "user.js").write_text("".join(lines))
        process = await asyncio.create_subprocess_exec(
            "firefox-esr",
            "--headless",
            "--no-remote",
            "--profile",
            profile,
            f"http://127.0.0.1:{runner.addresses[0][1]}/",
            env=os.environ | {"HOME": profile, "MOZ_HEADLESS": "1"},
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            yield fox
        finally:
            process.terminate()
            await process.wait()
            await runner.cleanup()


async def test_firefox_and_chromium_in_one_room() -> None:
    address = own_address()
    async with (
        media_server(bind_host="0.0.0.0", advertised_addresses=(address, "127.0.0.1")) as server,
        chromium() as browser,
        firefox(server) as fox,
    ):
        ana = await participant(browser, server, "room", "ana")
        ana.join()
        await eventually("Firefox is connected", lambda: "connected" in fox.events, 40)
        await eventually(
            "Firefox sees and hears Chromium",
            lambda: fox.received.get("ana", {}).get("frames", 0) > 10 and fox.received["ana"].get("energy", 0) > 1e-4,
            20,
        )
        await ana.hears_and_sees("fox")
        before = (await ana.of("fox"))["audioPackets"]
        await asyncio.sleep(1)
        assert 12 <= (await ana.of("fox"))["audioPackets"] - before <= 22  # Firefox keeps to 60 ms as well
        assert ana.errors == []
