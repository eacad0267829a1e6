import itertools

from media.nack import MAX_MISSING, MAX_TRIES, REORDER_S, MissingPackets


def test_a_gap_is_asked_for_after_the_reordering_time_and_again_each_round_trip() -> None:
    missing = MissingPackets()
    assert missing.add_gap(65535, 2, 10.0)
    assert missing.due(10.0, 0.3) == []
    assert missing.due(10.0 + REORDER_S, 0.3) == [65535, 0]
    assert missing.due(10.2, 0.3) == []
    assert missing.due(10.4, 0.3) == [65535, 0]


def test_a_late_packet_is_not_asked_for() -> None:
    missing = MissingPackets()
    missing.add_gap(5, 1, 0.0)
    assert missing.remove(5) == 0
    assert missing.remove(5) == -1
    assert missing.due(1.0, 0.1) == []


def test_it_gives_up() -> None:
    missing = MissingPackets()
    missing.add_gap(5, 1, 0.0)
    asked = [now for now in range(1, 40) if missing.due(float(now), 0.1)]
    assert len(asked) == MAX_TRIES
    assert len(missing) == 0
    assert missing.gave_up == 1


def test_with_two_seconds_of_round_trip_nothing_is_asked_twice_within_it() -> None:
    missing = MissingPackets()
    missing.add_gap(5, 1, 0.0)
    times = [step / 10 for step in range(1, 50) if missing.due(step / 10, 2.0)]
    assert len(times) == 3
    assert all(later - earlier > 2.0 for earlier, later in itertools.pairwise(times))


def test_a_flood_is_refused_and_leaves_nothing_behind() -> None:
    missing = MissingPackets()
    missing.add_gap(0, 10, 0.0)
    assert not missing.add_gap(10, MAX_MISSING, 0.0)
    assert len(missing) == 0
