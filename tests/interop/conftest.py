"""One real FHIR server for the whole run, with the people the records name."""

from collections.abc import AsyncIterator, Iterator

import pytest

from candil.store.database import Database
from ehr_bridge.aio.demo import seed_demo_ehr
from tests.support.fhir_faults import FaultProxy
from tests.support.fhir_outbox import Outbox
from tests.support.fhir_records import full_record
from tests.support.fhir_server import FhirServer

SIGNED_AT = 1_767_363_850.0  # 2026-01-02T10:24:10-04:00


@pytest.fixture(scope="session")
def shared_fhir_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FhirServer]:
    server = FhirServer(tmp_path_factory.mktemp("fhir"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def fhir_server(shared_fhir_server: FhirServer) -> FhirServer:
    record = full_record()
    await seed_demo_ehr(shared_fhir_server.base_url, [record.patient], [record.practitioner])
    return shared_fhir_server


@pytest.fixture
async def proxy(fhir_server: FhirServer) -> AsyncIterator[FaultProxy]:
    async with FaultProxy(fhir_server.base_url).running() as proxy:
        yield proxy


@pytest.fixture
async def outbox(sqlite_database: Database) -> Outbox:
    box = Outbox(sqlite_database, SIGNED_AT)
    await box.open()
    return box
