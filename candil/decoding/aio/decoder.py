"""Has a strange picture or sound decoded and made anew by a bounded child process."""

import asyncio
import json
import logging
import sys
from pathlib import Path

from candil.consults.attachments import MAX_VOICE_S, Made
from candil.decoding import child
from candil.decoding.aio.turns import Turns
from candil.errors import Unavailable
from candil.log import log_event

log = logging.getLogger(__name__)
PICTURE_LIMIT_S = 20.0
SOUND_LIMIT_S = 60.0
SLACK_S = 2  # recorders stop a little late
_PROGRAM = str(Path(child.__file__).resolve())


class NotDecodable(Exception):
    """It cannot be taken; ``code``: not_a_picture, too_many_pixels, not_a_sound, too_long or too_heavy."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Decoder:
    """A caller holds a turn of ``turns`` while it has something decoded."""

    def __init__(self, picture_limit_s: float = PICTURE_LIMIT_S, sound_limit_s: float = SOUND_LIMIT_S) -> None:
        self.turns = Turns()
        self._picture_limit_s, self._sound_limit_s = picture_limit_s, sound_limit_s

    async def picture(self, data: bytes, max_side: int, quality: int) -> Made:
        """JPEG without metadata. Raises NotDecodable for the picture's fault, Unavailable for ours."""
        told, made = await self._run("picture", self._picture_limit_s, data, max_side, quality)
        return Made(made["full"], width=told["width"], height=told["height"])

    async def sound(self, data: bytes) -> Made:
        """Ogg Opus, and MP3 beside it, without metadata. Raises as ``picture`` does."""
        told, made = await self._run("sound", self._sound_limit_s, data, MAX_VOICE_S + SLACK_S)
        return Made(made["full"], duration_ms=told["duration_ms"], also={"mp3": made["mp3"]})

    async def _run(
        self, maker: str, limit_s: float, data: bytes, *numbers: int
    ) -> tuple[dict[str, int], dict[str, bytes]]:
        head, _, rest = (await self._output(maker, limit_s, data, *map(str, numbers))).partition(b"\n")
        told = json.loads(head)
        if "refused" in told:
            raise NotDecodable(told["refused"])
        made, start = {}, 0
        for name, length in told["bytes"].items():
            made[name] = rest[start : start + length]
            start += length
        return told, made

    async def _output(self, maker: str, limit_s: float, data: bytes, *arguments: str) -> bytes:
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-B", _PROGRAM, maker, *arguments),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,  # a decoder's complaint may quote what it reads
                env={},
                close_fds=True,
            )
        except OSError as error:
            raise Unavailable("no_decoder", "The process that decodes could not be started.") from error
        try:
            output, _ = await asyncio.wait_for(process.communicate(data), limit_s)
        except TimeoutError:
            raise NotDecodable("too_heavy") from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode == child.NO_DECODER:
            raise Unavailable("no_decoder", "Pillow or PyAV is missing: install the requirements again.")
        if process.returncode != 0 or b"\n" not in output:
            log.warning(log_event("decoding.child_died", maker=maker, status=process.returncode))
            raise NotDecodable("too_heavy")
        return output
