"""The link that a patient or guest taps: issued, opened, exchanged for a session, revoked.

Looking at a link never uses it up: chat apps and their preview robots fetch every link they carry. Only the
POST behind the page's button exchanges it, as often as needed until it expires or is revoked.
"""

import msgspec

from candil.config import ClinicSettings
from candil.consults import timeline
from candil.consults.permissions import Actor, Role, require
from candil.errors import NotAuthenticated, NotFound, Refused
from candil.ids import IdSource, token_hash
from candil.store import consults, participants
from candil.store.consults import ConsultRow
from candil.store.participants import InvitationRow, ParticipantRow, ParticipantSessionRow
from candil.store.tx import Transaction

HOUR_S = 3600.0


class Opened(msgspec.Struct, frozen=True):
    """What a valid link leads to."""

    invitation: InvitationRow
    participant: ParticipantRow
    consult: ConsultRow


class Session(msgspec.Struct, frozen=True):
    """A browser that exchanged a link: ``token`` goes into its HttpOnly cookie and nowhere else."""

    token: str
    csrf_token: str
    participant_id: str


class Seat(msgspec.Struct, frozen=True):
    """A signed-in participant with their consult."""

    participant: ParticipantRow
    consult: ConsultRow
    csrf_token: str

    @property
    def actor(self) -> Actor:
        return Actor(self.participant.id, Role(self.participant.role), self.consult.clinic_id, self.participant.id)


def issue(tx: Transaction, participant: ParticipantRow, *, now: float, ids: IdSource) -> str:
    """A new link token; only its hash is kept."""
    token = ids.new_invitation_token()
    row = InvitationRow(ids.new_id("inv"), participant.consult_id, participant.id, token_hash(token), now)
    participants.add_invitation(tx, row)
    return token


def reissue(tx: Transaction, participant_id: str, *, actor: Actor, now: float, ids: IdSource) -> str:
    """A new link in place of all earlier ones, whose browsers are signed out."""
    participant, consult = _of_clinic(tx, participant_id, actor, "link.issue")
    participants.revoke_invitations(tx, participant_id, now)
    token = issue(tx, participant, now=now, ids=ids)
    timeline.append(
        tx, consult, "link.issued", actor=actor.id, now=now, audience=timeline.STAFF, participant=participant_id
    )
    return token


def revoke(tx: Transaction, participant_id: str, *, actor: Actor, now: float) -> None:
    _, consult = _of_clinic(tx, participant_id, actor, "link.revoke")
    participants.revoke_invitations(tx, participant_id, now)
    timeline.append(
        tx, consult, "link.revoked", actor=actor.id, now=now, audience=timeline.STAFF, participant=participant_id
    )


def _of_clinic(tx: Transaction, participant_id: str, actor: Actor, act: str) -> tuple[ParticipantRow, ConsultRow]:
    participant = participants.get(tx, participant_id)
    consult = consults.lock(tx, participant.consult_id) if participant else None
    if participant is None or consult is None or consult.clinic_id != actor.clinic_id or participant.staff_id:
        raise NotFound("no_participant", "There is no such participant.")
    if actor.role == Role.DOCTOR and consult.doctor_id != actor.id:
        raise NotFound("no_participant", "There is no such participant.")
    require(act, actor.role, status=consult.status)
    return participant, consult


def look_at(tx: Transaction, token: str, *, clinic: ClinicSettings, now: float) -> Opened:
    """What the link leads to, changing nothing. NotFound for an unknown or revoked one, Refused when not valid now."""
    invitation = participants.invitation_by_token(tx, token_hash(token))
    participant = participants.get(tx, invitation.participant_id) if invitation else None
    consult = consults.get(tx, invitation.consult_id) if invitation else None
    if invitation is None or participant is None or consult is None or invitation.revoked_at is not None:
        raise NotFound("no_link", "This link is not valid.")
    opens_at, ends_at = window(consult, clinic)
    if now < opens_at:
        raise Refused("link_early", "This link does not open yet.", opens_at=opens_at)
    if now >= ends_at:
        raise Refused("link_expired", "This link has expired.")
    return Opened(invitation, participant, consult)


def window(consult: ConsultRow, clinic: ClinicSettings) -> tuple[float, float]:
    """When a consult's links work: [from, until), Unix seconds. An open visit never locks its people out."""
    opens_at = consult.scheduled_at - clinic.link_opens_before_h * HOUR_S
    if consult.status == "finished" and consult.finished_at is not None:
        return opens_at, consult.finished_at + clinic.summary_valid_days * 24 * HOUR_S
    if consult.status in ("arrived", "in-progress"):
        return 0.0, float("inf")
    return opens_at, consult.scheduled_at + clinic.link_valid_after_h * HOUR_S


def exchange(tx: Transaction, token: str, *, clinic: ClinicSettings, now: float, ids: IdSource) -> Session:
    """A session for the person who pressed the button. The consult is locked before the link is looked at, so that
    one revoked at the same moment leaves no session behind."""
    invitation = participants.invitation_by_token(tx, token_hash(token))
    if invitation is not None:
        consults.lock(tx, invitation.consult_id)
    opened = look_at(tx, token, clinic=clinic, now=now)
    session = Session(ids.new_secret(), ids.new_secret(), opened.participant.id)
    participants.mark_opened(tx, opened.invitation.id, now)
    participants.add_session(
        tx,
        ParticipantSessionRow(
            token_hash(session.token), opened.participant.id, opened.invitation.id, session.csrf_token, now
        ),
    )
    timeline.append(
        tx,
        opened.consult,
        "link.opened",
        actor=opened.participant.id,
        now=now,
        audience=timeline.STAFF,
        participant=opened.participant.id,
    )
    return session


def seat(tx: Transaction, session_token: str, participant_id: str, *, clinic: ClinicSettings, now: float) -> Seat:
    """Who a participant's cookie belongs to; NotAuthenticated when revoked, expired or for somebody else."""
    session = participants.session(tx, token_hash(session_token))
    if session is None or session.revoked_at is not None or session.participant_id != participant_id:
        raise NotAuthenticated("no_session", "Open the link again.")
    participant = participants.get(tx, participant_id)
    consult = consults.get(tx, participant.consult_id) if participant else None
    if participant is None or consult is None or now >= window(consult, clinic)[1]:
        raise NotAuthenticated("session_expired", "The link has expired.")
    return Seat(participant, consult, session.csrf_token)
