"""What is kept of everybody's line: each change, a sample of the capacity now and then, in batches."""

from collections.abc import Iterable

import msgspec

from candil.store.line_history import LineRow
from signaling.line_board import CAPACITY_CHANGE
from signaling.line_messages import MediaLine

BATCH_S = 2.0  # rows this close together are one transaction
SAMPLE_S = 20.0
SETTLE_S = 1.0  # a change undone or followed by another within this is one change
RETRY_S = 15.0  # after the storage refused a batch
CONCEALED_CHANGE = 0.02
MAX_PENDING = 400  # while the storage is away; older ones are given up


class LineRecorder:
    def __init__(self) -> None:
        self._last: dict[str, LineRow] = {}  # the newest row of each, pending or kept
        self._latest: dict[str, LineRow] = {}  # of those with a media session
        self._concealed: dict[str, float] = {}
        self._pending: list[LineRow] = []
        self._flush_at: float | None = None

    def changed(self, line: MediaLine, now: float) -> None:
        down, up = line.down, line.up
        row = LineRow(
            line.participant,
            now,
            down.rung,
            up.rung,
            down.reason,
            up.reason,
            down.capacity_bps,
            up.capacity_bps,
            self._concealed_of(line.participant),
        )
        self._latest[line.participant] = row
        last = self._last.get(line.participant)
        if last is None or _standing(row) != _standing(last):
            self._keep(row, now)

    def concealed(self, participant_id: str, share: float) -> None:
        """What a participant's page says of the audio it heard."""
        self._concealed[participant_id] = round(share, 3)

    def left(self, participant_id: str, reason: str, now: float) -> None:
        """Somebody's last media session ended; ``reason`` is one of candil.consults.line_history."""
        if self._latest.pop(participant_id, None) is not None:
            self._keep(LineRow(participant_id, now, "text", "text", reason, reason, 0, 0), now)
        self._concealed.pop(participant_id, None)

    @property
    def deadline(self) -> float | None:
        deadlines = [self._last[row.participant_id].at + SAMPLE_S for row in self._worth_a_sample()]
        if self._flush_at is not None:
            deadlines.append(self._flush_at)
        return min(deadlines, default=None)

    def due(self, now: float, *, everything: bool = False) -> tuple[LineRow, ...]:
        """The batch to write now, in order of time; empty when there is none."""
        for row in self._worth_a_sample():
            if now >= self._last[row.participant_id].at + SAMPLE_S:
                concealed = self._concealed_of(row.participant_id)
                self._keep(msgspec.structs.replace(row, at=now, concealed=concealed), now)
        if self._flush_at is None or not (everything or now >= self._flush_at):
            return ()
        rows, self._pending, self._flush_at = tuple(self._pending), [], None
        return rows

    def put_back(self, rows: Iterable[LineRow], now: float) -> None:
        """The storage refused a batch: it comes again later."""
        self._pending = [*rows, *self._pending][-MAX_PENDING:]
        self._flush_at = now + RETRY_S

    def _keep(self, row: LineRow, now: float) -> None:
        last = self._last.get(row.participant_id)
        if last is not None and self._pending and now - last.at < SETTLE_S and last in self._pending:
            self._pending.remove(last)
        self._last[row.participant_id] = row
        self._pending = [*self._pending, row][-MAX_PENDING:]
        self._flush_at = self._flush_at or now + BATCH_S

    def _worth_a_sample(self) -> list[LineRow]:
        return [row for row in self._latest.values() if self._moved(row, self._last[row.participant_id])]

    def _moved(self, row: LineRow, last: LineRow) -> bool:
        rates = ((row.down_bps, last.down_bps), (row.up_bps, last.up_bps))
        if any(abs(new - old) > CAPACITY_CHANGE * old for new, old in rates):
            return True
        return abs(self._concealed_of(row.participant_id) - last.concealed) > CONCEALED_CHANGE

    def _concealed_of(self, participant_id: str) -> float:
        return self._concealed.get(participant_id, 0.0)


def _standing(row: LineRow) -> tuple[str, str, str, str]:
    return row.down, row.up, row.down_reason, row.up_reason
