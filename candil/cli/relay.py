"""``candil turn-config``: coturn's configuration, from the same settings that Candil itself uses."""

import argparse
import sys

from candil.config import Settings
from candil.endpoints import turn_config
from turn import coturn_command


def print_turn_config_arguments(parser: argparse.ArgumentParser) -> None:
    coturn_command.add_arguments(parser)


def print_turn_config(settings: Settings, options: argparse.Namespace) -> int:
    sys.stdout.write(coturn_command.configuration(options, turn_config(settings), settings.media))
    return 0
