"""One Chromium and one EHR for all tests of the browser; one running product for each module."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.support.browser import OPEN, chromium
from tests.support.fhir_server import FhirServer
from tests.support.product import Product


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as running:
        yield running


@pytest_asyncio.fixture(autouse=True, loop_scope="session")
async def _nobody_stays() -> AsyncIterator[None]:
    """Whoever a failed test left behind tells what they saw, and goes."""
    yield
    for someone in list(OPEN):
        print(await someone.tell())
        OPEN.discard(someone)
        await someone.context.close()


@pytest.fixture(scope="session")
def ehr(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FhirServer]:
    server = FhirServer(tmp_path_factory.mktemp("ehr"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory, ehr: FhirServer) -> Iterator[Product]:
    """The service with its EHR, shared by a module: each test plans its own consult."""
    running = Product(tmp_path_factory.mktemp("product"), ehr=ehr)
    running.start()
    yield running
    running.stop()
