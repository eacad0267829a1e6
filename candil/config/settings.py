"""Every setting, with its meaning beside it. ``docs/configuration.md`` is generated from here.

In ``candil.toml`` a setting is ``[section]`` and ``name``; in the environment it is
``CANDIL_SECTION_NAME``, which wins. Lists in the environment are separated by commas.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal


def _doc(text: str, default: Any) -> Any:
    if isinstance(default, list | dict | set):
        raise TypeError("settings are immutable")
    return field(default=default, metadata={"doc": text})


TlsMode = Literal["off", "self-signed", "files", "proxy"]


@dataclass(frozen=True)
class ServerSettings:
    """Where the service listens and what people type to reach it."""

    public_url: str = _doc(
        "The address patients and doctors open, without a path: https://consulta.clinica.example. "
        "Browsers give camera and microphone only over https or on localhost.",
        "http://localhost:8080",
    )
    host: str = _doc("Address to listen on; 0.0.0.0 for every network card.", "127.0.0.1")
    port: int = _doc("TCP port to listen on.", 8080)
    tls: TlsMode = _doc(
        "off: plain http, for localhost only. self-signed: make a certificate for a clinic's own network. "
        "files: use tls_certificate and tls_key. proxy: a reverse proxy in front does TLS.",
        "off",
    )
    tls_certificate: Path | None = _doc("PEM file with the certificate and its chain (tls = files).", None)
    tls_key: Path | None = _doc("PEM file with the private key (tls = files).", None)
    trusted_proxies: tuple[str, ...] = _doc(
        "Addresses of reverse proxies whose X-Forwarded-For is believed (tls = proxy).", ("127.0.0.1", "::1")
    )


@dataclass(frozen=True)
class StorageSettings:
    """Where what must survive is kept."""

    data_dir: Path = _doc("Folder of the embedded database, keys and certificates.", Path("data"))
    database_url: str = _doc(
        "Empty: the embedded SQLite database in data_dir. Or postgresql://user:password@host/name, "
        "needed when several processes serve one clinic.",
        "",
    )
    database_key_file: Path | None = _doc(
        "File with the key that encrypts the embedded database (32 bytes as 64 hex digits); empty: not encrypted.",
        None,
    )


@dataclass(frozen=True)
class RedisSettings:
    """The bus between processes. One process needs none."""

    url: str = _doc("redis://host:6379/0; empty: this process alone serves the clinic.", "")


@dataclass(frozen=True)
class IdentifierSystem:
    """One kind of document that identifies a patient. What is typed loses its spaces and dots, must match
    ``pattern``, and is kept as ``stored`` says, with the pattern's groups as ``\\1``, ``\\2``; empty: as it matched.
    One person's number is then one value however it was typed, which is how the EHR finds them."""

    code: str
    label: str
    uri: str
    pattern: str = ".{1,40}"
    example: str = ""
    stored: str = ""


_IDENTIFIER_SYSTEMS = (
    IdentifierSystem("cedula", "Cédula", "urn:oid:2.16.862.1.1", r"([VE])-?(\d{5,9})", "V-12345678", r"\1-\2"),
    IdentifierSystem("pasaporte", "Pasaporte", "urn:oid:2.16.862.1.2", r"[A-Z0-9]{5,15}", "123456789"),
)


@dataclass(frozen=True)
class ClinicSettings:
    """Who the clinic is and how it works."""

    id: str = _doc("Short stable id, lower case letters, digits and hyphens; it is written into records.", "clinica")
    name: str = _doc("The clinic's full name, as patients see it.", "Clínica de demostración")
    short_name: str = _doc("At most 12 plain characters; it goes into the 70-character SMS with the link.", "Clinica")
    time_zone: str = _doc("IANA time zone of the clinic.", "America/Caracas")
    locale: str = _doc("Language of the pages when a browser asks for none: es or en.", "es")
    phone_country_code: str = _doc("Country calling code put before local phone numbers.", "58")
    contact_phone: str = _doc("Phone that patients see when something cannot be solved on the page.", "")
    identifier_system: str = _doc("URI of the system that identifies the clinic (its RIF, for instance).", "")
    identifier_value: str = _doc("The clinic's identifier in that system.", "")
    practitioner_system: str = _doc("URI of the system of doctors' licence numbers.", "urn:oid:2.16.862.1.3")
    patient_identifiers: tuple[IdentifierSystem, ...] = _doc(
        "Kinds of patient identifier: [[clinic.patient_identifiers]] with code, label, uri, pattern, example, stored.",
        _IDENTIFIER_SYSTEMS,
    )
    link_opens_before_h: int = _doc("Hours before the appointment from which the link lets the patient in.", 24 * 14)
    link_valid_after_h: int = _doc("Hours after the appointment until which an unused link works.", 24)
    summary_valid_days: int = _doc("Days the patient's link shows instructions after the visit.", 30)
    price_per_mb: float = _doc(
        "Price of one megabyte of mobile data, for the cost shown to patients; 0: not shown.", 0.0
    )
    price_currency: str = _doc("Currency word beside that price.", "Bs.")
    history_url: str = _doc(
        "Page of the EHR that a doctor may open from a delivered visit; {id} is replaced by its id.", ""
    )


@dataclass(frozen=True)
class MediaSettings:
    """The media port."""

    bind_host: str = _doc("Address the media port listens on.", "0.0.0.0")  # noqa: S104
    udp_port: int = _doc("UDP port of all media; open it in the firewall. 0: any free one (tests).", 8081)
    tcp_port: int = _doc(
        "TCP port of media for networks that drop UDP; open it too. -1: the same number as udp_port. 0: none.", -1
    )
    advertised_addresses: tuple[str, ...] = _doc(
        "Addresses patients can reach that port at (the public one behind NAT 1:1 first). Empty: this machine's own.",
        (),
    )
    max_video_bps: int = _doc("Most a participant's video may use, bits per second.", 500_000)
    downlink_estimator: Literal["transport_cc", "remb"] = _doc(
        "What a participant's downlink is measured by: transport_cc, our own estimate from the browser's feedback on "
        "packets, or remb, the browser's estimate.",
        "transport_cc",
    )

    @property
    def tcp_port_in_use(self) -> int:
        """0: none."""
        return self.udp_port if self.tcp_port == -1 else self.tcp_port


def _enter(what: str, built_in: str) -> Any:
    return _doc(f"Wire bits per second that a line must be proven to bear to begin {what}. Built in: {built_in}.", None)


def _hold(what: str, built_in: str) -> Any:
    return _doc(f"A congested line that bears less than this leaves {what}. Built in: {built_in}.", None)


@dataclass(frozen=True)
class LadderSettings:
    """When a line gets moving pictures, still pictures, sound or text. Empty numbers mean the built-in ones; rates
    count IP and UDP headers and hold for a call of two."""

    enabled: bool = _doc("false: every page sends what it likes, whatever the lines bear.", True)
    allow_hd: bool = _doc("Allow 720 lines on lines that bear it: about 650 MB an hour in each direction.", False)
    emergency_enter_bps: int | None = _enter("telephone sound, the last that carries a voice", "13000")
    emergency_hold_bps: int | None = _hold("it for text", "10000")
    audio_enter_bps: int | None = _enter("good sound", "26000")
    audio_hold_bps: int | None = _hold("it for telephone sound", "20000")
    stills_enter_bps: int | None = _enter("a picture every few seconds beside the sound", "48000")
    stills_hold_bps: int | None = _hold("it for sound alone", "34000")
    low_video_enter_bps: int | None = _enter("small moving pictures", "85000")
    low_video_hold_bps: int | None = _hold("them for stills", "62000")
    video_enter_bps: int | None = _enter("moving pictures in standard definition", "415000")
    video_hold_bps: int | None = _hold("them for small ones", "280000")
    hd_enter_bps: int | None = _enter("high definition (with allow_hd)", "1900000")
    hd_hold_bps: int | None = _hold("it for standard definition", "1200000")
    up_hold_s: float | None = _doc("Least seconds between two steps up. Built in: 2.0.", None)
    failed_within_s: float | None = _doc(
        "A step up that had to be undone within this many seconds has failed. Built in: 30.0.", None
    )
    penalty_first_s: float | None = _doc(
        "After a failed step up none for this long, four times longer after each further one. Built in: 15.0.", None
    )
    penalty_max_s: float | None = _doc("But never longer than this. Built in: 300.0.", None)
    forgive_s: float | None = _doc("A step up that held this long ends the waiting. Built in: 120.0.", None)


@dataclass(frozen=True)
class TurnSettings:
    """The relay for networks that block UDP."""

    uris: tuple[str, ...] = _doc("turn: and turns: URIs of the coturn server; empty: no relay.", ())
    secret: str = _doc("The static-auth-secret shared with coturn.", "")
    secret_file: Path | None = _doc("File that holds it, instead of secret.", None)
    credential_life_s: int = _doc("Life of a relay credential, at most 3600 s; renewed by itself.", 3600)
    ca_file: Path | None = _doc("CA certificate of the turns: server, for the relay check; empty: the system's.", None)


@dataclass(frozen=True)
class FhirTargetSettings:
    """One EHR that takes records as FHIR R4."""

    name: str
    base_url: str
    identifier_base: str = "https://candil.invalid/fhir/sid/"
    auth: Literal["none", "basic", "bearer"] = "none"
    username: str = ""
    password_file: Path | None = None
    token_file: Path | None = None
    timeout_s: float = 20.0


@dataclass(frozen=True)
class WebhookSettings:
    """One receiver of signed webhooks."""

    name: str
    url: str
    secret: str = ""
    secret_file: Path | None = None
    payload: Literal["thin", "full"] = "thin"
    allow_private: bool = False


@dataclass(frozen=True)
class EhrSettings:
    """Where finished visits go."""

    fhir: tuple[FhirTargetSettings, ...] = _doc(
        "[[ehr.fhir]] blocks: name, base_url, identifier_base, auth (none, basic, bearer), username, password_file, "
        "token_file, timeout_s.",
        (),
    )
    webhooks: tuple[WebhookSettings, ...] = _doc(
        "[[ehr.webhooks]] blocks: name, url, secret or secret_file (whsec_...), payload (thin, full), allow_private.",
        (),
    )


@dataclass(frozen=True)
class SecuritySettings:
    """Keys, limits and how long a sign-in lasts."""

    secret_key_file: Path | None = _doc(
        "File with the key that signs tickets; empty: made on first start in data_dir. Several processes share one.",
        None,
    )
    staff_idle_minutes: int = _doc("A doctor's sign-in ends after this long without use.", 12 * 60)
    staff_absolute_hours: int = _doc("And after this long in any case.", 24)
    login_attempts_per_10_min: int = _doc("Wrong passwords per account and address before waiting.", 10)
    request_limit_per_min: int = _doc("Requests per address and minute to pages that take a secret.", 60)


@dataclass(frozen=True)
class LogSettings:
    """What is written to standard error, one JSON object a line; identifiers only, never a patient's data."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = _doc("Least level that is written to stderr.", "INFO")


@dataclass(frozen=True)
class Settings:
    """The whole configuration, frozen; made by ``candil.config.load``."""

    server: ServerSettings = field(default_factory=ServerSettings)
    storage: StorageSettings = field(default_factory=StorageSettings)
    redis: RedisSettings = field(default_factory=RedisSettings)
    clinic: ClinicSettings = field(default_factory=ClinicSettings)
    media: MediaSettings = field(default_factory=MediaSettings)
    ladder: LadderSettings = field(default_factory=LadderSettings)
    turn: TurnSettings = field(default_factory=TurnSettings)
    ehr: EhrSettings = field(default_factory=EhrSettings)
    security: SecuritySettings = field(default_factory=SecuritySettings)
    log: LogSettings = field(default_factory=LogSettings)
