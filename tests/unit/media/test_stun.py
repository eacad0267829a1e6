"""RFC 5769 vectors, round trips and hostile input."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media import stun
from media.ice import MAX_PATHS, IceLite

PASSWORD = b"VOkJxbRl1RmTxUk/WvJxBt"
TRANSACTION = bytes.fromhex("b7e7a701bc34d686fa87dfae")

REQUEST = bytes.fromhex(
    "000100582112a442b7e7a701bc34d686fa87dfae"
    "802200105354554e207465737420636c69656e74"
    "002400046e0001ff"
    "80290008932ff9b151263b36"
    "000600096576746a3a68367659202020"
    "000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2"
    "80280004e57a3bcf"
)
RESPONSE_IPV4 = bytes.fromhex(
    "0101003c2112a442b7e7a701bc34d686fa87dfae"
    "8022000b7465737420766563746f7220"
    "002000080001a147e112a643"
    "000800142b91f599fd9e90c38c7489f92af9ba53f06be7d7"
    "80280004c07d4c96"
)


def test_rfc5769_request_is_read() -> None:
    request = stun.parse_binding_request(REQUEST)
    assert request is not None
    assert (request.local_ufrag, request.remote_ufrag) == ("evtj", "h6vY")
    assert request.claims_controlled
    assert not request.use_candidate
    assert request.transaction_id == TRANSACTION
    assert stun.integrity_is_valid(REQUEST, request.integrity_offset, PASSWORD)
    assert not stun.integrity_is_valid(REQUEST, request.integrity_offset, PASSWORD + b"x")


def test_rfc5769_response_integrity_fingerprint_and_address() -> None:
    integrity_at = RESPONSE_IPV4.index(bytes.fromhex("00080014"))
    fingerprint_at = RESPONSE_IPV4.index(bytes.fromhex("80280004"))
    assert (
        stun.message_integrity(RESPONSE_IPV4[:integrity_at], PASSWORD)
        == RESPONSE_IPV4[integrity_at + 4 : integrity_at + 24]
    )
    assert stun.fingerprint(RESPONSE_IPV4[:fingerprint_at]) == 0xC07D4C96
    assert stun.xor_address("192.0.2.1", 32853, TRANSACTION) == bytes.fromhex("0001a147e112a643")


def test_rfc5769_ipv6_address() -> None:
    expected = bytes.fromhex("0002a1470113a9faa5d3f179bc25f4b5bed2b9d9")
    assert stun.xor_address("2001:db8:1234:5678:11:2233:4455:6677", 32853, TRANSACTION) == expected


def test_ipv4_in_ipv6_is_told_as_ipv4() -> None:
    assert stun.xor_address("::ffff:192.0.2.1", 32853, TRANSACTION) == stun.xor_address("192.0.2.1", 32853, TRANSACTION)


def check(
    username: str, password: bytes, *, use_candidate: bool = True, controlled: bool = False, extra: bytes = b""
) -> bytes:
    """A connectivity check as a browser sends it."""
    body = stun._encode(stun.USERNAME, username.encode())
    body += stun._encode(stun.ICE_CONTROLLED if controlled else stun.ICE_CONTROLLING, bytes(8))
    if use_candidate:
        body += stun._encode(stun.USE_CANDIDATE, b"")
    body += stun._encode(stun.PRIORITY, bytes(4)) + extra
    return stun._seal(stun.BINDING_REQUEST, TRANSACTION, body, password)


def handle(ice: IceLite, data: bytes, path: str = "p1", now: float = 1.0) -> object:
    request = stun.parse_binding_request(data)
    assert request is not None
    return ice.handle_check(data, request, path, "192.0.2.1", 1234, now)


def test_good_check_is_answered_and_nominates() -> None:
    ice = IceLite("srv", "secret")
    reply = handle(ice, check("srv:cli", b"secret"))
    assert reply is not None
    assert reply.authenticated
    assert ice.active == "p1"
    assert int.from_bytes(reply.response[:2], "big") == stun.BINDING_SUCCESS
    assert stun.xor_address("192.0.2.1", 1234, TRANSACTION) in reply.response
    fingerprint_at = len(reply.response) - 8
    assert int.from_bytes(reply.response[-4:], "big") == stun.fingerprint(reply.response[:fingerprint_at])


def test_wrong_password_and_wrong_remote_name_get_silence() -> None:
    ice = IceLite("srv", "secret")
    assert handle(ice, check("srv:cli", b"guess")) is None
    ice.set_remote_ufrag("cli")
    assert handle(ice, check("srv:other", b"secret")) is None
    assert ice.active is None
    assert not ice.paths


def test_peer_that_claims_to_be_controlled_is_told_of_the_conflict() -> None:
    ice = IceLite("srv", "secret")
    reply = handle(ice, check("srv:cli", b"secret", controlled=True))
    assert reply is not None
    assert not reply.authenticated
    assert bytes([0, 0, 4, 87]) in reply.response
    assert ice.active is None


def test_unknown_required_attribute_gets_420() -> None:
    ice = IceLite("srv", "secret")
    reply = handle(ice, check("srv:cli", b"secret", extra=stun._encode(0x0030, b"abcd")))
    assert reply is not None
    assert not reply.authenticated
    assert bytes([0, 0, 4, 20]) in reply.response
    assert stun._encode(stun.UNKNOWN_ATTRIBUTES, b"\x00\x30") in reply.response


def test_path_moves_only_by_nomination_and_paths_are_bounded() -> None:
    ice = IceLite("srv", "secret")
    handle(ice, check("srv:cli", b"secret"), "first")
    handle(ice, check("srv:cli", b"secret", use_candidate=False), "second")
    assert ice.active == "first"
    handle(ice, check("srv:cli", b"secret"), "second")
    assert ice.active == "second"
    evicted = [
        reply.evicted
        for number in range(MAX_PATHS * 3)
        if (reply := handle(ice, check("srv:cli", b"secret", use_candidate=False), f"n{number}"))
    ]
    assert len(ice.paths) == MAX_PATHS
    assert "second" in ice.paths  # the active path is never the one that goes
    assert "first" in evicted


@given(st.binary(max_size=200))
def test_noise_is_never_a_request(data: bytes) -> None:
    assert stun.parse_binding_request(data) is None


@given(st.data())
def test_damaged_checks_never_raise_nor_pass(data: st.DataObject) -> None:
    message = bytearray(check("srv:cli", b"secret"))
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(message) - 1))
        message[position] ^= data.draw(st.integers(1, 255))
    damaged = bytes(message[: data.draw(st.integers(0, len(message)))])
    request = stun.parse_binding_request(damaged)
    if request is None:
        return
    protected = request.integrity_offset + 24  # what follows the integrity is not covered by it (RFC 8489 14.5)
    if damaged[:protected] != check("srv:cli", b"secret")[:protected]:
        reply = IceLite("srv", "secret").handle_check(damaged, request, "p", "192.0.2.1", 1, 0.0)
        assert reply is None or damaged[8:20] != TRANSACTION or not reply.authenticated


@pytest.mark.parametrize("size", [0, 1, 19, 20, 21])
def test_truncated_headers(size: int) -> None:
    assert stun.parse_binding_request(REQUEST[:size]) is None
