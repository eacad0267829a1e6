"""``python -m bench.netlab``: check the emulator on this machine, or clean up after laboratories that crashed."""

from __future__ import annotations

import argparse

from bench.netlab import check, namespaces


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.netlab", description=__doc__)
    parser.add_argument("--clean", action="store_true", help="remove namespaces of laboratories whose process is gone")
    parser.add_argument("--list", action="store_true", help="show the laboratories there are")
    options = parser.parse_args()
    if options.clean:
        print("removed:", " ".join(namespaces.clean()) or "nothing")
    elif options.list:
        for record in namespaces.records():
            print(record.lab_id, "running" if record.owner_lives else "left behind", *record.namespaces)
    else:
        check.main()


if __name__ == "__main__":
    main()
