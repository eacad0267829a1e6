"""Rows of the table: what was reached, the goal, hit or miss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from bench import call_outcome as figures
from bench.call_outcome import Outcome
from bench.cases import Case, Goal


@dataclass
class Row:
    case: str
    title: str
    system: str
    results: list[str] = field(default_factory=list)
    """Each goal with what was reached."""
    hit: bool | None = None
    """None: nothing to judge, or it could not be measured."""
    general: dict[str, str] = field(default_factory=dict)
    disturbed: list[str] = field(default_factory=list)


def row(case: Case, outcome: Outcome) -> Row:
    verdicts, results = [], []
    for goal in case.goals:
        value = goal.figure(outcome)
        met = goal.met(value)
        verdicts.append(met)
        results.append(_result(goal, value, met))
    judged = [verdict for verdict in verdicts if verdict is not None]
    hit = all(judged) if judged else None
    disturbed = figures.disturbances(outcome) + _not_impaired(case, outcome)
    return Row(case.name, case.title, outcome.system, results, hit, _general(case, outcome), disturbed)


def failed(case: Case, system: str, why: str) -> Row:
    return Row(case.name, case.title, system, [f"failed: {why}"], False)


def lines(row: Row) -> list[str]:
    verdict = {True: "HIT", False: "MISS", None: "-"}[row.hit]
    found = [f"{row.case:14} {row.system:7} {verdict:5} {'; '.join(row.results)}"]
    found.append(" " * 29 + "; ".join(f"{name} {value}" for name, value in row.general.items()))
    if row.disturbed:
        found.append(" " * 29 + "DISTURBED: " + "; ".join(row.disturbed))
    return found


def markdown(rows: Sequence[Row]) -> str:
    names = list(dict.fromkeys(name for row in rows for name in row.general))
    head = ["case", "system", "", "reached (goal)", *names, "disturbed"]
    table = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in rows:
        verdict = {True: "hit", False: "**miss**", None: ""}[row.hit]
        cells = [row.title, row.system, verdict, "; ".join(row.results)]
        cells += [row.general.get(name, "") for name in names]
        table.append("| " + " | ".join([*cells, "; ".join(row.disturbed)]) + " |")
    return "\n".join(table)


def _result(goal: Goal, value: float | None, met: bool | None) -> str:
    limit = ""
    if goal.most is not None:
        limit = f" (<= {_number(goal.most, goal.unit)})"
    elif goal.least is not None:
        limit = f" (>= {_number(goal.least, goal.unit)})"
    mark = "" if met is None or met else " MISS"
    return f"{goal.label} {_number(value, goal.unit)}{limit}{mark}"


def _number(value: float | None, unit: str) -> str:
    if value is None:
        return "n/a"
    if value == float("inf"):
        return "never"
    match unit:
        case "%":
            return f"{value * 100:.2f} %"
        case "kbit/s":
            return f"{value / 1000:.1f} kbit/s"
        case "":
            return f"{value:.2f}".rstrip("0").rstrip(".")
    return f"{value:.1f} {unit}"


def _general(case: Case, outcome: Outcome) -> dict[str, str]:
    """The same columns for every case and both systems; patient / doctor."""
    start, end = outcome.window(0)
    shares = [figures.concealed(samples, start, end) for samples in outcome.sides()]
    audible = [figures.concealed(samples, start, end, audible=True) for samples in outcome.sides()]
    rtt = sorted(figures.link_rtt_ms(outcome, start, end))
    last = figures.tier_at(outcome, end)
    found = {
        "concealed P/D": " / ".join(_number(share, "%") for share in shares),
        "audible P/D": " / ".join(_number(share, "%") for share in audible),
        "fps P/D": " / ".join(f"{figures.frames_per_s(samples, start, end):.1f}" for samples in outcome.sides()),
        "kbit/s up/down": f"{figures.udp_bps(outcome, 'up', start, end) / 1000:.0f} / "
        f"{figures.udp_bps(outcome, 'down', start, end) / 1000:.0f}",
        "RTT p50/p95 ms": f"{rtt[len(rtt) // 2]:.0f} / {rtt[int(len(rtt) * 0.95)]:.0f}",
        "STOI P/D": " / ".join(f"{outcome.stoi[name]:.2f}" for name in ("patient", "doctor") if name in outcome.stoi),
        "PESQ P/D": " / ".join(f"{outcome.pesq[name]:.2f}" for name in ("patient", "doctor") if name in outcome.pesq),
        "tier down/up": f"{last.down} ({last.down_reason or 'best'}) / {last.up} ({last.up_reason or 'best'})"
        if last
        else "",
        "changes": _number(figures.tier_changes(outcome, start, end), ""),
    }
    return {name: value for name, value in found.items() if value}


def _tier(tier: str, reason: str) -> str:
    return f"{tier} ({reason})" if reason else tier


def _not_impaired(case: Case, outcome: Outcome) -> list[str]:
    """An impairment that left no trace was not one."""
    found = []
    for way in ("up", "down"):
        counted = outcome.report["lines"]["patient"][way]
        lossy = any(step.changes.get("loss") for step in case.steps)
        if lossy and not counted["dropped_by_loss"]:
            found.append(f"no packet was lost {way}")
        if any(step.changes.get("up") is False for step in case.steps) and not counted["dropped_by_outage"]:
            found.append(f"nothing met the outage {way}")
        thin = any("rate_bps" in step.changes for step in case.steps)
        if thin and counted["wait_max_ms"] < 10:
            found.append(f"nothing waited {way}")
    return found
