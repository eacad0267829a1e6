"""Real Chromium pages as participants of a MediaServer in this process."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from playwright.async_api import Browser, Page, async_playwright

from candil.clock import SystemClock
from candil.errors import PeerError
from candil.ids import RandomIds
from media.adaptation.orders import LineNews, PublishOrder
from media.aio.server import MediaServer
from media.aio.session import MediaSession
from media.config import MediaConfig
from tests.support.eventually import eventually

ORIGIN = "https://participant.test/"
FLAGS = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
]  # fmt: skip

HTML = """<!doctype html><title>participant</title><script>
let pc = null, stream = null, configuration = {};
async function capture(audio, video, width, frameRate) {
  stream = await navigator.mediaDevices.getUserMedia(
    {audio, video: video && {width, height: width * 3 / 4, frameRate}});
}
async function accept(sdp, rewrite) {
  if (!pc) {
    pc = new RTCPeerConnection(configuration);
    pc.ontrack = event => {
      const element = document.createElement('video');
      element.autoplay = true; element.muted = event.track.kind === 'video';
      element.srcObject = new MediaStream([event.track]);
      document.body.append(element);
      event.track.publisher = event.streams[0].id;
    };
    if (stream) for (const track of stream.getTracks()) pc.addTrack(track, stream);
  }
  await pc.setRemoteDescription({type: 'offer', sdp});
  await pc.setLocalDescription();
  return pc.localDescription.sdp;
}
async function received() {
  const result = {};
  if (!pc) return result;
  for (const transceiver of pc.getTransceivers()) {
    const track = transceiver.receiver.track;
    if (!track.publisher) continue;
    const report = await transceiver.receiver.getStats();
    for (const s of report.values()) if (s.type === 'inbound-rtp') {
      const one = result[track.publisher] = result[track.publisher] || {};
      if (s.kind === 'video') Object.assign(one, {
        frames: s.framesDecoded || 0, pli: s.pliCount || 0, nack: s.nackCount || 0,
        keyframes: s.keyFramesDecoded || 0, videoLost: s.packetsLost || 0, videoSsrc: s.ssrc,
        freezes: s.freezeCount || 0, videoPackets: s.packetsReceived || 0,
        videoRepaired: s.retransmittedPacketsReceived || 0, width: s.frameWidth || 0,
        videoPlayout: s.estimatedPlayoutTimestamp || 0});
      else Object.assign(one, {
        energy: s.totalAudioEnergy || 0, audioLost: s.packetsLost || 0, audioSsrc: s.ssrc,
        audioPackets: s.packetsReceived || 0, concealed: s.concealedSamples || 0,
        samples: s.totalSamplesReceived || 0, audioPlayout: s.estimatedPlayoutTimestamp || 0});
    }
  }
  return result;
}
async function sent() {
  const result = {};
  const all = await pc.getStats();
  const chosen = ([...all.values()].find(s => s.type === 'transport') || {}).selectedCandidatePairId;
  for (const s of all.values()) {
    if (s.type === 'outbound-rtp') result[s.kind] = {
      bytes: s.bytesSent, packets: s.packetsSent, nack: s.nackCount || 0, pli: s.pliCount || 0,
      target: s.targetBitrate || 0, repaired: s.retransmittedPacketsSent || 0,
      encoded: s.framesEncoded || 0, fps: s.framesPerSecond || 0};
    if (s.type === 'remote-inbound-rtp') result['remote_' + s.kind] = {
      rtt: s.roundTripTime, lost: s.packetsLost, fraction: s.fractionLost};
    if (s.type === 'candidate-pair' && (chosen ? s.id === chosen : s.nominated)) result.pair = {
      local: (({protocol, candidateType, relayProtocol}) => ({protocol, candidateType, relayProtocol}))(
        all.get(s.localCandidateId)),
      state: s.state, rtt: s.currentRoundTripTime, available: s.availableOutgoingBitrate || 0,
      incoming: s.availableIncomingBitrate || 0};
  }
  result.state = pc.connectionState;
  return result;
}
</script><body></body>"""


@asynccontextmanager
async def media_server(**changes: Any) -> AsyncIterator[MediaServer]:
    """A server on a free port of this machine's loopback."""
    server = MediaServer(MediaConfig(**{"bind_host": "127.0.0.1"} | changes), SystemClock(), RandomIds())
    await server.start()
    try:
        yield server
    finally:
        await server.aclose()


@asynccontextmanager
async def chromium(*extra_flags: str, executable: str = "/usr/bin/chromium") -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=executable, args=[*FLAGS, *extra_flags], ignore_default_args=["--mute-audio"]
        )
        try:
            yield browser
        finally:
            await browser.close()


class BrowserParticipant:
    """A page with its media session; also the session's listener. ``events`` keeps what it was told."""

    def __init__(self, page: Page, server: MediaServer, room_id: str, name: str) -> None:
        self.page = page
        self.server = server
        self.room_id = room_id
        self.name = name
        self.session: MediaSession | None = None
        self.events: list[tuple[str, object]] = []
        self.offers: list[str] = []
        self.rewrite_offer: Callable[[str], str] = lambda sdp: sdp
        self.answer_delay_s = 0.0
        self.errors: list[Exception] = []
        self._turn = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    def join(self) -> MediaSession:
        self.session = self.server.open_session(self.room_id, self.name, self)
        return self.session

    def on_offer(self, session_id: str, sdp: str) -> None:
        self.offers.append(sdp)
        task = asyncio.get_running_loop().create_task(self._answer(session_id, sdp))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, session_id: str, sdp: str) -> None:
        async with self._turn:
            if self.session is None or self.session.id != session_id or self.session.closed:
                return
            await asyncio.sleep(self.answer_delay_s)
            try:
                answer = await self.page.evaluate("sdp => accept(sdp)", self.rewrite_offer(sdp))
                if not self.session.closed:
                    self.session.answer(answer)
            except PeerError as error:
                self.errors.append(error)

    def on_connected(self, session_id: str) -> None:
        self.events.append(("connected", session_id))

    def on_path_lost(self, session_id: str) -> None:
        self.events.append(("path_lost", session_id))

    def on_path_restored(self, session_id: str) -> None:
        self.events.append(("path_restored", session_id))

    def on_media(self, session_id: str, kind: str, active: bool) -> None:
        self.events.append(("media", (kind, active)))

    def on_order(self, session_id: str, order: PublishOrder) -> None:
        self.events.append(("order", order))

    def on_line(self, participant_id: str, news: LineNews) -> None:
        self.events.append(("line", (participant_id, news)))

    def on_closed(self, session_id: str, reason: str) -> None:
        self.events.append(("closed", reason))

    async def received(self) -> dict[str, dict[str, Any]]:
        return await self.page.evaluate("received()")

    async def sent(self) -> dict[str, Any]:
        return await self.page.evaluate("sent()")

    async def of(self, other: str) -> dict[str, Any]:
        """What this page has decoded of ``other`` so far."""
        return (await self.received()).get(other, {})

    async def hears_and_sees(self, *others: str, timeout_s: float = 25.0) -> None:
        """Wait until more frames are decoded and more sound is played of each of ``others`` than now."""
        before = await self.received()

        async def grown() -> bool:
            after = await self.received()
            return all(
                after.get(other, {}).get("frames", 0) >= before.get(other, {}).get("frames", 0) + 10
                and after.get(other, {}).get("energy", 0.0) > before.get(other, {}).get("energy", 0.0) + 1e-4
                for other in others
            )

        await eventually(f"{self.name} hears and sees {others}", grown, timeout_s)


async def participant(
    browser: Browser,
    server: MediaServer,
    room_id: str,
    name: str,
    *,
    audio: bool = True,
    video: bool = True,
    width: int = 320,
    frame_rate: int = 15,
) -> BrowserParticipant:
    """A page ready to join, its devices captured."""
    context = await browser.new_context(permissions=["camera", "microphone"])
    page = await context.new_page()
    await page.route(ORIGIN + "**", lambda route: route.fulfill(body=HTML, content_type="text/html"))
    await page.goto(ORIGIN)
    if audio or video:
        await page.evaluate("args => capture(...args)", [audio, video, width, frame_rate])
    return BrowserParticipant(page, server, room_id, name)
