"""Who is behind a ticket: read from the database at the beginning, and again as long as the connection lasts."""

import msgspec

from candil.config import Settings
from candil.consults import links
from candil.consults.permissions import Actor, Role, require
from candil.errors import NotAuthenticated
from candil.store import consults, participants, staff
from candil.store.consults import ConsultRow
from candil.store.participants import ParticipantRow
from candil.store.staff import StaffRow
from candil.store.tx import Transaction
from signaling.tickets import Ticket


class Identity(msgspec.Struct, frozen=True):
    """Somebody connected. A board's has no participant; ``doctors`` are those whose boards it shows."""

    ticket: Ticket
    actor: Actor
    consult_id: str = ""
    doctor_id: str = ""
    doctors: tuple[str, ...] = ()

    @property
    def participant_id(self) -> str:
        return self.actor.participant_id

    @property
    def is_doctor(self) -> bool:
        return self.actor.role == Role.DOCTOR


def identify(tx: Transaction, ticket: Ticket, settings: Settings, now: float) -> Identity:
    """Raises NotAuthenticated when the session behind the ticket has ended, NotAllowed for a role without a place."""
    if ticket.kind == "board":
        return _staff(tx, ticket, settings, now)
    participant = participants.get(tx, ticket.subject)
    consult = consults.get(tx, participant.consult_id) if participant else None
    if participant is None or consult is None:
        raise _ended()
    if participant.staff_id:
        account = _account(tx, ticket, settings, now)
        if account.id != participant.staff_id:
            raise _ended()
        actor = Actor(account.id, Role.DOCTOR, consult.clinic_id, participant.id)
    else:
        _check_guest_session(tx, ticket, participant, consult, settings, now)
        actor = Actor(participant.id, Role(participant.role), consult.clinic_id, participant.id)
    require("session.open", actor.role)
    return Identity(ticket, actor, consult.id, consult.doctor_id)


def is_valid(tx: Transaction, identity: Identity, settings: Settings, now: float) -> bool:
    """Whether the session behind a connection still holds."""
    try:
        identify(tx, identity.ticket, settings, now)
    except NotAuthenticated:
        return False
    return True


def _staff(tx: Transaction, ticket: Ticket, settings: Settings, now: float) -> Identity:
    account = _account(tx, ticket, settings, now)
    if account.id != ticket.subject:
        raise _ended()
    actor = Actor(account.id, Role(account.role), account.clinic_id)
    require("board.view", actor.role)
    if actor.role == Role.DOCTOR:
        return Identity(ticket, actor, doctors=(account.id,))
    colleagues = staff.of_clinic(tx, account.clinic_id)
    return Identity(ticket, actor, doctors=tuple(row.id for row in colleagues if row.role == Role.DOCTOR))


def _account(tx: Transaction, ticket: Ticket, settings: Settings, now: float) -> StaffRow:
    session = staff.session(tx, ticket.session_hash)
    if session is None or session.revoked_at is not None:
        raise _ended()
    if now - session.created_at > settings.security.staff_absolute_hours * 3600:
        raise _ended()
    account = staff.get(tx, session.staff_id)
    if account is None or account.disabled_at is not None:
        raise _ended()
    return account


def _check_guest_session(
    tx: Transaction, ticket: Ticket, participant: ParticipantRow, consult: ConsultRow, settings: Settings, now: float
) -> None:
    session = participants.session(tx, ticket.session_hash)
    if session is None or session.revoked_at is not None or session.participant_id != participant.id:
        raise _ended()
    if now >= links.window(consult, settings.clinic)[1]:
        raise _ended()


def _ended() -> NotAuthenticated:
    return NotAuthenticated("session_ended", "The session has ended.")
