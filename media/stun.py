"""STUN binding requests and responses (RFC 8489), as far as an ICE-lite agent needs them (RFC 8445).

Anything from the network may be malformed: the parser answers ``None`` and never raises.
"""

import hmac
import ipaddress
import struct
import zlib
from dataclasses import dataclass

MAGIC_COOKIE = 0x2112A442
BINDING_REQUEST = 0x0001
BINDING_INDICATION = 0x0011
BINDING_SUCCESS = 0x0101
BINDING_ERROR = 0x0111

USERNAME = 0x0006
MESSAGE_INTEGRITY = 0x0008
ERROR_CODE = 0x0009
UNKNOWN_ATTRIBUTES = 0x000A
XOR_MAPPED_ADDRESS = 0x0020
PRIORITY = 0x0024
USE_CANDIDATE = 0x0025
FINGERPRINT = 0x8028
ICE_CONTROLLED = 0x8029
ICE_CONTROLLING = 0x802A

ROLE_CONFLICT = (487, "Role Conflict")
UNKNOWN_ATTRIBUTE = (420, "Unknown Attribute")

_HEADER = struct.Struct("!HHI12s")
_ATTRIBUTE = struct.Struct("!HH")
_FINGERPRINT_XOR = 0x5354554E
_MAX_MESSAGE_BYTES = 1280
_MAX_ATTRIBUTES = 32
_MAX_USERNAME_BYTES = 513
_FIXED_LENGTHS = {PRIORITY: 4, USE_CANDIDATE: 0, ICE_CONTROLLED: 8, ICE_CONTROLLING: 8, MESSAGE_INTEGRITY: 20}


@dataclass(frozen=True, slots=True)
class BindingRequest:
    """A well-formed connectivity check. Not yet authenticated: see ``integrity_is_valid``."""

    transaction_id: bytes
    local_ufrag: str
    remote_ufrag: str
    use_candidate: bool
    claims_controlled: bool
    unknown_required: tuple[int, ...]
    integrity_offset: int


def parse_binding_request(data: bytes) -> BindingRequest | None:
    """The request in ``data``, or None for anything else: other messages, malformed, without integrity."""
    attributes = _attributes(data)
    if attributes is None:
        return None
    _, _, _, transaction_id = _HEADER.unpack_from(data)
    found: dict[int, bytes] = {}
    unknown: list[int] = []
    integrity_offset = 0
    for kind, offset, value in attributes:
        if _FIXED_LENGTHS.get(kind, len(value)) != len(value):
            return None
        if kind == FINGERPRINT:
            if len(value) != 4 or int.from_bytes(value, "big") != fingerprint(data[:offset]):
                return None
            break
        if integrity_offset:  # RFC 8489 section 14.5: what follows the integrity is ignored
            continue
        if kind == MESSAGE_INTEGRITY:
            integrity_offset = offset
        elif kind < 0x8000 and kind not in (USERNAME, PRIORITY, USE_CANDIDATE):
            unknown.append(kind)
        found.setdefault(kind, value)
    username = found.get(USERNAME, b"")
    if not integrity_offset or not username.isascii() or len(username) > _MAX_USERNAME_BYTES:
        return None
    local_ufrag, separator, remote_ufrag = username.decode("ascii").partition(":")
    if not separator or not local_ufrag or not remote_ufrag:
        return None
    return BindingRequest(
        transaction_id=transaction_id,
        local_ufrag=local_ufrag,
        remote_ufrag=remote_ufrag,
        use_candidate=USE_CANDIDATE in found,
        claims_controlled=ICE_CONTROLLED in found,
        unknown_required=tuple(unknown[:8]),
        integrity_offset=integrity_offset,
    )


def _attributes(data: bytes) -> list[tuple[int, int, bytes]] | None:
    """(type, offset, value) of each attribute of a binding request, None when the framing is wrong."""
    if not 20 <= len(data) <= _MAX_MESSAGE_BYTES:
        return None
    message_type, length, cookie, _ = _HEADER.unpack_from(data)
    if message_type != BINDING_REQUEST or cookie != MAGIC_COOKIE or length + 20 != len(data) or length % 4:
        return None
    attributes: list[tuple[int, int, bytes]] = []
    offset = 20
    while offset < len(data):
        if len(attributes) >= _MAX_ATTRIBUTES:
            return None
        kind, size = _ATTRIBUTE.unpack_from(data, offset)
        if offset + 4 + size > len(data):
            return None
        attributes.append((kind, offset, data[offset + 4 : offset + 4 + size]))
        offset += 4 + size + (-size % 4)
    return attributes


def integrity_is_valid(data: bytes, integrity_offset: int, password: bytes) -> bool:
    """Whether MESSAGE-INTEGRITY at that offset was made with ``password`` (RFC 8489 section 14.5)."""
    expected = message_integrity(data[:integrity_offset], password)
    return hmac.compare_digest(expected, data[integrity_offset + 4 : integrity_offset + 24])


def message_integrity(message: bytes, password: bytes) -> bytes:
    """HMAC-SHA1 over ``message`` with its length field set as if the integrity attribute ended it."""
    length = len(message) - 20 + 24
    return hmac.digest(password, message[:2] + length.to_bytes(2, "big") + message[4:], "sha1")


def fingerprint(message: bytes) -> int:
    """FINGERPRINT value for a message that this attribute will end (RFC 8489 section 14.7)."""
    length = len(message) - 20 + 8
    return zlib.crc32(message[:2] + length.to_bytes(2, "big") + message[4:]) ^ _FINGERPRINT_XOR


def binding_success(transaction_id: bytes, host: str, port: int, password: bytes) -> bytes:
    """A success response that tells the peer the address we saw it at."""
    body = _encode(XOR_MAPPED_ADDRESS, xor_address(host, port, transaction_id))
    return _seal(BINDING_SUCCESS, transaction_id, body, password)


def binding_error(
    transaction_id: bytes, error: tuple[int, str], password: bytes, unknown: tuple[int, ...] = ()
) -> bytes:
    """An error response (RFC 8489 section 14.8)."""
    code, reason = error
    body = _encode(ERROR_CODE, struct.pack("!HBB", 0, code // 100, code % 100) + reason.encode())
    if unknown:
        body += _encode(UNKNOWN_ATTRIBUTES, struct.pack(f"!{len(unknown)}H", *unknown))
    return _seal(BINDING_ERROR, transaction_id, body, password)


def xor_address(host: str, port: int, transaction_id: bytes) -> bytes:
    """Value of XOR-MAPPED-ADDRESS (RFC 8489 section 14.2). IPv4 inside IPv6 is written as IPv4."""
    address = ipaddress.ip_address(host.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    packed = address.packed
    mask = MAGIC_COOKIE.to_bytes(4, "big") + transaction_id
    xored = bytes(a ^ b for a, b in zip(packed, mask, strict=False))
    return struct.pack("!BBH", 0, 1 if len(packed) == 4 else 2, port ^ (MAGIC_COOKIE >> 16)) + xored


def _encode(kind: int, value: bytes) -> bytes:
    return _ATTRIBUTE.pack(kind, len(value)) + value + bytes(-len(value) % 4)


def _seal(message_type: int, transaction_id: bytes, body: bytes, password: bytes) -> bytes:
    message = _HEADER.pack(message_type, len(body), MAGIC_COOKIE, transaction_id) + body
    message += _encode(MESSAGE_INTEGRITY, message_integrity(message, password))
    message += _encode(FINGERPRINT, fingerprint(message).to_bytes(4, "big"))
    return message[:2] + (len(message) - 20).to_bytes(2, "big") + message[4:]
