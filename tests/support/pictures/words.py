"""What the people in the pictures are called and say, in the language of the page."""

from dataclasses import dataclass
from typing import Any

from tests.support.product import Person


@dataclass(frozen=True)
class Words:
    code: str
    locale: str
    reason: str
    other_reasons: tuple[str, ...]
    greeting: str
    answer: str
    while_offline: str
    by_message: tuple[str, str]
    note: dict[str, str]
    prescription: dict[str, str]
    ending: dict[str, str]
    on_another_screen: str
    code_search: str
    codes: str


ROSA = Person("V-8214556", "Rosa Elena Márquez", "0414-5550133")
JESUS = Person("V-5123987", "Jesús Alberto Rondón", "0412-5550171")
CARMEN = Person("V-11456230", "Carmen Salas", "0424-5550162")
LUCIA = Person("V-34870112", "Lucía Peña", "0416-5550190")
OTHERS = tuple(
    Person(f"V-{9_120_344 + 1_371_207 * number}", name, f"0414-55502{number:02d}")
    for number, name in enumerate(
        (
            "Pedro Luis Graterol",
            "Yolanda Briceño",
            "Omar Villegas",
            "Teresa Quintero",
            "Miguel Ángel Rivas",
            "Nelly Contreras",
            "Rafael Urdaneta",
            "Gladys Moreno",
            "Iván Castillo",
            "Aura Mendoza",
            "Simón Parra",
        ),
        start=1,
    )
)
GUESTS: tuple[tuple[str, str], ...] = (
    ("companion", "Luis Márquez"),
    ("interpreter", "Yuleima Jusayú"),
    ("second-doctor", "Dr. Andrés Soto"),
    ("companion", "Daniela Márquez"),
)

ES = Words(
    code="es",
    locale="es-VE",
    reason="Dolor de cabeza desde hace tres días",
    other_reasons=("Control de la tensión", "Tos y fiebre", "Resultados de laboratorio", "Dolor de espalda"),
    greeting="Buenos días, doctora. Desde el lunes me duele la cabeza, sobre todo en la tarde.",
    answer="Buenos días, señora Rosa. Ya le abro la puerta.",
    while_offline="¿Sigue ahí, doctora?",
    by_message=(
        "Buenos días, doctora. Prefiero escribirle, aquí hay mucho ruido.",
        "Claro que sí. ¿Desde cuándo tiene tos?",
    ),
    note={
        "findings": "Dolor opresivo en ambas sienes, 5/10, sin náuseas. Duerme 5 horas. Tensión en casa 130/80.",
        "diagnosis.text": "Cefalea tensional episódica",
    },
    prescription={
        "medicine": "Acetaminofén 500 mg",
        "dose": "1 tableta",
        "route": "Vía oral",
        "frequency": "Cada 8 horas si hay dolor",
        "duration": "3 días",
        "instructions": "Después de comer",
    },
    ending={
        "instructions": "Tome agua, duerma a sus horas y anote los días en que le duele.\n"
        "Si el dolor es muy fuerte o le da fiebre, vaya a la emergencia.",
        "next_action.kind": "control",
    },
    on_another_screen="Dolor en ambas sienes, 6/10. Sin fiebre.",
    code_search="tensional",
    codes="code,display\nG44.2,Cefalea tensional\nR51,Cefalea\nG44.0,Cefalea en racimos\nI10,Hipertensión esencial\n",
)
EN = Words(
    code="en",
    locale="en-US",
    reason="Headache for three days",
    other_reasons=("Blood pressure check", "Cough and fever", "Laboratory results", "Back pain"),
    greeting="Good morning, doctor. My head has hurt since Monday, mostly in the afternoon.",
    answer="Good morning, Mrs. Márquez. I will let you in now.",
    while_offline="Are you still there, doctor?",
    by_message=("Good morning, doctor. I prefer to write, it is noisy here.", "Of course. When did the cough start?"),
    note={
        "findings": "Pressing pain at both temples, 5/10, no nausea. Sleeps 5 hours. Blood pressure at home 130/80.",
        "diagnosis.text": "Episodic tension-type headache",
    },
    prescription={
        "medicine": "Acetaminophen 500 mg",
        "dose": "1 tablet",
        "route": "By mouth",
        "frequency": "Every 8 hours if in pain",
        "duration": "3 days",
        "instructions": "After eating",
    },
    ending={
        "instructions": "Drink water, keep regular hours of sleep and write down the days it hurts.\n"
        "If the pain is very strong or you have a fever, go to the emergency department.",
        "next_action.kind": "control",
    },
    on_another_screen="Pain at both temples, 6/10. No fever.",
    code_search="tension",
    codes="code,display\nG44.2,Tension-type headache\nR51,Headache\nG44.0,Cluster headache\nI10,Hypertension\n",
)
LANGUAGES: dict[str, Words] = {"es": ES, "en": EN}


def plan_fields(words: Words) -> dict[str, Any]:
    """What every plan of this language carries."""
    return {"locale": words.code}
