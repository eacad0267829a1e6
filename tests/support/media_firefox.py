"""A real Firefox as participant of a MediaServer in this process."""

import asyncio
import json
import os
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from media.adaptation.orders import LineNews, PublishOrder
from media.aio.server import MediaServer
from tests.support.media_browser import HTML

PREFERENCES = {
    "media.navigator.streams.fake": True,
    "media.navigator.permission.disabled": True,
    "media.autoplay.default": 0,
    "media.peerconnection.ice.obfuscate_host_addresses": False,
    "media.devices.insecure.enabled": True,
    "media.getusermedia.insecure.enabled": True,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "app.update.enabled": False,
}
START = """
(async () => {
  await capture(true, true, 320, 15);
  const ws = new WebSocket('ws://' + location.host + '/ws');
  ws.onmessage = async event => ws.send(JSON.stringify({answer: await accept(event.data)}));
  setInterval(async () => ws.send(JSON.stringify({received: await received(), sent: pc && await sent()})), 300);
})();
</script>"""


class FirefoxParticipant:
    """A Firefox process whose page joins over a WebSocket; also its session's listener."""

    def __init__(self, server: MediaServer) -> None:
        self.server = server
        self.received: dict[str, dict[str, Any]] = {}
        self.sent: dict[str, Any] = {}
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
                self.received, self.sent = content["received"], content["sent"] or {}
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

    def on_order(self, _session_id: str, _order: PublishOrder) -> None:
        """This page sends what it likes."""

    def on_line(self, _participant_id: str, _news: LineNews) -> None:
        """Nobody reads it here."""

    def on_closed(self, _session_id: str, reason: str) -> None:
        self.events.append(reason)


@asynccontextmanager
async def firefox(
    server: MediaServer, *, host: str = "127.0.0.1", prefix: Sequence[str] = ()
) -> AsyncIterator[FirefoxParticipant]:
    """Its page comes from ``host``; ``prefix`` starts it elsewhere, as ``Namespace.prefix`` does."""
    fox = FirefoxParticipant(server)
    app = web.Application()
    app.add_routes([web.get("/", fox.page), web.get("/ws", fox.socket)])
    runner = web.AppRunner(app, shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, host, 0).start()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        lines = [f"user_pref({json.dumps(key)}, {json.dumps(value)});\n" for key, value in PREFERENCES.items()]
        (Path(profile) / "user.js").write_text("".join(lines))
        process = await asyncio.create_subprocess_exec(
            *prefix,
            "firefox-esr",
            "--headless",
            "--no-remote",
            "--profile",
            profile,
            f"http://{host}:{runner.addresses[0][1]}/",
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
