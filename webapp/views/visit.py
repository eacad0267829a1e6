"""What a patient or guest sees of their visit: the step they are at, their place in line, what it costs. Pure."""

from dataclasses import dataclass
from typing import Literal

from babel.numbers import format_decimal

from candil.consults.permissions import Role
from candil.store.consults import ConsultRow
from candil.store.participants import ParticipantRow
from media.adaptation.policy import LadderPolicy
from media.adaptation.rungs import Rung

Step = Literal[
    "cancelled", "finished", "refused", "declined", "consent", "choose", "check", "waiting", "held", "call", "ended"
]
ConsentState = Literal["given", "refused", "missing"]
DoctorState = Literal["with_you", "busy", "here", "away"]

ROOM_STEPS: frozenset[Step] = frozenset({"waiting", "held", "call", "ended"})
CALL_MINUTES = 15
TEXT_WIRE_BPS = 1_000
VIDEO_WIRE_SHARE = 1.06  # RTP, UDP and IP headers over the video itself, in packets of about 1 kB


def step_of(consult: ConsultRow, participant: ParticipantRow, consent: ConsentState, asked: str = "") -> Step:
    """Where this person stands. ``asked`` is the step they want to go back to, if it may still be changed."""
    if consult.status in ("cancelled", "finished"):
        return "cancelled" if consult.status == "cancelled" else "finished"
    if participant.admission == "refused":
        return "refused"
    if participant.role == Role.PATIENT and consent != "given":
        return "declined" if consent == "refused" and asked != "consent" else "consent"
    if asked == "choose" or (asked == "check" and participant.media != "text"):
        return "choose" if asked == "choose" else "check"
    if participant.admission == "invited":
        return "choose"
    return _room_step(consult, participant)


def _room_step(consult: ConsultRow, participant: ParticipantRow) -> Step:
    if participant.admission == "waiting":
        return "held" if participant.admitted_at is not None else "waiting"
    if consult.status != "in-progress":
        return "waiting"
    return "ended" if consult.conversation_ended_at is not None else "call"


def doctor_state(consult: ConsultRow, *, open_of_doctor: list[ConsultRow], present: bool) -> DoctorState:
    """What the doctor is doing, as far as somebody who waits may know."""
    if consult.status == "in-progress" and consult.conversation_ended_at is None and present:
        return "with_you"
    others = (row for row in open_of_doctor if row.id != consult.id and row.status == "in-progress")
    if any(row.conversation_ended_at is None for row in others):
        return "busy"
    return "here" if present else "away"


@dataclass(frozen=True)
class Line:
    """``before``: people ahead; ``minutes``: about how long they will take. Both 0 for the next one and for guests."""

    position: int
    before: int
    minutes: int


def line_of(position: int, visit_minutes: int) -> Line:
    before = max(0, position - 1)
    return Line(position, before, before * visit_minutes)


@dataclass(frozen=True)
class DataCost:
    """What a way of talking takes of a mobile plan; ``price`` is empty when the clinic sets none."""

    megabytes: str
    under_one: bool
    price: str


def rung_costs(
    policy: LadderPolicy, max_video_bps: int, price_per_mb: float, currency: str, locale: str
) -> dict[str, DataCost]:
    """Most that a call of CALL_MINUTES takes when it stays on a rung, both directions together, by the rung's name."""
    costs = {"text": _cost(TEXT_WIRE_BPS, price_per_mb, currency, locale)}
    for rung in list(Rung)[1:]:
        rule = policy.rule(rung)
        assert rule is not None
        video_bps = min(rule.video_max_bitrate_bps, max_video_bps) * VIDEO_WIRE_SHARE
        wire_bps = rule.audio.wire_bps + video_bps + policy.reserve_bps
        costs[rung.wire_name] = _cost(wire_bps, price_per_mb, currency, locale)
    return costs


def _cost(wire_bps: float, price_per_mb: float, currency: str, locale: str) -> DataCost:
    numbers = "es_VE" if locale == "es" else locale
    megabytes = 2 * wire_bps * CALL_MINUTES * 60 / 8 / 1e6
    price = (
        f"{currency}\N{NO-BREAK SPACE}{format_decimal(megabytes * price_per_mb, '#,##0.00', numbers)}"
        if price_per_mb
        else ""
    )
    return DataCost(format_decimal(round(max(megabytes, 1)), locale=numbers), megabytes < 1, price)
