"""One MedicationRequest per prescribed drug."""

from fhir.resources.R4B.medicationrequest import MedicationRequest

from candil.consults.record import Prescription
from ehr_bridge import codes
from ehr_bridge.codes import Json
from ehr_bridge.mapping import times
from ehr_bridge.mapping.context import MappingContext, required_text


def map_medication_request(context: MappingContext, index: int) -> MedicationRequest:
    record = context.record
    prescription = record.prescriptions[index]
    medicine = required_text(prescription.medicine, f"prescriptions[{index}].medicine")
    dosage = dosage_text(prescription)
    body: Json = {
        "text": context.narrative([medicine, dosage]),
        "language": record.locale,
        "identifier": [context.prescription(index).as_identifier()],
        "status": "active",
        "intent": "order",
        "category": [codes.concept(codes.MEDICATION_REQUEST_CATEGORY, "community", "Community")],
        "medicationCodeableConcept": {"text": medicine},
        "subject": context.patient(),
        "encounter": context.encounter.reference(),
        "authoredOn": times.date_time(record.signed_at, "signed_at"),
        "requester": context.practitioner(),
        "reasonReference": [context.condition.reference()],
    }
    if dosage:
        body["dosageInstruction"] = [_dosage(prescription, dosage)]
    return MedicationRequest.model_validate(body)


def dosage_text(prescription: Prescription) -> str:
    """Dose, route, frequency, duration and instructions in the doctor's words, in this order."""
    parts = (
        prescription.dose,
        prescription.route,
        prescription.frequency,
        prescription.duration,
        prescription.instructions,
    )
    return "; ".join(part.strip() for part in parts if part.strip())


def _dosage(prescription: Prescription, text: str) -> Json:
    dosage: Json = {"sequence": 1, "text": text}
    if prescription.instructions.strip():
        dosage["patientInstruction"] = prescription.instructions.strip()
    if prescription.route.strip():
        dosage["route"] = {"text": prescription.route.strip()}
    return dosage
