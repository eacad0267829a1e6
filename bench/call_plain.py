"""Plain WebRTC from browser to browser over the same lines: one RTCPeerConnection each, default settings.

Offers and answers are carried by the bench itself through the browsers' control pipes, so signaling never waits for
the impaired line: that favours plain WebRTC.
"""

from __future__ import annotations

from typing import Any

from playwright.async_api import Browser, Route

from bench.call_side import Side, side

_ORIGIN = "https://plain.test/"
_PAGE = """<!doctype html><title>plain</title><body><script>
const pc = new RTCPeerConnection({ iceServers: [] });
pc.ontrack = (event) => {
  const element = document.createElement(event.track.kind);
  element.autoplay = true; element.playsInline = true; element.width = 320;
  element.srcObject = new MediaStream([event.track]);
  document.body.append(element);
};
async function capture(video) {
  const stream = await navigator.mediaDevices.getUserMedia({
    audio: { channelCount: 1 },
    video: video && { width: 640, height: 480, frameRate: 20 },
  });
  for (const track of stream.getTracks()) pc.addTrack(track, stream);
}
async function gathered() {
  if (pc.iceGatheringState !== "complete") {
    await new Promise((resolve) => pc.addEventListener("icegatheringstatechange",
      () => pc.iceGatheringState === "complete" && resolve()));
  }
  return pc.localDescription.sdp;
}
async function offer() { await pc.setLocalDescription(); return gathered(); }
async function answer(sdp) {
  await pc.setRemoteDescription({ type: "offer", sdp });
  await pc.setLocalDescription();
  return gathered();
}
async function finish(sdp) { await pc.setRemoteDescription({ type: "answer", sdp }); }
</script></body>"""


class PlainCall:
    """The same steps as ``ProductCall``."""

    name = "plain"

    def __init__(self, patient: Browser, doctor: Browser, *, video: bool) -> None:
        self._browsers = (patient, doctor)
        self._video = video

    async def prepare(self) -> None:
        self.patient = await self._open(self._browsers[0], "patient")
        self.doctor = await self._open(self._browsers[1], "doctor")

    async def join(self) -> None:
        offer = await self.patient.page.evaluate("() => offer()")
        answer = await self.doctor.page.evaluate("(sdp) => answer(sdp)", offer)
        await self.patient.page.evaluate("(sdp) => finish(sdp)", answer)

    async def message_delay_s(self) -> float | None:
        """There is no chat here."""
        return None

    async def close(self) -> None:
        for one in (self.patient, self.doctor):
            await one.close()

    async def _open(self, browser: Browser, name: str) -> Side:
        opened = await side(browser, name)

        async def serve(route: Route, _request: Any) -> None:
            await route.fulfill(body=_PAGE, content_type="text/html")

        await opened.page.route(_ORIGIN + "**", serve)
        await opened.page.goto(_ORIGIN)
        await opened.page.evaluate("(video) => capture(video)", self._video)
        return opened
