"""From the settings to the media port and the relay, as their own parts want to know them."""

from urllib.parse import urlsplit

from candil import keys
from candil.addresses import own_addresses
from candil.config import Settings
from media.config import MediaConfig
from turn.ice_servers import TurnConfig


def media_config(settings: Settings) -> MediaConfig:
    host = urlsplit(settings.server.public_url).hostname or "localhost"
    return MediaConfig(
        bind_host=settings.media.bind_host,
        udp_port=settings.media.udp_port,
        tcp_port=settings.media.tcp_port_in_use,
        advertised_addresses=settings.media.advertised_addresses or own_addresses(host),
        max_video_bitrate_bps=settings.media.max_video_bps,
    )


def turn_config(settings: Settings) -> TurnConfig:
    turn = settings.turn
    secret = turn.secret
    if turn.uris and not secret and turn.secret_file is not None:
        secret = keys.read_secret(turn.secret_file, "[turn] secret_file")
    return TurnConfig(secret=secret, uris=turn.uris, credential_life_s=turn.credential_life_s)
