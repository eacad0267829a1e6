"""What settings must satisfy together; each problem says how to mend it."""

import re
from ipaddress import ip_address
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from candil.config.settings import Settings

_LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")
_GSM_PLAIN = re.compile(r"[A-Za-z0-9 .,&'()/-]{1,12}")


def problems_of(settings: Settings) -> list[str]:
    """Sentences, one per problem; empty when the settings can work."""
    return [
        *_server(settings),
        *_storage(settings),
        *_clinic(settings),
        *_media(settings),
        *_turn(settings),
        *_ehr(settings),
    ]


def _server(settings: Settings) -> list[str]:
    server = settings.server
    found: list[str] = []
    url = urlsplit(server.public_url)
    if url.scheme not in ("http", "https") or not url.hostname or url.path not in ("", "/"):
        found.append("[server] public_url must look like https://consulta.clinica.example, without a path.")
    elif url.scheme == "http" and url.hostname not in _LOCAL_HOSTS:
        found.append(
            "[server] public_url starts with http: browsers will refuse the camera and the microphone. "
            "Use https with tls = self-signed, files or proxy."
        )
    if url.scheme == "https" and server.tls == "off":
        found.append("[server] public_url is https but tls = off. Set tls to self-signed, files or proxy.")
    if url.scheme == "http" and server.tls in ("self-signed", "files"):
        found.append(f"[server] tls = {server.tls} serves https: write https in public_url.")
    if server.tls == "files":
        for name, path in (("tls_certificate", server.tls_certificate), ("tls_key", server.tls_key)):
            if path is None or not path.is_file():
                found.append(f"[server] {name} must be a readable PEM file when tls = files.")
    if not 0 <= server.port <= 65535:
        found.append("[server] port must be between 0 and 65535.")
    return found


def _storage(settings: Settings) -> list[str]:
    url = settings.storage.database_url
    found: list[str] = []
    if url and not url.startswith(("postgresql://", "sqlite://")):
        found.append("[storage] database_url must start with postgresql:// or be empty for the embedded database.")
    if settings.redis.url and not settings.redis.url.startswith(("redis://", "rediss://", "unix://")):
        found.append("[redis] url must start with redis://.")
    if settings.redis.url and not url.startswith("postgresql://"):
        found.append("[redis] url is set, so several processes are meant: set [storage] database_url to PostgreSQL.")
    return found


def _clinic(settings: Settings) -> list[str]:
    clinic = settings.clinic
    found: list[str] = []
    if not re.fullmatch(r"[a-z0-9-]{1,32}", clinic.id):
        found.append("[clinic] id may hold lower case letters, digits and hyphens, at most 32.")
    if not _GSM_PLAIN.fullmatch(clinic.short_name):
        found.append("[clinic] short_name may hold 12 characters at most, without accents, to fit one SMS.")
    try:
        ZoneInfo(clinic.time_zone)
    except (ZoneInfoNotFoundError, ValueError):
        found.append("[clinic] time_zone must be an IANA name such as America/Caracas.")
    if clinic.locale not in ("es", "en"):
        found.append("[clinic] locale must be es or en.")
    if not clinic.patient_identifiers:
        found.append("[clinic] patient_identifiers needs at least one kind of identifier.")
    for kind in clinic.patient_identifiers:
        try:
            re.sub(kind.pattern, kind.stored, "")
        except (re.error, IndexError) as error:
            found.append(f"[clinic] patient_identifiers {kind.code}: pattern or stored cannot be used ({error}).")
    return found


def _media(settings: Settings) -> list[str]:
    found: list[str] = []
    if not 0 <= settings.media.udp_port <= 65535:
        found.append("[media] udp_port must be between 0 and 65535.")
    if not -1 <= settings.media.tcp_port <= 65535:
        found.append("[media] tcp_port must be between 0 and 65535, or -1 for the same number as udp_port.")
    elif settings.server.port and settings.media.tcp_port_in_use == settings.server.port:
        found.append("[media] tcp_port is the port of the pages ([server] port): choose another number, or 0 for none.")
    if not 30_000 <= settings.media.max_video_bps <= 5_000_000:
        found.append("[media] max_video_bps must be between 30000 and 5000000.")
    for address in (settings.media.bind_host, *settings.media.advertised_addresses):
        try:
            ip_address(address)
        except ValueError:
            found.append(f"[media] {address!r} is not an IP address; names are not used for media.")
    return found


def _turn(settings: Settings) -> list[str]:
    turn = settings.turn
    found: list[str] = []
    for uri in turn.uris:
        if not re.fullmatch(r"turns?:[^:/?\s]+(:\d+)?(\?transport=(udp|tcp))?", uri):
            found.append(f"[turn] {uri!r} must look like turn:relay.example:3478?transport=udp.")
    if turn.uris and not turn.secret and not (turn.secret_file and turn.secret_file.is_file()):
        found.append("[turn] uris are set: give secret or secret_file, the same as coturn's static-auth-secret.")
    if not 60 <= turn.credential_life_s <= 3600:
        found.append("[turn] credential_life_s must be between 60 and 3600.")
    return found


def _ehr(settings: Settings) -> list[str]:
    found: list[str] = []
    names = [t.name for t in settings.ehr.fhir] + [w.name for w in settings.ehr.webhooks]
    if len(names) != len(set(names)):
        found.append("[ehr] every target and webhook needs a name of its own.")
    for target in settings.ehr.fhir:
        if not target.base_url.startswith(("http://", "https://")):
            found.append(
                f"[ehr.fhir] {target.name}: base_url must start with https:// (or http:// on the same machine)."
            )
        if target.auth == "basic" and not (target.username and target.password_file):
            found.append(f"[ehr.fhir] {target.name}: auth = basic needs username and password_file.")
        if target.auth == "bearer" and not target.token_file:
            found.append(f"[ehr.fhir] {target.name}: auth = bearer needs token_file.")
    for hook in settings.ehr.webhooks:
        if not hook.url.startswith("https://") and not hook.allow_private:
            found.append(f"[ehr.webhooks] {hook.name}: url must be https:// (http:// only with allow_private = true).")
        if not hook.secret.startswith("whsec_") and not hook.secret_file:
            found.append(f"[ehr.webhooks] {hook.name}: secret must be whsec_ and base64, or give secret_file.")
    return found
