"""Both downlink estimators on the simulated cases, in virtual time.

    python -m bench.estimator [--json] [--case TEXT]

The same seeds give the same figures on any machine.
"""

import argparse
import json
import time

from tests.sim.cases import Outcome, bad_lines, rfc8867, run_case

ESTIMATORS = ("transport_cc", "remb")
COLUMNS = ("utilisation", "loss", "queue_p95_ms", "audio_p95_ms", "audio_lost", "probe_kbytes", "tcp_share")


def _row(outcome: Outcome, seconds: float) -> dict[str, object]:
    figures: dict[str, object] = {name: round(getattr(outcome, name), 3) for name in COLUMNS}
    return {
        "case": outcome.case,
        "estimator": outcome.estimator,
        **figures,
        "shares": [round(share, 2) for share in outcome.shares],
        "cpu_s": round(seconds, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--case", default="", help="only cases whose name contains this")
    options = parser.parse_args()
    rows = []
    for case in [*rfc8867(), *rfc8867(4), *bad_lines()]:
        if options.case not in case.name:
            continue
        for estimator in ESTIMATORS:
            started = time.perf_counter()
            rows.append(_row(run_case(case, estimator), time.perf_counter() - started))
    if options.json:
        print(json.dumps(rows, indent=1))
        return
    print("| case | estimator | used | lost | queue p95 | audio delay p95 | audio lost | probes | TCP | shares |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for row in rows:
        print(
            f"| {row['case']} | {row['estimator']} | {row['utilisation']:.0%} | {row['loss']:.1%} "
            f"| {row['queue_p95_ms']:.0f} ms | {row['audio_p95_ms']:.0f} ms | {row['audio_lost']:.1%} "
            f"| {row['probe_kbytes']:.0f} kB | {row['tcp_share']:.0%} | {row['shares']} |"
        )


if __name__ == "__main__":
    main()
