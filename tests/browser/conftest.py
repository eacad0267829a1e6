"""One Chromium and one EHR for all tests of the browser; one running product for each module."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, suppress

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Error

from tests.support.browser import OPEN, chromium
from tests.support.fhir_server import FhirServer
from tests.support.product import Product


class Chromium:
    """One for all tests; another only where a test brought it down."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack
        self._running: Browser | None = None

    async def browser(self) -> Browser:
        if self._running is None or not self._running.is_connected():
            self._running = await self._stack.enter_async_context(chromium())
        return self._running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def one_chromium() -> AsyncIterator[Chromium]:
    async with AsyncExitStack() as stack:
        yield Chromium(stack)


@pytest_asyncio.fixture(loop_scope="session")
async def browser(one_chromium: Chromium) -> Browser:
    return await one_chromium.browser()


@pytest_asyncio.fixture(autouse=True, loop_scope="session")
async def _nobody_stays() -> AsyncIterator[None]:
    """Whoever a failed test left behind tells what they saw, and goes."""
    yield
    for someone in list(OPEN):
        OPEN.discard(someone)
        with suppress(Error):  # the browser itself may be gone
            print(await someone.tell())
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
