"""Calls on bad lines: Candil's real pages and plain WebRTC side by side, one row each for every case.

Two real Chromium in network namespaces of their own speak recorded Spanish over emulated lines that carry everything:
pages, WebSocket and media. Plain WebRTC goes from browser to browser over the same two lines; its signaling is carried
by the bench, beside the lines. Needs root. The machine should be quiet: rows that it disturbed say so.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from playwright.async_api import Browser, async_playwright

from bench import call_table, speech
from bench.call_outcome import Outcome, Tier, connected_s
from bench.call_plain import PlainCall
from bench.call_product import LabProduct, ProductCall
from bench.call_side import RECORDED_HZ, browser_at
from bench.cases import BY_NAME, CASES, DOCTOR, Case
from bench.intelligibility import score
from bench.netlab.lab import SERVER, Lab
from bench.netlab.network import Line
from bench.proc import core_busy_seconds

_EASY = Line()
_DRAIN_EVERY_S = 2.0
_CONNECT_TIMEOUT_S = 60.0


class Bench:
    def __init__(
        self, lab: Lab, product: LabProduct | None, browsers: tuple[Browser, Browser], folder: Path, kept: Path | None
    ) -> None:
        self._lab, self._product, self._browsers = lab, product, browsers
        self._folder, self._kept = folder, kept

    async def run(self, case: Case, system: str) -> Outcome:
        call = self._call(case, system)
        self._lab.set_line("patient", _EASY)
        self._lab.start([])
        try:
            await call.prepare()
            self._lab.set_line("patient", case.before)
            self._lab.reset_counters()
            tapped = time.time()
            await call.join()
            connected = await self._connected(call, tapped)
            return await self._measured(case, call, tapped, connected)
        finally:
            await call.close()

    async def _measured(self, case: Case, call: PlainCall | ProductCall, tapped: float, connected: float) -> Outcome:
        if not case.joined_at_rate:
            await self._wait(call, time.time() + case.warm_s)
        if case.speech:
            await asyncio.gather(call.patient.record(), call.doctor.record())
        if not case.joined_at_rate:
            self._lab.reset_counters()
        busy_before, cpu_began = core_busy_seconds(None), time.monotonic()
        began = self._lab.start([step for step in case.steps if step.at_s <= case.seconds])
        if case.joined_at_rate:
            began = tapped
        delays: list[float] = []
        while time.time() < began + case.seconds:
            await self._wait(call, min(began + case.seconds, time.time() + 20))
            if case.messages and time.time() > began + 15:
                delay = await call.message_delay_s()
                delays += [] if delay is None else [delay]
        outcome = Outcome(
            call.name, began, case.seconds, call.patient.samples, call.doctor.samples, self._lab.report(),
            base_rtt_ms=_delay_ms(case), tiers=_tiers(call), joined_s=connected, message_delays_s=delays,
            cpu_busy=(core_busy_seconds(None) - busy_before) / (time.monotonic() - cpu_began) / (os.cpu_count() or 1),
        )  # fmt: skip
        if case.speech:
            await asyncio.to_thread(self._score, call, outcome)
            self._keep_heard(case, call, outcome)
        return outcome

    def _call(self, case: Case, system: str) -> PlainCall | ProductCall:
        if system == "plain":
            return PlainCall(*self._browsers, video=case.video)
        assert self._product is not None
        return ProductCall(self._product, *self._browsers, video=case.video)

    async def _connected(self, call: PlainCall | ProductCall, tapped: float) -> float:
        """Seconds from the tap until both hear the other; infinity when it took too long."""
        deadline = time.time() + _CONNECT_TIMEOUT_S
        while time.time() < deadline:
            await asyncio.gather(call.patient.drain(), call.doctor.drain())
            slower = max(connected_s(side.samples, tapped) for side in (call.patient, call.doctor))
            if slower < float("inf"):
                return slower
            await asyncio.sleep(0.25)
        return float("inf")

    async def _wait(self, call: PlainCall | ProductCall, until: float) -> None:
        while (left := until - time.time()) > 0:
            await asyncio.sleep(min(left, _DRAIN_EVERY_S))
            await asyncio.gather(call.patient.drain(), call.doctor.drain())

    def _keep_heard(self, case: Case, call: PlainCall | ProductCall, outcome: Outcome) -> None:
        """What was heard, to be listened to."""
        if self._kept is not None:
            self._kept.mkdir(parents=True, exist_ok=True)
            for side in (call.patient, call.doctor):
                file = self._kept / f"{case.name}-{call.name}-{int(outcome.began)}-heard-by-{side.name}.wav"
                speech.save_wav(file, side.heard, RECORDED_HZ)

    def _score(self, call: PlainCall | ProductCall, outcome: Outcome) -> None:
        """What each side understood of the other."""
        for hearing, speaker in ((call.patient, "doctor"), (call.doctor, "patient")):
            sent, _ = speech.load_wav(self._folder / f"{speaker}.wav")
            found = score(sent, hearing.heard, RECORDED_HZ)
            if found is not None:
                outcome.stoi[hearing.name] = found.stoi
                if found.pesq is not None:
                    outcome.pesq[hearing.name] = found.pesq


def _tiers(call: PlainCall | ProductCall) -> list[Tier]:
    """The patient's own line as the doctor's page was told, whose line is good."""
    if isinstance(call, PlainCall):
        return []
    tiers = []
    for news in call.doctor.news:
        message = news["message"]
        if message.get("type") == "media.line" and message.get("participant") == call.participant:
            down, up = message["down"], message["up"]
            told = (down["tier"], up["tier"], down["reason"], up["reason"], down["rung"], up["rung"])
            tiers.append(Tier(news["t"], *told))
    return tiers


def _delay_ms(case: Case) -> float:
    delays = [case.before.up.delay_ms, case.before.down.delay_ms]
    for step in case.steps:
        if "delay_ms" in step.changes:
            delays = [step.changes["delay_ms"]] * 2
    return sum(delays)


async def measure(options: argparse.Namespace) -> list[call_table.Row]:
    chosen = [BY_NAME[name] for name in options.case] if options.case else list(CASES)
    systems = ["plain"] if options.plain_only else ["candil"] if options.candil_only else ["plain", "candil"]
    rows: list[call_table.Row] = []
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="candil-calls-")))
        lab = stack.enter_context(Lab({"patient": _EASY, "doctor": DOCTOR}, seed=options.seed))
        product = None
        if "candil" in systems:
            product = LabProduct(folder / "product", lab.address(SERVER))
            product.start()
            stack.callback(product.kill)
        playwright = await stack.enter_async_context(async_playwright())
        browsers = []
        for name, sentences in (("patient", speech.PATIENT), ("doctor", speech.DOCTOR)):
            wav = speech.write_speech(folder, name, sentences)
            browsers.append(await stack.enter_async_context(browser_at(playwright, lab, name, folder, wav)))
        bench = Bench(lab, product, (browsers[0], browsers[1]), folder, Path(options.keep) if options.keep else None)
        for case in chosen:
            case = case.shortened(options.seconds)
            for _ in range(options.repeat):
                plain: Outcome | None = None
                for system in systems:
                    found, outcome = await _row(bench, case, system, plain, options)
                    rows.append(found)
                    plain = outcome if system == "plain" else plain
    return rows


async def _row(
    bench: Bench, case: Case, system: str, plain: Outcome | None, options: argparse.Namespace
) -> tuple[call_table.Row, Outcome | None]:
    """A case that fails does not take the others with it."""
    outcome: Outcome | None = None
    try:
        outcome = await bench.run(case, system)
    except Exception as error:
        row = call_table.failed(case, system, f"{type(error).__name__}: {str(error).splitlines()[0]}")
    else:
        row = call_table.row(case, outcome, plain)
        if options.keep:
            _keep(Path(options.keep), case, outcome)
    print("\n".join(call_table.lines(row)), flush=True)
    return row, outcome


def _keep(folder: Path, case: Case, outcome: Outcome) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    kept: dict[str, Any] = outcome.__dict__ | {"tiers": [tier_fields(tier) for tier in outcome.tiers]}
    (folder / f"{case.name}-{outcome.system}-{int(outcome.began)}.json").write_text(json.dumps(kept), "utf-8")


def tier_fields(tier: Tier) -> dict[str, Any]:
    return {name: getattr(tier, name) for name in Tier.__slots__}


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", action="append", choices=list(BY_NAME), help="run this case (may be repeated)")
    parser.add_argument("--list", action="store_true", help="show the cases")
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--plain-only", action="store_true", help="only plain WebRTC")
    only.add_argument("--candil-only", action="store_true", help="only Candil")
    parser.add_argument("--seconds", type=float, default=600, help="at most so long for the ten minute cases")
    parser.add_argument("--repeat", type=int, default=1, help="how often each case runs (default 1)")
    parser.add_argument("--seed", type=int, default=1, help="of losses and jitter (default 1)")
    parser.add_argument("--keep", metavar="FOLDER", default="", help="keep every sample and counter as JSON files")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    return parser.parse_args(given)


def main() -> None:
    options = arguments()
    if options.list:
        for case in CASES:
            print(f"{case.name:16} {case.seconds:4.0f} s  {case.title}")
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # in order: namespaces are removed
    rows = asyncio.run(measure(options))
    print("\n" + call_table.markdown(rows))
    if options.json:
        print(json.dumps([row.__dict__ for row in rows]))


if __name__ == "__main__":
    main()
