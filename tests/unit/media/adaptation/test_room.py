"""Who gets what in a room, on lines given by hand."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from media.adaptation.orders import Forward, Lines, Publish, PublishOrder
from media.adaptation.policy import LadderPolicy
from media.adaptation.room import RoomAdaptation
from media.adaptation.rungs import Rung
from media.congestion.line import LineState


def line(bps: int, congestion: str = "") -> LineState:
    return LineState(bps, True, congestion, 250.0 if congestion else 0.0, 0.0, 50.0, min(bps, 20_000))


def drive(room: RoomAdaptation, lines: dict[str, Lines], start: float, seconds: float) -> list[Any]:
    actions: list[Any] = []
    for tick in range(round(seconds / 0.2)):
        actions += room.tick(start + tick * 0.2, lines)
    return actions


def room_of(*names: str) -> RoomAdaptation:
    room = RoomAdaptation(LadderPolicy())
    for name in names:
        room.join(name, 0.0, None)
    return room


def last_order(actions: list[Any], name: str) -> Any:
    return [action.order for action in actions if isinstance(action, Publish) and action.participant == name][-1]


GOOD = Lines(line(1_000_000), line(1_000_000), True)


def test_a_camera_nobody_may_see_stops_costing_bytes() -> None:
    room = room_of("a", "b")
    assert last_order(drive(room, {"a": GOOD, "b": GOOD}, 0, 8), "a").video is not None
    room.set_limit("b", down=Rung.AUDIO, up=Rung.VIDEO, reason="saving")
    actions = drive(room, {"a": GOOD, "b": GOOD}, 8, 1)
    assert last_order(actions, "a").video is None
    assert Forward("b", "a", "video", on=False) in actions


def test_sound_stays_when_the_picture_goes() -> None:
    room = room_of("a", "b")
    drive(room, {"a": GOOD, "b": GOOD}, 0, 8)
    actions = drive(room, {"a": GOOD, "b": Lines(line(30_000, "delay"), line(1_000_000), True)}, 8, 1)
    order = last_order(actions, "a")
    assert order.video is None
    assert order.audio is not None
    assert Forward("b", "a", "audio", on=False) not in actions


def test_the_limited_side_hears_the_reason_and_the_other_that_it_is_the_peer() -> None:
    room = room_of("a", "b")
    room.set_limit("b", down=Rung.AUDIO, up=Rung.VIDEO, reason="chosen")
    told = {
        action.participant: action.news
        for action in drive(room, {"a": GOOD, "b": GOOD}, 0, 8)
        if hasattr(action, "news")
    }
    assert (told["b"].down.rung, told["b"].down.reason) == (Rung.AUDIO, "chosen")
    assert (told["a"].up.rung, told["a"].up.reason) == (Rung.AUDIO, "peer")
    assert told["a"].down.rung is Rung.VIDEO


def test_a_silent_line_keeps_its_sound_ordered() -> None:
    room = room_of("a", "b")
    drive(room, {"a": GOOD, "b": GOOD}, 0, 8)
    dead = Lines(line(1_000_000, "silence"), line(1_000_000, "silence"), True)
    order = last_order(drive(room, {"a": GOOD, "b": dead}, 8, 5), "a")
    assert order.audio is not None
    assert order.video is None


_sim_lines = st.builds(
    LineState,
    capacity_bps=st.integers(5_000, 2_000_000),
    proven=st.booleans(),
    congestion=st.sampled_from(["", "", "delay", "loss", "silence"]),
    queue_ms=st.floats(0, 1_000),
    loss=st.floats(0, 0.5),
    rtt_ms=st.none(),
    rate_bps=st.integers(0, 600_000),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(_sim_lines, _sim_lines, _sim_lines, _sim_lines, st.integers(1, 60)), min_size=1, max_size=8))
def test_a_picture_never_flows_without_its_sound(
    course: list[tuple[LineState, LineState, LineState, LineState, int]],
) -> None:
    room = RoomAdaptation(LadderPolicy())
    room.join("a", 0.0, None)
    room.join("b", 0.0, None)
    now = 0.0
    forwarded: set[tuple[str, str, str]] = set()
    orders: dict[str, PublishOrder] = {}
    for a_down, a_up, b_down, b_up, ticks in course:
        for _ in range(ticks):
            now += 0.2
            for action in room.tick(now, {"a": Lines(a_down, a_up, True), "b": Lines(b_down, b_up, True)}):
                if isinstance(action, Forward):
                    entry = (action.receiver, action.publisher, action.kind)
                    (forwarded.add if action.on else forwarded.discard)(entry)
                elif isinstance(action, Publish):
                    orders[action.participant] = action.order
            assert all((to, of, "audio") in forwarded for to, of, kind in forwarded if kind == "video")
            assert all(order.audio is not None for order in orders.values() if order.video is not None)
