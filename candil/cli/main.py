"""The commands, their arguments, and how failures end: one plain sentence and a status, no traceback."""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from candil import __version__, log
from candil.config import load
from candil.errors import CandilError, ConfigError

DEFAULT_FILE = Path("candil.toml")

# Command: its function in candil.cli, and what it is for. The function's arguments come from the one beside it
# whose name ends in _arguments. Imported when asked for: all of the service takes seconds on a small machine.
COMMANDS = {
    "serve": ("serve.serve", "run the service"),
    "worker": ("serve.worker", "run only the delivery of finished visits to the EHR"),
    "migrate": ("database.migrate", "bring the database to the current version"),
    "check": ("check.check", "test configuration, database, media port, relay and EHR; say what is wrong"),
    "turn-config": ("relay.print_turn_config", "print the configuration that coturn needs"),
    "demo": ("demo.demo", "run a demonstration clinic with an EHR beside it"),
    "add-staff": ("accounts.add_staff", "add a doctor or another member of staff"),
    "set-password": ("accounts.set_password", "give somebody a new password"),
    "add-api-key": ("accounts.add_api_key", "make a key for a scheduling system"),
    "import-codes": ("codes.import_codes", "import the clinic's list of diagnosis codes (CSV)"),
    "settings": ("reference.show", "print every setting with its meaning (Markdown)"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 when it did what was asked, 1 when not, 2 for a wrong call or configuration."""
    call = _parser().parse_args(arguments)
    path, text = COMMANDS[call.command]
    module_name, function = path.split(".")
    try:
        settings = load(_file(call.config), _environment())
        module = importlib.import_module(f"candil.cli.{module_name}")
        parser = argparse.ArgumentParser(f"candil {call.command}", description=text)
        getattr(module, f"{function}_arguments", lambda parser: None)(parser)
        options = parser.parse_args(call.arguments)
        log.set_up(settings.log.level)
        return int(getattr(module, function)(settings, options))
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
    width = max(map(len, COMMANDS))
    known = "\n".join(f"  {name:{width}}  {text}" for name, (_, text) in COMMANDS.items())
    parser = argparse.ArgumentParser(
        "candil",
        description="Consultations that survive the line and the power.",
        epilog=f"commands:\n{known}\n\n'candil command --help' tells more of one.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"candil {__version__}")
    parser.add_argument(
        "--config", default=os.environ.get("CANDIL_CONFIG", ""), help="configuration file (candil.toml if present)"
    )
    parser.add_argument("command", choices=COMMANDS, metavar="command")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    return parser
