"""One frozen settings object, read once at start and passed down."""

from candil.config.load import load
from candil.config.settings import (
    ClinicSettings,
    EhrSettings,
    FhirTargetSettings,
    IdentifierSystem,
    LadderSettings,
    LogSettings,
    MediaSettings,
    Settings,
    TurnSettings,
    WebhookSettings,
)

__all__ = [
    "ClinicSettings",
    "EhrSettings",
    "FhirTargetSettings",
    "IdentifierSystem",
    "LadderSettings",
    "LogSettings",
    "MediaSettings",
    "Settings",
    "TurnSettings",
    "WebhookSettings",
    "load",
]
