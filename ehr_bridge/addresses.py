"""Which addresses a webhook may be sent to (a guard against server-side request forgery). Pure."""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

_NAT64 = IPv6Network("64:ff9b::/96")


def is_allowed(address: str, *, allow_private: bool) -> bool:
    """True when a connection may be made to this literal address.

    Without ``allow_private`` only globally routable unicast. With it also the clinic's own networks (private,
    shared, unique-local) and this machine, but never link-local (cloud metadata lives there), multicast or unspecified.
    """
    try:
        ip = _unwrap(ip_address(address.split("%", 1)[0]))
    except ValueError:
        return False
    if ip.is_link_local or ip.is_multicast or ip.is_unspecified:
        return False
    if ip.is_global:
        return True
    return allow_private and (ip.is_loopback or not ip.is_reserved)


def _unwrap(ip: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address an IPv6 one stands for (mapped, 6to4, NAT64), which is where packets end up."""
    if isinstance(ip, IPv4Address):
        return ip
    if ip in _NAT64:
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    if ip.teredo is not None:
        return ip.teredo[1]
    return ip.ipv4_mapped or ip.sixtofour or ip
