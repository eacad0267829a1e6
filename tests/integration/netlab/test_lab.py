"""The laboratory on this machine: real devices, namespaces and packets. Needs root."""

import json
import subprocess
import sys
from statistics import median

import pytest

from bench.netlab import namespaces
from bench.netlab.check import round_trips_ms, udp
from bench.netlab.lab import ROOT, Lab
from bench.netlab.link import Shape
from bench.netlab.network import Line, Step


def test_delay_rate_queue_and_loss_are_as_ordered() -> None:
    with Lab({"patient": Line(Shape(delay_ms=40), Shape(delay_ms=60))}) as lab:
        assert median(round_trips_ms(lab, "patient")) == pytest.approx(100, abs=8)

        lab.set_line("patient", Line(Shape(rate_bps=80_000, queue_ms=300), Shape()))
        got = udp(lab, "patient", packets=100, size_bytes=472, rate_bps=160_000)
        up = lab.report()["lines"]["patient"]["up"]
        assert got.in_order
        assert got.rate_bps == pytest.approx(80_000, rel=0.05)
        assert up["dropped_by_queue"] == 100 - got.packets
        assert 250 < up["wait_max_ms"] < 310

        lab.reset_counters()
        lab.set_line("patient", Line(Shape(loss=0.2, burst=5), Shape()))
        got = udp(lab, "patient", packets=2000, size_bytes=100, rate_bps=1_000_000)
        assert lab.report()["lines"]["patient"]["up"]["dropped_by_loss"] == 2000 - got.packets
        assert 200 < 2000 - got.packets < 650


def test_two_hosts_reach_each_other_and_a_schedule_begins_on_command() -> None:
    with Lab({"patient": Line(Shape(delay_ms=10)), "doctor": Line()}) as lab:
        began = lab.start([Step(0.4, "patient", "up", {"delay_ms": 150.0})])
        times = round_trips_ms(lab, "patient", 25)
        assert began > 1e9
        assert times[0] < 40
        assert times[-1] == pytest.approx(150, abs=15)
        inside = subprocess.run(
            [*lab.within("doctor"), "ip", "-json", "address"], capture_output=True, check=True, text=True
        )
        shown = [a["local"] for link in json.loads(inside.stdout) for a in link["addr_info"]]
        assert lab.address("doctor") in shown


def test_a_laboratory_leaves_nothing_and_a_crashed_one_is_cleaned_up() -> None:
    with Lab({"patient": Line()}) as lab:
        ours = lab.namespace("patient")
        assert ours in namespaces.names()
        assert lab.lab_id not in namespaces.clean()
        assert ours in namespaces.names()
    assert ours not in namespaces.names()

    crash = "import os; from bench.netlab.lab import *; l = Lab({'patient': Line()}); l.__enter__(); "
    crash += "print(l.namespace('patient'), flush=True); os._exit(9)"
    done = subprocess.run([sys.executable, "-c", crash], capture_output=True, text=True, cwd=ROOT, check=False)
    left = done.stdout.strip()
    assert left in namespaces.names()
    assert left.split("-")[1] in namespaces.clean()
    assert left not in namespaces.names()
