"""From the settings to the media port and the relay, as their own parts want to know them."""

import dataclasses
import re
from typing import Any
from urllib.parse import urlsplit

from candil import keys
from candil.addresses import own_addresses
from candil.config import LadderSettings, Settings
from candil.errors import ConfigError
from media.adaptation.policy import LadderPolicy
from media.config import MediaConfig
from turn.ice_servers import TurnConfig


def media_config(settings: Settings) -> MediaConfig:
    """Raises ConfigError for a ladder that makes no sense."""
    host = urlsplit(settings.server.public_url).hostname or "localhost"
    return MediaConfig(
        bind_host=settings.media.bind_host,
        udp_port=settings.media.udp_port,
        tcp_port=settings.media.tcp_port_in_use,
        advertised_addresses=settings.media.advertised_addresses or own_addresses(host),
        max_video_bitrate_bps=settings.media.max_video_bps,
        downlink_estimator=settings.media.downlink_estimator,
        ladder=ladder_policy(settings.ladder),
    )


def ladder_policy(settings: LadderSettings) -> LadderPolicy | None:
    """None: switched off. Raises ConfigError whose message names the setting and its fix."""
    if not settings.enabled:
        return None
    changes: dict[str, Any] = {"allow_hd": settings.allow_hd}
    for name, value in dataclasses.asdict(settings).items():
        if value is None or isinstance(value, bool):
            continue
        rung = re.fullmatch(r"(\w+)_(enter_bps|hold_bps)", name)
        if rung is None:
            changes[name] = value
        else:
            changes.setdefault(rung[1], {})[rung[2]] = value
    try:
        return LadderPolicy.from_settings(changes)
    except ConfigError as error:
        # The policy speaks of rungs with fields; in the file both are one name.
        said = re.sub(r"(\w+)\.(enter_bps|hold_bps)", r"\1_\2", error.message.removeprefix("media ladder: "))
        raise ConfigError(error.code, f"[ladder] {said}") from None


def turn_config(settings: Settings) -> TurnConfig:
    turn = settings.turn
    secret = turn.secret
    if turn.uris and not secret and turn.secret_file is not None:
        secret = keys.read_secret(turn.secret_file, "[turn] secret_file")
    return TurnConfig(secret=secret, uris=turn.uris, credential_life_s=turn.credential_life_s)
