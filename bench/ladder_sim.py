"""The ladder on simulated lines in virtual time, one row per case: python -m bench.ladder_sim [--json].

Down and up are the patient's; concealed is the share of sound lost or too late, after the first ten seconds.
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from media.adaptation.orders import LineHint
from media.adaptation.rungs import Rung
from tests.sim.call import Call, alternating, two
from tests.sim.link import GilbertElliott, RandomLoss

M = 1_000_000


@dataclass(frozen=True)
class Row:
    case: str
    down: str
    up: str
    changes_down: int
    changes_up: int
    video_gone_s: float | None
    """From the change of the line, down direction."""
    video_back_s: float | None
    concealed_down: float
    concealed_up: float
    packets_lost_down: int
    probe_bytes: int
    orders: int


@dataclass(frozen=True)
class Case:
    name: str
    make: Callable[[], dict[str, Any]]
    seconds: float
    falls_at: float | None = None
    rises_at: float | None = None
    hint_bps: int | None = None


def _steps(first: float, at: float, then: float) -> list[tuple[float, float]]:
    return [(0, first), (at, then)]


CASES = [
    Case("1 Mbit/s", lambda: two(M, M), 60),
    Case("1 Mbit/s falls to 80 kbit/s", lambda: two(_steps(M, 40, 80e3), _steps(M, 40, 80e3)), 70, falls_at=40),
    Case("80 kbit/s rises to 1 Mbit/s", lambda: two(_steps(80e3, 40, M), _steps(80e3, 40, M)), 70, rises_at=40),
    Case("24 kbit/s", lambda: two(24e3, 24e3, delay_s=0.1), 120, hint_bps=23_000),
    Case("12 kbit/s", lambda: two(12e3, 12e3, delay_s=0.1), 180, hint_bps=11_500),
    Case("8 kbit/s, 800 ms", lambda: two(8e3, 8e3, delay_s=0.4), 120, hint_bps=7_800),
    Case("2G 280/256 kbit/s, 800 ms", lambda: two(256e3, 280e3, delay_s=0.4), 600),
    Case("150 kbit/s", lambda: two(150e3, 150e3), 120),
    Case("500 kbit/s, 10 % loss", lambda: two(500e3, 500e3, loss=RandomLoss(0.1)), 60),
    Case("500 kbit/s, 20 % loss", lambda: two(500e3, 500e3, loss=RandomLoss(0.2)), 60),
    Case("500 kbit/s, 5 % in bursts", lambda: two(500e3, 500e3, loss=GilbertElliott(0.05, 5)), 60),
    Case("200/40 kbit/s every 5 s", lambda: two(*[alternating(200e3, 40e3, 5, 600)] * 2), 600),
    Case("up 60 kbit/s, down 1 Mbit/s", lambda: two(60e3, M), 60),
    Case("up 1 Mbit/s, down 60 kbit/s", lambda: two(M, 60e3), 60),
    *[
        Case(f"dead for {gap} s", lambda gap=gap: two(M, M, outages=[(40, 40 + gap)]), 60 + gap, 40, 40 + gap)
        for gap in (2, 6, 12, 30, 78)
    ],
]


def run(case: Case) -> Row:
    hints = {"patient": LineHint(case.hint_bps, case.hint_bps)} if case.hint_bps else None
    call = Call(case.make(), hints=hints).run(case.seconds)
    heard, spoken = call.sound("patient", "doctor"), call.sound("doctor", "patient")
    gone = None if case.falls_at is None else call.first_below("patient", "down", Rung.LOW_VIDEO, case.falls_at)
    back = None if case.rises_at is None else call.first_reaching("patient", "down", Rung.LOW_VIDEO, case.rises_at)
    return Row(
        case.name,
        call.rung_at("patient", "down", case.seconds).wire_name,
        call.rung_at("patient", "up", case.seconds).wire_name,
        call.tier_changes("patient", "down", min(60, case.seconds / 2), case.seconds),
        call.tier_changes("patient", "up", min(60, case.seconds / 2), case.seconds),
        gone and round(gone, 1),
        back if back is None else round(back, 1),
        round(heard.concealed(10, case.seconds), 3),
        round(spoken.concealed(10, case.seconds), 3),
        len(heard.sent) - len(heard.came),
        call.browsers["patient"].down.probe_bytes,
        len(call.orders),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    as_json = parser.parse_args().json
    rows = [run(case) for case in CASES]
    if as_json:
        print(json.dumps([asdict(row) for row in rows], indent=1))
        return
    names = list(asdict(rows[0]))
    print("| " + " | ".join(names) + " |\n|" + "---|" * len(names))
    for row in rows:
        print("| " + " | ".join("-" if value is None else str(value) for value in asdict(row).values()) + " |")


if __name__ == "__main__":
    main()
