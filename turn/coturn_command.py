"""``candil turn-config``: prints a coturn configuration that fits this installation's own settings."""

import argparse

from candil.config import MediaSettings
from candil.errors import ConfigError
from turn.coturn_config import CoturnSettings, load_template, render_coturn_config
from turn.ice_servers import TurnConfig, parse_turn_uri

_OTHERS_IN_A_ROOM = 5
_HEADROOM = 1.5  # for audio, repair packets and headers


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What cannot be known from Candil's settings, because it belongs to the machine of coturn."""
    parser.add_argument(
        "--relay-address",
        action="append",
        required=True,
        metavar="IP",
        help="address of the machine where coturn runs, as `hostname -I` prints it; may be repeated",
    )
    parser.add_argument(
        "--media-address",
        action="append",
        default=[],
        metavar="IP",
        help="another address of the media server that the relay may reach, besides [media] advertised_addresses",
    )
    parser.add_argument("--certificate", default="", metavar="PEM", help="certificate with its chain, for turns:")
    parser.add_argument("--key", default="", metavar="PEM", help="private key of that certificate")
    parser.add_argument("--port", type=int, help="port for UDP and TCP, when it is not the one in [turn] uris")
    parser.add_argument("--tls-port", type=int, help="port for TLS, when it is not the one in [turn] uris")
    parser.add_argument("--listen", action="append", default=[], metavar="IP", help="listen on this address only")
    parser.add_argument("--pid-file", default=CoturnSettings.pid_file)
    parser.add_argument("--user-db", default=CoturnSettings.user_db)


def configuration(arguments: argparse.Namespace, turn: TurnConfig, media: MediaSettings) -> str:
    """The text of ``turnserver.conf``. Raises ConfigError, naming the setting and the fix."""
    if not turn.uris:
        raise ConfigError("turn_uris", "No relay is configured: set [turn] uris and [turn] secret first.")
    media_addresses = (*media.advertised_addresses, *arguments.media_address)
    if not media_addresses:
        raise ConfigError(
            "turn_address",
            "The relay must know the media server's addresses: "
            "set [media] advertised_addresses or give --media-address.",
        )
    uris = [parse_turn_uri(uri) for uri in turn.uris]
    plain = next((uri.port for uri in uris if uri.transport != "tls"), CoturnSettings.port)
    tls = next((uri.port for uri in uris if uri.transport == "tls"), CoturnSettings.tls_port)
    settings = CoturnSettings(
        secret=turn.secret,
        sfu_addresses=tuple(dict.fromkeys(media_addresses)),
        relay_addresses=tuple(arguments.relay_address),
        realm=uris[0].host.replace(":", "-"),
        listening_addresses=tuple(arguments.listen),
        port=arguments.port or plain,
        tls_port=arguments.tls_port or tls,
        certificate_file=arguments.certificate,
        private_key_file=arguments.key,
        pid_file=arguments.pid_file,
        user_db=arguments.user_db,
        max_bytes_per_s=_max_bytes_per_s(media.max_video_bps),
    )
    if not settings.certificate_file and any(uri.transport == "tls" for uri in uris):
        raise ConfigError("turn_tls", "[turn] uris name a turns: address: give --certificate and --key.")
    return render_coturn_config(load_template(), settings)


def _max_bytes_per_s(max_video_bps: int) -> int:
    """Room for one participant to see everybody else at the most that is allowed."""
    needed = int(max_video_bps * _OTHERS_IN_A_ROOM * _HEADROOM / 8)
    return max(CoturnSettings.max_bytes_per_s, needed)
