"""Simulated patients, arrests, tempting rhythms and faults: pure, seeded, in stated ranges."""

import numpy as np
import pytest

from replay.simulate.arrests import ARRESTS, COARSE, FINE, fibrillation, flutter, sine_tachycardia
from replay.simulate.faults import FAULTS, FaultTiming, with_fault
from replay.simulate.patient import PatientConfig, draw_shapes
from replay.simulate.rhythms import LOW_VOLTAGE, RANGES, STEADY_S, TEMPTING_RHYTHMS
from replay.simulate.shapes import SHAPES
from replay.simulate.waves import log_uniform, slow_noise, wandering_phase

FS = 250.0


def dominant_hz(wave: np.ndarray, fs: float) -> float:
    power = np.abs(np.fft.rfft(wave * np.hanning(wave.size))) ** 2
    return float(np.fft.rfftfreq(wave.size, 1 / fs)[power.argmax()])


def test_patients_differ_by_seed_and_keep_every_wave() -> None:
    first, again, other = (draw_shapes(np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first == again != other
    assert first.keys() == SHAPES.keys()
    assert [w.name for w in first["N"]] == [w.name for w in SHAPES["N"]]


def test_low_voltage_is_low_in_every_patient() -> None:
    for seed in range(20):
        shapes = draw_shapes(np.random.default_rng(seed), LOW_VOLTAGE)
        r_mv = next(abs(w.mlii_mv) for w in shapes["N"] if w.name == "R")
        assert LOW_VOLTAGE.r_mv[0] <= r_mv <= LOW_VOLTAGE.r_mv[1]


def test_some_patients_are_upside_down() -> None:
    always = PatientConfig(inverted=1.0)
    shapes = draw_shapes(np.random.default_rng(0), always)
    assert next(w.mlii_mv for w in shapes["N"] if w.name == "R") < 0


@pytest.mark.parametrize("name", TEMPTING_RHYTHMS)
def test_rhythms_are_the_same_for_the_same_seed(name: str) -> None:
    make = TEMPTING_RHYTHMS[name]
    record, again, other = make(FS, 3), make(FS, 3), make(FS, 4)
    assert np.array_equal(record.signal, again.signal)
    assert not np.array_equal(record.signal, other.signal)
    assert record.signal.shape == (2, round(STEADY_S * FS))
    assert np.isfinite(record.signal).all()
    assert record.annotations is not None
    assert (np.diff(record.annotations.samples) >= 0).all()


def test_rates_are_in_their_ranges() -> None:
    for seed in range(8):
        reference = TEMPTING_RHYTHMS["supraventricular tachycardia"](FS, seed).annotations
        assert reference is not None
        rate = 60.0 * FS / np.median(np.diff(reference.samples))
        low, high = RANGES.supraventricular_bpm
        assert 0.97 * low <= rate <= 1.03 * high


def test_complete_block_has_atria_of_their_own() -> None:
    reference = TEMPTING_RHYTHMS["complete block"](FS, 0).annotations
    assert reference is not None
    symbols = np.array(reference.symbols)
    assert (symbols == "p").sum() > (np.isin(symbols, ["j", "E"])).sum()


@pytest.mark.parametrize("name", ARRESTS)
@pytest.mark.parametrize("fs", [250.0, 360.0])
def test_no_heart_beats_after_an_arrest(name: str, fs: float) -> None:
    onset = ARRESTS[name](fs, 7)
    reference = onset.record.annotations
    assert reference is not None
    beats = reference.samples[np.isin(reference.symbols, ["N"])] / fs
    assert beats.max() <= onset.onset_s + 1 / fs
    assert onset.record.n_samples / fs >= onset.onset_s + 10
    assert np.array_equal(ARRESTS[name](fs, 7).record.signal, onset.record.signal)


@pytest.mark.parametrize("ranges", [COARSE, FINE])
def test_fibrillation_has_its_rate_and_height(ranges: object) -> None:
    n = round(20 * FS)
    for seed in range(10):
        wave = fibrillation(n, FS, np.random.default_rng(seed), ranges)  # type: ignore[arg-type]
        spans = np.quantile(wave, 0.99, axis=1) - np.quantile(wave, 0.01, axis=1)
        low, high = ranges.span_mv  # type: ignore[attr-defined]
        assert low <= spans.max() <= 1.01 * high
        assert 1.5 <= dominant_hz(wave[0], FS) <= 16.0


def test_flutter_is_faster_than_a_sine_like_tachycardia() -> None:
    n = round(20 * FS)
    for seed in range(5):
        rng = np.random.default_rng(seed)
        slow, fast = sine_tachycardia(n, FS, rng), flutter(n, FS, rng)
        assert dominant_hz(slow[0], FS) < 3.5
        assert dominant_hz(fast[0], FS) > 3.1


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_comes_and_goes_and_the_heart_goes_on(name: str) -> None:
    record = TEMPTING_RHYTHMS["sinus rhythm"](FS, 1)
    before = record.signal.copy()
    timing = FaultTiming(clean_s=10.0, faulty_s=5.0)
    spoilt = with_fault(record, FAULTS[name], seed=2, timing=timing)
    assert np.array_equal(record.signal, before)
    assert spoilt.annotations is record.annotations
    changed = (spoilt.signal != record.signal).any(axis=0)
    assert not changed[: round(10 * FS)].any()
    assert changed[round(10 * FS) : round(15 * FS)].any()
    assert not changed[round(15.1 * FS) : round(25 * FS)].any()
    again = with_fault(record, FAULTS[name], seed=2, timing=timing)
    assert np.array_equal(again.signal, spoilt.signal)


def test_random_waves_keep_what_they_promise() -> None:
    rng = np.random.default_rng(0)
    noise = slow_noise(round(60 * FS), FS, 0.5, rng)
    assert noise.std() == pytest.approx(1.0)
    assert dominant_hz(noise, FS) < 1.0
    phase = wandering_phase(round(60 * FS), FS, 5.0, rng, wander=0.1, wander_hz=0.5)
    assert (np.diff(phase) > 0).all()
    assert (phase[-1] - phase[0]) / (2 * np.pi * 60) == pytest.approx(5.0, rel=0.1)
    drawn = [log_uniform(rng, 0.1, 10.0) for _ in range(200)]
    assert 0.1 <= min(drawn) < 0.3
    assert 3.0 < max(drawn) <= 10.0
