"""News of a line, as the ladder tells it."""

from media.adaptation.orders import DirectionNews, LineNews
from media.adaptation.rungs import Rung
from signaling.line_messages import MediaLine, media_line


def news(
    down: Rung = Rung.VIDEO,
    up: Rung = Rung.AUDIO,
    *,
    down_reason: str = "",
    up_reason: str = "line",
    down_bps: int = 900_000,
    up_bps: int = 60_000,
    since: float = 5.0,
) -> LineNews:
    return LineNews(
        DirectionNews(down, down_reason, down_bps, 0, since), DirectionNews(up, up_reason, up_bps, 85_000, since)
    )


def line(participant_id: str = "par_p", down: Rung = Rung.VIDEO, up: Rung = Rung.AUDIO, **changes: object) -> MediaLine:
    return media_line(participant_id, news(down, up, **changes), 1000.0)  # type: ignore[arg-type]
