"""The commands, their arguments, and how failures end: one plain sentence and a status, no traceback."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from candil import __version__, log
from candil.cli import accounts, check, codes, demo, reference, relay, serve
from candil.config import Settings, load
from candil.errors import CandilError, ConfigError

DEFAULT_FILE = Path("candil.toml")
Command = Callable[[Settings, argparse.Namespace], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 when it did what was asked, 1 when not, 2 for a wrong call or configuration."""
    options = _parser().parse_args(arguments)
    try:
        settings = load(_file(options.config), _environment())
    except CandilError as error:
        print(f"candil: {error}", file=sys.stderr)
        return 2
    log.set_up(settings.log.level)
    try:
        command: Command = options.run
        return command(settings, options)
    except CandilError as error:
        print(f"candil: {error}", file=sys.stderr)
        return 2 if isinstance(error, ConfigError) else 1
    except OSError as error:
        print(f"candil: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _file(given: str) -> Path | None:
    if given:
        return Path(given)
    return DEFAULT_FILE if DEFAULT_FILE.exists() else None


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith("CANDIL_")}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("candil", description="Consultations that survive the line and the power.")
    parser.add_argument("--version", action="version", version=f"candil {__version__}")
    parser.add_argument(
        "--config", default=os.environ.get("CANDIL_CONFIG", ""), help="configuration file (candil.toml if present)"
    )
    commands = parser.add_subparsers(required=True, metavar="command")

    def command(name: str, run: Command, text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(run=run)
        return sub

    command("serve", serve.serve, "run the service")
    command("worker", serve.worker, "run only the delivery of finished visits to the EHR")
    command("migrate", serve.migrate_only, "bring the database to the current version")
    command("check", check.check, "test configuration, database, media port, relay and EHR; say what is wrong")
    relay.arguments(command("turn-config", relay.print_turn_config, "print the configuration that coturn needs"))
    demo.arguments(command("demo", demo.demo, "run a demonstration clinic with an EHR beside it"))
    accounts.staff_arguments(command("add-staff", accounts.add_staff, "add a doctor or another member of staff"))
    accounts.password_arguments(command("set-password", accounts.set_password, "give somebody a new password"))
    accounts.key_arguments(command("add-api-key", accounts.add_api_key, "make a key for a scheduling system"))
    codes.arguments(command("import-codes", codes.import_codes, "import the clinic's list of diagnosis codes (CSV)"))
    command("settings", reference.show, "print every setting with its meaning (Markdown)")
    return parser
