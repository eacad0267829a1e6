"""Who may do what, when: the one table that every route and every message asks.

A rule names roles, and where it matters the participant's admission and the consult's status. What has no
rule is refused. Ownership (this consult's doctor, this participant's own session) is established by whoever
builds the ``Actor``; the table speaks about the role held in *this* consult.
"""

from enum import StrEnum

import msgspec

from candil.errors import NotAllowed, Refused


class Role(StrEnum):
    PATIENT = "patient"
    COMPANION = "companion"
    INTERPRETER = "interpreter"
    SECOND_DOCTOR = "second-doctor"
    DOCTOR = "doctor"
    FRONT_DESK = "front-desk"
    ADMIN = "admin"
    INTEGRATION = "integration"  # another system that plans consults
    RECEIVER = "receiver"  # another system that reads signed records


GUESTS = frozenset({Role.COMPANION, Role.INTERPRETER, Role.SECOND_DOCTOR})
INVITED = GUESTS | {Role.PATIENT}
DESK = frozenset({Role.DOCTOR, Role.FRONT_DESK, Role.ADMIN})
PLANNERS = DESK | {Role.INTEGRATION}

OPEN = frozenset({"planned", "arrived", "in-progress"})
STARTED = frozenset({"arrived", "in-progress"})
RUNNING = frozenset({"in-progress"})
BEFORE_START = frozenset({"planned", "arrived"})
PRESENT = frozenset({"waiting", "admitted"})
ADMITTED = frozenset({"admitted"})


class Actor(msgspec.Struct, frozen=True):
    """Somebody acting: ``id`` goes into the audit; ``participant_id`` is set when they take part in a consult."""

    id: str
    role: Role
    clinic_id: str
    participant_id: str = ""


class Rule(msgspec.Struct, frozen=True):
    """``admissions`` and ``statuses`` of None do not matter; the admission of staff is always ``admitted``."""

    roles: frozenset[Role]
    statuses: frozenset[str] | None = None
    admissions: frozenset[str] | None = None


_DOCTOR = frozenset({Role.DOCTOR})
_ROOM = INVITED | _DOCTOR

RULES: dict[str, Rule] = {
    # the clinic's side
    "board.view": Rule(DESK),
    "consult.plan": Rule(PLANNERS),
    "consult.view": Rule(PLANNERS),
    "consult.reschedule": Rule(PLANNERS, BEFORE_START),
    "consult.cancel": Rule(PLANNERS, BEFORE_START),
    "link.issue": Rule(PLANNERS, OPEN | {"finished"}),
    "link.revoke": Rule(PLANNERS),
    "guest.invite": Rule(_DOCTOR, OPEN),
    "participant.admit": Rule(_DOCTOR, STARTED | {"planned"}),
    "participant.hold": Rule(_DOCTOR, STARTED),
    "participant.refuse": Rule(_DOCTOR, OPEN),
    "conversation.end": Rule(_DOCTOR, RUNNING),
    "conversation.reopen": Rule(_DOCTOR, RUNNING),
    "note.view": Rule(_DOCTOR),
    "note.write": Rule(_DOCTOR, OPEN),
    "codes.search": Rule(_DOCTOR),
    "consult.finish": Rule(_DOCTOR, RUNNING | {"finished"}),
    "record.view": Rule(_DOCTOR),
    "record.fetch": Rule(frozenset({Role.RECEIVER})),
    "history.view": Rule(_DOCTOR),
    "delivery.retry": Rule(_DOCTOR | {Role.ADMIN}),
    # the patient's and the guests' side
    "link.open": Rule(INVITED),
    "consent.give": Rule(frozenset({Role.PATIENT}), OPEN),
    "media.choose": Rule(_ROOM, OPEN),
    "room.arrive": Rule(INVITED, OPEN),
    "summary.view": Rule(frozenset({Role.PATIENT}), frozenset({"finished"})),
    # both, in the consult
    "session.open": Rule(_ROOM),
    "thread.view": Rule(_ROOM, None, PRESENT),
    "message.send": Rule(_ROOM, OPEN, PRESENT),
    "message.seen": Rule(_ROOM, None, PRESENT),
    "room.join": Rule(_ROOM, RUNNING, ADMITTED),
    "room.leave": Rule(_ROOM, None, PRESENT),
    "photo.request": Rule(_DOCTOR, RUNNING),
    "photo.answer": Rule(INVITED, RUNNING, ADMITTED),
    "attachment.send": Rule(_ROOM, OPEN, PRESENT),
    "attachment.view": Rule(_ROOM, None, PRESENT),
    "photo.send": Rule(_ROOM, RUNNING, ADMITTED),
    "voice.send": Rule(_ROOM, OPEN, PRESENT),
}


def allowed(act: str, role: Role, *, status: str | None = None, admission: str = "admitted") -> bool:
    """Whether the table lets ``role`` do ``act`` now. ``status`` None: there is no consult in question."""
    rule = RULES.get(act)
    if rule is None or role not in rule.roles:
        return False
    if rule.statuses is not None and status is not None and status not in rule.statuses:
        return False
    return rule.admissions is None or role == Role.DOCTOR or admission in rule.admissions


def require(act: str, role: Role, *, status: str | None = None, admission: str = "admitted") -> None:
    """Raises NotAllowed when the role never may, Refused when it may, but not now."""
    rule = RULES.get(act)
    if rule is None or role not in rule.roles:
        raise NotAllowed("not_allowed", f"{role} may not {act}")
    if not allowed(act, role, status=status, admission=admission):
        raise Refused("not_now", f"{act} is not possible while the consult is {status} and admission {admission}")
