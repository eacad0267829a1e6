"""``candil``: what a technician types."""

from candil.cli.main import main

__all__ = ["main"]
