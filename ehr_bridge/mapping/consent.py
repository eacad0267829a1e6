"""The consent to the virtual modality, one per visit, recorded before the call began."""

from fhir.resources.R4B.consent import Consent

from ehr_bridge import codes
from ehr_bridge.codes import Json
from ehr_bridge.errors import MappingRefused
from ehr_bridge.mapping import times
from ehr_bridge.mapping.context import MappingContext, is_absolute_uri
from ehr_bridge.wording import consent_title


def map_consent(context: MappingContext) -> Consent:
    record, consent = context.record, context.record.consent
    status = codes.lookup(codes.CONSENT_STATUSES, consent.status, "consent.status")
    recorded = times.date_time(consent.recorded_at, "consent.recorded_at")
    title = consent_title(consent, record.locale)
    body: Json = {
        "text": context.narrative([title, consent.given_by, recorded]),
        "language": record.locale,
        "identifier": [context.consent.as_identifier()],
        "status": status,
        "scope": codes.concept(codes.CONSENT_SCOPE, "treatment", "Treatment"),
        "category": [codes.concept(codes.LOINC, "59284-0", "Patient Consent")],
        "patient": context.patient(),
        "dateTime": recorded,
        "performer": [_performer(context)],
        "sourceAttachment": {
            "contentType": "text/plain",
            "language": consent.wording_locale,
            "url": _wording_uri(consent.wording_uri),
            # Attachment.hash is SHA-1 by definition in R4; the SHA-256 of the wording is in the title.
            "title": title,
        },
        # ppc-1: one of policy and policyRule must exist.
        "policy": [{"uri": _wording_uri(consent.wording_uri)}],
    }
    organization = context.organization()
    if organization is not None:
        body["organization"] = [organization]
    if status == "active":
        body["verification"] = [{"verified": True, "verificationDate": recorded}]
        body["provision"] = {
            "type": "permit",
            "period": times.period(consent.recorded_at, record.finished_at, "consent.recorded_at..finished_at"),
        }
    return Consent.model_validate(body)


def _performer(context: MappingContext) -> Json:
    """Who consented: the patient, or a representative named with their relation."""
    consent = context.record.consent
    if consent.representative_relation:
        display = f"{consent.given_by} ({consent.representative_relation})"
        return {"type": "RelatedPerson", "display": display}
    return {**context.patient(), "display": consent.given_by} if consent.given_by else context.patient()


def _wording_uri(uri: str) -> str:
    if not is_absolute_uri(uri):
        raise MappingRefused("consent.wording_uri", "must be the absolute URI of the wording that was shown")
    return uri
