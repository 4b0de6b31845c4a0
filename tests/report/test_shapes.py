"""Ventricular beats sorted by shape."""

import numpy as np
import pytest

from replay.simulate.record import simulate_beats
from streamer.report.data import BeatRow, ReportData
from streamer.report.shapes import ShapeConfig, beats, sort_by_shape
from streamer.report.strips import StripConfig

FS = 360.0
CONFIG = ShapeConfig()
TIME_S = np.arange(round((CONFIG.template_before_s + CONFIG.template_after_s) * FS)) / FS


def window(kind: int, shift_s: float = 0.0, noise: int = 0) -> np.ndarray:
    """An upright beat, or one that is inverted with a notch, its R peak misplaced."""
    t = TIME_S - CONFIG.template_before_s - shift_s
    wide = np.exp(-0.5 * (t / 0.04) ** 2)
    late = np.exp(-0.5 * ((t - 0.2) / 0.06) ** 2)
    shape = (wide - 0.5 * late, -wide + 0.6 * np.exp(-0.5 * ((t - 0.08) / 0.02) ** 2) + 0.4 * late)
    return shape[kind] + 0.03 * np.random.default_rng(noise).standard_normal(t.size)


def test_two_shapes_are_told_apart_and_chance_is_left_out() -> None:
    kinds = [0, 1, 0, 0, 1] * 8
    shifts = np.resize([0.0, 0.02, -0.03], len(kinds))
    windows = [window(k, s, n) for n, (k, s) in enumerate(zip(kinds, shifts, strict=True))]
    stranger = np.random.default_rng(9).standard_normal(TIME_S.size)
    groups = sort_by_shape(np.stack([*windows, stranger]), FS, CONFIG)
    assert groups == [[n for n, k in enumerate(kinds) if k == kind] for kind in (0, 1)]


def test_beats_of_one_shape_are_one_group() -> None:
    gains = np.linspace(0.4, 2.0, 30)
    windows = np.stack([gain * window(0, noise=n) for n, gain in enumerate(gains)])
    assert sort_by_shape(windows, FS, CONFIG) == [list(range(30))]


@pytest.mark.parametrize("symbols", ["VE", "VV"])
def test_the_report_names_several_shapes_only_where_there_are_some(symbols: str) -> None:
    times = np.arange(1.0, 30.0)
    record = simulate_beats(times, (symbols * 15)[: times.size], fs=FS, noise_mv=0.01)
    data = ReportData(
        source="made-up",
        fs=FS,
        first=0,
        stop=record.n_samples,
        leads=record.leads,
        record=record,
        beats=[
            BeatRow(sample=round(time * FS), label="V", quality=0.9, delay_ms=300.0)
            for time in times
        ],
    )
    page = beats(data, StripConfig())
    assert ("2 shapes among 29 ventricular beats of 29" in page) == (symbols == "VE")
    assert ("V, shape 2, 14" in page) == (symbols == "VE")
