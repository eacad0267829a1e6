"""Which addresses of this machine participants may reach."""

import socket


def own_addresses(public_host: str) -> tuple[str, ...]:
    """Addresses to advertise when none are configured: the one packets leave from, and loopback for localhost."""
    found: list[str] = []
    for family, somewhere in ((socket.AF_INET, "198.51.100.1"), (socket.AF_INET6, "2001:db8::1")):
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect((somewhere, 9))  # chooses a route, sends nothing
                found.append(probe.getsockname()[0])
            except OSError:
                continue
    if public_host in ("localhost", "127.0.0.1", "::1") or not found:
        found.append("127.0.0.1")
    return tuple(dict.fromkeys(found))
