"""A visit's lines told afterwards: changes in words, gaps, and the drawing that says the same."""

from xml.etree import ElementTree

import pytest

from candil.store.line_history import LineRow
from media.adaptation.policy import LadderPolicy
from media.adaptation.rungs import Rung
from webapp.views.line_picture import Picture, enters, height_of, tracks
from webapp.views.line_story import LineChange, changes, people

SCALE = enters(LadderPolicy())
SVG = "{http://www.w3.org/2000/svg}"


def row(at: float, down: str, up: str, down_reason: str = "", up_reason: str = "", bps: int = 60_000) -> LineRow:
    return LineRow("pat", at, down, up, down_reason, up_reason, bps, bps)


def test_only_what_people_would_notice_is_told() -> None:
    rows = [
        row(0, "audio", "audio", "starting", "starting"),
        row(5, "low_video", "low_video", "line", "line"),
        row(9, "low_video", "low_video", "line", "line", 90_000),
        row(20, "stills", "low_video", "line", "line"),
        row(40, "low_video", "audio", "line", "peer"),
    ]
    assert changes(rows) == [
        LineChange(5, "line.both", "pat", "low_video", "line"),
        LineChange(20, "line.down", "pat", "stills", "line"),
        LineChange(40, "line.down", "pat", "low_video", "line"),
        LineChange(40, "line.up", "pat", "audio", "peer"),
    ]


def test_a_gap_is_one_line_and_what_follows_is_compared_with_before() -> None:
    silent = row(10, "text", "text", "silence", "silence", 0)
    rows = [row(0, "audio", "audio"), silent, row(22, "audio", "audio", "line", "line")]
    assert changes(rows) == [LineChange(10, "line.gap", "pat", seconds=12)]


def test_hd_and_video_are_the_same_word() -> None:
    assert changes([row(0, "video", "video"), row(5, "hd", "hd")]) == []


def test_people_begin_with_the_patient() -> None:
    rows = [LineRow("doc", 0, "video", "video", "", "", 1, 1), row(1, "audio", "audio")]
    lines = people(rows, {"doc": "Ana", "pat": "Rosa"}, "pat", 10)
    assert [person.name for person in lines] == ["Rosa", "Ana"]


def test_stretches_end_where_the_next_begins_and_stop_when_the_person_leaves() -> None:
    rows = [row(0, "audio", "audio"), row(4, "audio", "stills"), row(9, "text", "text", "left", "left")]
    down, up = tracks(rows, 30)
    assert [(s.start, s.end, s.rung) for s in down.segments] == [(0, 9, Rung.AUDIO)]
    assert [(s.start, s.end, s.rung) for s in up.segments] == [(0, 4, Rung.AUDIO), (4, 9, Rung.STILLS)]


@pytest.mark.parametrize("rung", list(Rung)[1:])
def test_a_capacity_that_just_enters_a_rung_is_as_high_as_its_band(rung: Rung) -> None:
    assert height_of(SCALE[rung - 1], SCALE) == pytest.approx(rung)


def test_heights_stay_in_the_picture() -> None:
    assert height_of(1, SCALE) == 0
    assert height_of(10**9, SCALE) == len(SCALE)


def drawn(rows: list[LineRow], start: float, end: float) -> ElementTree.Element:
    levels = ((Rung.TEXT, "Texto"), (Rung.AUDIO, "<Audio>"))
    picture = Picture(start, end, SCALE, levels, lambda at: f"{at:.0f}")
    svg = picture.svg(tracks(rows, end)[0], ident="a", title="Lo que <Rosa> oyó", description="Tabla abajo")
    return ElementTree.fromstring(str(svg).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))


def test_the_drawing_has_a_name_bands_a_line_and_times() -> None:
    root = drawn([row(0, "audio", "audio"), row(60, "text", "text", "silence"), row(90, "stills", "stills")], 0, 120)
    assert root.findtext(f"{SVG}title") == "Lo que <Rosa> oyó"
    named = root.get("aria-labelledby", "").split()
    assert [element.get("id") for element in root if element.get("id")] == named
    bands = root.findall(f"{SVG}rect")
    assert [band.get("class") for band in bands] == ["band-of-tier", "silent", "band-of-tier"]
    widths = [float(band.get("width", "0")) for band in bands]
    assert widths[0] == pytest.approx(2 * widths[1], abs=0.2)
    assert float(bands[2].get("height", "0")) > float(bands[0].get("height", "0"))
    assert len([path for path in root.findall(f"{SVG}path") if path.get("class") == "capacity"]) == 1
    assert {"Texto", "<Audio>", "60"} <= {text.text for text in root.findall(f"{SVG}text")}


def test_a_long_visit_has_few_times() -> None:
    root = drawn([row(0, "audio", "audio")], 0, 3 * 3600)
    assert len(root.findall(f"{SVG}text")) <= 2 + 6
