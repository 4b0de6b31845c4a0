"""A short flood of malformed messages, and proof that its judge can find fault."""

import numpy as np
import pytest

from replay.simulate.demo import simulate_demo
from streamer.bench.faults.flood import FloodConfig, FloodResult, measure_flood
from streamer.bench.faults.flood_report import flood_report
from streamer.bench.faults.good_source import BLOCK, LEADS, Source
from streamer.sources.looped import LoopedRecords

SECONDS = 12


def perfect(config: FloodConfig) -> FloodResult:
    """Make a result of which nothing is amiss: labels 20 ms after their samples."""
    signal = LoopedRecords([simulate_demo()], LEADS).read(np.zeros(1, np.int64), SECONDS * 360)[0]
    source = Source("good0", signal, sent_s=[0.1 * k for k in range(SECONDS * 10)])
    source.beats = source.expected()
    source.seqs = list(range(source.beats.total()))
    source.came_s = [
        (sample // BLOCK, sample / 360 // 0.1 * 0.1 + 0.02) for sample, _ in source.beats
    ]
    return FloodResult(config, [source], (6.0, 12.0))


def test_a_perfect_flood_passes() -> None:
    report = flood_report(perfect(FloodConfig()))
    assert report.passed, report.introduction
    assert report.figures["flood_ms"]["p99"] == pytest.approx(20.0, abs=0.1)


def test_what_is_lost_foreign_or_doubled_is_found() -> None:
    result = perfect(FloodConfig())
    (source,) = result.sources
    del source.beats[next(iter(source.beats))]
    source.beats[1, 0] += 1
    source.seqs[1] = 0
    report = flood_report(result)
    assert not report.passed
    assert [report.figures[what] for what in ("lost", "foreign", "doubled")] == [1, 1, 1]


def test_labels_that_come_late_in_the_flood_are_found() -> None:
    result = perfect(FloodConfig(most_added_ms=50.0))
    (source,) = result.sources
    source.came_s = [(block, came_s + 0.06 * (came_s > 6.0)) for block, came_s in source.came_s]
    report = flood_report(result)
    assert not report.passed
    assert "p99 of the delay +60.0 ms" in "\n".join(report.introduction)


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="must be above 0"):
        FloodConfig(messages=0)


@pytest.mark.mosquitto
@pytest.mark.usefixtures("mosquitto")
async def test_strangers_cost_good_sources_no_beat() -> None:
    """A few hundred messages; `ecg-stream bench flood` sends a hundred thousand."""
    config = FloodConfig(messages=600, sources=2, rate=300.0, calm_s=4.0, tail_s=2.0)
    figures = flood_report(await measure_flood(config)).figures
    assert [figures[what] for what in ("lost", "foreign", "doubled")] == [0, 0, 0]
    assert figures["tcp"] == 200
    assert figures["flood_ms"]["p99"] is not None
