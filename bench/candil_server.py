"""Candil's MediaServer in a process of its own, steered by JSON lines: commands on stdin, events on stdout.

Adaptive, as it ships; ``--plain`` leaves the ladder out.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import json
import os
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from candil.clock import SystemClock
from candil.ids import RandomIds
from media.adaptation.orders import LineNews, PublishOrder
from media.adaptation.policy import LadderPolicy
from media.aio.server import MediaServer
from media.config import MediaConfig

LINE_MAX_BYTES = 1 << 20


def emit(**event: Any) -> None:
    os.write(1, json.dumps(event).encode() + b"\n")


class Listener:
    """Passes what the bench needs of a session's life on."""

    def __init__(self) -> None:
        self._best: dict[str, bool] = {}

    def on_offer(self, session_id: str, sdp: str) -> None:
        emit(event="offer", session=session_id, sdp=sdp)

    def on_connected(self, session_id: str) -> None:
        emit(event="connected", session=session_id)

    def on_path_lost(self, session_id: str) -> None:
        emit(event="path_lost", session=session_id)

    def on_path_restored(self, session_id: str) -> None:
        emit(event="path_restored", session=session_id)

    def on_media(self, session_id: str, kind: str, active: bool) -> None:
        """Not needed: the peers count what they receive."""

    def on_order(self, session_id: str, order: PublishOrder) -> None:
        """The bench's streams are as large as they are."""

    def on_line(self, participant_id: str, news: LineNews) -> None:
        best = not news.down.reason and not news.up.reason
        if self._best.get(participant_id) != best:
            self._best[participant_id] = best
            emit(event="line", participant=participant_id, best=best)

    def on_closed(self, session_id: str, reason: str) -> None:
        emit(event="closed", session=session_id, reason=reason)


class Commands:
    def __init__(self, server: MediaServer) -> None:
        self._server = server
        self._sessions: dict[str, Any] = {}
        self._listener = Listener()
        self.profile = cProfile.Profile()

    def handle(self, command: dict[str, Any]) -> None:
        if command["do"] == "open":
            session = self._server.open_session(command["room"], command["participant"], self._listener)
            self._sessions[session.id] = session
            emit(event="opened", session=session.id)
        elif command["do"] == "answer":
            self._sessions[command["session"]].answer(command["sdp"])
        elif command["do"] == "close":
            self._sessions.pop(command["session"]).close()
            self._listener = Listener()
        elif command["do"] == "profile":
            (self.profile.enable if command["on"] else self.profile.disable)()


async def main(address: str, *, adaptive: bool, profile: str) -> None:
    config = MediaConfig(
        bind_host=address,
        advertised_addresses=(address,),
        ladder=LadderPolicy() if adaptive else None,
    )
    server = MediaServer(config, SystemClock(), RandomIds())
    await server.start()
    reader = asyncio.StreamReader(limit=LINE_MAX_BYTES)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    emit(event="ready", port=server.port)
    commands = Commands(server)
    while line := await reader.readline():
        commands.handle(json.loads(line))
    await server.aclose()
    if profile:
        commands.profile.dump_stats(profile)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address")
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--profile", default="", metavar="FILE")
    options = parser.parse_args()
    asyncio.run(main(options.address, adaptive=not options.plain, profile=options.profile))
