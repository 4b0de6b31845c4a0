"""How much the signal looks like fibrillation: what raises the log-odds, and what doesn't."""

from itertools import pairwise

import numpy as np
import pytest

from replay.simulate.arrests import ARRESTS
from replay.simulate.rhythms import TEMPTING_RHYTHMS
from streamer.core.events import CHAIN_FS
from streamer.rhythm.waveform.measures import Measurement, SignalWatch
from streamer.rhythm.waveform.waves import (
    FEATURES,
    TERMS,
    WEIGHTS,
    Shape,
    describe_shape,
    expand_terms,
    leakage,
    vf_log_odds,
)
from streamer.signal.bandpass import FilteredChunk

UNSEEN = range(2000, 2003)
"""Seeds that neither the fit nor a benchmark uses."""


def measured(signal: np.ndarray) -> list[Measurement]:
    samples = np.ascontiguousarray(np.atleast_2d(signal), np.float32)
    return SignalWatch().push(FilteredChunk(start=0, raw=samples, filtered=samples))


def features(window: np.ndarray) -> np.ndarray:
    window = np.ascontiguousarray(window, np.float32)
    found = np.zeros(FEATURES)
    describe_shape(window, leakage(window)[0], found)
    return found


def test_a_sine_leaks_nothing_and_noise_does() -> None:
    t = np.arange(360) / 120
    sine = features(np.sin(2 * np.pi * 5 * t))
    noise = features(np.random.default_rng(0).standard_normal(360))
    assert sine[Shape.LEAKAGE] < 0.05
    assert noise[Shape.LEAKAGE] > 0.6
    assert sine[Shape.INVERSE_KURTOSIS] == pytest.approx(2 / 3, abs=0.01)
    assert noise[Shape.INVERSE_KURTOSIS] == pytest.approx(1 / 3, abs=0.05)


def test_complexes_rest_and_waves_do_not() -> None:
    t = np.arange(360)
    spikes = sum(np.exp(-0.5 * ((t - at) / 2.0) ** 2) for at in range(40, 360, 100))
    waves = np.sin(2 * np.pi * 5 * t / 120)
    rest, move = features(spikes), features(waves)
    assert rest[Shape.SLOPE_UNIFORMITY] < 0.3
    assert move[Shape.SLOPE_UNIFORMITY] > 0.8
    assert rest[Shape.SLOPE_RATIO] < 0.1
    assert move[Shape.SLOPE_RATIO] > 0.9


def test_rate_is_the_logarithm_of_the_waves_frequency() -> None:
    t = np.arange(360) / 120
    slow, fast = (features(np.sin(2 * np.pi * hz * t))[Shape.LOG_RATE] for hz in (3.0, 6.0))
    assert fast - slow == pytest.approx(np.log(2.0), abs=0.05)


@pytest.mark.parametrize("factor", [0.01, 100.0, -1.0])
def test_no_feature_depends_on_size_or_sign(factor: float) -> None:
    window = np.random.default_rng(1).standard_normal(360).cumsum()
    window -= window.mean()
    assert features(factor * window) == pytest.approx(features(window), rel=1e-3)


def test_a_flat_window_is_finite() -> None:
    assert np.isfinite(features(np.zeros(360))).all()


def test_terms_are_the_features_and_their_products() -> None:
    terms = np.zeros(TERMS)
    centre = np.zeros(FEATURES)
    expand_terms(centre, terms)
    first = terms[1 : 1 + FEATURES]
    assert terms[0] == 1.0
    products = [first[k] * first[j] for k in range(FEATURES) for j in range(k + 1)]
    assert terms[1 + FEATURES :].tolist() == products
    assert vf_log_odds(centre, WEIGHTS) == pytest.approx(float(terms @ WEIGHTS))


@pytest.mark.parametrize("name", [name for name in ARRESTS if not name.startswith("silence")])
def test_waves_of_unseen_patients_have_odds_for_them(name: str) -> None:
    for seed in UNSEEN:
        onset = ARRESTS[name](CHAIN_FS, seed)
        found = measured(onset.record.signal)
        inside = [m.vf_log_odds for m in found if m.sample / CHAIN_FS >= onset.onset_s + 3.2]
        before = [m.vf_log_odds for m in found if 4.0 < m.sample / CHAIN_FS < onset.onset_s]
        assert np.median(inside) > 1.0
        assert max(before) < 0.0


@pytest.mark.parametrize("name", TEMPTING_RHYTHMS)
def test_beats_of_unseen_patients_have_odds_against_them(name: str) -> None:
    for seed in UNSEEN:
        found = measured(TEMPTING_RHYTHMS[name](CHAIN_FS, seed).signal[:, : 40 * 360])
        odds = [m.vf_log_odds for m in found if m.sample > 4 * CHAIN_FS]
        assert np.quantile(odds, 0.95) < 0.0


def test_a_lead_that_hardly_moves_has_no_say() -> None:
    t = np.arange(3600) / CHAIN_FS
    wave = 0.5 * np.sin(2 * np.pi * 5 * t)
    hiss = 0.01 * np.random.default_rng(0).standard_normal(t.size)
    alone, with_hiss = measured(wave)[-1], measured(np.stack([wave, hiss]))[-1]
    assert with_hiss.vf_log_odds == pytest.approx(alone.vf_log_odds)
    assert with_hiss.span_mv == pytest.approx(alone.span_mv)
    assert measured(hiss)[-1].vf_log_odds == -np.inf


@pytest.mark.parametrize("mains_hz", [50.0, 60.0])
def test_mains_hum_has_no_say(mains_hz: float) -> None:
    t = np.arange(3600) / CHAIN_FS
    last = measured(0.3 * np.sin(2 * np.pi * mains_hz * t))[-1]
    assert last.span_mv < 0.05
    assert last.vf_log_odds == -np.inf


def test_measurements_do_not_depend_on_the_cuts() -> None:
    signal = np.ascontiguousarray(ARRESTS["coarse fibrillation"](CHAIN_FS, 1).record.signal)
    whole = measured(signal)
    watch, parts = SignalWatch(), []
    cuts = [0, 1, 2, 500, 501, 1700, 4000, signal.shape[1]]
    for start, stop in pairwise(cuts):
        part = np.ascontiguousarray(signal[:, start:stop])
        parts += watch.push(FilteredChunk(start=start, raw=part, filtered=part))
        again = SignalWatch()
        again.restore(watch.state())
        watch = again
    assert parts == whole
