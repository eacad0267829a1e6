"""Decodes one strange file and writes it anew, in a process that may do nothing else.

Run by its path with ``python -I -B``, the name of a module beside it and that module's numbers: bytes on standard
input; on standard output a line of JSON, then what was made, one after the other. It limits its own memory, time and
files before it reads anything, and has no other part of us loaded. What comes out is made of pixels or of samples
alone: no metadata, nothing hidden behind the picture or the sound.
"""

import importlib
import json
import os
import resource
import sys
import warnings
from pathlib import Path

NO_DECODER = 3  # exit status: its library is not there, which is no fault of the file
NICENESS = 10  # calls of this machine go first


def confine(memory_bytes: int, cpu_s: int) -> None:
    """Nothing here may write a file, start a process or grow."""
    limits = {
        resource.RLIMIT_AS: memory_bytes,
        resource.RLIMIT_CPU: cpu_s,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: 64,
    }
    for limit, most in limits.items():
        _, hard = resource.getrlimit(limit)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(limit, (most, most))
    os.nice(NICENESS)


def main() -> int:
    sys.path.append(str(Path(__file__).resolve().parent))
    maker = importlib.import_module(sys.argv[1])
    confine(maker.MEMORY_BYTES, maker.CPU_S)
    warnings.simplefilter("error")
    try:
        told, made = maker.remake(sys.stdin.buffer.read(), *map(int, sys.argv[2:]))
    except ValueError as error:
        told, made = {"refused": str(error) if str(error) in maker.REFUSALS else maker.REFUSALS[0]}, {}
    except ImportError:
        return NO_DECODER
    except (MemoryError, Warning):
        told, made = {"refused": "too_heavy"}, {}
    told["bytes"] = {name: len(data) for name, data in made.items()}
    sys.stdout.buffer.write(json.dumps(told).encode() + b"\n" + b"".join(made.values()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
