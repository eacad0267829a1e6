"""``candil import-codes``: the clinic's own list of diagnoses; none is shipped, since the usual ones are licensed."""

import argparse
import csv
from collections.abc import Iterator
from pathlib import Path

from candil.cli.database import in_database
from candil.config import Settings
from candil.errors import PeerError
from candil.store import codes

ICD_10 = "http://hl7.org/fhir/sid/icd-10"


def import_codes_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help="CSV in UTF-8 with the columns code,display (; works too)")
    parser.add_argument("--system", default=ICD_10, help=f"URI of the code system ({ICD_10})")


def import_codes(settings: Settings, options: argparse.Namespace) -> int:
    try:
        rows = list(read_codes(options.file))
    except UnicodeDecodeError:
        raise PeerError("invalid_codes", f"{options.file} is not UTF-8: save it as CSV UTF-8.") from None
    count = in_database(settings, lambda tx: codes.replace_all(tx, options.system, rows))
    print(f"{count} codes of {options.system} are in place.")
    return 0


def read_codes(path: Path) -> Iterator[tuple[str, str]]:
    """(code, display) of each row; PeerError naming the line of a row that is not one."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        first = file.readline()
        file.seek(0)
        reader = csv.reader(file, delimiter=";" if first.count(";") > first.count(",") else ",")
        seen: set[str] = set()
        for number, row in enumerate(reader, 1):
            if not row or (number == 1 and row[0].strip().lower() in ("code", "codigo", "código")):
                continue
            code = row[0].strip()
            if len(row) < 2 or not code or not row[1].strip() or len(code) > 40 or "|" in code:
                raise PeerError("invalid_codes", f"{path} line {number} must be code,display.")
            if code not in seen:
                seen.add(code)
                yield code, row[1].strip()
