"""Candil's media server as a server under test."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench import proc, sdp
from bench.dtls import Identity
from bench.peer import Peer
from bench.pump import Pump
from bench.streams import SendParameters

LINE_MAX_BYTES = 1 << 20
START_TIMEOUT_S = 15.0


class CandilServer:
    """Each participant has one connection both ways; every join renegotiates the room."""

    name = "candil"

    def __init__(self, core: int | None, address: str, profile: str = "", *, adaptive: bool = True) -> None:
        self.core = core
        self._address = address
        self._profile = profile
        self._adaptive = adaptive
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._opened: asyncio.Queue[str] = asyncio.Queue()
        self._ready = asyncio.Event()
        self._offers: dict[str, list[str]] = {}  # offers that came before their peer was known
        self._handlers: dict[str, Callable[[str], None]] = {}
        self._best: dict[str, bool] = {}
        self.unexpected: list[dict[str, Any]] = []

    @property
    def settled(self) -> bool:
        """Whether nobody's line is believed to bear less than the best rung."""
        return not self._adaptive or (all(self._best.values()) and len(self._best) >= len(self._handlers))

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        script = str(Path(__file__).with_name("candil_server.py"))
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            script,
            self._address,
            *([] if self._adaptive else ["--plain"]),
            *(["--profile", self._profile] if self._profile else []),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=LINE_MAX_BYTES,
            start_new_session=True,  # Ctrl-C reaches the bench first, which then stops it
        )
        proc.pin(self._process.pid, self.core)
        self._reading = asyncio.create_task(self._read())
        await asyncio.wait_for(self._ready.wait(), START_TIMEOUT_S)

    async def stop(self) -> None:
        if self._process is None:
            return
        if self._process.stdin is not None:
            self._process.stdin.close()  # the server ends by itself at the end of its commands
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), proc.STOP_TIMEOUT_S)
        await proc.stop(self._process)
        if self._reading is not None:
            await self._reading

    async def join(self, pump: Pump, identity: Identity, rooms: list[list[str]], drop_every: int) -> list[Peer]:
        peers = []
        for members in rooms:
            room = secrets.token_hex(6)
            for name in members:
                peer = Peer(pump, identity, self._address, drop_every)
                self._command(do="open", room=room, participant=name)
                session = await asyncio.wait_for(self._opened.get(), START_TIMEOUT_S)
                self._handlers[session] = self._offer_handler(session, name, peer)
                for offer in self._offers.pop(session, []):
                    self._handlers[session](offer)
                peers.append(peer)
                await pump.run(0.005)  # let signalling and handshakes breathe between joins
        return peers

    def _offer_handler(self, session: str, name: str, peer: Peer) -> Callable[[str], None]:
        sources: dict[str, sdp.Source] = {}

        def on_offer(text: str) -> None:
            offer = sdp.parse(text)
            if not sources:
                sources.update(_start_sending(offer, name, peer))
            answer = sdp.answer(offer, peer.transport.local, sources)
            self._command(do="answer", session=session, sdp=answer)
            peer.connect(offer)
            peer.learn(offer)

        return on_offer

    async def leave(self, peers: list[Peer]) -> None:
        for session in list(self._handlers):
            self._command(do="close", session=session)
        self._handlers.clear()
        self._best.clear()
        for peer in peers:
            peer.close()

    def measuring(self, on: bool) -> None:
        """A window begins or ends: profiles are of those alone."""
        if self._profile:
            self._command(do="profile", on=on)

    def _command(self, **command: Any) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command).encode() + b"\n")

    async def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            event = json.loads(line)
            if event["event"] == "ready":
                self._ready.set()
            elif event["event"] == "opened":
                self._opened.put_nowait(event["session"])
            elif event["event"] == "offer":
                self._on_offer(event["session"], event["sdp"])
            elif event["event"] == "line":
                self._best[event["participant"]] = event["best"]
            elif event["event"] == "path_lost" or event.get("reason", "left") not in ("left", "server_closed"):
                self.unexpected.append(event)

    def _on_offer(self, session: str, text: str) -> None:
        handler = self._handlers.get(session)
        if handler is not None:
            handler(text)
        else:
            self._offers.setdefault(session, []).append(text)


def _start_sending(offer: sdp.Description, name: str, peer: Peer) -> dict[str, sdp.Source]:
    """Set up one stream per m-line on which the server receives; returns their SSRCs by mid."""
    sources = {}
    for section in offer.sections:
        if section.direction != "recvonly":
            continue
        media, rtx = sdp.chosen_codecs(section)
        assert media is not None, "the offer has no codec that the bench sends"
        source = sdp.Source(name, secrets.randbits(31) + 1, secrets.randbits(31) + 1 if rtx else 0)
        extensions = {uri: n for uri, n in section.extensions.items() if uri in sdp.EXTENSIONS}
        peer.send(SendParameters(section.kind, section.mid, source, media, rtx or 0, extensions))
        sources[section.mid] = source
    return sources
