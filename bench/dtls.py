"""DTLS-SRTP (RFC 5764) for a load-test peer, on OpenSSL with memory buffers."""

from __future__ import annotations

import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from OpenSSL import SSL
from pylibsrtp import Policy, Session

# The profile Chromium and a server on OpenSSL agree on; both servers get the same one.
SRTP_PROFILE = b"SRTP_AES128_CM_SHA1_80"
KEY_BYTES, SALT_BYTES = 16, 14


class Identity:
    """One certificate for all peers of a run: making one per peer would only slow the start."""

    def __init__(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bench")])
        now = datetime.datetime.now(datetime.UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .sign(key, hashes.SHA256())
        )
        self.fingerprint = fingerprint(certificate)
        self.context = SSL.Context(SSL.DTLS_METHOD)
        self.context.use_certificate(certificate)
        self.context.use_privatekey(key)
        self.context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *_: True)
        self.context.set_cipher_list(b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256")
        self.context.set_tlsext_use_srtp(SRTP_PROFILE)


def fingerprint(certificate: x509.Certificate) -> str:
    """The SDP form (RFC 8122) of a certificate's SHA-256."""
    digest = hashes.Hash(hashes.SHA256())
    digest.update(certificate.public_bytes(serialization.Encoding.DER))
    return "sha-256 " + digest.finalize().hex(":").upper()


class Handshake:
    """The client's side of a handshake; feed datagrams in, send what `drain` returns."""

    def __init__(self, identity: Identity, remote_fingerprint: str) -> None:
        self._remote_fingerprint = remote_fingerprint
        self._ssl = SSL.Connection(identity.context, None)
        self._ssl.set_connect_state()
        self._ssl.set_ciphertext_mtu(1200)
        self.done = False

    def advance(self, datagram: bytes | None) -> list[bytes]:
        """Take one datagram (or None at the start and on a timer); returns datagrams to send."""
        if datagram is not None:
            self._ssl.bio_write(datagram)
        elif self._ssl.DTLSv1_get_timeout() == 0:
            self._ssl.DTLSv1_handle_timeout()
        if not self.done:
            try:
                self._ssl.do_handshake()
                self._check_fingerprint()
                self.done = True
            except SSL.WantReadError:
                pass
        return self._drain()

    def _check_fingerprint(self) -> None:
        certificate = self._ssl.get_peer_certificate(as_cryptography=True)
        if certificate is None or fingerprint(certificate).lower() != self._remote_fingerprint.lower():
            raise SSL.Error("the server's certificate is not the one its SDP announced")

    def _drain(self) -> list[bytes]:
        datagrams = []
        while True:
            try:
                datagrams.append(self._ssl.bio_read(1500))
            except SSL.WantReadError:
                return datagrams

    def srtp_sessions(self) -> tuple[Session, Session]:
        """(outbound, inbound) sessions from the exported keys (RFC 5764 section 4.2)."""
        keys = self._ssl.export_keying_material(b"EXTRACTOR-dtls_srtp", 2 * (KEY_BYTES + SALT_BYTES))
        client_key, server_key = keys[:KEY_BYTES], keys[KEY_BYTES : 2 * KEY_BYTES]
        salts = keys[2 * KEY_BYTES :]
        outbound = Policy(key=client_key + salts[:SALT_BYTES], ssrc_type=Policy.SSRC_ANY_OUTBOUND)
        outbound.allow_repeat_tx = True
        outbound.window_size = 1024
        inbound = Policy(key=server_key + salts[SALT_BYTES:], ssrc_type=Policy.SSRC_ANY_INBOUND)
        inbound.allow_repeat_tx = True
        inbound.window_size = 1024
        return Session(outbound), Session(inbound)
