"""Real Chromium acknowledges what carries transport-wide numbers: all video, some of it, a little audio, padding."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from media.aio.server import MediaServer
from media.aio.session import MediaSession
from tests.support.eventually import eventually
from tests.support.media_browser import BrowserParticipant, chromium, media_server, participant
from tests.support.media_relay import UdpRelay


@asynccontextmanager
async def call() -> AsyncIterator[tuple[MediaServer, BrowserParticipant]]:
    """bea receives from ana; her video is off until a test turns it on."""
    async with media_server() as server, chromium() as browser:
        ana = await participant(browser, server, "room", "ana")
        bea = await participant(browser, server, "room", "bea", video=False)
        ana.join()
        bea.join().set_forwarding("ana", "video", on=False)
        session = bea.session
        assert session is not None
        await eventually("bea hears ana", lambda: session.history.newest_acked > 0 and session.connected, 20)
        yield server, bea


def session_of(person: BrowserParticipant) -> MediaSession:
    assert person.session is not None
    return person.session


async def acknowledged(session: MediaSession) -> None:
    """Everything numbered so far has been acknowledged, or what follows it."""
    assert session.history is not None
    newest, history = session.history.next_seq - 1, session.history
    await eventually("all is acknowledged", lambda: history.newest_acked >= newest, 5)


async def test_sparse_numbers_are_acknowledged_and_cost_little() -> None:
    async with call() as (server, bea):
        session = session_of(bea)
        history = session.history
        assert history is not None
        receive_rtcp, heard = server._receive_rtcp, [0]

        def counting(path: object, size: int, now: float) -> None:
            heard[0] += size + 28 if path.session is session else 0  # type: ignore[attr-defined]
            receive_rtcp(path, size, now)  # type: ignore[arg-type]

        server._receive_rtcp = counting  # type: ignore[assignment,method-assign]
        first = history.next_seq
        await asyncio.sleep(5)
        audio_numbers, audio_bps = history.next_seq - first, heard[0] * 8 / 5
        await acknowledged(session)
        assert 8 <= audio_numbers <= 13  # two a second
        assert audio_bps < 4_000
        assert not any(sink.attached and sink.kind == "video" for sink in session.sinks_by_ssrc.values())

        session.set_forwarding("ana", "video", on=True)
        await bea.hears_and_sees("ana")
        session._choose_stamps = lambda _now: None  # the line is calm: the tick would choose the second
        for interval_s, least in ((0.0, 20), (0.16, 8)):
            session.stamp_interval_s = interval_s
            before = history.next_seq
            await asyncio.sleep(2)
            assert history.next_seq - before >= least
            await acknowledged(session)


async def test_padding_is_acknowledged_before_any_video_and_after_it() -> None:
    async with call() as (server, bea):
        session = session_of(bea)
        for _ in range(2):
            sent = session.padding_bytes
            for _ in range(20):
                server.forwarder.send_padding(session, 600, server.now())
                await asyncio.sleep(0.015)
            assert session.padding_bytes - sent > 10_000
            await acknowledged(session)
            session.set_forwarding("ana", "video", on=True)
            await bea.hears_and_sees("ana")  # the padding has not confused its decoder
            session.set_forwarding("ana", "video", on=False)
            await asyncio.sleep(0.3)
        video = next(sink for sink in session.sinks_by_ssrc.values() if sink.kind == "video")
        assert not video.attached


async def test_a_dead_line_holds_video_back_and_brings_it_back() -> None:
    """Only what steers is missing here: pacing is on, and the way down stops answering for two seconds."""
    async with media_server() as server, chromium() as browser:
        relay = await UdpRelay(server.port).start()
        ana = await participant(browser, server, "room", "ana")
        bea = await participant(browser, server, "room", "bea", video=False)
        bea.rewrite_offer = relay.rewrite
        ana.join()
        session = bea.join()
        await bea.hears_and_sees("ana")
        session.downlink_control.hint(5_000_000, server.now())
        session.paced = True
        await bea.hears_and_sees("ana")
        video = next(sink for sink in session.sinks_by_ssrc.values() if sink.kind == "video")
        relay.blocked = True
        await eventually("video is given up", lambda: video.starved and not video.attached, 5)
        assert not session.pacer.queue
        before = video.packets
        await asyncio.sleep(1)
        assert video.packets == before
        relay.blocked = False
        await eventually("video is sent again", lambda: video.attached, 10)
        lost = (await bea.of("ana"))["nack"]
        await bea.hears_and_sees("ana")
        assert (await bea.of("ana"))["nack"] - lost < 20
        relay.close()


async def test_lost_sound_is_asked_for_again_in_both_directions() -> None:
    async with media_server() as server, chromium() as browser:
        relay = await UdpRelay(server.port).start()
        ana = await participant(browser, server, "room", "ana", video=False)
        bea = await participant(browser, server, "room", "bea", video=False)
        ana.rewrite_offer = relay.rewrite
        ana.join()
        bea.join()
        audio = session_of(ana).uplinks["audio"]
        await eventually("both send", lambda: audio.packets > 20 and session_of(bea).uplinks["audio"].packets > 20, 20)
        await asyncio.sleep(3)
        relay.loss_up = relay.loss_down = 0.2
        start = audio.packets
        before = await ana.of("bea")
        await asyncio.sleep(12)
        after = await ana.of("bea")
        relay.loss_up = relay.loss_down = 0.0
        concealed = (after["concealed"] - before["concealed"]) / (after["samples"] - before["samples"])
        assert audio.packets - start > 100
        assert audio.retransmitted >= 3  # ana sent again what we asked for
        repeated = sum(sink.repeated for sink in session_of(ana).sinks_by_ssrc.values())
        assert repeated >= 3  # and we what she asked for
        assert audio.lost >= audio.retransmitted
        assert concealed < 0.2
        relay.close()
