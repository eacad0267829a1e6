"""The clinic's people: accounts, sign-in sessions, and keys of other systems."""

import re

import msgspec

from candil.consults.permissions import Actor, Role
from candil.errors import NotAuthenticated, NotFound, PeerError, Refused
from candil.ids import IdSource, token_hash
from candil.store import audit, staff
from candil.store.staff import ApiKeyRow, StaffRow, StaffSessionRow
from candil.store.tx import Transaction

API_ROLES = (Role.INTEGRATION, Role.RECEIVER)
STAFF_ROLES = (Role.DOCTOR, Role.FRONT_DESK, Role.ADMIN)
TOUCH_EVERY_S = 60.0
_LOGIN = re.compile(r"[a-z0-9._@+-]{2,120}")


class SignedIn(msgspec.Struct, frozen=True):
    """A member of staff behind a valid session."""

    staff: StaffRow
    csrf_token: str

    @property
    def actor(self) -> Actor:
        return Actor(self.staff.id, Role(self.staff.role), self.staff.clinic_id)


class NewStaff(msgspec.Struct, frozen=True):
    login: str
    name: str
    role: Role
    password_hash: str
    practitioner_system: str = ""
    practitioner_value: str = ""
    locale: str = "es"


def add(tx: Transaction, new: NewStaff, *, clinic_id: str, now: float, ids: IdSource) -> StaffRow:
    """Create an account; Refused ``login_taken``, PeerError naming a wrong field."""
    login = new.login.strip().lower()
    if not _LOGIN.fullmatch(login):
        raise PeerError("invalid_login", "A login has from 2 to 120 letters, digits or . _ @ + -", field="login")
    if new.role not in STAFF_ROLES:
        raise PeerError("invalid_role", "The role is doctor, front-desk or admin.", field="role")
    if new.role == Role.DOCTOR and not new.practitioner_value:
        raise PeerError("invalid_licence", "A doctor needs a licence number.", field="practitioner_value")
    if staff.by_login(tx, clinic_id, login):
        raise Refused("login_taken", "This login exists.", field="login")
    row = StaffRow(
        id=ids.new_id("stf"),
        clinic_id=clinic_id,
        login=login,
        name=" ".join(new.name.split()),
        role=new.role,
        password_hash=new.password_hash,
        practitioner_system=new.practitioner_system,
        practitioner_value=new.practitioner_value,
        locale=new.locale,
        created_at=now,
    )
    staff.add(tx, row)
    audit.record(tx, at=now, clinic_id=clinic_id, actor="system", act="staff.add", staff=row.id, role=str(new.role))
    return row


def set_password(tx: Transaction, login: str, password_hash: str, *, clinic_id: str, now: float) -> None:
    """Give a member of staff a new password and end their sessions; NotFound for an unknown login."""
    account = staff.by_login(tx, clinic_id, login.strip().lower())
    if account is None:
        raise NotFound("no_staff", "There is nobody with this login.")
    staff.set_password(tx, account.id, password_hash)
    staff.revoke_sessions(tx, account.id, now)
    audit.record(tx, at=now, clinic_id=clinic_id, actor="system", act="staff.set_password", staff=account.id)


def open_session(tx: Transaction, account: StaffRow, *, now: float, ids: IdSource) -> tuple[str, str]:
    """A session after the password was verified: (cookie token, CSRF token). Always a new one."""
    token, csrf = ids.new_secret(), ids.new_secret()
    staff.add_session(tx, StaffSessionRow(token_hash(token), account.id, csrf, now, now))
    audit.record(tx, at=now, clinic_id=account.clinic_id, actor=account.id, act="staff.sign_in")
    return token, csrf


def sign_in_refused(tx: Transaction, clinic_id: str, *, now: float) -> None:
    """Keep that somebody failed to sign in; the login typed is not kept, people type passwords there."""
    audit.record(tx, at=now, clinic_id=clinic_id, actor="anonymous", act="staff.sign_in_refused")


def signed_in(tx: Transaction, token: str, *, idle_s: float, absolute_s: float, now: float) -> SignedIn:
    """Whose session a cookie is; NotAuthenticated when unknown, revoked, idle or old."""
    session = staff.session(tx, token_hash(token))
    if session is None or session.revoked_at is not None:
        raise NotAuthenticated("no_session", "Sign in.")
    if now - session.last_seen_at > idle_s or now - session.created_at > absolute_s:
        raise NotAuthenticated("session_expired", "The session has ended; sign in again.")
    account = staff.get(tx, session.staff_id)
    if account is None or account.disabled_at is not None:
        raise NotAuthenticated("no_session", "Sign in.")
    return SignedIn(account, session.csrf_token)


def needs_touch(tx: Transaction, token: str, now: float) -> bool:
    """Whether the time of last use is worth writing: once a minute is enough."""
    session = staff.session(tx, token_hash(token))
    return session is not None and now - session.last_seen_at > TOUCH_EVERY_S


def touch(tx: Transaction, token: str, *, now: float) -> None:
    staff.touch_session(tx, token_hash(token), now)


def sign_out(tx: Transaction, token: str, account: StaffRow, *, now: float) -> None:
    staff.revoke_session(tx, token_hash(token), now)
    audit.record(tx, at=now, clinic_id=account.clinic_id, actor=account.id, act="staff.sign_out")


def add_api_key(
    tx: Transaction, name: str, *, role: Role = Role.INTEGRATION, clinic_id: str, now: float, ids: IdSource
) -> str:
    """A key for another system; shown once, only its hash is kept."""
    if role not in API_ROLES:
        raise PeerError("invalid_role", "A key is for planning (integration) or for records (receiver).", field="role")
    token = "cdl_" + ids.new_secret()
    row = ApiKeyRow(ids.new_id("key"), clinic_id, name, role, token_hash(token), now)
    staff.add_api_key(tx, row)
    audit.record(tx, at=now, clinic_id=clinic_id, actor="system", act="api_key.add", key=row.id, role=role)
    return token


def api_actor(tx: Transaction, token: str) -> Actor:
    row = staff.api_key(tx, token_hash(token))
    if row is None or row.revoked_at is not None:
        raise NotAuthenticated("no_key", "The API key is missing or not valid.")
    return Actor(row.id, Role(row.role), row.clinic_id)
