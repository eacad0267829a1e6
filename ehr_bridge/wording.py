"""The few words the bridge itself writes into a record, in the languages a record can have."""

from candil.consults.record import ConsentGiven
from ehr_bridge.errors import MappingRefused

_WORDS = {
    "es": {
        "note": "Nota de teleconsulta",
        "consent": "Consentimiento de teleconsulta",
        "clinic": "Centro",
        "patient": "Paciente",
        "physician": "Médico tratante",
        "visit": "Consulta virtual",
        "reason": "Motivo de consulta",
        "findings": "Hallazgos",
        "diagnosis": "Impresión diagnóstica",
        "prescriptions": "Prescripciones",
        "instructions": "Indicaciones",
        "next": "Próxima acción",
        "consented": "Consentimiento",
        "modality": "Modalidad",
        "signed": "Firmado",
        "provisional": "presuntivo",
        "confirmed": "confirmado",
        "video": "video",
        "stills": "voz con fotos",
        "audio": "solo audio",
        "text": "solo texto",
        "interrupted": "línea interrumpida",
        "none": "Ninguna",
        "control": "Control",
        "appointment": "Cita",
        "laboratory": "Laboratorio",
        "imaging": "Imágenes",
        "referral": "Referencia",
        "call": "Llamar al paciente",
        "emergency": "Acudir a emergencia ahora",
    },
    "en": {
        "note": "Teleconsultation note",
        "consent": "Consent to teleconsultation",
        "clinic": "Clinic",
        "patient": "Patient",
        "physician": "Treating physician",
        "visit": "Virtual visit",
        "reason": "Reason for consultation",
        "findings": "Findings",
        "diagnosis": "Diagnostic impression",
        "prescriptions": "Prescriptions",
        "instructions": "Instructions",
        "next": "Next action",
        "consented": "Consent",
        "modality": "Modality",
        "signed": "Signed",
        "provisional": "provisional",
        "confirmed": "confirmed",
        "video": "video",
        "stills": "voice with still pictures",
        "audio": "audio only",
        "text": "text only",
        "interrupted": "line interrupted",
        "none": "None",
        "control": "Follow-up",
        "appointment": "Appointment",
        "laboratory": "Laboratory",
        "imaging": "Imaging",
        "referral": "Referral",
        "call": "Call the patient",
        "emergency": "Go to emergency now",
    },
}


def word(key: str, locale: str) -> str:
    """One word of ours in the record's language; ``es-VE`` reads as ``es``."""
    language = locale.split("-", 1)[0]
    if language not in _WORDS:
        raise MappingRefused("locale", "is not a language the record can be written in")
    return _WORDS[language][key]


def next_action_name(kind: str, locale: str) -> str:
    return word(kind, locale)


def note_title(locale: str) -> str:
    return word("note", locale)


def consent_title(consent: ConsentGiven, locale: str) -> str:
    """Names the exact text consented to: version, language and the SHA-256 of its bytes."""
    version = f"{consent.wording_locale} {consent.wording_version}"
    return f"{word('consent', locale)} · {version} · SHA-256 {consent.wording_sha256}"
