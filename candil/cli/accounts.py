"""``candil add-staff`` and ``candil add-api-key``."""

import argparse
import getpass
import sys

from candil.cli.database import in_database
from candil.clock import SystemClock
from candil.config import Settings
from candil.consults import accounts
from candil.consults.permissions import Role
from candil.errors import Refused
from candil.ids import RandomIds
from candil.passwords import MIN_LENGTH, hash_password


def add_staff_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("login", help="what the person types to sign in")
    parser.add_argument("name", help="as patients see it: 'Dra. Ana Rojas'")
    parser.add_argument("--role", choices=[str(role) for role in accounts.STAFF_ROLES], default="doctor")
    parser.add_argument("--licence", default="", help="a doctor's licence number")
    parser.add_argument("--locale", choices=("es", "en"), default="es")
    parser.add_argument("--password-stdin", action="store_true", help="read the password from standard input")


def add_staff(settings: Settings, options: argparse.Namespace) -> int:
    new = accounts.NewStaff(
        login=options.login,
        name=options.name,
        role=Role(options.role),
        password_hash=hash_password(_password(options.password_stdin)),
        practitioner_system=settings.clinic.practitioner_system,
        practitioner_value=options.licence,
        locale=options.locale,
    )
    now, ids = SystemClock().now(), RandomIds()
    row = in_database(settings, lambda tx: accounts.add(tx, new, clinic_id=settings.clinic.id, now=now, ids=ids))
    print(f"{row.login} ({row.role}) may sign in at {settings.server.public_url}/login")
    return 0


def set_password_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("login")
    parser.add_argument("--password-stdin", action="store_true", help="read the password from standard input")


def set_password(settings: Settings, options: argparse.Namespace) -> int:
    now, clinic_id = SystemClock().now(), settings.clinic.id
    password_hash = hash_password(_password(options.password_stdin))
    in_database(
        settings,
        lambda tx: accounts.set_password(tx, options.login, password_hash, clinic_id=clinic_id, now=now),
    )
    print("The new password is in force; earlier sign-ins of this person have ended.")
    return 0


def _password(from_stdin: bool) -> str:
    if from_stdin:
        password = sys.stdin.readline().rstrip("\n")
    else:
        password = getpass.getpass("Password: ")
        if password != getpass.getpass("Again: "):
            raise Refused("password_differs", "The two passwords differ.")
    if len(password) < MIN_LENGTH:
        raise Refused("password_short", f"The password needs at least {MIN_LENGTH} characters.")
    return password


def add_api_key_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="which system will use it")
    parser.add_argument(
        "--role",
        choices=[str(role) for role in accounts.API_ROLES],
        default="integration",
        help="integration plans consults; receiver reads the signed records that webhooks tell of",
    )


def add_api_key(settings: Settings, options: argparse.Namespace) -> int:
    now, ids, clinic_id = SystemClock().now(), RandomIds(), settings.clinic.id
    token = in_database(
        settings,
        lambda tx: accounts.add_api_key(
            tx, options.name, role=Role(options.role), clinic_id=clinic_id, now=now, ids=ids
        ),
    )
    print(token)
    print("Keep it now: it is not shown again. Send it as: Authorization: Bearer <key>", file=sys.stderr)
    return 0
