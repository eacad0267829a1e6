"""Every picture of docs/images again, from the running product: states x two sizes x two languages.

``.venv/bin/python scripts/pictures.py [folder] [language...]``. The people before the cameras are drawings.
"""

import asyncio
import shutil
import sqlite3
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.support.browser import chromium  # noqa: E402
from tests.support.fhir_server import FhirServer  # noqa: E402
from tests.support.pictures import conversation, desk, entrance, records  # noqa: E402
from tests.support.pictures import words as people  # noqa: E402
from tests.support.pictures.portraits import COMPANION, DOCTOR, PATIENT, film  # noqa: E402
from tests.support.pictures.studio import Studio  # noqa: E402
from tests.support.product import CEDULA, Product, register  # noqa: E402

SCENES = (
    desk.sign_in, desk.planning, entrance.entrance, entrance.minor, entrance.refusals, entrance.closed_links,
    conversation.main_visit, conversation.by_messages, conversation.not_let_in, conversation.six_people,
    records.records, desk.the_day,
)  # fmt: skip
README = {"doctor-consult-call-en-1366.png": "doctor-consult.png", "patient-call-en-360.png": "patient-call.png"}


async def take(folder: Path, languages: list[str]) -> list[str]:
    missed: list[str] = []
    async with AsyncExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        painter = await stack.enter_async_context(chromium())
        flags = [await film(painter, p, scratch / f"{n}.mjpeg") for n, p in enumerate((DOCTOR, PATIENT, COMPANION))]
        clinic, patients, guests = [await stack.enter_async_context(chromium(flag)) for flag in flags]

        async def one(language: str) -> None:
            """Languages go side by side: each has its own clinic and its own EHR, and most of the time is waiting."""
            words, folder_of_ehr = people.LANGUAGES[language], scratch / f"ehr-{language}"
            folder_of_ehr.mkdir()
            ehr = FhirServer(folder_of_ehr)
            ehr.start()
            stack.callback(ehr.stop)
            register(ehr, "Patient", CEDULA, people.ROSA.identifier, people.ROSA.name)
            product = Product(scratch / language, ehr=ehr)
            with sqlite3.connect(product.log_file.parent / "data" / "candil.sqlite") as database:
                # the doctor's own choice
                database.execute("UPDATE staff SET locale = ?", (language,))
            database.close()
            (folder_of_ehr / "codes.csv").write_text(words.codes, "utf-8")
            product.run("import-codes", str(folder_of_ehr / "codes.csv"))
            product.start()
            stack.callback(product.stop)
            studio = Studio(folder, words, product, ehr, clinic, patients, guests, await painter.new_page())
            for scene in SCENES:
                started = time.monotonic()
                await studio.scene(scene)
                print(f"{language} {scene.__name__}: {time.monotonic() - started:.0f} s, {studio.taken}", flush=True)
            missed.extend(studio.missed)

        await asyncio.gather(*(one(language) for language in languages))
    return missed


def main() -> int:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "images"
    folder.mkdir(parents=True, exist_ok=True)
    missed = asyncio.run(take(folder, sys.argv[2:] or list(people.LANGUAGES)))
    for source, name in README.items():
        if (folder / source).exists():
            shutil.copyfile(folder / source, folder / name)
    for line in missed:
        print("not taken:", line, file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
