"""Every threshold, wait and rung content of the ladder, in one frozen object a clinic can change."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from candil.errors import ConfigError
from media.adaptation.orders import AudioOrder, VideoOrder
from media.adaptation.rungs import Rung

CODE = "media_ladder"
PTIMES_MS = (10, 20, 40, 60, 80, 100, 120)


@dataclass(frozen=True)
class RungRule:
    """One rung: when a line may enter and must leave it, and what it sends. Wire rates, for a call of two."""

    enter_bps: int
    """A line proven to bear this may enter. Above ``hold_bps`` by more than an estimate wobbles."""
    hold_bps: int
    """A congested line that bears less than this leaves."""
    audio_bitrate_bps: int
    """Opus payload rate."""
    audio_ptime_ms: int
    """Sound per packet: at 60 headers cost 7.7 kbit/s, at 120 3.9."""
    audio_dtx: bool
    """Send (almost) nothing in silence. Off where the line can afford it: a clinician may listen for breath."""
    audio_fec: bool
    """Opus in-band repair: the next packet carries a copy of the last."""
    audio_narrowband: bool = False
    """Telephone bandwidth: below 8 kbit/s Opus spends its bits better there."""
    video_min_bitrate_bps: int = 0
    """Payload. Below it the picture is not worth its bits; 0: the rung has no picture."""
    video_max_bitrate_bps: int = 0
    """Payload; the cap moves with the line up to here."""
    video_framerate: float = 0
    video_height: int = 0

    @property
    def has_video(self) -> bool:
        return self.video_max_bitrate_bps > 0

    @property
    def audio(self) -> AudioOrder:
        return AudioOrder(
            self.audio_bitrate_bps, self.audio_ptime_ms, self.audio_dtx, self.audio_fec, self.audio_narrowband
        )

    def video(self, bitrate_bps: int) -> VideoOrder:
        """The rung's picture at a payload rate, which is brought inside the rung's limits."""
        bitrate = max(self.video_min_bitrate_bps, min(bitrate_bps, self.video_max_bitrate_bps))
        return VideoOrder(bitrate, self.video_framerate, self.video_height)

    def check(self, name: str) -> None:
        """ConfigError naming the setting and the fix when the rung makes no sense."""
        if not 0 < self.hold_bps < self.enter_bps:
            _refuse(f"{name}.hold_bps must be above 0 and below {name}.enter_bps ({self.enter_bps})")
        if self.audio_ptime_ms not in PTIMES_MS:
            _refuse(f"{name}.audio_ptime_ms must be one of {', '.join(map(str, PTIMES_MS))}")
        if not 6_000 <= self.audio_bitrate_bps <= 128_000:
            _refuse(f"{name}.audio_bitrate_bps must be 6000 to 128000 (what Opus can do for speech)")
        if not 0 <= self.video_min_bitrate_bps <= self.video_max_bitrate_bps:
            _refuse(f"{name}.video_min_bitrate_bps must be 0 to {name}.video_max_bitrate_bps")
        if self.has_video and not (0 < self.video_framerate <= 60 and 90 <= self.video_height <= 1080):
            _refuse(f"{name}: a picture needs video_framerate above 0 to 60 and video_height 90 to 1080")


def _refuse(message: str) -> None:
    raise ConfigError(CODE, f"media ladder: {message}")


@dataclass(frozen=True)
class LadderPolicy:
    """Defaults were measured with Chromium; wire rates include IPv4 and UDP headers."""

    emergency: RungRule = RungRule(13_000, 10_000, 6_000, 120, audio_dtx=True, audio_fec=False, audio_narrowband=True)
    """9.1 kbit/s while speaking: the last rung that carries a voice."""
    audio: RungRule = RungRule(26_000, 20_000, 12_000, 60, audio_dtx=True, audio_fec=True)
    """18 kbit/s while speaking, and 2 of reports and checks."""
    stills: RungRule = RungRule(48_000, 34_000, 12_000, 60, True, True, False, 12_000, 16_000, 0.5, 240)
    """A picture every few seconds beside the sound."""
    low_video: RungRule = RungRule(85_000, 62_000, 16_000, 60, False, True, False, 30_000, 200_000, 15, 240)
    """30 kbit/s is the floor of browsers' encoders."""
    video: RungRule = RungRule(415_000, 280_000, 24_000, 60, False, True, False, 200_000, 500_000, 20, 480)
    """Standard definition; 384 kbit/s at 352x288 is the classical rate of telemedicine."""
    hd: RungRule = RungRule(1_900_000, 1_200_000, 24_000, 60, False, True, False, 500_000, 1_500_000, 25, 720)
    allow_hd: bool = False
    """HD costs 650 MB an hour: only when the clinic asks for it."""

    reserve_bps: int = 3_000
    """Kept free for reports, connectivity checks and messages."""
    dtx_floor_bps: int = 1_300
    """What a silent participant's sound costs with DTX."""
    use_share: float = 0.9
    """Share of the measured capacity that video may fill, the rest keeps the queue short."""
    order_step: float = 0.12
    """A video order is renewed when the cap moved by this share: each order costs 150 bytes."""
    order_interval_s: float = 1.0
    """At most one video order in this time, unless the cap falls by ``urgent_drop``."""
    urgent_drop: float = 0.25
    low_framerate: float = 8
    """Frames per second of low video under ``low_framerate_below_bps``: fewer, better pictures."""
    low_framerate_below_bps: int = 60_000
    fec_loss: float = 0.03
    """From this loss on thin rungs send ``fec_bitrate_bps``: in-band repair needs the room."""
    fec_bitrate_bps: int = 22_000
    group_dtx_from: int = 4
    """From this many people in a room silence is not sent: the sound of all would cost more than a picture."""
    weak_share: float = 0.5
    """With two or more other receivers, one that can take less than this share of the next gets no picture
    instead of making all pictures poor."""

    first_probe_s: float = 1.0
    """First question to the line after the session lives."""
    hinted_probe_s: float = 0.3
    """The same where a test before the call found enough for low video."""
    probe_s: float = 3.0
    """A question to the line without an answer is dropped after this."""
    trust_after: int = 2
    """Probes in a row without answer and without a queue that count as a yes; 0: never. Random loss hides answers."""
    test_s: float = 7.0
    """Length of an uplink test; it ends sooner when the picture came or a queue grew."""
    test_share: float = 1.15
    """What a test orders over its goal: encoders meet their target only about."""
    probe_interval_s: float = 2.5
    probe_growth: float = 1.5
    """Each failed question makes the next wait this much longer."""
    probe_max_interval_s: float = 8.0
    """While there is no moving picture: a line that recovers must be noticed within 15 s."""
    video_probe_max_interval_s: float = 30.0
    """While there is one, asking is less urgent than leaving the line alone."""
    grow_s: float = 6.0
    """While a picture flows a question to the downlink may last this long."""
    uplink_grow_s: float = 12.0
    """So long a browser may grow into the next rung; its controller takes 3 to 10 s, by 8 % a second."""
    grow_pause_s: float = 10.0
    """After it did not: at least so long until the next time, growing to ``uplink_grow_max_pause_s``."""
    uplink_grow_max_pause_s: float = 60.0
    thin_probe_interval_s: float = 30.0
    thin_probe_max_interval_s: float = 90.0
    """On lines proven below ``thin_line_bps``, where asking itself hurts the sound."""
    text_probe_max_interval_s: float = 90.0
    """Below the audio rung."""
    low_probe_interval_s: float = 30.0
    """Before the first question there."""
    thin_line_bps: int = 32_000
    probe_margin: float = 1.05
    """Goal of a question over what the rung needs."""
    proof_s: float = 8.0
    """What a question proved is believed this long."""

    audio_patience_s: float = 1.0
    """Sound is not made poorer before the line was congested this long: queues drain when the picture stops."""
    text_patience_s: float = 4.0
    """Sound is not given up before this."""
    sag_s: float = 3.0
    """A line measured below a picture rung without congestion (the browser sends less by itself) is left after this."""
    down_share: float = 0.7
    """Of the capacity measured in congestion, this much is counted on: the first measurement is always too good."""
    down_hold_s: float = 6.0
    """After a step down, before the next step up."""

    after_down_s: float = 4.0
    """After a step down the line is asked nothing: its queue drains, and feedback from before comes in."""
    up_hold_s: float = 2.0
    """Between two steps up."""
    failed_within_s: float = 30.0
    """A rung left again this soon was a failed upgrade."""
    penalty_first_s: float = 15.0
    penalty_growth: float = 4.0
    penalty_max_s: float = 300.0
    """After failed upgrades no step up for 15, 60, 240, 300 s."""
    low_penalty_first_s: float = 60.0
    """The same after a failed way out of text or emergency sound: at most one change a minute there."""
    forgive_s: float = 120.0
    """A rung kept this long after a step up ends the penalty."""
    forgive_ratio: float = 3.0
    """So does a line proven to bear this many times what the failed rung needs."""
    silence_thin_s: float = 3.0
    """A downlink of a call of two that has acknowledged nothing for this long gets the least sound: what it costs a
    dead line is nothing, and on a thin one it lets the rest pass."""
    silence_text_s: float = 15.0
    """A downlink that has acknowledged nothing for this long gets no more sound: it may be too thin for any."""
    silence_again_s: float = 20.0
    """Silence again this soon after the last is no outage but a line too thin for what it was given."""
    recover_s: float = 20.0
    """After an outage the former rung is taken again, by one question, within this time."""
    tell_interval_s: float = 10.0
    tell_change: float = 0.2
    """People hear of a capacity that moved this much, at most each ``tell_interval_s``."""

    def __post_init__(self) -> None:
        _check_rungs(self)
        _check_numbers(self)

    def rule(self, rung: Rung) -> RungRule | None:
        """What a rung is; None for text."""
        return None if rung is Rung.TEXT else getattr(self, rung.wire_name)

    @property
    def top(self) -> Rung:
        return Rung.HD if self.allow_hd else Rung.VIDEO

    def enter_bps(self, rung: Rung) -> int:
        rule = self.rule(rung)
        return rule.enter_bps if rule else 0

    def hold_bps(self, rung: Rung) -> int:
        rule = self.rule(rung)
        return rule.hold_bps if rule else 0

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> "LadderPolicy":
        """Defaults with some fields changed: ``{"allow_hd": true, "low_video": {"enter_bps": 100000}}``."""
        changes: dict[str, Any] = {}
        known = {entry.name: entry for entry in fields(cls)}
        for name, value in settings.items():
            if name not in known:
                _refuse(f"{name} is not a setting; the settings are {', '.join(known)}")
            default = known[name].default
            changes[name] = _rule_from(name, default, value) if isinstance(default, RungRule) else value
        return cls(**changes)


def _rule_from(name: str, default: RungRule, value: Any) -> RungRule:
    if not isinstance(value, Mapping):
        _refuse(f"{name} must be a table of its fields, such as enter_bps")
    known = [entry.name for entry in fields(RungRule)]
    for key, number in value.items():
        if key not in known:
            _refuse(f"{name}.{key} is not a setting; the settings are {', '.join(known)}")
        wanted = type(getattr(default, key))
        if isinstance(number, bool) != (wanted is bool) or not isinstance(number, (int, float)):
            _refuse(f"{name}.{key} must be {'true or false' if wanted is bool else 'a number'}")
    return replace(default, **value)


def _check_rungs(policy: LadderPolicy) -> None:
    former: tuple[str, RungRule] | None = None
    for rung in list(Rung)[1:]:
        rule = policy.rule(rung)
        assert rule is not None
        rule.check(rung.wire_name)
        if rule.has_video != (rung >= Rung.STILLS):
            _refuse(f"{rung.wire_name}.video_max_bitrate_bps must be {'above 0' if rung >= Rung.STILLS else '0'}")
        if former and (rule.enter_bps <= former[1].enter_bps or rule.hold_bps <= former[1].hold_bps):
            _refuse(f"{rung.wire_name}.enter_bps and hold_bps must be above those of {former[0]}")
        if rule.hold_bps < rule.audio.wire_bps:
            _refuse(f"{rung.wire_name}.hold_bps must bear the sound of the rung, {rule.audio.wire_bps} bit/s")
        former = (rung.wire_name, rule)


_SHARES = (
    "use_share",
    "order_step",
    "urgent_drop",
    "fec_loss",
    "weak_share",
    "tell_change",
    "down_share",
)
_AT_LEAST_ONE = ("test_share", "probe_growth", "probe_margin", "penalty_growth", "forgive_ratio")


def _check_numbers(policy: LadderPolicy) -> None:
    for entry in fields(policy):
        value = getattr(policy, entry.name)
        if isinstance(value, RungRule):
            continue
        if isinstance(entry.default, bool):
            if not isinstance(value, bool):
                _refuse(f"{entry.name} must be true or false")
        elif isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < float("inf"):
            _refuse(f"{entry.name} must be a number, 0 or more")
        elif entry.name in _SHARES and not 0 < value <= 1:
            _refuse(f"{entry.name} must be above 0 and at most 1")
        elif entry.name in _AT_LEAST_ONE and value < 1:
            _refuse(f"{entry.name} must be at least 1")
    if policy.group_dtx_from < 2:
        _refuse("group_dtx_from must be 2 or more")
    if policy.probe_interval_s < 0.5 or policy.up_hold_s < 0.2:
        _refuse("probe_interval_s must be at least 0.5 and up_hold_s at least 0.2: less only makes the line busy")
    if policy.probe_max_interval_s < policy.probe_interval_s:
        _refuse("probe_max_interval_s must be at least probe_interval_s")
    if policy.penalty_max_s < policy.penalty_first_s:
        _refuse("penalty_max_s must be at least penalty_first_s")
