"""Adaptive media in a consult's room: orders, news of the lines, ceilings, and what is kept of them."""

import pytest

from candil.errors import PeerError
from media.adaptation.orders import AudioOrder, LineHint, PublishOrder, VideoOrder
from media.adaptation.rungs import Rung
from signaling import messages as m
from signaling.line_messages import Limit, MeasuredLine, MediaLimit, MediaOrder, MediaReport, media_order
from signaling.line_recorder import BATCH_S
from signaling.modality import SETTLE_S
from signaling.room import ConsultRoom
from signaling.room_effects import (
    BrowserEstimate,
    OpenSession,
    Page,
    RecordLines,
    Report,
    ResendOffer,
    SetDevices,
    SetLimit,
    Tell,
)
from tests.support.ladder_news import line
from tests.support.room import DOCTOR, GUEST, NOW, PATIENT, joined, people, room

ORDER = PublishOrder(AudioOrder(12_000, 60, True, True, False), VideoOrder(150_000, 15.0, 240))


def told(made: ConsultRoom) -> list[tuple[str, m.Outgoing]]:
    return [(e.page.participant_id, e.message) for e in made.drain_effects() if isinstance(e, Tell)]


def test_what_the_test_before_the_call_found_and_the_ceilings_come_with_the_join() -> None:
    made, limit = room(), Limit("audio", "low_video", "saving")
    made.handle(m.MediaJoin(line=MeasuredLine(90_000.7, None, 800.0), limit=limit), PATIENT, NOW)
    assert made.drain_effects() == [OpenSession(PATIENT, True, True, LineHint(90_000, None, 800.0), limit)]


def test_ceilings_and_reports_of_ones_own_session_only() -> None:
    made = joined(PATIENT, DOCTOR)
    made.handle(MediaLimit("med_par_p", "audio", "text", "budget"), PATIENT, NOW)
    made.handle(MediaReport("med_par_p", 64_000.9, 0.5), PATIENT, NOW)
    made.handle(MediaReport("med_par_p", None, None), PATIENT, NOW)
    assert made.drain_effects() == [
        SetLimit("med_par_p", Limit("audio", "text", "budget")),
        BrowserEstimate("med_par_p", 64_000),
    ]
    made.handle(MediaLimit("med_par_d", "text", "text", "chosen"), PATIENT, NOW)
    made.handle(MediaReport("med_par_d", 1.0, 0.0), PATIENT, NOW)
    assert told(made) == [("par_p", m.MediaClosed("med_par_d", "server"))] * 2


def test_the_devices_of_a_page_are_told_to_its_sessions() -> None:
    made = joined(PATIENT, DOCTOR)
    made.handle(m.MediaDevices(True, False), PATIENT, NOW)
    made.handle(m.MediaDevices(True, True), Page("par_p", "another page", "node1"), NOW)
    made.handle(m.MediaDevices(True, True), GUEST, NOW)
    assert made.drain_effects() == [SetDevices("med_par_p", True, False)]


def test_an_order_goes_to_its_page_and_the_news_to_everybody_with_a_session() -> None:
    made = joined(PATIENT, DOCTOR)
    made.ordered("med_par_p", ORDER)
    made.ordered("med_unknown", ORDER)
    assert told(made) == [("par_p", media_order("med_par_p", ORDER))]
    made.line_changed(line(), NOW)
    made.line_changed(line(), NOW)
    assert told(made) == [("par_p", line()), ("par_d", line())]
    made.line_changed(line("par_g"), NOW)
    assert told(made) == [], "somebody without a session has no line"


def test_a_page_that_comes_back_or_joins_hears_the_last_of_everything() -> None:
    made = joined(PATIENT, DOCTOR)
    made.ordered("med_par_p", PublishOrder(None, None))
    made.ordered("med_par_p", ORDER)
    made.line_changed(line("par_p", up=Rung.STILLS), NOW)
    made.line_changed(line("par_d"), NOW)
    made.drain_effects()
    moved = Page("par_p", PATIENT.client_id, "node2")
    made.page_seen(moved, NOW)
    assert made.drain_effects() == [
        ResendOffer("med_par_p"),
        Tell(moved, media_order("med_par_p", ORDER)),
        Tell(moved, line("par_p", up=Rung.STILLS)),
        Tell(moved, line("par_d")),
    ]
    made.page_seen(Page("par_p", "another page", "node2"), NOW)
    assert made.drain_effects() == []
    made.opened("med_par_g", GUEST, NOW)
    assert told(made) == [("par_g", line("par_p", up=Rung.STILLS)), ("par_g", line("par_d"))]


def test_news_that_had_to_wait_are_told_by_the_timer() -> None:
    made = joined(PATIENT)
    made.line_changed(line(up_bps=50_000), NOW)
    made.line_changed(line(up_bps=90_000), NOW + 3)
    made.handle_timer(NOW + BATCH_S)
    made.drain_effects()
    assert made.next_deadline() == NOW + 10
    made.handle_timer(NOW + 10)
    assert told(made) == [("par_p", line(up_bps=90_000))]


def test_nobody_who_has_left_is_told_of() -> None:
    made = joined(PATIENT, DOCTOR)
    made.line_changed(line("par_p"), NOW)
    made.closed("med_par_p", "left", NOW + 60)
    made.drain_effects()
    made.line_changed(line("par_p", up=Rung.TEXT), NOW + 61)
    made.opened("med_par_g", GUEST, NOW + 62)
    assert told(made) == []


@pytest.mark.parametrize(("said", "kept"), [("left", "left"), ("silent", "silence"), ("held", "left")])
def test_changes_and_the_end_are_kept_in_batches(said: str, kept: str) -> None:
    made = joined(PATIENT, DOCTOR)
    made.line_changed(line("par_p"), NOW)
    made.line_changed(line("par_d"), NOW + 1)
    made.handle_timer(NOW + BATCH_S)
    (batch,) = (e for e in made.drain_effects() if isinstance(e, RecordLines))
    assert [r.participant_id for r in batch.rows] == ["par_p", "par_d"]
    made.closed("med_par_p", said, NOW + 60)
    assert not made.is_empty
    made.record(NOW + 60)
    (batch,) = (e for e in made.drain_effects() if isinstance(e, RecordLines))
    assert [(r.up, r.up_reason) for r in batch.rows] == [("text", kept)]
    made.closed("med_par_d", "left", NOW + 70)
    made.handle_timer(NOW + 80)
    assert made.is_empty


def test_what_the_storage_refused_is_handed_over_again() -> None:
    made = joined(PATIENT)
    made.line_changed(line(), NOW)
    made.record(NOW)
    (batch,) = (e for e in made.drain_effects() if isinstance(e, RecordLines))
    made.not_recorded(batch.rows, NOW)
    made.handle_timer(NOW + 60)
    assert batch in made.drain_effects()


def test_the_tiers_take_over_from_the_tracker_of_modality() -> None:
    made = joined(PATIENT, DOCTOR)
    made.path_changed("med_par_p", "connected", NOW)
    made.media_changed("med_par_p", "audio", True, NOW)
    made.line_changed(line("par_d"), NOW + 1)
    made.handle_timer(NOW + SETTLE_S)
    assert [e.modality for e in made.drain_effects() if isinstance(e, Report)] == ["audio"]
    made.line_changed(line("par_p"), NOW + 3)
    made.media_changed("med_par_p", "video", True, NOW + 4)
    made.handle_timer(NOW + 4 + SETTLE_S)
    assert [e for e in made.drain_effects() if isinstance(e, Report)] == []


def test_nothing_reaches_somebody_who_was_held() -> None:
    made = joined(PATIENT, DOCTOR)
    made.people_changed(people(par_p="waiting"), NOW)
    made.closed("med_par_p", "held", NOW)
    made.drain_effects()
    made.line_changed(line("par_d"), NOW)
    made.page_seen(PATIENT, NOW)
    assert {who for who, _ in told(made)} == {"par_d"}


def test_an_order_of_nothing_says_null() -> None:
    assert media_order("med_1", PublishOrder(None, None)) == MediaOrder("med_1", None, None, False)


def test_every_rung_has_its_name_on_the_wire() -> None:
    for rung in Rung:
        limit = f'{{"type":"media.limit","session":"s","down":"{rung.wire_name}","up":"hd"}}'
        message = m.decode(limit.encode())
        assert isinstance(message, MediaLimit)
        assert Rung.from_wire(message.down) is rung


@pytest.mark.parametrize(
    "text",
    [
        '{"type":"media.limit","session":"s","down":"best","up":"hd"}',
        '{"type":"media.limit","session":"s","down":"hd","up":"hd","reason":"because"}',
        '{"type":"media.limit","session":"s","down":"hd"}',
        '{"type":"media.report","session":"s","outgoing_bps":-1}',
        '{"type":"media.report","session":"s","outgoing_bps":1e11}',
        '{"type":"media.report","session":"s","outgoing_bps":1e999}',
        '{"type":"media.report","session":"s","concealed":1.5}',
        '{"type":"media.report","session":"s","concealed":"0.5"}',
        '{"type":"media.join","line":{"down_bps":true}}',
        '{"type":"media.join","line":{"rtt_ms":-3}}',
        '{"type":"media.join","limit":{"up":"4k"}}',
    ],
)
def test_what_is_no_rung_and_no_sensible_number_is_refused(text: str) -> None:
    with pytest.raises(PeerError) as refused:
        m.decode(text.encode())
    assert refused.value.code == "malformed"
