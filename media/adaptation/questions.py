"""When to ask a line whether it bears more: a padding probe downwards, a short test of the camera upwards."""

from media.adaptation.policy import LadderPolicy
from media.congestion.line import LineState

REACHED = 0.85
"""Share of the goal an encoder must have sent in a test: encoders meet their target only about."""
PROVEN = 0.97
"""Share of the goal at which a measured capacity answers the question."""
QUEUE_STOP_MS = 100.0
"""A queue longer by this while asking is the answer."""
THIN_STOP_MS = 40.0
"""The same where the sound itself asks."""
LOSS_HIDES = (0.04, 0.4)
"""Loss at which a silent answer says nothing about the line's rate."""
CARRIED = 0.96
"""Share of the goal that must have come of an uplink test: a little over what the rung needs to be entered."""
GROWN_TO = 0.81
"""The same for a picture that flows: 0.85 of what the next rung needs; the order itself stays below the goal."""
TOLD_AFTER_S = 4.0
"""What a browser believes counts after this: before, it may not have asked the line itself."""
TOLD_SHARE = 0.7
"""... and with so much of the goal sent in a test; a picture that already flows may be easy."""
FOLLOW_UP_S = 0.4
"""A question answered with yes is followed by the next one after this."""


class Questions:
    """One question at a time, with its own backing off. ``goal_bps`` is the one being asked, None between them."""

    def __init__(self, policy: LadderPolicy, length_s: float, trust_after: int = 0, by_media: bool = False) -> None:
        """``by_media``: an uplink, where nobody can send padding: what is asked with is the picture itself.

        ``trust_after``: so many questions in a row that met neither an answer nor a queue count as a yes; 0: never.

        On a line that loses much at random padding proves nothing, and a picture would flow."""
        self._trust_after = trust_after
        self._unanswered = 0
        self._policy = policy
        self.length_s = length_s
        self._by_media = by_media
        self.grow_from_bps = 0
        """Above 0 while the sender's own controller may grow into the next rung: it stops by itself when the line is
        full. Come this far without congestion when the time is over, it has grown."""
        self.goal_bps: int | None = None
        self.answered = False
        """At least one question has ended: the line is no longer unknown."""
        self._started_at = 0.0
        self._interval_s = policy.probe_interval_s
        self._next_at = float("inf")
        self._peak_bps = 0
        self._growing = False
        self._queue_before_ms = 0.0
        self._loss_before = 0.0
        """Loss that was there before padding was sent is not of the padding's making."""
        self.failed_at = float("-inf")
        """When a question last met a queue: one that follows soon is of its making."""

    def arm(self, at: float) -> None:
        """Nothing is asked before ``at``; the waits begin anew."""
        self._next_at = at
        self._interval_s = self._policy.probe_interval_s

    def postpone(self, until: float) -> None:
        """The line is to be left alone until then."""
        self._next_at = max(self._next_at, until)

    def stop(self) -> None:
        """Nobody wants to know any more."""
        self.goal_bps = None

    def tick(
        self, now: float, line: LineState, wanted_bps: int, max_interval_s: float, least_interval_s: float = 0.0
    ) -> int:
        """Wire rate proven at this tick by a question that ended well, else 0. ``wanted_bps`` 0: nothing to ask.

        After a question that met a queue the next waits ``least_interval_s`` to ``max_interval_s``."""
        if self.goal_bps is not None:
            return self._follow(now, line, wanted_bps, max_interval_s, least_interval_s)
        self._next_at = min(self._next_at, now + max_interval_s) if self._next_at != float("inf") else self._next_at
        if wanted_bps and now >= self._next_at and not line.congestion:
            self.goal_bps, self._started_at, self._peak_bps = wanted_bps, now, 0
            self._loss_before, self._queue_before_ms = line.loss, min(line.queue_ms, QUEUE_STOP_MS)
            self._growing = self.grow_from_bps > 0
        return 0

    def _follow(
        self, now: float, line: LineState, wanted_bps: int, max_interval_s: float, least_interval_s: float
    ) -> int:
        goal = self.goal_bps
        assert goal is not None
        if not wanted_bps:
            self.goal_bps = None
            return 0
        self._peak_bps = max(self._peak_bps, line.rate_bps)
        stop_ms = QUEUE_STOP_MS if goal > self._policy.thin_line_bps * self._policy.probe_margin else THIN_STOP_MS
        queued = line.queue_ms > self._queue_before_ms + stop_ms and now > self._started_at and not self._growing
        if line.congestion or queued:
            self.failed_at = now
            self._interval_s = min(max(self._interval_s, least_interval_s), max_interval_s)
            return self._end(now, 0, max_interval_s)
        if line.proven and line.capacity_bps >= goal * PROVEN:
            return self._end(now, goal, max_interval_s)
        if self._by_media and self._carried(now, line, goal):
            return self._end(now, goal, max_interval_s)
        if now - self._started_at >= self.length_s:
            return self._end(now, goal if self._reached(line, goal) else 0, max_interval_s)
        return 0

    def _carried(self, now: float, line: LineState, goal: int) -> bool:
        """The picture itself came, or its sender is sure that it would and only has nothing to send."""
        need_bps = goal * (GROWN_TO if self._growing else CARRIED)
        if line.rate_bps >= need_bps:
            return True
        sure = line.sender_bps is not None and line.sender_bps >= need_bps and now - self._started_at >= TOLD_AFTER_S
        never_full = self.failed_at == float("-inf") and self._peak_bps >= goal * TOLD_SHARE
        return sure and (self._growing or never_full)

    def _reached(self, line: LineState, goal: int) -> bool:
        """Whether a question that ran its time without a queue is answered with yes all the same."""
        if self._by_media:
            return self._growing and self._peak_bps >= self.grow_from_bps
        lossy = LOSS_HIDES[0] <= min(line.loss, self._loss_before) < LOSS_HIDES[1]
        self._unanswered = self._unanswered + 1 if lossy else 0
        return self._peak_bps >= goal * REACHED or (lossy and self._unanswered == self._trust_after)

    def _end(self, now: float, proven_bps: int, max_interval_s: float) -> int:
        self.goal_bps = None
        self.answered = True
        if proven_bps or self.failed_at == now:
            self._unanswered = 0
        if proven_bps:
            self._interval_s = self._policy.probe_interval_s
            self._next_at = now + FOLLOW_UP_S
            return proven_bps
        if self._growing:
            self._interval_s = min(max(self._interval_s, self._policy.grow_pause_s), max_interval_s)
        self._next_at = now + self._interval_s
        if self._growing or self.failed_at == now or not self._unanswered:
            self._interval_s = min(self._interval_s * self._policy.probe_growth, max_interval_s)
        return 0
