"""What half a minute of voice takes: as Chromium and Firefox record it with the product's script, and as it is kept.

Speech by a machine, once with the pauses of a conversation and once with hardly any; how well it is understood is STOI
and wide-band PESQ against what was said. Each recording takes its half minute.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import av
import numpy as np
from aiohttp import web
from scipy.signal import resample_poly

from bench import speech
from bench.intelligibility import Score, score
from bench.speech import PATIENT, RATE_HZ, Samples, save_wav
from candil.decoding.aio.decoder import Decoder
from tests.support.browser import chromium
from tests.support.firefox import firefox

LENGTH_S = 30
SCRIPTS = Path(__file__).resolve().parent.parent / "webapp" / "static" / "js"
ACTIVITIES = {"as in a conversation": 0.4, "hardly a pause": 0.8}
PAGE = """<!doctype html><button id="go">go</button>
<script src="/js/outbox.js"></script><script src="/js/devices.js"></script><script src="/js/voice.js"></script>
<script>
document.querySelector("#go").onclick = async () => {
  const said = new Audio("/said.wav");
  await said.play();
  const stream = (said.captureStream || said.mozCaptureStream).call(said);
  const track = await new Promise((resolve) => {
    const found = () => stream.getAudioTracks()[0];
    if (found()) resolve(found());
    else stream.onaddtrack = () => resolve(found());
  });
  said.currentTime = 0;
  const devices = { setMicrophone: async () => "", track: () => track, release() {} };
  const recorder = new Candil.VoiceRecorder({ call: null, devices });
  const why = await recorder.start();
  if (why) return fetch("/out", { method: "POST", body: why });
  await new Promise((resolve) => (said.onended = resolve));
  const note = await recorder.stop();
  await fetch("/out", { method: "POST", body: note.blob });
};
</script>"""


class Recordings:
    """A page that plays what is said into the recorder, and where its recording comes back."""

    def __init__(self) -> None:
        self.said = b""
        self._came: asyncio.Queue[bytes] = asyncio.Queue()

    async def start(self) -> tuple[web.AppRunner, str]:
        app = web.Application(client_max_size=2**24)
        app.router.add_get("/", lambda _: _answer(PAGE.encode(), "text/html"))
        app.router.add_get("/said.wav", lambda _: _answer(self.said, "audio/wav"))
        app.router.add_static("/js", SCRIPTS)
        app.router.add_post("/out", self._out)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner, f"http://127.0.0.1:{runner.addresses[0][1]}/"

    async def take(self, press: Callable[[], Awaitable[object]]) -> bytes:
        await press()
        return await asyncio.wait_for(self._came.get(), LENGTH_S + 60)

    async def _out(self, request: web.Request) -> web.Response:
        await self._came.put(await request.read())
        return web.Response()


async def _answer(body: bytes, content_type: str) -> web.Response:
    return web.Response(body=body, content_type=content_type)


def spoken(activity: float) -> Samples:
    before, speech.ACTIVITY = speech.ACTIVITY, activity
    try:
        return speech.spoken(PATIENT)[: LENGTH_S * RATE_HZ]
    finally:
        speech.ACTIVITY = before


def decoded(data: bytes) -> Samples:
    with av.open(io.BytesIO(data)) as file:
        resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE_HZ)
        frames = [frame for one in file.decode(audio=0) for frame in resampler.resample(one)]
    return np.concatenate([frame.to_ndarray()[0] for frame in frames]).astype(np.float64) / 32768


def line(name: str, data: bytes, said: Samples) -> str:
    sound = decoded(data)
    found = score(said, np.asarray(resample_poly(sound, 1, 3)), RATE_HZ // 3) or Score(0, None, 0)
    per_half_minute = len(data) / (len(sound) / RATE_HZ) * LENGTH_S / 1000
    return f"  {name:24} {per_half_minute:6.1f} kB  STOI {found.stoi:.3f}  PESQ {found.pesq or 0:.2f}"


async def main() -> None:
    recordings = Recordings()
    runner, url = await recordings.start()
    decoder = Decoder()
    async with chromium("--autoplay-policy=no-user-gesture-required") as browser, firefox() as fox:
        page = await browser.new_page()
        for words, activity in ACTIVITIES.items():
            said = spoken(activity)
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder) / "said.wav"
                save_wav(file, said)
                recordings.said = file.read_bytes()
            print(f"{words}: {LENGTH_S} s")
            await page.goto(url)
            await fox.do("goto", url=url)
            for name, press in (
                (f"Chromium {browser.version.split('.')[0]}", lambda: page.click("#go")),
                (fox.version.split(".")[0].replace("/", " ").title(), lambda: fox.do("click", selector="#go")),
            ):
                recorded = await recordings.take(press)
                kept = await decoder.sound(recorded)
                print(line(f"{name}, recorded", recorded, said))
                print(line("  kept as Opus", kept.data, said))
                print(line("  kept as MP3", kept.also["mp3"], said), flush=True)
    await runner.cleanup()


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    asyncio.run(main())
