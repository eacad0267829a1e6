"""One direction of one participant: the rung its line bears, and why not the next."""

from dataclasses import dataclass

from media.adaptation.policy import LadderPolicy
from media.adaptation.questions import Questions
from media.adaptation.rungs import Rung
from media.congestion.line import LineState

CALM_S = 0.4
"""Without congestion for this long before a step up."""
LASTING_S = 0.8
LONG_SILENCE_S = 3.0
SURE = 1.2
"""Rates of thin lines are measured to a fifth."""
AFTER_DOWN_S = 5.0
SAG_SHARE = 0.67
"""Of what the rung needs: an easy picture takes less than the line bears."""
GROWN = 1.1
"""Times what keeps the next rung: a browser that grew so far without congestion is in it."""
DOUBT = 1.03
"""A measured rate may be too good by so much; a line just under a threshold must not wander over it."""
LOW_STEP, LOW_STEP_BPS = 1.5, 16_000
"""Below the audio rung an uplink is asked in such steps."""
OWN_QUEUE_S = 2.5
"""The queue a question left behind drains in this time."""
RECOVER_CALM_S = 0.8
"""After an outage the queue of the line drains first."""


@dataclass(frozen=True, slots=True)
class Load:
    """How many streams one direction carries; an uplink always carries one of each."""

    audio: int = 1
    video: int = 1
    extra_bps: int = 0
    """Measured sound beyond what was ordered: browsers that keep to short packets."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a direction may and should reach at this tick."""

    ceiling: Rung
    """Chosen by people or by the clinic: never exceeded."""
    useful: Rung
    """What the other side could make use of: no reason to ask the line for more."""
    load: Load = Load()
    flowing: bool = True
    """The picture of the rung really flows (else the measured rate says nothing about it)."""


class DirectionLadder:
    """Down at once on evidence, up only by proof; an upgrade that failed waits longer each time."""

    def __init__(
        self,
        policy: LadderPolicy,
        now: float,
        hint_bps: int | None,
        question_s: float,
        recover_top: Rung = Rung.HD,
        trust_after: int = 0,
        by_media: bool = False,
    ) -> None:
        """``by_media``: an uplink, tested by the picture itself."""
        self.policy = policy
        self._by_media = by_media
        self._recover_top = recover_top
        self._question_s = question_s
        self.rung = self._first_rung(hint_bps)
        self.since = now
        self.cause = "starting"
        """Why the line is not believed to bear more: starting, line, loss or silence."""
        self.questions = Questions(policy, question_s, trust_after, by_media)
        self._hint_bps = hint_bps or 0
        self._alive = False
        self._proven_bps, self._proven_until = 0, now
        self._up_at = now
        self._last_up = float("-inf")
        self._up_from = Rung.TEXT
        self._penalty_s = 0.0
        self._failed = Rung.TEXT
        self._last_down = float("-inf")
        self._congested_since: float | None = None
        self._queue_ms = 0.0
        """Smoothed over about a second."""
        self._calm_since = now
        self._sagging_since: float | None = None
        self._before_outage: Rung | None = None
        self._recover_until = float("-inf")
        self._silent_since: float | None = None
        self._silence_ended = float("-inf")
        self._doubt_until = float("-inf")

    def _first_rung(self, hint_bps: int | None) -> Rung:
        if hint_bps is not None and hint_bps < self.policy.emergency.hold_bps:
            return Rung.TEXT
        if hint_bps is not None and hint_bps < self.policy.audio.hold_bps:
            return Rung.EMERGENCY
        return Rung.AUDIO

    def enter_bps(self, rung: Rung, load: Load) -> int:
        """What a line must bear for a rung with so many streams."""
        return self._scaled(rung, self.policy.enter_bps(rung), load)

    def hold_bps(self, rung: Rung, load: Load) -> int:
        return self._scaled(rung, self.policy.hold_bps(rung), load)

    def _scaled(self, rung: Rung, base_bps: int, load: Load) -> int:
        rule = self.policy.rule(rung)
        if rule is None:
            return 0
        picture_bps = base_bps - rule.audio.wire_bps if rule.has_video else 0
        silent_bps = self.policy.dtx_floor_bps * max(0, load.audio - 1)
        return base_bps + silent_bps + picture_bps * max(0, load.video - 1) + load.extra_bps

    def known_bps(self, now: float, line: LineState) -> int:
        """What the line surely bears: its measured limit, what flows unhindered, or a question answered lately.

        What a test before the call found is no proof: the line of a minute ago may be another one by now."""
        if now < self._doubt_until:
            return self._proven_bps if now < self._proven_until else 0
        known = round(line.capacity_bps / DOUBT) if line.proven else 0
        if line.congestion:
            return known
        known = max(known, round(line.rate_bps / DOUBT))
        if now < self._proven_until:
            known = max(known, self._proven_bps)
        return known

    def tick(self, now: float, line: LineState, alive: bool, wanted: Wanted) -> None:
        """Move to where the line, the ceiling and the proofs say."""
        self._watch(now, line, alive)
        if self.rung > wanted.ceiling:
            self._move(now, wanted.ceiling)
        if not alive or line.congestion == "silence":
            self._silence(now, wanted)
            return
        self._end_silence(now, line, wanted)
        goal_bps = self._goal(now, line, wanted)
        self._set_question(wanted)
        proven_bps = self.questions.tick(
            now,
            line,
            goal_bps,
            self._max_interval_s(now, line),
            self.policy.thin_probe_interval_s * self._thin(now, line),
        )
        if proven_bps:
            self._proven_bps, self._proven_until = proven_bps, now + self.policy.proof_s
        if not self._down(now, line, wanted):
            self._up(now, line, wanted)
        self._settle(now, line, wanted)

    def give_up(self, now: float) -> None:
        """Whoever sends found the line too thin for any sound: down at once, and nothing asked for a while."""
        self._before_outage = None
        if self.rung > Rung.TEXT:
            self._fail(now)
            self.cause = "line"
            self._move(now, Rung.TEXT)
        self._last_down = self.questions.failed_at = now
        self.questions.stop()
        self.questions.arm(now + self.policy.low_probe_interval_s)

    def _set_question(self, wanted: Wanted) -> None:
        policy, growing = self.policy, self.rung >= Rung.LOW_VIDEO
        grow_s = policy.uplink_grow_s if self._by_media else policy.grow_s
        self.questions.length_s = grow_s if growing else self._question_s
        if self._by_media and growing and self.rung < Rung.HD:
            self.questions.grow_from_bps = round(GROWN * self.hold_bps(Rung(self.rung + 1), wanted.load))
        else:
            self.questions.grow_from_bps = 0

    def _watch(self, now: float, line: LineState, alive: bool) -> None:
        if alive and not self._alive:
            self._alive = True
            self.questions.arm(now + self._first_question_s())
        if line.congestion in ("delay", "loss"):
            self._congested_since = self._congested_since if self._congested_since is not None else now
            self._proven_bps = 0
        else:
            self._congested_since = None
        if line.congestion:
            self._calm_since = now
        self._queue_ms += (line.queue_ms - self._queue_ms) * 0.2

    def _first_question_s(self) -> float:
        """A line that a test found good is asked at once, one that it found thin is left alone for a while."""
        policy = self.policy
        if not self._hint_bps:
            return policy.first_probe_s
        if self._hint_bps < policy.thin_line_bps:
            return policy.thin_probe_interval_s
        return policy.hinted_probe_s if self._hint_bps >= policy.low_video.enter_bps else policy.first_probe_s

    def _silence(self, now: float, wanted: Wanted) -> None:
        """An outage proves nothing about the line: the sound stays ordered, the picture waits. Two in a row do:
        the line is one that sound fills until nothing gets through."""
        if not self._alive:
            return
        self.questions.stop()
        if self._silent_since is None:
            self._silent_since = now
        again = self._silent_since - self._silence_ended < self.policy.silence_again_s
        if again and now - self._silent_since > LONG_SILENCE_S:
            self._doubt_until = now + self.policy.forgive_s
        doubted = now < self._doubt_until
        if doubted:
            self._before_outage = None
        elif self._before_outage is None:
            self._before_outage = min(self.rung, self._recover_top)
        self._recover_until = float("-inf")
        self._calm_since = now
        self.cause = "silence"
        self._move_down(now, self._most_in_silence(now - self._silent_since, doubted, wanted))

    def _most_in_silence(self, silent_s: float, doubted: bool, wanted: Wanted) -> Rung:
        """Sound on a line this thin keeps everything else from passing, the messages first. In company the others
        would get the least sound too: they keep theirs until this one gets none."""
        if self._by_media:
            return Rung.AUDIO
        if doubted or silent_s > self.policy.silence_text_s:
            return Rung.TEXT
        alone = wanted.load.audio == 1
        return Rung.EMERGENCY if alone and silent_s > self.policy.silence_thin_s else Rung.AUDIO

    def _move_down(self, now: float, most: Rung) -> None:
        if self.rung > most:
            self._move(now, most)

    def _end_silence(self, now: float, line: LineState, wanted: Wanted) -> None:
        """The line is heard: sound is back at once, and what was there before it is asked for. It may have been a line
        too thin for its sound: in a call of two the least comes first."""
        if self._silent_since is not None:
            was_long = now - self._silent_since > LONG_SILENCE_S
            if was_long:
                self._silence_ended = now
            self._silent_since = None
            first = Rung.EMERGENCY if was_long and wanted.load.audio == 1 and not self._by_media else Rung.AUDIO
            if self._before_outage is not None and self.rung < first and not line.congestion:
                self._move(now, min(first, self._before_outage, wanted.ceiling))
        if self._before_outage is not None and self._recover_until == float("-inf"):
            self._recover_until = now + self.policy.recover_s
            self.questions.arm(now + RECOVER_CALM_S)

    def _goal(self, now: float, line: LineState, wanted: Wanted) -> int:
        """The wire rate to ask for now, 0 when there is nothing to ask."""
        top = min(wanted.ceiling, wanted.useful)
        target = self.next_rung(top)
        if target <= self.rung:
            return 0
        need = self.enter_bps(target, wanted.load)
        known = self.known_bps(now, line)
        if self._recovering(now):
            need = self.enter_bps(min(self._before_outage or target, top), wanted.load)
        elif now < self._up_at and self._penalty_s:
            failed_bps = self.enter_bps(self._failed, wanted.load)
            need = round(failed_bps * self.policy.forgive_ratio) if known >= failed_bps else need
        if known >= need:
            return 0
        return self._gentle(now, round(need * self.policy.probe_margin), line, wanted)

    def _gentle(self, now: float, goal_bps: int, line: LineState, wanted: Wanted) -> int:
        """Asking for far more than a line can bear hurts what it carries: from its known limit go in steps."""
        if self.rung < Rung.AUDIO:
            stepwise = self._by_media and self._limit_known(now, line)
            return min(goal_bps, max(round(LOW_STEP * line.capacity_bps), LOW_STEP_BPS)) if stepwise else goal_bps
        if self._by_media and self.rung < Rung.LOW_VIDEO and self._thin(now, line):
            return min(goal_bps, round(self.policy.thin_line_bps * self.policy.probe_margin))
        if not line.proven:
            return goal_bps
        if self.rung < Rung.LOW_VIDEO:
            step = self.enter_bps(Rung.STILLS, wanted.load) * self.policy.probe_margin
            return min(goal_bps, round(max(2.5 * line.capacity_bps, step)))
        if self._by_media:
            return goal_bps  # its own controller goes in steps
        return min(goal_bps, round(1.6 * line.capacity_bps))

    def next_rung(self, top: Rung) -> Rung:
        """Stills are where a line ends up that cannot bear low video: never asked for when more is wanted."""
        if self.rung in (Rung.AUDIO, Rung.STILLS):
            return min(top, Rung.LOW_VIDEO)
        return min(top, Rung(min(self.rung + 1, Rung.HD)))

    def _max_interval_s(self, now: float, line: LineState) -> float:
        policy = self.policy
        if self.rung < Rung.AUDIO:
            return policy.text_probe_max_interval_s
        if self.rung >= Rung.LOW_VIDEO:
            return policy.uplink_grow_max_pause_s if self._by_media else policy.video_probe_max_interval_s
        if self._thin(now, line):
            return policy.thin_probe_max_interval_s
        return policy.probe_max_interval_s

    def _thin(self, now: float, line: LineState) -> bool:
        return self._limit_known(now, line) and line.capacity_bps < self.policy.thin_line_bps

    def _limit_known(self, now: float, line: LineState) -> bool:
        """By a hint, a measurement or a question that met a queue; else a small rate is just all that was tried."""
        hinted = 0 < self._hint_bps < self.policy.thin_line_bps
        return line.proven or hinted or now - self.questions.failed_at < self.policy.forgive_s

    def _down(self, now: float, line: LineState, wanted: Wanted) -> bool:
        """Leave a rung the line does not bear, in one step to what it does; True when that happened."""
        if self.rung is Rung.TEXT or line.capacity_bps >= self._least_bps(now, wanted.load):
            self._sagging_since = None
            return False
        if self._congested_since is None and not self._sags(now, line, wanted):
            return False
        target = self._fitting(round(line.capacity_bps * self.policy.down_share), wanted.load)
        if Rung.AUDIO < self.rung < Rung.VIDEO and self._may_pass(now, line, wanted.load):
            return False
        if self.rung <= Rung.AUDIO:
            patience = self.policy.audio_patience_s if self.rung is Rung.AUDIO else self.policy.text_patience_s
            own_making = self.questions.failed_at + OWN_QUEUE_S
            draining = line.queue_ms < self._queue_ms * 0.9
            since = now if self._congested_since is None else self._congested_since
            if draining or now - max(since, self._last_down, own_making) < patience:
                return False
            target = Rung(self.rung - 1)
        self._fail(now)
        self.cause = "loss" if line.congestion == "loss" else "line"
        self._move(now, target)
        if target < Rung.AUDIO:
            self.questions.arm(now + self.policy.low_probe_interval_s)
        self.questions.postpone(now + self.policy.after_down_s)
        self._last_down = now
        self._before_outage = None
        return True

    def _may_pass(self, now: float, line: LineState, load: Load) -> bool:
        """A key frame fills a thin line's queue for a moment; half of what the rung needs is no such moment."""
        lasting = self._congested_since is None or now - self._congested_since >= LASTING_S
        return not lasting and line.capacity_bps >= self.hold_bps(self.rung, load) / 2

    def _least_bps(self, now: float, load: Load) -> int:
        """Below this the rung is left. A line still congested after a step down was measured too well at first."""
        lasting = self._congested_since is not None and now - self._congested_since >= LASTING_S
        if lasting and now - self._last_down <= AFTER_DOWN_S and self.rung > Rung.AUDIO:
            return round(SURE * self.enter_bps(self.rung, load))
        return self.hold_bps(self.rung, load)

    def _sags(self, now: float, line: LineState, wanted: Wanted) -> bool:
        """The browser's own controller may keep the queue short by sending less than the rung is worth."""
        far_below_bps = self.hold_bps(self.rung, wanted.load) * SAG_SHARE
        borne = max(line.rate_bps, line.capacity_bps) >= far_below_bps
        if borne or not (line.proven and wanted.flowing and self.rung >= Rung.VIDEO):
            self._sagging_since = None
            return False
        self._sagging_since = self._sagging_since if self._sagging_since is not None else now
        return now - self._sagging_since >= self.policy.sag_s

    def _fitting(self, capacity_bps: int, load: Load) -> Rung:
        """The highest rung below whose entry fits; sound is given up only one rung at a time."""
        for rung in range(self.rung - 1, Rung.AUDIO, -1):
            if capacity_bps >= self.enter_bps(Rung(rung), load):
                return Rung(rung)
        return Rung.AUDIO

    def _fail(self, now: float) -> None:
        policy = self.policy
        if now - self._last_up <= policy.failed_within_s and self.rung > self._up_from:
            first = policy.low_penalty_first_s if self.rung <= Rung.AUDIO else policy.penalty_first_s
            self._penalty_s = min(max(first, self._penalty_s * policy.penalty_growth), policy.penalty_max_s)
            self._failed = max(self.rung, self._failed)
        self._up_at = max(self._up_at, now + max(self._penalty_s, policy.down_hold_s))

    def _forgive(self, now: float, known_bps: int, load: Load) -> None:
        if not self._penalty_s:
            return
        if self.rung >= self._failed and now - self._last_up >= self.policy.forgive_s:
            self._penalty_s, self._failed = 0.0, Rung.TEXT
        elif now < self._up_at and known_bps >= self.enter_bps(self._failed, load) * self.policy.forgive_ratio:
            self._penalty_s /= self.policy.penalty_growth
            self._up_at = min(self._up_at, max(now, self._last_down + self.policy.down_hold_s))

    def _recovering(self, now: float) -> bool:
        return self._before_outage is not None and now < self._recover_until

    def _up(self, now: float, line: LineState, wanted: Wanted) -> None:
        known = self.known_bps(now, line)
        self._forgive(now, known, wanted.load)
        top = min(wanted.ceiling, wanted.useful)
        if top <= self.rung or now - self._calm_since < CALM_S:
            return
        recovering = self._recovering(now)
        if not recovering and (now < self._up_at or now - self._last_up < self.policy.up_hold_s):
            return
        target = self._proven_rung(known, top, wanted.load)
        if recovering and self._before_outage is not None:
            back = min(self._before_outage, top)
            target = back if known >= self.hold_bps(back, wanted.load) else min(target, back)
        elif target > Rung.LOW_VIDEO > self.rung:
            target = Rung.LOW_VIDEO
        if target is Rung.STILLS and (self.questions.goal_bps is not None or self._swings(now)):
            return  # the question may bring more; or it would be gone again
        if target > self.rung:
            if not recovering:
                self._last_up, self._up_from = now, self.rung
            self._move(now, target)

    def _swings(self, now: float) -> bool:
        """A line that failed more than once is seldom better off with stills in between."""
        again = self._penalty_s > self.policy.penalty_first_s
        return again and now < self._last_down + self._penalty_s + self.policy.forgive_s

    def _proven_rung(self, known_bps: int, top: Rung, load: Load) -> Rung:
        for rung in range(top, self.rung, -1):
            if known_bps >= self.enter_bps(Rung(rung), load):
                return Rung(rung)
        return self.rung

    def _settle(self, now: float, line: LineState, wanted: Wanted) -> None:
        """Keep the cause honest."""
        done = self._before_outage is not None and self.rung >= min(self._before_outage, wanted.ceiling, wanted.useful)
        if done or (self._before_outage is not None and now >= self._recover_until):
            self._before_outage = None
        if self.cause == "silence" and self._before_outage is None:
            self.cause = "line"
        if self.cause == "starting" and self.questions.answered and self.questions.goal_bps is None:
            self.cause = "line"
        if self.cause == "loss" and line.loss < self.policy.fec_loss:
            self.cause = "line"

    def _move(self, now: float, rung: Rung) -> None:
        self.rung, self.since = rung, now
        self._sagging_since = None
