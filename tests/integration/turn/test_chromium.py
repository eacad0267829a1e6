"""Chromium's own TURN client takes our credentials and server list: one relayed candidate for each transport."""

import time
from collections.abc import AsyncIterator, Iterator

import pytest
from playwright.async_api import Page, async_playwright

from tests.support.coturn import SECRET, Coturn, running_coturn
from turn.credentials import mint
from turn.ice_servers import ice_servers

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--ignore-certificate-errors",
]
GATHER = """async (iceServers) => {
  const pc = new RTCPeerConnection({iceServers, iceTransportPolicy: "relay"});
  const found = {urls: [], types: [], errors: []};
  pc.onicecandidate = ({candidate}) => {
    if (!candidate || !candidate.candidate) return;
    found.types.push(candidate.type);
    found.urls.push(candidate.url);
  };
  pc.onicecandidateerror = (event) => found.errors.push(event.errorCode);
  pc.addTransceiver("audio");
  const gathered = new Promise((done) => {
    pc.onicegatheringstatechange = () => pc.iceGatheringState === "complete" && done();
  });
  await pc.setLocalDescription();
  await Promise.race([gathered, new Promise((done) => setTimeout(done, 10000))]);
  pc.close();
  return found;
}"""


@pytest.fixture(scope="module")
def coturn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Coturn]:
    with running_coturn(tmp_path_factory.mktemp("coturn")) as running:
        yield running


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        try:
            yield await browser.new_page()
        finally:
            await browser.close()


async def gather(page: Page, coturn: Coturn, secret: str) -> dict[str, list[object]]:
    config = coturn.config()
    found: dict[str, list[object]] = await page.evaluate(
        GATHER, ice_servers(config, mint(secret, "par_test", time.time()))
    )
    return found


async def test_a_relayed_candidate_over_udp_tcp_and_tls(coturn: Coturn, page: Page) -> None:
    found = await gather(page, coturn, SECRET)
    assert set(found["urls"]) == {coturn.udp_uri, coturn.tcp_uri, coturn.tls_uri}, found
    assert set(found["types"]) == {"relay"}


async def test_no_candidate_with_a_credential_of_another_secret(coturn: Coturn, page: Page) -> None:
    found = await gather(page, coturn, "f" * 64)
    assert found["types"] == []
    assert 401 in found["errors"]
