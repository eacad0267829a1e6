"""The media room: who gets in, where things are said, and what ends a session."""

import pytest

from signaling import messages as m
from signaling.facts import People
from signaling.modality import SETTLE_S
from signaling.room import ConsultRoom
from signaling.room_effects import (
    AnswerSession,
    CloseSession,
    OpenSession,
    Page,
    RenewIce,
    Report,
    ResendOffer,
    SetWanted,
    Tell,
    TellOffer,
)
from tests.support.room import DOCTOR, NOW, PATIENT, RENEW_S, joined, people, room


def test_a_join_opens_a_session_and_its_offers_go_to_that_page() -> None:
    made = room()
    made.handle(m.MediaJoin(audio=True, video=False), PATIENT, NOW)
    assert made.drain_effects() == [OpenSession(PATIENT, True, False)]
    made.opened("med_1", PATIENT, NOW)
    made.offered("med_1", "sdp")
    made.path_changed("med_1", "connected", NOW)
    assert made.drain_effects() == [
        TellOffer(PATIENT, "med_1", "sdp"),
        Tell(PATIENT, m.MediaState("med_1", "connected")),
    ]


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        (people({"conversation_ended_at": NOW}), "conversation_ended"),
        (people({"status": "finished", "conversation_ended_at": NOW}), "finished"),
        (people({"status": "cancelled"}), "finished"),
        (people(par_p="refused"), "refused"),
        (people(par_p="waiting"), "held"),
    ],
)
def test_what_ends_a_session_also_refuses_a_join(facts: People, reason: str) -> None:
    made = joined(PATIENT, DOCTOR)
    made.people_changed(facts, NOW)
    closed = {e for e in made.drain_effects() if isinstance(e, CloseSession)}
    assert CloseSession("med_par_p", reason) in closed
    only_them = reason in ("refused", "held")
    assert (CloseSession("med_par_d", reason) in closed) is not only_them
    made.handle(m.MediaJoin(), PATIENT, NOW)
    opened = [e for e in made.drain_effects() if isinstance(e, OpenSession)]
    assert opened == []


def test_a_stranger_of_the_consult_does_not_get_in() -> None:
    made = room()
    made.handle(m.MediaJoin(), Page("par_x", "c", "n"), NOW)
    (told,) = made.drain_effects()
    assert isinstance(told, Tell)
    assert isinstance(told.message, m.Error)


def test_only_its_own_page_moves_a_session() -> None:
    made = joined(PATIENT, DOCTOR)
    for message in (
        m.MediaAnswer("med_par_d", "sdp"),
        m.MediaReceive("med_par_d", False, False),
        m.MediaLeave("med_par_d"),
        m.MediaReceive("med_unknown", True, True),
    ):
        made.handle(message, PATIENT, NOW)
        (told,) = made.drain_effects()
        assert isinstance(told, Tell)
        assert isinstance(told.message, m.MediaClosed)
    made.handle(m.MediaAnswer("med_par_p", "sdp"), PATIENT, NOW)
    made.handle(m.MediaReceive("med_par_p", True, False), PATIENT, NOW)
    made.handle(m.MediaLeave("med_par_p"), PATIENT, NOW)
    assert made.drain_effects() == [
        AnswerSession("med_par_p", "sdp"),
        SetWanted("med_par_p", True, False),
        CloseSession("med_par_p", "left"),
    ]


def test_a_page_that_moved_is_told_there_and_another_page_of_the_same_person_is_not_it() -> None:
    made = joined(PATIENT)
    made.page_seen(Page("par_p", "another page", "node2"), NOW)
    assert made.drain_effects() == []
    moved = Page("par_p", PATIENT.client_id, "node2")
    made.page_seen(moved, NOW)
    assert made.drain_effects() == [ResendOffer("med_par_p")]
    made.offered("med_par_p", "sdp")
    assert made.drain_effects() == [TellOffer(moved, "med_par_p", "sdp")]


@pytest.mark.parametrize(
    ("said", "told"),
    [("peer_closed", "left"), ("silent", "path_lost"), ("handshake_failed", "path_lost"), ("held", "held"),
     ("server_closed", "server"), ("replaced", "replaced")],
)  # fmt: skip
def test_the_end_is_told_in_the_protocols_words(said: str, told: str) -> None:
    made = joined(PATIENT)
    made.closed("med_par_p", said, NOW)
    assert made.drain_effects() == [Tell(PATIENT, m.MediaClosed("med_par_p", told))]
    assert made.sessions() == []
    made.closed("med_par_p", said, NOW)
    assert made.drain_effects() == []


def test_relay_credentials_are_renewed_in_time() -> None:
    made = joined(PATIENT)
    made.handle_timer(NOW + RENEW_S - 1)
    assert made.drain_effects() == []
    made.handle_timer(NOW + RENEW_S)
    assert made.drain_effects() == [RenewIce(PATIENT, "med_par_p")]
    assert made.next_deadline() == NOW + 2 * RENEW_S


def reports(made: ConsultRoom, now: float) -> list[str]:
    made.handle_timer(now)
    return [e.modality for e in made.drain_effects() if isinstance(e, Report)]


def test_the_patients_modality_is_reported_once_it_lasts() -> None:
    made = joined(PATIENT, DOCTOR)
    made.path_changed("med_par_p", "connected", NOW)
    made.media_changed("med_par_p", "audio", True, NOW)
    made.media_changed("med_par_p", "video", True, NOW + 0.5)
    made.media_changed("med_par_d", "video", True, NOW + 0.5)
    assert reports(made, NOW + SETTLE_S) == []
    assert reports(made, NOW + 0.5 + SETTLE_S) == ["video"]
    made.media_changed("med_par_p", "video", False, NOW + 10)
    made.media_changed("med_par_p", "video", True, NOW + 11)
    assert reports(made, NOW + 20) == [], "a flicker is not a change"
    made.path_changed("med_par_p", "path_lost", NOW + 30)
    assert reports(made, NOW + 30 + SETTLE_S) == ["text"]
    made.path_changed("med_par_p", "path_restored", NOW + 40)
    assert reports(made, NOW + 40 + SETTLE_S) == ["video"]


def test_a_session_made_before_the_old_one_breaks_changes_nothing() -> None:
    made = joined(PATIENT)
    made.path_changed("med_par_p", "connected", NOW)
    made.media_changed("med_par_p", "audio", True, NOW)
    assert reports(made, NOW + 5) == ["audio"]
    made.opened("med_2", PATIENT, NOW + 6)
    made.path_changed("med_2", "connected", NOW + 7)
    made.media_changed("med_2", "audio", True, NOW + 7)
    made.closed("med_par_p", "replaced", NOW + 8)
    assert reports(made, NOW + 60) == []
    made.closed("med_2", "left", NOW + 70)
    assert reports(made, NOW + 70 + SETTLE_S) == ["text"]
