"""The commands that put people, keys and codes into the database, and those that only print."""

from pathlib import Path

import sqlcipher3.dbapi2

from tests.support.coturn import SECRET
from tests.support.installation import ROOT, Installation


def rows(installation: Installation, query: str) -> list[tuple[object, ...]]:
    with sqlcipher3.dbapi2.connect(str(installation.folder / "data" / "candil.sqlite")) as database:
        return list(database.execute(query))


def test_staff(installation: Installation) -> None:
    doctor = ("add-staff", "Ana", "Dra. Ana Rojas", "--licence", "MPPS-1", "--password-stdin")
    assert installation.did(*doctor, given="lampara-de-aceite-7\n") == (
        f"ana (doctor) may sign in at {installation.url}/login\n"
    )
    again = installation.run(*doctor, given="lampara-de-aceite-7\n")
    assert again.returncode == 1
    assert "This login exists." in again.stderr
    short = installation.run("add-staff", "eva", "Eva", "--role", "front-desk", "--password-stdin", given="corta\n")
    assert short.returncode == 1
    assert "The password needs at least" in short.stderr
    ((stored,),) = rows(installation, "SELECT password_hash FROM staff")
    assert str(stored).startswith("$argon2id$")


def test_a_key_is_shown_once_and_kept_as_a_hash(installation: Installation) -> None:
    key = installation.did("add-api-key", "agenda").strip()
    assert len(key) > 20
    assert not [row for row in rows(installation, "SELECT * FROM api_keys") if key in map(str, row)]


def test_codes_as_a_clinic_has_them(installation: Installation, tmp_path: Path) -> None:
    commas, semicolons, bad = (tmp_path / name for name in ("commas.csv", "semicolons.csv", "bad.csv"))
    commas.write_text('code,display\nJ00,"Rinofaringitis aguda, resfriado común"\nG44.2,Cefalea\n', "utf-8-sig")
    assert installation.did("import-codes", str(commas)).startswith("2 codes of ")
    stored = "SELECT code, display FROM diagnosis_codes ORDER BY code"
    assert rows(installation, stored) == [("G44.2", "Cefalea"), ("J00", "Rinofaringitis aguda, resfriado común")]

    semicolons.write_text("Código;Descripción\nN39.0;Infección de vías urinarias\n\nM54.5;Lumbago\n", "utf-8")
    assert installation.did("import-codes", str(semicolons)).startswith("2 codes of ")
    assert [code for code, _ in rows(installation, stored)] == ["M54.5", "N39.0"]

    bad.write_text("J00,Resfriado\nJ01\n", "utf-8")
    refused = installation.run("import-codes", str(bad))
    assert refused.returncode == 1
    assert f"{bad} line 2 must be code,display." in refused.stderr
    bad.write_bytes("J00,Infección\n".encode("latin-1"))
    refused = installation.run("import-codes", str(bad))
    assert refused.returncode == 1
    assert "is not UTF-8" in refused.stderr
    assert installation.run("import-codes", str(tmp_path / "nowhere.csv")).returncode == 1
    assert [code for code, _ in rows(installation, stored)] == ["M54.5", "N39.0"]  # as before the bad ones


def test_the_reference_of_settings_is_current(installation: Installation) -> None:
    assert installation.did("settings") == (ROOT / "docs" / "configuration.md").read_text("utf-8")


def test_coturn_configuration(installation: Installation) -> None:
    missing = installation.run("turn-config", "--relay-address", "192.0.2.5")
    assert missing.returncode == 2
    assert "set [turn] uris and [turn] secret first" in missing.stderr
    installation.configure({"turn": {"uris": ["turn:relay.example:3479?transport=udp"], "secret": SECRET}})
    printed = installation.did("turn-config", "--relay-address", "192.0.2.5")
    for line in (
        "listening-port=3479",
        "relay-ip=192.0.2.5",
        f"static-auth-secret={SECRET}",
        "allowed-peer-ip=127.0.0.1",
    ):
        assert line in printed.splitlines()
