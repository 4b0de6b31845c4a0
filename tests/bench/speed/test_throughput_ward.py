"""Latency, throughput of a ward and soak, in short."""

import json
from pathlib import Path

import numpy as np
import pytest

from streamer.bench.report import plain
from streamer.bench.speed import latency, soak, throughput_ward
from streamer.bench.speed.latency_report import latency_report, quantiles
from streamer.bench.speed.mosquitto import running_mosquitto
from streamer.bench.speed.throughput_ward import WardThroughputConfig, added_latencies
from streamer.bench.speed.ward_report import ward_report
from streamer.sources.looped import TurnConfig


def test_added_latency_counts_waiting_for_the_tick_and_for_the_previous_turn() -> None:
    """Turns of 25 ms, of which two make a tick; the second takes 40 ms and delays the third."""
    found = added_latencies(np.array([0.01, 0.04, 0.01]), TurnConfig(tick_s=0.05, groups=2))
    np.testing.assert_allclose(found, [0.01, 0.06, 0.04, 0.09, 0.025, 0.075])


@pytest.mark.mosquitto
def test_a_ward_costs_the_more_the_larger_it_is(mosquitto: str, tmp_path: Path) -> None:
    config = WardThroughputConfig(
        sizes=(5, 40), dsp_sizes=(10, 200), seconds=1.0, settle_s=2.0, deadline_ms=60_000.0
    )
    assert mosquitto
    with running_mosquitto() as url:
        found = throughput_ward.measure_ward(config, url=url)
    assert [t.patients for t in found.timings][:4] == [10, 200, 5, 40]
    assert found.cost_us("signal")[0] > 0
    assert found.timings[3].events > found.timings[2].events > 0
    assert 20_000 < found.timings[0].row_bytes < 32 * 1024
    report = ward_report(found)
    assert "labels on their own thread included" in report.introduction[1]
    assert "straight line" in report.introduction[2]
    assert len(report.tables[0].rows) == len(found.timings)
    assert report.plot is not None
    report.plot(tmp_path / "ward.svg")
    assert (tmp_path / "ward.svg").stat().st_size > 1000
    json.dumps(plain(report.figures))


@pytest.mark.mosquitto
def test_latency_is_measured_from_r_peak_to_subscriber(mosquitto: str, tmp_path: Path) -> None:
    assert mosquitto
    settings = latency.LatencySettings(record="demo", seconds=4.0)
    found = latency.measure_latency(settings)
    assert found.n_lost == 0
    assert 1 <= found.n_late_at_start <= found.run.n_late, "the first beat waits for the detector"
    assert found.end_to_end.size >= 3
    # The subscriber can't have it before it was decided, but for the clocks' resolution.
    assert found.excess.min() > -1.0
    assert np.all(found.decision_delay >= 352.0)
    assert np.all(np.diff(list(quantiles(found.compute).values())) >= 0)
    report = latency_report(found)
    assert report.plot is not None
    report.plot(tmp_path / "latency.svg")
    assert (tmp_path / "latency.svg").stat().st_size > 1000
    assert "beats through Mosquitto" in report.introduction[0]
    json.dumps(plain(report.figures))


@pytest.mark.mosquitto
def test_a_short_soak_loses_nothing(mosquitto: str) -> None:
    assert mosquitto
    config = soak.SoakConfig(minutes=0.05, patients=3, records=("demo",), every_s=0.2)
    found = soak.measure_soak(config)
    assert found.shed == found.not_sent == 0
    assert found.sent >= found.beats > 0
    assert len(found.readings) > 5
    assert found.readings[-1].memory_mb > 10
    report = soak.soak_report(found)
    assert report.tables[0].rows
    json.dumps(plain(report.figures))


def test_growing_memory_fails_a_soak() -> None:
    def soaked(growth_mb: float) -> soak.SoakResults:
        readings = tuple(
            soak.Reading(
                at_s=float(k),
                memory_mb=100 + growth_mb * k / 75,
                behind_s=0.05,
                late=0,
                queued=0,
            )
            for k in range(101)
        )
        return soak.SoakResults(
            config=soak.SoakConfig(),
            readings=readings,
            beats=1,
            late=0,
            sent=1,
            shed=0,
            not_sent=0,
        )

    assert soaked(4.0).passed
    assert soaked(4.0).growth_mb == pytest.approx(4.0)
    assert not soaked(40.0).passed
    assert not soak.soak_report(soaked(40.0)).passed
