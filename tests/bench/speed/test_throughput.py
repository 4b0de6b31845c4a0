import json

import numpy as np
import pytest

from streamer.bench.report import plain
from streamer.bench.speed.throughput import (
    ThroughputConfig,
    demo_signal,
    measure_throughput,
    throughput_report,
)
from streamer.commands.cli import main

QUICK = ThroughputConfig(seconds=4.0, single_seconds=0.2, rounds=2)


@pytest.fixture(scope="module")
def timings():
    return measure_throughput(QUICK)


def test_every_stage_is_timed_for_both_rates_and_lead_counts(timings):
    bulk = [(t.task, t.fs, t.leads) for t in timings if not t.is_single]
    assert len(set(bulk)) == 5 * 2 * 2
    single = [(t.fs, t.leads) for t in timings if t.is_single]
    assert sorted(single) == [(250.0, 1), (250.0, 2), (360.0, 1), (360.0, 2)]


def test_ratios_are_to_sosfilt_of_the_same_round(timings):
    reference = next(t for t in timings if t.task == "sosfilt")
    assert reference.ratios == (1.0, 1.0)
    detector = next(t for t in timings if t.task == "detector")
    assert len(detector.rounds_ns) == QUICK.rounds
    ratio = detector.rounds_ns[0] / reference.rounds_ns[0]
    assert detector.ratios[0] == pytest.approx(ratio)


def test_signal_is_repeated_and_resampled():
    samples = demo_signal(250.0, 2, 400.0)
    assert samples.shape == (2, 100_000)
    assert samples.dtype == np.float32
    assert np.array_equal(samples[:, :1000], samples[:, 75_000:76_000])


def test_tables_put_ratios_first(timings):
    report = throughput_report(timings, QUICK)
    bulk, single = report.tables
    assert bulk.header[3] == "x sosfilt"
    assert len(bulk.rows) == 20
    assert len(single.rows) == 4
    assert json.loads(json.dumps(plain(report.figures)))["seconds"] == 4.0


def test_command_says_what_it_means(tmp_path, capsys):
    arguments = ["bench", "throughput", "--stage", "detector", "--seconds", "2", "--rounds", "1"]
    assert main([*arguments, "--json", str(tmp_path / "t.json")]) == 0
    printed = capsys.readouterr().out
    assert "compare this across machines" in printed
    assert "One sample at a time" in printed


def test_nonsense_is_refused(capsys):
    assert main(["bench", "throughput", "--seconds", "0"]) == 1
    assert "--seconds and --rounds must be 1 or more" in capsys.readouterr().err
