"""This machine's addresses and ports: which participants may reach, and why one cannot be listened on."""

import errno
import ipaddress
import os
import socket

from candil.config.settings import ServerSettings

_ADVICE = {
    errno.EADDRINUSE: "Stop the other program that uses it (another Candil?), or choose another port.",
    errno.EACCES: "A port below 1024 needs the service's own unit (deploy/candil.service); or choose another port.",
    errno.EADDRNOTAVAIL: "It must be an address of this machine (hostname -I), or 0.0.0.0 for all of them.",
}


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


def network_of(address: str) -> str:
    """Whom to count an address as: an IPv4 address, or the /64 of an IPv6 one, of which one household has 2**64
    addresses. Empty when it is none."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.IPv6Network((parsed, 64), strict=False))
    return str(parsed)


def client_address(peer: str, forwarded_for: str, server: ServerSettings) -> str:
    """Whom to count a request as: its peer, or whom a trusted proxy says it came from."""
    if server.tls == "proxy" and peer in server.trusted_proxies:
        peer = network_of(forwarded_for.split(",")[-1].strip()) or peer
    return network_of(peer) or peer


def port_advice(error: OSError) -> str:
    """Why a port cannot be listened on, and what to do about it."""
    number = error.errno or 0
    reason = os.strerror(number) if number > 0 else error.strerror or str(error)  # names that fail have their own
    return f"cannot be used ({reason}). {_ADVICE.get(number, 'Check the address and the port.')}"
