"""One real Firefox page, driven by the node program beside the tests of the browser."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.support.browser import RECEIVED, WATCH
from tests.support.eventually import eventually

ROOT = Path(__file__).resolve().parents[2]
DRIVER = ROOT / "tests" / "browser" / "firefox" / "driver.mjs"
ANSWER_S = 45


class Firefox:
    """``await fox.do("click", selector=...)``; the acts are those of the driver."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._number = 0
        self.version = ""

    async def open(self) -> None:
        self.version = await self._answer(0)
        await self.do("watch", script=f"({WATCH})({{}})")

    async def do(self, act: str, **given: Any) -> Any:
        self._number += 1
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"id": self._number, "do": act, **given}).encode() + b"\n")
        await self._process.stdin.drain()
        return await self._answer(self._number)

    async def evaluate(self, expression: str) -> Any:
        return await self.do("evaluate", script=expression)

    async def received(self) -> dict[str, dict[str, float]]:
        return await self.evaluate(f"({RECEIVED})()")

    async def sees_and_hears(self, other: str, timeout_s: float = 30) -> None:
        first = (await self.received()).get(other, {})

        async def grown() -> bool:
            last = (await self.received()).get(other, {})
            frames = last.get("frames", 0) - first.get("frames", 0)
            energy = last.get("energy", 0) - first.get("energy", 0)
            return frames >= 5 and energy > 1e-4

        await eventually(f"Firefox sees and hears {other}: {await self.received()}", grown, timeout_s)

    async def _answer(self, number: int) -> Any:
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), ANSWER_S)
        assert line, "the driver of Firefox ended"
        answer = json.loads(line)
        assert answer["id"] == number, answer
        assert "error" not in answer, answer["error"]
        return answer["value"]


@asynccontextmanager
async def firefox() -> AsyncIterator[Firefox]:
    """A Firefox of its own, with a new profile, ended by its own driver."""
    process = await asyncio.create_subprocess_exec(
        "node", str(DRIVER), cwd=ROOT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=2**22
    )
    fox = Firefox(process)
    try:
        await fox.open()
        yield fox
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), 15)
        except TimeoutError:
            process.terminate()
            await process.wait()
