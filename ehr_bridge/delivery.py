"""What becomes of a delivery after each attempt. A pure table: no clock, no chance, no network.

    pending ──accepted──▶ sent ──proved by reading back──▶ received
       │                   │
       ├──patient unknown──┼──▶ link_patient (tried again by itself, or at once by a person)
       ├──retryable────────┴──▶ same state, later
       └──refused for good, or tries used up──▶ dead

``attempts`` grows with every try and starts over when a person replays a delivery. The power being off
uses up no tries.
"""

from dataclasses import dataclass
from typing import Final, Literal

DeliveryState = Literal["pending", "sent", "received", "dead", "link_patient"]
TERMINAL: Final = frozenset({"received", "dead"})

_HOUR = 3600.0
_DAY = 24 * _HOUR
KEEP_TRYING_S: Final = 7 * _DAY
RETRY_AFTER_LIMIT_S: Final = _DAY
LINK_PATIENT_DELAYS_S: Final = (15 * 60.0,) * 96 + (6 * _HOUR,)
"""A patient is often registered in the EHR within the day: every 15 minutes for a day, then every 6 hours."""
RACE_TRIES: Final = 4
ENDPOINT_GONE: Final = "endpoint_gone"


@dataclass(frozen=True)
class Schedule:
    """Waits between tries, in seconds; the last one repeats until seven days of waiting are used up."""

    delays_s: tuple[float, ...]

    def delay_s(self, attempts: int) -> float:
        """The wait after this many tries (1 is the first)."""
        return self.delays_s[min(attempts, len(self.delays_s)) - 1]

    @property
    def max_attempts(self) -> int:
        """Tries until the waits between them add up to seven days."""
        head = sum(self.delays_s)
        rest = max(0.0, KEEP_TRYING_S - head)
        return 1 + len(self.delays_s) + int(-(-rest // self.delays_s[-1]))


# A FHIR server stands in the clinic and comes back with its power: look often, for a week.
FHIR_SCHEDULE: Final = Schedule((5.0, 30.0, 120.0, 300.0, 900.0, 1800.0, _HOUR))
# The example schedule of Standard Webhooks 1.0.0, then daily.
WEBHOOK_SCHEDULE: Final = Schedule((5.0, 300.0, 1800.0, 2 * _HOUR, 5 * _HOUR, 10 * _HOUR, 14 * _HOUR, 20 * _HOUR, _DAY))


@dataclass(frozen=True)
class Progress:
    state: DeliveryState
    attempts: int


@dataclass(frozen=True)
class Accepted:
    """The receiver said yes. Not proof: a FHIR delivery is read back next."""


@dataclass(frozen=True)
class Proved:
    """The receiver holds it: read back from a FHIR server, or acknowledged by a webhook endpoint."""

    detail: str = ""


@dataclass(frozen=True)
class Answered:
    """The receiver answered no for now: an HTTP status that a repetition may change (401, 408, 409, 425, 429,
    5xx). What never changes is ``Hopeless``. No ``why`` of any outcome holds patient data."""

    status: int
    why: str
    retry_after_s: float | None = None


@dataclass(frozen=True)
class Unreachable:
    """No answer, or only part of one: the outcome is unknown, and repeating is safe."""

    why: str


@dataclass(frozen=True)
class NotThere:
    """Reading back found no such visit although it had been accepted: send it again."""

    why: str


@dataclass(frozen=True)
class PatientUnknown:
    """The patient's identifier matches nobody in the EHR, or more than one person."""

    why: str


@dataclass(frozen=True)
class Hopeless:
    """No repetition can help: a person must look."""

    why: str


@dataclass(frozen=True)
class Gone:
    """The endpoint asked never to be called again (410): nothing more is sent to it."""

    why: str


Outcome = Accepted | Proved | Answered | Unreachable | NotThere | PatientUnknown | Hopeless | Gone


@dataclass(frozen=True)
class Decision:
    """What to store. ``next_attempt_at`` is Unix seconds; it means nothing in a terminal state."""

    state: DeliveryState
    attempts: int
    next_attempt_at: float
    last_error: str = ""
    detail: str = ""


def decide(progress: Progress, outcome: Outcome, schedule: Schedule, now: float, jitter: float) -> Decision:
    """The next state after one attempt; ``jitter`` in [0, 1) spreads the waits by a fifth either way."""
    attempts = progress.attempts + 1
    match outcome:
        case Accepted():
            return Decision("sent", attempts, now)
        case Proved(detail):
            return Decision("received", attempts, now, detail=detail)
        case Hopeless(why):
            return Decision("dead", attempts, now, why)
        case PatientUnknown(why):
            index = min(attempts, len(LINK_PATIENT_DELAYS_S)) - 1
            return Decision("link_patient", attempts, now + _spread(LINK_PATIENT_DELAYS_S[index], jitter), why)
        case NotThere(why):
            return _later("pending", attempts, schedule, now, jitter, why)
        case Unreachable(why):
            return _later(_open(progress.state), attempts, schedule, now, jitter, why)
        case Gone(why):
            return Decision("dead", attempts, now, f"{ENDPOINT_GONE}; {why}")
        case Answered(status, why, retry_after_s):
            state = _open(progress.state)
            if status == 409 and attempts <= RACE_TRIES:
                return Decision(state, attempts, now + 1.0 + 2.0 * jitter, why)
            return _later(state, attempts, schedule, now, jitter, why, retry_after_s or 0.0)


def _later(
    state: DeliveryState,
    attempts: int,
    schedule: Schedule,
    now: float,
    jitter: float,
    why: str,
    retry_after_s: float = 0.0,
) -> Decision:
    """Same thing again later, or never when the tries are used up."""
    if attempts >= schedule.max_attempts:
        return Decision("dead", attempts, now, f"gave up after {attempts} tries; last: {why}")
    wait = max(_spread(schedule.delay_s(attempts), jitter), min(retry_after_s, RETRY_AFTER_LIMIT_S))
    return Decision(state, attempts, now + wait, why)


def _open(state: DeliveryState) -> DeliveryState:
    """A delivery that waited for its patient is sent like any other."""
    return "sent" if state == "sent" else "pending"


def _spread(delay_s: float, jitter: float) -> float:
    return delay_s * (0.8 + 0.4 * jitter)
