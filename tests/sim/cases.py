"""The cases both estimators are measured on: RFC 8867 as written and at a quarter of its rates, and bad lines.

``run_case`` gives figures; tests assert lines on them, ``bench/estimator.py`` prints them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from media.congestion.line import LineState
from tests.sim.link import Events, GilbertElliott, Link, RandomLoss
from tests.sim.models import Sender, TcpFlow, elastic

Steps = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Case:
    name: str
    seconds: float
    rate: float | Steps
    back_rate: float | Steps = 5e6
    delay_s: float | Steps = 0.05
    queue_ms: float = 300
    jitter_s: float = 0.0
    loss: Callable[[], RandomLoss | GilbertElliott | None] = lambda: None
    outages: Sequence[tuple[float, float]] = ()
    flows: int = 1
    most_bps: float = 3e6
    video: Callable[[LineState, float], float] | None = None
    tcp_from_s: float | None = None
    media_from_s: float = 0.0
    both_ways: bool = False
    pause: tuple[float, float] | None = None
    """The first flow sends no video between these moments."""


@dataclass
class Outcome:
    case: str
    estimator: str
    utilisation: float
    """Media and padding that arrived over what the link could carry."""
    loss: float
    queue_p95_ms: float
    audio_p95_ms: float
    """One-way delay of audio added by queues and jitter."""
    audio_lost: float
    probe_kbytes: float
    shares: list[float]
    """Of each flow in what all flows got."""
    tcp_share: float
    senders: list[Sender] = field(repr=False)
    link: Link = field(repr=False)
    back: Link = field(repr=False)


def rfc8867(divisor: float = 1) -> list[Case]:
    """The schedules; rates divided by ``divisor``."""

    def rates(*steps: tuple[float, float]) -> Steps:
        return [(at, mbps * 1e6 / divisor) for at, mbps in steps]

    mark = "" if divisor == 1 else f"/{divisor:g}"
    most = 3e6 / divisor
    return [
        Case(f"5.1{mark} variable", 100, rates((0, 1), (40, 2.5), (60, 0.6), (80, 1)), most_bps=most),
        Case(f"5.2{mark} two flows", 125, rates((0, 4), (25, 2), (50, 3.5), (75, 1), (100, 2)), flows=2, most_bps=most),
        Case(
            f"5.3{mark} congested feedback",
            100,
            rates((0, 2), (20, 1), (40, 0.5), (60, 2)),
            back_rate=rates((0, 2), (35, 0.8), (70, 2)),
            both_ways=True,
            most_bps=most,
        ),
        Case(f"5.6{mark} beside TCP", 120, 2e6 / divisor, tcp_from_s=0, media_from_s=5, most_bps=most),
        Case(f"5.8{mark} pause", 120, 3.5e6 / divisor, flows=3, pause=(40, 60), most_bps=most),
    ]


def bad_lines() -> list[Case]:
    cases = [
        Case(f"500k, {share:.0%} random loss", 60, 500e3, loss=lambda share=share: RandomLoss(share), most_bps=500e3)
        for share in (0.02, 0.05, 0.10, 0.20)
    ]
    cases += [
        Case(
            f"500k, {share:.0%} in bursts of {burst}",
            60,
            500e3,
            loss=lambda share=share, burst=burst: GilbertElliott(share, burst),
            most_bps=500e3,
        )
        for share, burst in ((0.05, 5), (0.10, 5), (0.10, 15), (0.20, 5))
    ]
    return [
        *cases,
        Case("500k, jitter 30 ms", 60, 500e3, jitter_s=0.03, most_bps=500e3),
        Case("384k, queue 2 s", 60, 384e3, queue_ms=2000),
        Case("240k, RTT 840 ms", 60, 240e3, delay_s=0.42),
        Case("200k/40k each 5 s", 120, [(5 * n, 200e3 if n % 2 == 0 else 40e3) for n in range(24)]),
        Case("1M to 80k at 30 s", 45, [(0, 1e6), (30, 80e3)], most_bps=500e3),
        Case("80k to 1M at 30 s", 45, [(0, 80e3), (30, 1e6)], most_bps=500e3),
        Case("500k, dead 6 s", 45, 500e3, outages=[(20, 26)], most_bps=500e3),
        Case("500k, dead 30 s", 75, 500e3, outages=[(20, 50)], most_bps=500e3),
        Case("500k, route 200 ms longer", 60, 500e3, delay_s=[(0, 0.05), (20, 0.25)], most_bps=500e3),
    ]


def laddered(most_bps: float) -> Callable[[LineState, float], float]:
    """Video from 85 kbit/s up, as a ladder would have it."""

    def video_bps(line: LineState, now: float) -> float:
        if line.capacity_bps < 62_000 or line.congestion == "silence":
            return 0.0
        return min(most_bps, 0.95 * line.capacity_bps - 24_000)

    return video_bps


def _paused(video: Callable[[LineState, float], float], pause: tuple[float, float]) -> Callable[..., float]:
    return lambda line, now: 0.0 if pause[0] <= now < pause[1] else video(line, now)


def run_case(case: Case, estimator: str = "transport_cc", seed: int = 7) -> Outcome:
    events = Events()
    link = Link(
        case.rate,
        delay_s=case.delay_s,
        queue_ms=case.queue_ms,
        jitter_s=case.jitter_s,
        loss=case.loss(),
        outages=case.outages,
        seed=seed,
    )
    back = Link(case.back_rate, delay_s=case.delay_s, queue_ms=case.queue_ms, seed=seed + 1)
    senders = []
    for index in range(case.flows):
        video = case.video or (elastic(case.most_bps) if case.flows > 1 else laddered(case.most_bps))
        if index == 0 and case.pause is not None:
            video = _paused(video, case.pause)
        start = case.media_from_s + 0.013 * index
        sender = Sender(events, link, back, video_bps=video, estimator=estimator, start_s=start, seed=seed + index)
        senders.append(sender)
    if case.both_ways:
        Sender(events, back, link, video_bps=laddered(case.most_bps), estimator=estimator, seed=seed + 9)
    tcp = TcpFlow(events, link, start_s=case.tcp_from_s) if case.tcp_from_s is not None else None
    events.run(case.seconds)
    return _outcome(case, estimator, senders, link, back, tcp)


def _outcome(case: Case, estimator: str, senders: list[Sender], link: Link, back: Link, tcp: TcpFlow | None) -> Outcome:
    carried = link.capacity_bits(0, case.seconds)
    carried -= sum(link.capacity_bits(*outage) for outage in case.outages)
    got = [sum(size for at, size in sender.heard.received if at <= case.seconds) * 8 for sender in senders]
    delays = sorted(delay - link.delay_s(sent) for sender in senders for sent, delay in sender.heard.audio_delay_s)
    return Outcome(
        case=case.name,
        estimator=estimator,
        utilisation=sum(got) / carried,
        loss=link.counters.lost_share,
        queue_p95_ms=link.counters.queue_percentile_s(0.95) * 1000,
        audio_p95_ms=delays[int(len(delays) * 0.95)] * 1000,
        audio_lost=sum(sender.heard.audio_lost for sender in senders) / sum(s.heard.audio_sent for s in senders),
        probe_kbytes=sum(sender.control.probe_bytes_total for sender in senders) / 1000,
        shares=[bits / max(1, sum(got)) for bits in got],
        tcp_share=tcp.received_bytes * 8 / carried if tcp else 0.0,
        senders=senders,
        link=link,
        back=back,
    )
