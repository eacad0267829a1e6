"""What a real Chromium sends when the page obeys an order, counted on the wire; what its meter and line test say."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from playwright.async_api import Browser

from tests.support import visit
from tests.support.browser import Person, person
from tests.support.eventually import eventually
from tests.support.product import Product
from tests.support.wire import TCP, UDP, Wire, watched_loopback

pytestmark = pytest.mark.asyncio(loop_scope="session")

# The page's call in the test's hand; the server's own orders are kept from it, so that only the test gives any.
HOLD = """() => {
  self.Candil = {};
  let made;
  Object.defineProperty(self.Candil, "Call", {
    get: () => made,
    set: (Call) => (made = class extends Call {
      constructor(options) {
        super(options);
        self.heldCall = this;
        const emit = options.connection.emit.bind(options.connection);
        options.connection.emit = (type, ...values) =>
          (type === "media.order" && !values[0].isOfTest) || emit(type, ...values);
      }
    }),
  });
}"""
ORDER = """([audio, video]) => heldCall._connection.emit("media.order",
  {isOfTest: true, session: heldCall._current.id, audio, video, probe: false})"""
PORT = """async () => {
  const reports = await heldCall._current.pc.getStats();
  let chosen;
  reports.forEach((one) => { if (one.type === "transport") chosen = one.selectedCandidatePairId; });
  const local = reports.get(reports.get(chosen).localCandidateId);
  return [local.port, local.protocol];
}"""
SPEECH = {"bitrate_bps": 12000, "ptime_ms": 60, "dtx": False, "fec": True, "narrowband": False}
EMERGENCY = {"bitrate_bps": 6000, "ptime_ms": 120, "dtx": True, "fec": False, "narrowband": True}


class Call:
    """The patient's call and the wire below it."""

    def __init__(self, patient: Person, doctor: Person, product: Product, wire: Wire) -> None:
        self.patient, self.doctor, self.product, self.wire = patient, doctor, product, wire
        self.port = 0

    async def order(self, audio: dict[str, Any] | None, video: dict[str, Any] | None, settle_s: float = 2.5) -> None:
        await self.patient.page.evaluate(ORDER, [audio, video])
        await asyncio.sleep(settle_s)

    async def find_port(self) -> None:
        """Of the pair in use: it may change while a call settles."""
        self.port, protocol = await self.patient.page.evaluate(PORT)
        assert protocol == "udp"

    async def sends(self, for_s: float = 5.0) -> tuple[float, float]:
        """Wire kbit/s and packets a second that leave the patient's browser, checks and reports included."""
        await self.find_port()
        loop = asyncio.get_running_loop()
        began, before = loop.time(), self.wire.of(UDP, src=self.port, dst=self.product.media_port)
        await asyncio.sleep(for_s)
        after = self.wire.of(UDP, src=self.port, dst=self.product.media_port)
        took = loop.time() - began
        return (after[0] - before[0]) * 8 / took / 1000, (after[1] - before[1]) / took

    async def answers_given(self) -> int:
        return int(await self.patient.page.evaluate("() => self.answersGiven"))


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """Without a ladder: nobody but the test steers what the page sends."""
    running = Product(tmp_path_factory.mktemp("product"), ladder=False)
    running.start()
    yield running
    running.stop()


@asynccontextmanager
async def a_call(browser: Browser, product: Product) -> AsyncIterator[Call]:
    planned = product.plan()
    doctor = await visit.signed_in_doctor(browser, product)
    patient = await person(browser, "the patient")
    await patient.context.add_init_script(f"({HOLD})()")
    patient_id = await visit.arrive(patient, planned.link, "video")
    doctor_id = await visit.open_consult(doctor, product, planned)
    await visit.admit(doctor, patient_id)
    await patient.sees_and_hears(doctor_id, pictures=False)
    await doctor.sees_and_hears(patient_id, timeout_s=30, pictures=False)
    with watched_loopback() as wire:
        call = Call(patient, doctor, product, wire)
        await call.find_port()
        yield call
    await patient.close()
    await doctor.close()


async def test_an_order_is_on_the_wire_without_a_round_trip(browser: Browser, product: Product) -> None:
    async with a_call(browser, product) as call:
        await call.doctor.press("button[data-camera]")  # what arrives is acknowledged: that is not what is measured
        await call.patient.page.evaluate("""() => {
          self.answersGiven = 0;
          const request = heldCall._connection.request;
          heldCall._connection.request = function (message) {
            self.answersGiven += message.type === "media.answer";
            return request.call(this, message);
          };
        }""")
        await call.order(SPEECH, {"max_bitrate_bps": 250_000, "max_framerate": 15, "max_height": 240}, 4)
        low_video, _ = await call.sends()
        await call.order(SPEECH, {"max_bitrate_bps": 14_000, "max_framerate": 0.4, "max_height": 240}, 4)
        stills, _ = await call.sends(10)
        await call.order(SPEECH, None)
        speech, speech_packets = await call.sends()
        await call.order(EMERGENCY, None)
        emergency, emergency_packets = await call.sends()
        await call.order(None, None)
        nothing, nothing_packets = await call.sends()
        await call.order(SPEECH, None)
        again, _ = await call.sends()
        figures = f"{low_video=:.1f} {stills=:.1f} {speech=:.1f} {emergency=:.1f} {nothing=:.1f} {again=:.1f}"
        print(figures, f"{speech_packets=:.1f} {emergency_packets=:.1f} {nothing_packets=:.1f}")
        assert 60 < low_video < 320, figures
        assert speech + 4 < stills < speech + 17.5, figures
        assert nothing < 5, figures  # checks of the path and reports of what is received
        assert 12 < speech - nothing < 22, figures
        assert 15 < speech_packets - nothing_packets < 23, speech_packets
        assert 5 < emergency - nothing < 12, figures
        assert emergency_packets - nothing_packets < 13, emergency_packets
        assert 12 < again - nothing < 22, figures
        assert await call.answers_given() == 0
        assert await call.patient.page.evaluate("() => heldCall._orders.abilities.parameters")


async def test_the_meter_counts_what_the_wire_carries(browser: Browser, product: Product) -> None:
    """Within 5 %, in sound and in pictures."""
    async with a_call(browser, product) as call:
        carried = """async () => {
          const total = heldCall._metering._meter;
          total.read(heldCall._current.id, await heldCall._current.pc.getStats());
          return total.total.sent + total.total.received;
        }"""
        for video in ({"max_bitrate_bps": 250_000, "max_framerate": 15, "max_height": 240}, None):
            await call.order(SPEECH, video)
            said, seen = await call.patient.page.evaluate(carried), call.wire.both_ways(UDP, call.port)
            await asyncio.sleep(10)
            said = await call.patient.page.evaluate(carried) - said
            seen = call.wire.both_ways(UDP, call.port) - seen
            print(f"meter {said} wire {seen} ({said / seen - 1:+.1%})")
            assert seen > 15_000
            assert abs(said / seen - 1) < 0.05


async def test_a_cap_ends_the_media_to_the_last_packet(browser: Browser, product: Product) -> None:
    async with a_call(browser, product) as call:
        used = await call.patient.page.evaluate("() => heldCall.spent.callBytes / 1e6")
        await call.patient.page.evaluate("(mb) => heldCall.setCap({megabytes: mb, per: 'call'})", used + 0.3)

        async def is_spent() -> bool:
            return bool(await call.patient.page.evaluate("() => heldCall.state === 'spent'"))

        await eventually("the cap is reached", is_spent, 40)
        await asyncio.sleep(0.5)
        after = call.wire.both_ways(UDP, call.port)
        await asyncio.sleep(4)
        assert call.wire.both_ways(UDP, call.port) == after, "not a check of the path more"
        spent = await call.patient.page.evaluate("() => heldCall.spent")
        print(f"cap {spent['cap']['megabytes']:.3f} MB, used {spent['callBytes'] / 1e6:.3f} MB")
        assert spent["callBytes"] <= spent["cap"]["megabytes"] * 1e6 * 1.02
        await call.patient.page.evaluate("() => heldCall.setCap(null)")

        async def is_back() -> bool:
            return bool(await call.patient.page.evaluate("() => heldCall.state === 'connected'"))

        await eventually("the call is back", is_back, 15)


async def test_the_test_before_the_call_takes_at_most_50_kb(browser: Browser, product: Product) -> None:
    planned = product.plan()
    patient = await person(browser, "the patient")
    await visit.take_link(patient, planned.link)
    await visit.accept(patient)
    await visit.choose(patient, "video")
    await patient.sees("[data-check]")
    await eventually(
        "its own test is over",
        lambda: patient.page.evaluate(
            "() => ['', 'measuring', 'slow'].indexOf(document.querySelector('[data-line]').dataset.result) < 0"
        ),
    )
    with watched_loopback() as wire:
        result = await patient.page.evaluate("""async () => {
          const {base, csrf} = document.querySelector("[data-check]").dataset;
          return Candil.testLine({base, csrf}).finished;
        }""")
        await asyncio.sleep(0.3)
        total = wire.both_ways(TCP, product.port)
    print(f"{total} bytes on the wire, {result}")
    assert 20_000 < total <= 50_000
    assert result["bears"] == "video"
    assert result["rtt_ms"] < 200
    await patient.close()
