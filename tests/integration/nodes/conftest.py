from collections.abc import Iterator

import pytest

from tests.support.fhir_server import FhirServer


@pytest.fixture(scope="session")
def ehr(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FhirServer]:
    server = FhirServer(tmp_path_factory.mktemp("ehr"))
    server.start()
    yield server
    server.stop()
