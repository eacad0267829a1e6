"""A photo during a call on a thin line: how long it takes, and what the voice beside it costs.

One call of the real pages over an emulated line. First the call alone, then the same call while the patient sends a
photo of about 200 kB; both are heard at the doctor's side. Needs root, as the bench of calls does.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import random
import signal
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path

from PIL import Image
from playwright.async_api import async_playwright

from bench import call_outcome as figures
from bench import call_sound as sound
from bench import speech
from bench.adaptation import _tiers as tiers_of
from bench.call_outcome import Outcome
from bench.call_product import LabProduct, ProductCall
from bench.call_side import browser_at
from bench.cases import DOCTOR, line
from bench.netlab.lab import SERVER, Lab
from bench.netlab.network import Line
from tests.support.eventually import eventually

_WARM_S = 30.0
_DRAIN_S = 2.0
_PHOTO_LIMIT_S = 900.0


def photo() -> bytes:
    """A camera's file that becomes about 200 kB when it is made small."""
    noise = Image.frombytes("L", (250, 188), random.Random(3).randbytes(250 * 188))
    picture = Image.blend(Image.radial_gradient("L").resize((4000, 3000)), noise.resize((4000, 3000)), 0.3)
    out = io.BytesIO()
    picture.convert("RGB").save(out, "JPEG", quality=90)
    return out.getvalue()


async def heard(call: ProductCall, until: float, stop: asyncio.Event | None = None) -> None:
    while time.time() < until and not (stop and stop.is_set()):
        await asyncio.sleep(_DRAIN_S)
        await asyncio.gather(call.patient.drain(), call.doctor.drain())


async def send(call: ProductCall, file: Path, done: asyncio.Event) -> str:
    """What the patient was told of its cost; ``done`` when the doctor has the whole of it."""
    doctor, patient = call.doctor.page, call.patient.page
    await doctor.locator("[data-ask-photo]").click(timeout=30_000)
    await patient.locator("[data-photo-sheet]").wait_for(timeout=30_000)
    await patient.locator("[data-if-photo=camera] input").set_input_files(file)
    await patient.locator("[data-photo-picture]").wait_for(timeout=30_000)
    told = await patient.locator("[data-photo-cost]").inner_text()
    await patient.locator("[data-do=send]").click()

    async def arrive() -> None:
        whole = doctor.locator("[data-entry=kept] a[data-photo]")
        try:
            await whole.wait_for(timeout=_PHOTO_LIMIT_S * 1000)
        finally:
            done.set()

    call.arriving = asyncio.ensure_future(arrive())  # type: ignore[attr-defined]
    preview = doctor.locator("[data-messages] [data-picture] img")
    began = time.time()
    await eventually("the preview", lambda: preview.count(), 120)
    print(told, flush=True)
    return f"{told!r}, preview after {time.time() - began:.0f} s"


async def measure(options: argparse.Namespace) -> None:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="candil-photo-")))
        file = folder / "photo.jpg"
        file.write_bytes(photo())
        lab = stack.enter_context(Lab({"patient": Line(), "doctor": DOCTOR}, seed=1))
        product = LabProduct(folder / "product", lab.address(SERVER))
        product.start()
        stack.callback(product.kill)
        playwright = await stack.enter_async_context(async_playwright())
        browsers = []
        for name, sentences in (("patient", speech.PATIENT), ("doctor", speech.DOCTOR)):
            wav = speech.write_speech(folder, name, sentences)
            browsers.append(await stack.enter_async_context(browser_at(playwright, lab, name, folder, wav)))
        for up_kbps in options.up_kbps:
            call = ProductCall(product, browsers[0], browsers[1], video=True)
            lab.set_line("patient", Line())
            lab.start([])
            await call.prepare()
            print("in the waiting room", flush=True)
            lab.set_line("patient", line(up_kbps * 1000, 1_000_000, 50))
            await call.join()
            await heard(call, time.time() + _WARM_S)
            alone = time.time()
            print("the call alone", flush=True)
            await heard(call, alone + options.seconds)
            beside, done = time.time(), asyncio.Event()
            print("the photo", flush=True)
            sending = asyncio.ensure_future(send(call, file, done))
            await heard(call, beside + _PHOTO_LIMIT_S, done)
            told = await sending
            report(call, lab, up_kbps, alone, beside, told)
            await call.close()


def report(call: ProductCall, lab: Lab, up_kbps: int, alone: float, beside: float, told: str) -> None:
    now = time.time()
    print(f"\nup {up_kbps} kbit/s; the patient was told {told}; the whole photo after {now - beside:.0f} s")
    for name, start, end in (("call alone", alone, beside), ("with the photo", beside, now)):
        of = Outcome("candil", start, end - start, call.patient.samples, call.doctor.samples, lab.report())
        damaged = sound.heard_damaged(of, "doctor", start, end)
        rungs = [tier.up_rung for tier in tiers_of(call) if start <= tier.t <= end]
        rtt = sorted(figures.link_rtt_ms(of, start, end))
        print(
            f"  {name}: {end - start:.0f} s, concealed of the patient's voice "
            f"{'-' if damaged is None else f'{damaged:.2%}'}, changes of rung up {rungs}, "
            f"RTT median {rtt[len(rtt) // 2] if rtt else 0:.0f} p95 {rtt[int(len(rtt) * 0.95)] if rtt else 0:.0f} ms"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--up-kbps", type=int, action="append", help="the patient's way up (default 60)")
    parser.add_argument("--seconds", type=float, default=60, help="of the call alone (default 60)")
    options = parser.parse_args()
    options.up_kbps = options.up_kbps or [60]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # in order: namespaces are removed
    asyncio.run(measure(options))


if __name__ == "__main__":
    main()
