import json
from dataclasses import replace

import numpy as np
import pytest
from bench_cases import FS, short_excerpt

from streamer.bench.detection import changes, robustness
from streamer.bench.detection.changes import AS_IS, RobustnessConfig, conditions
from streamer.bench.report import plain
from streamer.commands.cli import main
from streamer.scoring.ec57 import BeatAnnotations


@pytest.fixture(scope="module")
def excerpt():
    return short_excerpt(6.0)


def one_lead(excerpt):
    return changes.with_leads(excerpt, (0,))


def test_no_change_touches_its_input(excerpt):
    before = excerpt.samples.copy()
    for name, change in conditions().items():
        change(excerpt)
        assert np.array_equal(excerpt.samples, before), name


def test_every_change_keeps_the_beats_and_float32(excerpt):
    for name, change in conditions().items():
        changed = change(excerpt)
        assert changed.samples.dtype == np.float32, name
        assert changed.samples.flags.c_contiguous, name
        assert changed.beats.samples.size == excerpt.beats.samples.size, name


def test_changes_that_need_two_leads_say_so(excerpt):
    assert changes.with_leads(one_lead(excerpt), (1,)) is None
    assert changes.resampled(one_lead(excerpt), 100.0, (1,)) is None
    assert changes.off(one_lead(excerpt), 1.0, 2.0) is None


def test_leads_are_chosen_and_ordered(excerpt):
    swapped = changes.with_leads(excerpt, (1, 0))
    assert swapped.leads == ("V1", "MLII")
    assert np.array_equal(swapped.samples[0], excerpt.samples[1])


@pytest.mark.parametrize("fs", [100.0, 128.0, 1000.0])
def test_resampling_moves_beats_with_their_peaks(excerpt, fs):
    changed = changes.resampled(excerpt, fs)
    assert changed.fs == fs
    assert changed.n_samples == pytest.approx(excerpt.n_samples * fs / FS, abs=1)
    reach = round(0.04 * fs)
    for beat in changed.beats.samples:
        around = changed.samples[0, beat - reach : beat + reach + 1]
        assert abs(int(np.argmax(around)) - reach) <= 1 + 0.01 * fs


def test_flutter_moves_too(excerpt):
    beats = BeatAnnotations.from_symbols([100, 360, 720], ["N", "[", "]"])
    changed = changes.resampled(replace(excerpt, beats=beats), 250.0)
    assert changed.beats.vf == ((250, 500),)


def test_hum_and_wander_have_the_size_asked_for(excerpt):
    hum = changes.humming(excerpt, 50.0, 0.2).samples - excerpt.samples
    assert np.abs(hum).max() == pytest.approx(0.2, abs=0.01)
    wander = changes.wandering(excerpt, 3.0, (0.15, 0.3, 0.5)).samples - excerpt.samples
    assert 1.5 < np.abs(wander).max() <= 3.001


def test_spike_comes_before_every_beat(excerpt):
    added = changes.spiked(excerpt, 0.1, -2.0, 0.002).samples - excerpt.samples
    at = np.flatnonzero(added[0] < -1.0)
    assert at.tolist() == (excerpt.beats.samples - 36).tolist()
    assert added[1, at] == pytest.approx(-1.0)


def test_spike_before_the_record_is_left_out(excerpt):
    early = replace(excerpt, beats=BeatAnnotations.from_symbols([10], ["N"]))
    assert np.array_equal(changes.spiked(early, 0.1, 2.0, 0.002).samples, excerpt.samples)


def test_clipping_steps_and_lead_off(excerpt):
    assert np.ptp(changes.clipped(excerpt, 0.5).samples[0]) < 0.8 * np.ptp(excerpt.samples[0])
    levels = changes.quantised(excerpt, 0.04).samples / 0.04
    assert levels == pytest.approx(np.round(levels), abs=1e-3)
    grounded = changes.off(excerpt, 1.0, 4.0).samples
    assert not grounded[0, 720:1080].any()
    assert np.array_equal(grounded[1], excerpt.samples[1])


def test_slowing_stretches_time(excerpt):
    slow = changes.slowed(excerpt, 1.6)
    assert slow.n_samples == pytest.approx(1.6 * excerpt.n_samples, abs=2)
    assert slow.beats.samples[0] == round(1.6 * excerpt.beats.samples[0])


def test_results_sum_over_records_and_name_the_worst():
    clean, broken = short_excerpt(8.0, name="a"), short_excerpt(8.0, name="b", seed=1)
    shifted = replace(broken.beats, samples=broken.beats.samples + 100)
    config = RobustnessConfig(rates_hz=(128.0,))
    results = robustness.measure_robustness([clean, replace(broken, beats=shifted)], config)
    assert results[0].name == AS_IS
    assert results[0].worst.name == "b"
    assert results[0].summary(150.0).gross.fn >= shifted.samples.size
    report = robustness.robustness_report(results)
    (content,) = report.tables
    assert content.rows[0][-2:] == ("1.0", f"b {results[0].worst.fn}/{results[0].worst.fp}")
    assert len(content.rows) == len(conditions(config))
    assert json.loads(json.dumps(plain(report.figures)))["conditions"][0]["fs"] == [360.0]


def test_condition_that_no_record_allows_is_left_out():
    results = robustness.measure_robustness([one_lead(short_excerpt(4.0))])
    names = [result.name for result in results]
    assert "second lead alone" not in names
    assert "primary lead alone" in names


def test_command_prints_the_conditions(tmp_path, capsys):
    arguments = ["bench", "robustness", "--records", "demo", "--stop", "0:08"]
    assert main([*arguments, "--json", str(tmp_path / "r.json")]) == 0
    printed = capsys.readouterr().out
    assert "hum 50 Hz, 0.2 mV" in printed
    assert (tmp_path / "r.json").is_file()
