"""Rows of the table: what was reached, the goal, hit or miss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from bench import call_outcome as figures
from bench import call_sound as sound
from bench.call_beside import worse_than_plain
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
    worse: list[str] | None = None
    """Where plain WebRTC in the same run did better; None: it was not run."""
    general: dict[str, str] = field(default_factory=dict)
    disturbed: list[str] = field(default_factory=list)


FOOTNOTE = """\
P/D: at the patient / at the doctor. "concealed" is all that the player made up; "of speech" is what is judged: without
what was played as silence while the other was silent. Chromium counts the pauses of DTX as silently concealed, but
also the rest of an outage after its first moments, so silence is forgiven only where the microphone was silent too.
Times at text, announced with a reason, are left out where the goal says so and in "vs plain". "vs plain" calls worse:
concealed by over half a percentage point more, no sound where plain conceals under 10 %, video under 5 fps where plain
moves it with at most 3 % of its sound concealed. kbit/s: UDP offered to the patient's line, IP and all headers within.
The microphones' noise suppression is off in both systems: it takes made voices for noise. A disturbed row is to be
measured again."""


def row(case: Case, outcome: Outcome, plain: Outcome | None = None) -> Row:
    """``plain``: plain WebRTC's outcome of the same case in the same run."""
    verdicts, results = [], []
    for goal in case.goals:
        value = goal.figure(outcome)
        met = goal.met(value)
        verdicts.append(met)
        results.append(_result(goal, value, met))
    judged = [verdict for verdict in verdicts if verdict is not None]
    worse = None if plain is None else worse_than_plain(outcome, plain, joined_at_rate=case.joined_at_rate)
    if worse is not None:
        judged.append(not worse)
    hit = all(judged) if judged else None
    disturbed = figures.disturbances(outcome) + _not_impaired(case, outcome)
    return Row(case.name, case.title, outcome.system, results, hit, worse, _general(case, outcome), disturbed)


def failed(case: Case, system: str, why: str) -> Row:
    return Row(case.name, case.title, system, [f"failed: {why}"], False)


def lines(row: Row) -> list[str]:
    verdict = {True: "HIT", False: "MISS", None: "-"}[row.hit]
    found = [f"{row.case:14} {row.system:7} {verdict:5} {'; '.join(row.results)}"]
    found.append(" " * 29 + "; ".join(f"{name} {value}" for name, value in row.general.items()))
    if row.worse:
        found.append(" " * 29 + "WORSE THAN PLAIN: " + "; ".join(row.worse))
    if row.disturbed:
        found.append(" " * 29 + "DISTURBED: " + "; ".join(row.disturbed))
    return found


def markdown(rows: Sequence[Row]) -> str:
    names = list(dict.fromkeys(name for row in rows for name in row.general))
    head = ["case", "system", "", "reached (goal)", "vs plain", *names, "disturbed"]
    table = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in rows:
        verdict = {True: "hit", False: "**miss**", None: ""}[row.hit]
        beside = "" if row.worse is None else "**worse**: " + "; ".join(row.worse) if row.worse else "not worse"
        cells = [row.title, row.system, verdict, "; ".join(row.results), beside]
        cells += [row.general.get(name, "") for name in names]
        table.append("| " + " | ".join([*cells, "; ".join(row.disturbed)]) + " |")
    return "\n".join([*table, "", FOOTNOTE])


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
    shares = [sound.concealed(samples, start, end) for samples in outcome.sides()]
    of_speech = [sound.heard_damaged(outcome, side, start, end) for side in ("patient", "doctor")]
    rtt = sorted(figures.link_rtt_ms(outcome, start, end))
    last = figures.tier_at(outcome, end)
    found = {
        "concealed P/D": " / ".join(_number(share, "%") for share in shares),
        "of speech P/D": " / ".join(_number(share, "%") for share in of_speech),
        "fps P/D": " / ".join(f"{figures.frames_per_s(samples, start, end):.1f}" for samples in outcome.sides()),
        "kbit/s up/down": " / ".join(
            f"{(figures.udp_bps(outcome, way, start, end) or 0.0) / 1000:.0f}" for way in ("up", "down")
        ),
        "RTT p50/p95 ms": f"{rtt[len(rtt) // 2]:.0f} / {rtt[int(len(rtt) * 0.95)]:.0f}",
        "STOI P/D": " / ".join(f"{outcome.stoi[name]:.2f}" for name in ("patient", "doctor") if name in outcome.stoi),
        "PESQ P/D": " / ".join(f"{outcome.pesq[name]:.2f}" for name in ("patient", "doctor") if name in outcome.pesq),
        "rung down/up": f"{last.down_rung} ({last.down_reason or 'best'}) / {last.up_rung} ({last.up_reason or 'best'})"
        if last
        else "",
        "changes": _number(figures.tier_changes(outcome, start, end), ""),
    }
    return {name: value for name, value in found.items() if value}


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
