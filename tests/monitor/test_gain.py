import numpy as np

from streamer.monitor.gain import Gain

FS = 100.0


def beats(low: float, high: float) -> np.ndarray:
    return np.linspace(low, high, 50, dtype=np.float32)


def test_the_first_look_fits_the_signal() -> None:
    gain = Gain(fs=FS)
    gain.update(50, beats(-0.2, 0.7))
    assert gain.bottom_mv <= -0.2
    assert gain.top_mv >= 0.7
    assert gain.span_mv == 1.5


def test_clipping_widens_at_once() -> None:
    gain = Gain(fs=FS)
    gain.update(50, beats(-0.2, 0.7))
    gain.update(100, beats(-1.0, 2.2))
    assert gain.bottom_mv <= -1.0
    assert gain.top_mv >= 2.2


def test_a_smaller_signal_narrows_only_after_a_calm() -> None:
    gain = Gain(fs=FS)
    gain.update(50, beats(-1.0, 2.2))
    wide = gain.span_mv
    for now in range(100, 700, 50):
        gain.update(now, beats(-0.2, 0.5))
        assert gain.span_mv == wide, now
    gain.update(700, beats(-0.2, 0.5))
    assert gain.span_mv < wide


def test_the_calm_starts_anew_after_a_tall_beat() -> None:
    gain = Gain(fs=FS)
    gain.update(0, beats(-1.0, 2.2))
    wide = gain.span_mv
    gain.update(100, beats(-0.2, 0.5))
    gain.update(600, beats(-1.0, 2.2))
    gain.update(800, beats(-0.2, 0.5))
    gain.update(1300, beats(-0.2, 0.5))
    assert gain.span_mv == wide


def test_a_small_change_moves_nothing() -> None:
    gain = Gain(fs=FS)
    gain.update(0, beats(-0.30, 1.00))
    before = gain.bottom_mv, gain.top_mv
    for now in range(50, 2000, 50):
        gain.update(now, beats(-0.31, 0.97))
    assert (gain.bottom_mv, gain.top_mv) == before


def test_no_signal_changes_nothing() -> None:
    gain = Gain(fs=FS)
    before = gain.bottom_mv, gain.top_mv
    gain.update(50, np.full(50, np.nan, np.float32))
    assert (gain.bottom_mv, gain.top_mv) == before


def test_an_artefact_of_volts_stays_on_a_finite_scale() -> None:
    gain = Gain(fs=FS)
    gain.update(50, beats(-5000.0, 5000.0))
    assert gain.span_mv == 20.0


def test_marks_lie_on_round_steps_from_top_to_bottom() -> None:
    gain = Gain(fs=FS)
    gain.update(50, beats(-1.4, 1.4))
    marks = gain.rows(12, at_least=3)
    assert [round(mv, 3) for _, mv in marks] == [2.0, 1.0, 0.0, -1.0]
    rows = [row for row, _ in marks]
    assert rows == sorted(rows)
    assert all(0 <= row < 12 for row in rows)


def test_no_marks_without_room() -> None:
    assert Gain(fs=FS).rows(1, at_least=3) == []
