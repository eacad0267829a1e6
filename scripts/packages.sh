# The real parts that the tests run against, from the distribution's packages.

missing_packages() {
    for pair in chromium:chromium firefox-esr:firefox-esr coturn:turnserver redis-server:redis-server nodejs:node \
        npm:npm nginx:/usr/sbin/nginx espeak-ng:espeak-ng docker-compose:docker-compose \
        systemd:systemd-analyze nftables:nft iproute2:ip; do
        command -v "${pair#*:}" >/dev/null 2>&1 || printf '%s ' "${pair%%:*}"
    done
    ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || printf 'postgresql '
    ls /usr/lib/*/libopus.so.0 >/dev/null 2>&1 || printf 'libopus0 '
}

packages() {
    missing=$(missing_packages)
    [ -n "$missing" ] || return 0
    if [ "$(id -u)" = 0 ]; then
        say "Installing packages for the tests: $missing"
        apt-get update -qq >/dev/null
        # shellcheck disable=SC2086
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
    else
        say "The tests need these packages: $missing"
        say "On Debian or Ubuntu: sudo apt-get install --no-install-recommends $missing"
        exit 1
    fi
}

# Linters of the browser scripts and the official FHIR definitions; what is installed is pinned by lock files.
tools() {
    for folder in . tests/interop; do
        if ! cmp -s "$folder/package-lock.json" "$folder/node_modules/.installed"; then
            (cd "$folder" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null)
            cp "$folder/package-lock.json" "$folder/node_modules/.installed"
        fi
    done
}
