"""Claims, presence and counters with time as an argument."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from candil.bus import state
from candil.bus.link import BACKOFF_LAST_S, backoff_s
from candil.bus.state import Claims, Counters, Presences

NOW = 1_700_000_000.0
DAY = 86_400.0


def test_a_claim_of_another_is_left_alone_until_it_ends() -> None:
    claims = Claims()
    assert claims.claim("room", "a", 10, NOW) == "a"
    assert claims.claim("room", "b", 10, NOW + 9.9) == "a"
    claims.release("room", "b")
    assert claims.owner("room", NOW + 9.9) == "a"
    assert claims.claim("room", "b", 10, NOW + 10) == "b"
    assert claims.owned_by("b", NOW + 12) == {"room": 8.0}
    assert claims.owned_by("a", NOW + 12) == {}


def test_a_clock_set_back_by_a_day_does_not_keep_the_dead_alive_for_a_day() -> None:
    claims, presences, counters = Claims(), Presences(), Counters()
    claims.claim("room", "a", 10, NOW)
    presences.put("g", "m", "i", 10, NOW)
    assert not [counters.hit("x", 1, 60, NOW) for _ in range(2)][1].allowed
    assert claims.owner("room", NOW - DAY) is None
    assert presences.present("g", NOW - DAY) == {}
    assert counters.hit("x", 1, 60, NOW - DAY).allowed


def test_a_small_correction_of_the_clock_ends_nothing() -> None:
    claims = Claims()
    claims.claim("room", "a", 10, NOW)
    assert claims.owner("room", NOW - 1.0) == "a"


def test_own_presence_outlives_what_is_remembered_of_others() -> None:
    presences = Presences()
    presences.put("g", "mine", "i", 60, NOW)
    presences.replace_others("g", {"mine": "stale", "theirs": "x", "gone soon": "y"}, 300, NOW)
    presences.replace_others("g", {"theirs": "x"}, 300, NOW)
    assert presences.present("g", NOW) == {"mine": "i", "theirs": "x"}
    assert [member for _, member, _, _ in presences.own(NOW)] == ["mine"]
    presences.expire(NOW + 100)
    assert presences.present("g", NOW + 100) == {"theirs": "x"}


def test_counting_many_names_stays_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "MAX_COUNTERS", 100)
    counters = Counters()
    for n in range(1_000):
        counters.hit(f"address {n}", 1, 60, NOW + n / 1000)
        assert len(counters._windows) <= 100
    assert not counters.hit("address 999", 1, 60, NOW + 1).allowed, "the newest are kept"


@given(
    limit=st.integers(1, 20),
    window_s=st.integers(1, 60),
    gaps=st.lists(st.floats(0, 5, allow_nan=False), min_size=1, max_size=200),
)
def test_no_window_lets_more_through_than_its_limit(limit: int, window_s: int, gaps: list[float]) -> None:
    counters, now, allowed = Counters(), NOW, []
    for gap in gaps:
        now += gap
        decision = counters.hit("x", limit, window_s, now)
        if decision.allowed:
            allowed.append(now)
        else:
            assert 1 <= decision.retry_after_s <= window_s
            later = now + decision.retry_after_s
            assert later >= allowed[-limit] + window_s or later - now >= 1
    for first in allowed:  # windows begin with a hit, so any span of a window touches at most two of them
        assert sum(first <= at < first + window_s for at in allowed) <= 2 * limit


@given(st.integers(1, 10_000))
def test_backoff_is_never_zero_and_never_long(failures: int) -> None:
    assert 0.1 <= backoff_s(failures) <= BACKOFF_LAST_S
