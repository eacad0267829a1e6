"""Janus with its videoroom plugin, as a server under test: own folder, own port, nothing but what it needs."""

from __future__ import annotations

import asyncio
import itertools
import secrets
import tempfile
from pathlib import Path
from typing import Any

import aiohttp

from bench import proc, sdp
from bench.dtls import Identity
from bench.peer import Peer
from bench.pump import Pump
from bench.streams import SendParameters

PLUGINS = Path("/usr/lib/x86_64-linux-gnu/janus")
UNUSED_PLUGINS = "audiobridge,duktape,echotest,lua,nosip,recordplay,sip,streaming,textroom,videocall,voicemail"
UNUSED_TRANSPORTS = "http,pfunix,mqtt,nanomsg,rabbitmq"
REPLY_TIMEOUT_S = 10.0
SETTLE_S = 0.2

_CORE = """general: {{
    configs_folder = "{folder}"
    plugins_folder = "{plugins}/plugins"
    transports_folder = "{plugins}/transports"
    events_folder = "{plugins}/events"
    loggers_folder = "{plugins}/loggers"
    debug_level = 1
    session_timeout = 0
    {event_loops}
}}
nat: {{ ice_lite = true, ice_enforce_list = "{address}" }}
media: {{ ipv6 = false }}
plugins: {{ disable = "{disabled}" }}
transports: {{ disable = "{transports}" }}
loggers: {{ disable = "libjanus_jsonlog.so" }}
events: {{ broadcast = false }}
"""
_WEBSOCKETS = """general: {{ ws = true, ws_port = {port}, ws_ip = "127.0.0.1", wss = false }}
admin: {{ admin_ws = false, admin_wss = false }}
"""
_VIDEOROOM = "general: { string_ids = true }\n"


def write_configuration(folder: Path, port: int, address: str, event_loops: int) -> None:
    """ICE lite as in Candil, no STUN server, errors only in the log, one transport and one plugin."""
    core = _CORE.format(
        folder=folder,
        plugins=PLUGINS,
        address=address,
        disabled=_libraries(UNUSED_PLUGINS),
        transports=_libraries(UNUSED_TRANSPORTS),
        event_loops=f"event_loops = {event_loops}" if event_loops else "",
    )
    (folder / "janus.jcfg").write_text(core)
    (folder / "janus.transport.websockets.jcfg").write_text(_WEBSOCKETS.format(port=port))
    (folder / "janus.plugin.videoroom.jcfg").write_text(_VIDEOROOM)


def _libraries(names: str) -> str:
    return ",".join(f"libjanus_{name}.so" for name in names.split(","))


class JanusApi:
    """The WebSocket API: transactions and the events that belong to a handle."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._waiting: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._session_id = 0
        self._reading = asyncio.create_task(self._read())

    async def open(self) -> None:
        self._session_id = (await self._request({"janus": "create"}))["data"]["id"]

    async def close(self) -> None:
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
        await self._socket.close()

    async def attach(self) -> int:
        reply = await self._request({"janus": "attach", "plugin": "janus.plugin.videoroom"})
        return int(reply["data"]["id"])

    async def detach(self, handle: int) -> None:
        await self._request({"janus": "detach", "handle_id": handle})

    async def ask(self, handle: int, body: dict[str, Any], jsep: dict[str, str] | None = None) -> dict[str, Any]:
        """One plugin request; returns the whole reply with its `plugindata` and `jsep`."""
        message: dict[str, Any] = {"janus": "message", "handle_id": handle, "body": body}
        if jsep is not None:
            message["jsep"] = jsep
        reply = await self._request(message)
        error = reply.get("plugindata", {}).get("data", {}).get("error")
        if error:
            raise RuntimeError(f"Janus refused {body['request']}: {error}")
        return reply

    async def _request(self, message: dict[str, Any]) -> dict[str, Any]:
        transaction = str(next(self._numbers))
        reply = self._waiting[transaction] = asyncio.get_running_loop().create_future()
        session = {"session_id": self._session_id} if self._session_id else {}
        await self._socket.send_json({**message, **session, "transaction": transaction})
        answer = await asyncio.wait_for(reply, REPLY_TIMEOUT_S)
        if answer["janus"] == "error":
            raise RuntimeError(f"Janus refused {message['janus']}: {answer['error']['reason']}")
        return answer

    async def _read(self) -> None:
        async for frame in self._socket:
            message = frame.json()
            if message["janus"] == "ack":
                continue  # the plugin's own answer follows as an event
            waiting = self._waiting.pop(message.get("transaction", ""), None)
            if waiting is not None and not waiting.done():
                waiting.set_result(message)


class JanusServer:
    """Each participant has a publishing and a subscribing connection, as Janus clients do."""

    name = "janus"
    settled = True  # it adapts nothing

    def __init__(self, core: int | None, address: str, event_loops: int = 0) -> None:
        self.core = core
        self._address = address
        self._event_loops = event_loops
        self._process: asyncio.subprocess.Process | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._http: aiohttp.ClientSession | None = None
        self._api: JanusApi | None = None
        self._handles: list[int] = []
        self._control = 0

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="bench-janus-")
        port = proc.free_tcp_port()
        write_configuration(Path(self._folder.name), port, self._address, self._event_loops)
        self._process = await asyncio.create_subprocess_exec(
            "/usr/bin/janus",
            f"--configs-folder={self._folder.name}",
            f"--config={self._folder.name}/janus.jcfg",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C reaches the bench first, which then stops it
        )
        proc.pin(self._process.pid, self.core)
        self._http = aiohttp.ClientSession()
        self._api = JanusApi(await self._connect(self._http, port))
        await self._api.open()
        self._control = await self._api.attach()

    async def _connect(self, http: aiohttp.ClientSession, port: int) -> aiohttp.ClientWebSocketResponse:
        for _attempt in range(100):
            try:
                return await http.ws_connect(f"http://127.0.0.1:{port}/", protocols=("janus-protocol",))
            except aiohttp.ClientError:
                await asyncio.sleep(0.1)
        raise TimeoutError("Janus did not open its WebSocket port within 10 s")

    async def stop(self) -> None:
        if self._api is not None:
            await self._api.close()
        if self._http is not None:
            await self._http.close()
        if self._process is not None:
            await proc.stop(self._process)
        if self._folder is not None:
            self._folder.cleanup()

    async def join(self, pump: Pump, identity: Identity, rooms: list[list[str]], drop_every: int) -> list[Peer]:
        """Everybody publishes, then everybody subscribes to everybody else of the room."""
        peers: list[Peer] = []
        for members in rooms:
            room = secrets.token_hex(6)
            await self._ask(
                self._control, "create", room=room, publishers=len(members), audiocodec="opus", videocodec="vp8"
            )
            for name in members:
                peers.append(await self._publish(Peer(pump, identity, self._address, drop_every), room, name))
            await _until_up(peers)
            for name in members:
                others = [other for other in members if other != name]
                peers.append(await self._subscribe(Peer(pump, identity, self._address, drop_every), room, others))
        return peers

    async def leave(self, peers: list[Peer]) -> None:
        assert self._api is not None
        for peer in peers:
            peer.close()
        for handle in self._handles:
            await self._api.detach(handle)
        self._handles.clear()

    def measuring(self, on: bool) -> None:
        """Nothing to be prepared."""

    async def _ask(
        self, handle: int, request: str, jsep: dict[str, str] | None = None, **fields: Any
    ) -> dict[str, Any]:
        assert self._api is not None
        return await self._api.ask(handle, {"request": request, **fields}, jsep)

    async def _attach(self) -> int:
        assert self._api is not None
        handle = await self._api.attach()
        self._handles.append(handle)
        return handle

    async def _publish(self, peer: Peer, room: str, name: str) -> Peer:
        audio = sdp.Source(name, secrets.randbits(31) + 1)
        video = sdp.Source(name, secrets.randbits(31) + 1, secrets.randbits(31) + 1)
        handle = await self._attach()
        await self._ask(handle, "join", ptype="publisher", room=room, id=name)
        offer = sdp.publisher_offer(peer.transport.local, audio, video)
        reply = await self._ask(handle, "publish", {"type": "offer", "sdp": offer})
        answer = sdp.parse(reply["jsep"]["sdp"])
        peer.connect(answer)
        for section, source in zip(answer.sections, (audio, video), strict=True):
            media, rtx = sdp.chosen_codecs(section)
            assert media is not None, "Janus did not accept the codec"
            extensions = {uri: n for uri, n in section.extensions.items() if uri in sdp.EXTENSIONS}
            peer.send(SendParameters(section.kind, section.mid, source, media, rtx or 0, extensions))
        return peer

    async def _subscribe(self, peer: Peer, room: str, others: list[str]) -> Peer:
        handle = await self._attach()
        feeds = [{"feed": other} for other in others]
        reply = await self._ask(handle, "join", ptype="subscriber", room=room, streams=feeds)
        offer = sdp.parse(reply["jsep"]["sdp"])
        answer = sdp.answer(offer, peer.transport.local, {})
        await self._ask(handle, "start", {"type": "answer", "sdp": answer})
        peer.connect(offer)
        return peer


async def _until_up(peers: list[Peer]) -> None:
    """Janus knows a feed only once its transport is up on Janus's side too."""
    while not all(peer.ready for peer in peers):  # noqa: ASYNC110 - the pump that sets it runs in this loop
        await asyncio.sleep(0.01)
    await asyncio.sleep(SETTLE_S)
