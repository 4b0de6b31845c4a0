"""What a report must not mislead about: waves that are no beats, short windows, doubtful counts."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest

from replay.simulate.arrests import ARRESTS
from replay.simulate.record import SimulatedRecord
from streamer.commands.cli import main
from streamer.core.events import Rhythm
from streamer.report.counts import rr_intervals, sinus_intervals, whole_rates
from streamer.report.data import BeatRow, ReportData, from_events, from_record
from streamer.report.extremes import _MOST_POINTS, _thinned, interval_plots
from streamer.report.holter import report_page
from streamer.report.summary import headline, summary
from streamer.report.trust import doubts_of_s, doubts_of_sdnn

CELLS = r"<td>{}</td><td>{}</td><td>{}</td>"


def made_up(samples: object, *, stop: int, quality: float = 0.9, **words: object) -> ReportData:
    beats = [
        BeatRow(sample=int(at), label="N", quality=quality, delay_ms=300.0)
        for at in np.asarray(samples)
    ]
    return ReportData(source="made-up", fs=100.0, first=0, stop=stop, beats=beats, **words)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def arrest() -> ReportData:
    return from_record(ARRESTS["coarse fibrillation"](360.0, 3).record)


def test_waves_of_ventricular_fibrillation_are_no_beats(arrest: ReportData) -> None:
    ((onset, stop),) = arrest.spans(Rhythm.VENTRICULAR_FIBRILLATION)
    assert stop == arrest.stop
    assert arrest.waves
    assert all(onset <= wave.sample < stop for wave in arrest.waves)
    assert not any(onset <= beat.sample < stop for beat in arrest.beats)
    assert rr_intervals(arrest).ends_s.max() <= onset / arrest.fs
    assert sinus_intervals(arrest)[1].max() <= onset / arrest.fs
    share = 100 * (stop - onset) / arrest.stop
    line = CELLS.format("Ventricular fibrillation or flutter", r"0:\d\d", f"{share:.1f} %")
    assert re.search(line, summary(arrest))


def test_an_interval_across_fibrillation_is_no_pause() -> None:
    samples = [*range(0, 1000, 100), *range(3000, 4000, 100)]
    rhythms = [("sinus rhythm", 0), ("ventricular fibrillation", 950), ("sinus rhythm", 2950)]
    data = made_up(samples, stop=4000, rhythms=rhythms)
    assert rr_intervals(data).lengths_s.max() == pytest.approx(1.0)
    assert rr_intervals(made_up(samples, stop=4000)).lengths_s.max() == pytest.approx(21.0)


def test_the_rest_of_a_recording_is_no_ten_seconds() -> None:
    fast_tail = [*range(0, 3000, 100), *range(3000, 3500, 40)]
    data = made_up(fast_tail, stop=3500)
    assert [rate.start_s for rate in whole_rates(data, rr_intervals(data))] == [0.0, 10.0, 20.0]
    assert re.search(CELLS.format("Fastest 10 s", "60 /min", "at 0:0?0"), summary(data))
    assert "60 to 60" in headline(data, None)


def test_what_is_left_of_a_window_with_a_lost_signal_is_no_ten_seconds() -> None:
    samples = [*range(0, 1000, 100), *range(1000, 1300, 40), *range(2000, 3000, 100)]
    data = made_up(samples, stop=3000, gaps=[(1300, 2000, "flat")])
    assert [rate.start_s for rate in whole_rates(data, rr_intervals(data))] == [0.0, 20.0]


def test_long_intervals_still_make_a_whole_window() -> None:
    data = made_up(range(0, 6000, 280), stop=6000)
    assert len(whole_rates(data, rr_intervals(data))) == 6


def test_longest_and_shortest_interval_are_named() -> None:
    data = made_up([0, 100, 200, 250, 350, 500, 600], stop=700)
    assert re.search(CELLS.format("Longest RR interval", "1500 ms", "at 0:03"), summary(data))
    assert re.search(CELLS.format("Shortest RR interval", "500 ms", "at 0:02"), summary(data))


def test_supraventricular_ectopy_is_doubted_in_fibrillation_and_noise() -> None:
    samples = range(0, 60_000, 100)
    calm = made_up(samples, stop=60_000, rhythms=[("sinus rhythm", 0)])
    assert doubts_of_s(calm) == []
    assert "uncertain" not in summary(calm)
    fibrillating = dataclasses.replace(
        calm, rhythms=[("sinus rhythm", 0), ("atrial fibrillation", 45_000)]
    )
    assert doubts_of_s(fibrillating) == ["25 % of the recording is atrial fibrillation"]
    assert "Caution: supraventricular ectopy is uncertain: 25 %" in summary(fibrillating)
    assert "supraventricular ectopic: caution" in headline(fibrillating, None)
    noisy = made_up(samples, stop=60_000, quality=0.1)
    assert doubts_of_s(noisy) == ["100 % of the beats are of poor signal quality"]


def test_sdnn_is_doubted_in_short_recordings_and_in_those_of_few_normal_beats() -> None:
    samples = np.arange(0, 24 * 3600 * 100, 100)
    day = made_up(samples, stop=24 * 3600 * 100)
    assert doubts_of_sdnn(day) == []
    assert doubts_of_sdnn(made_up(samples[:600], stop=60_000)) == [
        "it is over 10:00, and norms are for 24 hours"
    ]
    few = [
        dataclasses.replace(beat, label="V") if n % 6 == 0 else beat
        for n, beat in enumerate(made_up(samples[:600], stop=60_000).beats)
    ]
    assert "only 67 % of the intervals are NN intervals" in doubts_of_sdnn(
        dataclasses.replace(day, beats=few)
    )


def test_a_training_record_is_named_from_its_events_too(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    words = ["--speed", "max", "--mqtt", "off", "--no-monitor", "--events", str(file)]
    assert main(["replay", "demo", "--stop", "0:20", *words]) == 0
    warning = "The shipped model was trained on this record."
    assert warning not in report_page(from_events(file))
    file.write_text(file.read_text().replace('"source":"demo"', '"source":"208"'))
    assert warning in report_page(from_events(file))
    file.write_text(file.read_text().replace('"source":"208"', '"source":"208x"'))
    assert warning not in report_page(from_events(file))


@pytest.mark.parametrize(
    ("database", "name", "is_trained"),
    [("mitdb", "208", True), ("svdb", "800", True), ("mitdb", "100", False), (None, "208", False)],
)
def test_both_databases_of_training_are_known(
    database: str | None, name: str, is_trained: bool
) -> None:
    record = SimulatedRecord(
        name=name,
        fs=360.0,
        leads=("MLII",),
        signal=np.zeros((1, 720), np.float32),
        database=database,
    )
    assert from_record(record).training_record is is_trained


def test_the_extremes_have_strips(arrest: ReportData) -> None:
    page = report_page(arrest)
    for words in ("Slowest 10 s, ", "Fastest 10 s, ", "Longest RR interval, ", "Shortest RR "):
        assert page.count(f"<h3>{words}") == 1


def test_a_day_of_intervals_makes_a_small_plot() -> None:
    random = np.random.default_rng(1)
    pairs = random.normal(800.0, 60.0, (100_000, 2))
    few = _thinned(pairs)
    assert 500 < len(few) <= _MOST_POINTS
    assert np.ptp(few, axis=0) == pytest.approx(np.ptp(pairs, axis=0), rel=0.1)
    assert len(_thinned(pairs[:100])) == 100
    samples = np.cumsum(random.normal(80.0, 6.0, 20_000)).astype(int)
    drawn = interval_plots(made_up(samples, stop=int(samples[-1]) + 1))
    assert len(drawn) < 1_000_000
    assert "next RR interval, ms" in drawn
