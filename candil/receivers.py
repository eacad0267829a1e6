"""From the settings to the receivers of finished visits."""

from pathlib import Path

from candil.config import FhirTargetSettings, Settings, WebhookSettings
from candil.errors import ConfigError
from ehr_bridge.targets import FhirTarget, Target, WebhookTarget


def receivers(settings: Settings) -> tuple[Target, ...]:
    """Every configured target; ConfigError with the fix when one cannot work."""
    return (
        *(_fhir(target) for target in settings.ehr.fhir),
        *(_webhook(hook) for hook in settings.ehr.webhooks),
    )


def _fhir(target: FhirTargetSettings) -> FhirTarget:
    where = f"[ehr.fhir] {target.name}"
    return FhirTarget(
        name=target.name,
        base_url=target.base_url,
        identifier_base=target.identifier_base,
        auth=target.auth,
        username=target.username,
        password=_secret(target.password_file, where) if target.auth == "basic" else "",
        token=_secret(target.token_file, where) if target.auth == "bearer" else "",
        timeout_s=target.timeout_s,
    )


def _webhook(hook: WebhookSettings) -> WebhookTarget:
    return WebhookTarget(
        name=hook.name,
        url=hook.url,
        secret=hook.secret or _secret(hook.secret_file, f"[ehr.webhooks] {hook.name}"),
        payload=hook.payload,
        allow_private=hook.allow_private,
    )


def _secret(path: Path | None, where: str) -> str:
    try:
        return path.read_text().strip() if path else ""
    except OSError as error:
        raise ConfigError("secret_file", f"{where}: {path} cannot be read ({error.strerror}).") from None
