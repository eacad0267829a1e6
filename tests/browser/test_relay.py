"""Where UDP is blocked: the whole call through the real relay, over each of its transports."""

from collections.abc import Iterator

import pytest
from playwright.async_api import Browser

from tests.support import visit
from tests.support.browser import chromium, person
from tests.support.coturn import SECRET, Coturn, running_coturn
from tests.support.product import Product

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture(scope="module")
def coturn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Coturn]:
    with running_coturn(tmp_path_factory.mktemp("coturn")) as running:
        yield running


async def call_through(browser: Browser, product: Product, transport: str) -> None:
    """Both people may use nothing but the relay, and each sees and hears the other through it."""
    planned = product.plan()
    doctor = await visit.signed_in_doctor(browser, product, relay_only=True)
    patient = await person(browser, "the patient", relay_only=True)
    patient_id = await visit.arrive(patient, planned.link)
    doctor_id = await visit.open_consult(doctor, product, planned)
    await visit.admit(doctor, patient_id)
    await visit.in_room(patient, "call")
    await patient.sees_and_hears(doctor_id, timeout_s=30)
    await doctor.sees_and_hears(patient_id, timeout_s=30)
    for someone in (patient, doctor):
        path = await someone.path()
        assert path is not None
        assert (path["type"], path["relay"]) == ("relay", transport), path
    await doctor.close()
    await patient.close()


@pytest.fixture
def behind(
    coturn: Coturn, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Product]:
    """The product, told of one transport of the relay."""
    uri = {"udp": coturn.udp_uri, "tcp": coturn.tcp_uri, "tls": coturn.tls_uri}[request.param]
    running = Product(tmp_path_factory.mktemp("product"), turn=[uri], secret=SECRET)
    running.start()
    yield running
    running.stop()


@pytest.mark.parametrize("behind", ["udp"], indirect=True)
async def test_a_call_through_the_relay_over_udp(browser: Browser, behind: Product) -> None:
    await call_through(browser, behind, "udp")


@pytest.mark.parametrize("behind", ["tcp"], indirect=True)
async def test_a_call_through_the_relay_over_tcp(browser: Browser, behind: Product) -> None:
    await call_through(browser, behind, "tcp")


@pytest.mark.parametrize("behind", ["tls"], indirect=True)
async def test_a_call_through_the_relay_over_tls(behind: Product) -> None:
    """The relay's certificate is the test's own, so this browser does not ask who signed it."""
    async with chromium("--ignore-certificate-errors") as lenient:
        await call_through(lenient, behind, "tls")


@pytest.mark.parametrize("behind", ["udp"], indirect=True)
async def test_nobody_gets_a_relay_credential_before_admission(browser: Browser, behind: Product) -> None:
    planned = behind.plan()
    patient = await person(browser, "the patient", permissions=())
    frames: list[str] = []
    patient.page.on("websocket", lambda socket: socket.on("framereceived", lambda data: frames.append(str(data))))
    await visit.arrive(patient, planned.link)
    await visit.in_line(patient, 0)
    await patient.page.locator("[data-room][data-connection=open]").wait_for()
    assert frames
    assert not [frame for frame in frames if "turn:" in frame or "credential" in frame or "media." in frame]
    assert await patient.page.evaluate("() => self.__watched.connections.length") == 0
    await patient.close()
