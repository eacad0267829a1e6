"""Calls between real Chromium pages through the media server."""

import asyncio
import re

from tests.support.eventually import eventually
from tests.support.media_browser import chromium, media_server, participant


async def test_two_pages_hear_and_see_each_other() -> None:
    async with media_server() as server, chromium() as browser:
        ana = await participant(browser, server, "room", "ana")
        bea = await participant(browser, server, "room", "bea")
        ana.join()
        bea.join()
        await asyncio.gather(ana.hears_and_sees("bea"), bea.hears_and_sees("ana"))
        assert ana.errors == bea.errors == []
        names = [event[0] for event in ana.events]
        assert names.count("connected") == 1
        assert ("media", ("audio", True)) in ana.events
        assert ("media", ("video", True)) in ana.events

        # 60 ms packets as offered: 17 a second, not 50
        first = (await ana.sent())["audio"]["packets"]
        await asyncio.sleep(1)
        assert 12 <= (await ana.sent())["audio"]["packets"] - first <= 22

        # Pausing what one receiver gets costs no bytes there, and harms nobody else
        assert ana.session is not None
        assert bea.session is not None
        ana.session.set_wanted(audio=True, video=False)
        await asyncio.sleep(0.2)
        before = await ana.of("bea")
        await bea.hears_and_sees("ana")
        after = await ana.of("bea")
        assert after["videoPackets"] == before["videoPackets"]
        assert after["energy"] > before["energy"]
        ana.session.set_wanted(audio=True, video=True)
        await ana.hears_and_sees("bea")
        assert (await ana.of("bea"))["keyframes"] > before["keyframes"]

        # Figures for pages
        figures = ana.session.statistics()
        assert figures["rtt_ms"] is not None
        assert figures["connected"] is True
        await eventually("a REMB comes", lambda: (ana.session.statistics()["available_downlink_bps"] or 0) > 0)

        # Leaving frees the lines; coming back takes them again
        bea.session.close()
        await eventually("ana's offer without bea", lambda: "a=inactive" in ana.offers[-1])
        assert server.statistics()["sessions"] == 1
        again = await participant(browser, server, "room", "bea")
        again.join()
        await asyncio.gather(ana.hears_and_sees("bea"), again.hears_and_sees("ana"))
        assert len(re.findall("^m=", ana.offers[-1], re.MULTILINE)) == 4
        await ana.page.evaluate("pc.close()")
        await eventually("closing the page's connection is noticed", lambda: ("closed", "peer_closed") in ana.events)


async def test_lip_sync_reaches_the_receiver() -> None:
    """Sender reports map both streams to one clock: playout times of audio and video agree."""
    async with media_server() as server, chromium() as browser:
        ana = await participant(browser, server, "room", "ana")
        bea = await participant(browser, server, "room", "bea", audio=False, video=False)
        ana.join()
        bea.join()

        async def both_mapped() -> bool:
            stats = await bea.of("ana")
            return bool(stats.get("audioPlayout") and stats.get("videoPlayout"))

        await eventually("playout times of audio and video", both_mapped)
        differences = []
        for _ in range(5):
            stats = await bea.of("ana")
            differences.append(abs(stats["audioPlayout"] - stats["videoPlayout"]))
            await asyncio.sleep(0.2)
        assert sorted(differences)[2] < 500  # ms; a wrong mapping is off by the streams' random timestamps


async def test_six_pages_all_see_all() -> None:
    names = ["ana", "bea", "caro", "dora", "eva", "flor"]
    async with media_server() as server, chromium() as browser:
        pages = await asyncio.gather(
            *(participant(browser, server, "room", name, width=160, frame_rate=8) for name in names)
        )
        for page in pages:
            page.join()
        await asyncio.gather(
            *(page.hears_and_sees(*(name for name in names if name != page.name), timeout_s=30) for page in pages)
        )
        assert all(page.errors == [] for page in pages)
        assert server.statistics()["sessions"] == 6


async def test_a_second_session_of_a_participant_takes_over_without_a_break() -> None:
    async with media_server() as server, chromium() as browser:
        ana = await participant(browser, server, "room", "ana")
        bea = await participant(browser, server, "room", "bea")
        ana.join()
        bea.join()
        await asyncio.gather(ana.hears_and_sees("bea"), bea.hears_and_sees("ana"))
        before = await bea.of("ana")
        offers = len(bea.offers)

        newer = await participant(browser, server, "room", "ana")
        newer.join()
        await eventually("the older session ends", lambda: ("closed", "replaced") in ana.events)
        await newer.hears_and_sees("bea")
        await bea.hears_and_sees("ana")
        after = await bea.of("ana")
        assert (after["audioSsrc"], after["videoSsrc"]) == (before["audioSsrc"], before["videoSsrc"])
        assert len(bea.offers) == offers  # nothing to renegotiate for the others
        assert after["videoLost"] == before["videoLost"]
        assert server.statistics()["sessions"] == 2
        assert not newer.session.closed if newer.session else False
