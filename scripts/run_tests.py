"""Every check in order, cheap ones first; goes on after a failure and ends with what failed."""

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = ROOT / ".venv" / "bin"
PACKAGES = ("candil", "signaling", "media", "webapp", "ehr_bridge", "consent", "turn", "messaging")


def pytest(*arguments: str) -> list[str]:
    return [str(BIN / "pytest"), "-q", "--no-header", "--tb=short", "--durations=5", *arguments]


PARTS: dict[str, list[list[str]]] = {
    "lint": [
        [str(BIN / "ruff"), "check", "."],
        [str(BIN / "ruff"), "format", "--check", "."],
        [str(BIN / "lint-imports")],
        [str(BIN / "mypy"), *(word for package in PACKAGES for word in ("-p", package))],
    ],
    "js": [
        ["npx", "--no-install", "eslint", "webapp/static/js"],
        ["npx", "--no-install", "tsc", "-p", "jsconfig.json"],
        ["node", "--test", *sorted(str(path) for path in (ROOT / "tests/unit/js").glob("*.test.js"))],
    ],
    "unit": [pytest("tests/unit", "-n", "2")],
    "sim": [pytest("tests/sim", "-n", "2")],
    "integration": [pytest("tests/integration")],
    "interop": [pytest("tests/interop")],
    "browser": [pytest("tests/browser")],
}


def run(name: str, command: list[str]) -> bool:
    print(f"\n== {name}: {Path(command[0]).name} {' '.join(command[1:])}", flush=True)
    started = time.monotonic()
    status = subprocess.run(command, cwd=ROOT, check=False).returncode  # noqa: S603 - only the commands above
    print(f"-- {time.monotonic() - started:.0f} s, status {status}", flush=True)
    return status == 0


def main() -> int:
    chosen = sys.argv[1:] or list(PARTS)
    unknown = [name for name in chosen if name not in PARTS]
    if unknown:
        print(f"No such part: {', '.join(unknown)}. Parts: {', '.join(PARTS)}", file=sys.stderr)
        return 2
    failed = [
        f"{name}: {command[0].rsplit('/', 1)[-1]} {' '.join(command[1:3])}"
        for name in chosen
        for command in PARTS[name]
        if not run(name, command)
    ]
    print("\nEverything passed." if not failed else "\nFailed:\n  " + "\n  ".join(failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
