# Shared by ./start and ./test: a virtual environment of this folder with the pinned dependencies.
# Usage: . scripts/setup.sh; setup demo|test

say() { printf '%s\n' "$*" >&2; }

find_python() {
    for name in ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11; do
        if command -v "$name" >/dev/null 2>&1 &&
            "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$name"
            return 0
        fi
    done
    say "Candil needs Python 3.11 or newer. On Debian or Ubuntu: sudo apt-get install python3 python3-venv"
    return 1
}

make_environment() {
    python=$(find_python) || exit 1
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        say "Python cannot make environments here. On Debian or Ubuntu: sudo apt-get install python3-venv"
        exit 1
    fi
    say "Making the environment in .venv (once, a minute or two)..."
    rm -rf .venv
    "$python" -m venv .venv || { rm -rf .venv; exit 1; }
}

# What a stopped installation or a new version of the system's Python left behind is made again.
setup() {
    wanted="requirements-$1.lock"
    mark=".venv/.installed-$1"
    if cmp -s "$wanted" "$mark" && .venv/bin/python -c 'import msgspec' 2>/dev/null; then
        return 0
    fi
    .venv/bin/python -c 'import pip' 2>/dev/null || make_environment
    say "Installing the pinned dependencies ($wanted)..."
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r "$wanted" || {
        say "The dependencies could not be installed. Is there a connection to the Internet?"
        exit 1
    }
    cp "$wanted" "$mark"
}
