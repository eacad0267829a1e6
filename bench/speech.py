"""What the people of a measured call say: a minute of Spanish each, 40 % of it speech, as a WAV file that loops."""

from __future__ import annotations

import subprocess
import tempfile
import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly

RATE_HZ = 48_000
LENGTH_S = 60
ACTIVITY = 0.4

Samples = NDArray[np.float64]

PATIENT = (
    "Buenos días doctora, gracias por atenderme tan temprano.",
    "Desde el martes tengo un dolor fuerte del lado derecho de la cabeza.",
    "Me molesta la luz y ayer vomité dos veces por la tarde.",
    "Tomé acetaminofén de quinientos miligramos cada ocho horas.",
    "No soy alérgica a ningún medicamento que yo sepa.",
    "Mi mamá también sufría de la tensión y de migrañas.",
    "Aquí se fue la luz anoche y casi no pude dormir.",
    "Vivo lejos del ambulatorio, como a dos horas en camioneta.",
)
DOCTOR = (
    "Buenos días señora Rosalinda, cuénteme qué la trae hoy.",
    "¿Desde cuándo comenzó el dolor y en qué parte lo siente?",
    "¿Ha tenido fiebre, mareos o se le nubla la vista?",
    "Vamos a revisar la presión con el aparato que tiene en casa.",
    "Le voy a indicar un tratamiento por cinco días.",
    "Si el dolor empeora o vuelve a vomitar, vaya a emergencia.",
    "Tome bastante agua y descanse en un cuarto oscuro.",
    "La espero en control el próximo jueves a las nueve.",
)


def write_speech(folder: Path, name: str, sentences: tuple[str, ...]) -> Path:
    """The WAV file of one person; made once in a folder."""
    file = folder / f"{name}.wav"
    if not file.exists():
        save_wav(file, spoken(sentences))
    return file


def spoken(sentences: tuple[str, ...]) -> Samples:
    """Sentences with pauses between them, over and over, ``LENGTH_S`` long."""
    said = [_say(sentence) for sentence in sentences]
    parts: list[Samples] = []
    total, number = 0, 0
    while total < LENGTH_S * RATE_HZ:
        sentence = said[number % len(said)]
        pause = np.zeros(int(len(sentence) * (1 - ACTIVITY) / ACTIVITY))
        parts += [sentence, pause]
        total += len(sentence) + len(pause)
        number += 1
    return np.concatenate(parts)[: LENGTH_S * RATE_HZ]


def save_wav(file: Path, samples: Samples, rate_hz: int = RATE_HZ) -> None:
    with wave.open(str(file), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate_hz)
        out.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())


def load_wav(file: Path) -> tuple[Samples, int]:
    """Samples between -1 and 1, and their rate."""
    with wave.open(str(file), "rb") as source:
        frames = source.readframes(source.getnframes())
        return np.frombuffer(frames, dtype="<i2").astype(np.float64) / 32768, source.getframerate()


def _say(sentence: str) -> Samples:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "said.wav"
        subprocess.run(["espeak-ng", "-v", "es-419", "-s", "150", "-w", str(file), sentence], check=True, timeout=30)
        samples, rate_hz = load_wav(file)
    samples = samples[np.flatnonzero(np.abs(samples) > 0.005)[0] :]
    samples = samples[: np.flatnonzero(np.abs(samples) > 0.005)[-1] + 1]
    return np.asarray(resample_poly(samples, RATE_HZ, rate_hz)) * (0.5 / np.max(np.abs(samples)))
