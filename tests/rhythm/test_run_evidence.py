"""Beats in sequence judged together: alike, smooth and fast, whatever each was called."""

from itertools import pairwise
from math import inf

import numpy as np
import pytest
from rhythm_cases import DELAY, alarms, labeled, rhythms, run, steady

from streamer.core.events import LabeledBeat, Rhythm
from streamer.rhythm.beat_shape import qrs_slopes, roughness, similarity
from streamer.rhythm.run_evidence import RUN, Looks, run_log_odds

T = np.arange(-128, 128) / 360.0
NARROW = np.exp(-((T / 0.02) ** 2))
WIDE = np.exp(-((T / 0.06) ** 2)) - 0.4 * np.exp(-(((T - 0.15) / 0.08) ** 2))


def window(shape: np.ndarray, noise_mv: float = 0.0, seed: int = 0) -> np.ndarray:
    noise = noise_mv * np.random.default_rng(seed).standard_normal((2, shape.size))
    return (np.stack([shape, -0.5 * shape]) + noise).astype(np.float32)


def test_the_same_complex_is_alike_at_any_size_and_place() -> None:
    one = qrs_slopes(window(WIDE))
    assert similarity(one, qrs_slopes(3.0 * window(WIDE))) == pytest.approx(1.0)
    assert similarity(one, qrs_slopes(np.roll(window(WIDE), 5, axis=1))) > 0.95
    assert similarity(one, qrs_slopes(-window(WIDE))) < 0.0
    assert similarity(one, qrs_slopes(window(NARROW))) < 0.8


def test_missing_samples_have_no_slope() -> None:
    seen = window(WIDE) + np.float32(5.0)
    seen[:, :100] = np.nan
    slopes = qrs_slopes(seen)
    assert np.isfinite(slopes).all()
    assert not slopes[:, :6].any()
    assert not qrs_slopes(np.full((2, 256), np.nan, np.float32)).any()


def test_noise_is_rough() -> None:
    clean, noisy = (roughness(window(WIDE, noise_mv)) for noise_mv in (0.0, 0.1))
    assert clean == pytest.approx(-3.8, abs=0.2)
    assert noisy > -1.0
    assert roughness(np.zeros((1, 256), np.float32)) == pytest.approx(clean, abs=0.3)


def beats(v: float, likeness: float, rough: float, normal: float = 0.05) -> list[Looks]:
    return [Looks(normal, v, likeness, rough)] * RUN


def test_odds_rise_with_what_speaks_for_a_run() -> None:
    odds = run_log_odds(beats(0.2, 0.8, -2.0))
    assert run_log_odds(beats(0.4, 0.8, -2.0)) > odds
    assert run_log_odds(beats(0.2, 0.9, -2.0)) > odds
    assert run_log_odds(beats(0.2, 0.8, -1.0)) < odds
    assert run_log_odds([*beats(0.9, 0.9, -3.0)[1:], Looks(0.6, 0.1, 0.9, -3.0)]) == -inf


def run_of_unknown(
    shape: np.ndarray,
    *,
    rr: int = 150,
    noise_mv: float = 0.002,
    count: int = 5,
    normal: float = 0.1,
) -> list[LabeledBeat]:
    """Sinus rhythm, then beats of one shape whose label nobody is sure of."""
    samples = [start for start, _ in steady(7, 300)]
    samples += [samples[-1] + rr * (k + 1) for k in range(count)]
    samples += [samples[-1] + 300 * (k + 1) for k in range(4)]
    found = []
    for k, (sample, following) in enumerate(pairwise([*samples, samples[-1] + 300])):
        odd = 7 <= k < 7 + count
        v = 0.35
        p = (normal, 0.0, v, 0.0, 1.0 - v - normal) if odd else (0.98, 0.0, 0.01, 0.0, 0.01)
        seen = window(shape if odd else NARROW, noise_mv if odd else 0.002, seed=k)
        label, quality = ("Q" if odd else "N"), 0.9
        beat = labeled(sample, label, 0, sample + DELAY, quality, seen, p)
        sure = labeled(sample, label, 1, following + DELAY, quality, seen, p)
        found += [beat, sure]
    return sorted(found, key=lambda item: (item.decided_at, -item.revision))


def is_tachycardia(inputs: list[LabeledBeat]) -> bool:
    return Rhythm.VENTRICULAR_TACHYCARDIA in {alarm[0] for alarm in alarms(run(inputs))}


def test_clear_fast_beats_alike_are_a_tachycardia_though_called_noise() -> None:
    inputs = run_of_unknown(WIDE)
    first = 1000 + 6 * 300 + 150
    found = [a for a in alarms(run(inputs)) if a[0] is Rhythm.VENTRICULAR_TACHYCARDIA]
    assert found == [(Rhythm.VENTRICULAR_TACHYCARDIA, first, first + RUN * 150 + DELAY)]
    assert rhythms(run(inputs))[-1][0] is Rhythm.SINUS


@pytest.mark.parametrize(
    "inputs",
    [
        run_of_unknown(WIDE, count=RUN - 1),
        run_of_unknown(WIDE, rr=230),
        run_of_unknown(0.0 * WIDE, noise_mv=0.3),
        run_of_unknown(WIDE, normal=0.6),
    ],
    ids=["short", "slow", "noise", "normal"],
)
def test_what_is_short_slow_rough_or_normal_is_none(inputs: list[LabeledBeat]) -> None:
    assert not is_tachycardia(inputs)
