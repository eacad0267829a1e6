"""Has a strange picture redrawn by a bounded child process."""

import asyncio
import json
import logging
import sys
from pathlib import Path

from candil.consults.attachments import Picture
from candil.errors import Unavailable
from candil.imaging import child
from candil.log import log_event

log = logging.getLogger(__name__)
TIME_LIMIT_S = 20.0
AT_ONCE = 2
_PROGRAM = str(Path(child.__file__).resolve())


class NotDrawable(Exception):
    """The picture cannot be taken; ``code``: not_a_picture, too_many_pixels or too_heavy."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Redrawer:
    """At most AT_ONCE children at a time; who comes later waits."""

    def __init__(self, time_limit_s: float = TIME_LIMIT_S) -> None:
        self._time_limit_s = time_limit_s
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def redraw(self, data: bytes, max_side: int, quality: int) -> Picture:
        """The picture as JPEG without metadata. Raises NotDrawable for the picture's fault, Unavailable for ours."""
        async with self._turns:
            head, _, jpeg = (await self._run(data, max_side, quality)).partition(b"\n")
        told = json.loads(head)
        if "refused" in told:
            raise NotDrawable(told["refused"])
        return Picture(jpeg, told["width"], told["height"])

    async def _run(self, data: bytes, max_side: int, quality: int) -> bytes:
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-I",
                _PROGRAM,
                str(max_side),
                str(quality),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,  # a decoder's complaint may quote the picture
                env={},
                close_fds=True,
            )
        except OSError as error:
            raise Unavailable("no_decoder", "The process that decodes pictures could not be started.") from error
        try:
            output, _ = await asyncio.wait_for(process.communicate(data), self._time_limit_s)
        except TimeoutError:
            raise NotDrawable("too_heavy") from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode == child.NO_DECODER:
            raise Unavailable("no_decoder", "Pillow is missing: install the requirements again.")
        if process.returncode != 0 or b"\n" not in output:
            log.warning(log_event("imaging.child_died", status=process.returncode))
            raise NotDrawable("too_heavy")
        return output
