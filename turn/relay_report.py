"""What the relay check found, in words for the person who has to mend it."""

from dataclasses import dataclass
from typing import Literal

Finding = Literal[
    "works",
    "name_unknown",
    "unreachable",
    "tls_failed",
    "wrong_secret",
    "quota_reached",
    "open_to_anyone",
    "open_relay",
    "sfu_refused",
    "path_broken",
    "unexpected",
]

_SENTENCES: dict[Finding, str] = {
    "works": "works: a patient behind a closed network can reach the calls through it.",
    "name_unknown": "the name {host} is not known to the DNS. Correct [turn] uris or the DNS entry.",
    "unreachable": "nobody answers at {host} port {port} over {transport}. Is coturn running, and is that "
    "port open in the firewall of both machines?",
    "tls_failed": "the TLS certificate is not accepted ({detail}). Renew it, give coturn the full chain, or name "
    "its own certificate authority in [turn] ca_file.",
    "wrong_secret": "coturn refuses our credential. Either [turn] secret differs from its static-auth-secret, or "
    "the two machines' clocks differ by more than the life of a credential: compare both.",
    "quota_reached": "coturn has no place left (quota). Look for calls that never ended, or raise total-quota.",
    "open_to_anyone": "DANGER: coturn asks for no credential, anyone may use it. Stop it now and start it with "
    "the configuration that Candil writes.",
    "open_relay": "DANGER: coturn lets a patient reach {detail}, which is not the media server. Stop it now and start "
    "it with the configuration that Candil writes.",
    "sfu_refused": "coturn refuses the media server's own address {detail}. Write its configuration again: "
    "allowed-peer-ip must name every address in [media] advertised_addresses.",
    "path_broken": "coturn accepts us, but nothing comes back from the media server at {detail}. Can the machine of "
    "coturn reach that UDP port? Behind NAT, also advertise the private address.",
    "unexpected": "coturn answered {detail}.",
}


@dataclass(frozen=True)
class TransportReport:
    """One configured URI, tried from start to end."""

    uri: str
    host: str
    port: int
    transport: str
    """``udp``, ``tcp`` or ``tls``."""
    finding: Finding
    detail: str = ""
    relayed_address: str = ""
    allocation_ms: float | None = None
    """From the first packet to a working allocation, handshakes included."""

    @property
    def ok(self) -> bool:
        return self.finding == "works"

    @property
    def dangerous(self) -> bool:
        return self.finding in ("open_to_anyone", "open_relay")

    def sentence(self) -> str:
        text = _SENTENCES[self.finding].format(
            host=self.host, port=self.port, transport=self.transport.upper(), detail=self.detail
        )
        return f"Relay {self.uri}: {text}"


@dataclass(frozen=True)
class RelayReport:
    """All configured URIs."""

    transports: tuple[TransportReport, ...]
    path_tested: bool
    """Whether bytes really went through to the media port and back."""

    @property
    def configured(self) -> bool:
        return bool(self.transports)

    @property
    def ok(self) -> bool:
        """Every configured URI works. True also when none is configured: a relay is a choice."""
        return all(report.ok for report in self.transports)

    def lines(self) -> list[str]:
        if not self.configured:
            return ["No relay is configured: people whose network blocks the media port will have text only."]
        lines = [report.sentence() for report in self.transports]
        if self.ok and not self.path_tested:
            lines.append(
                "The way from the relay to the media port was not tried, because that port is in use. "
                "Stop Candil and check again to try it."
            )
        return lines
