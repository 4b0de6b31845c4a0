import numpy as np
import pytest

from replay.chunk import Chunk
from streamer.monitor.terminal import braille
from streamer.monitor.terminal.sweep import Sweep, envelope, trace
from streamer.signal.ring import SampleRing


def sweep(now: int, *, first_sample: int = 0, erase: int = 4) -> Sweep:
    """Twenty dots over 10 cells, 5 samples a dot."""
    return Sweep(first_sample=first_sample, now=now, samples=100, cells=10, erase=erase)


def ramp(n: int, start: int = 0) -> SampleRing:
    """A signal that is its own index, in mV."""
    ring = SampleRing(1, 1000)
    ring.append(Chunk(start=start, samples=np.arange(start, start + n, dtype=np.float32)[None]))
    return ring


def test_before_the_first_sample_nothing_is_drawn() -> None:
    low, high = envelope(SampleRing(1, 1000), 0, sweep(0))
    assert np.isnan(low).all()
    assert np.isnan(high).all()


def test_each_dot_holds_the_extremes_of_its_samples() -> None:
    low, high = envelope(ramp(23), 0, sweep(23))
    assert low[:5].tolist() == [0, 5, 10, 15, 20]
    assert high[:5].tolist() == [4, 9, 14, 19, 22]
    assert np.isnan(low[5:]).all()


def test_the_write_position_wraps_and_erases_ahead() -> None:
    low, _ = envelope(ramp(130), 0, sweep(130))
    # Dots 20 to 25 of the second sweep, a gap of 4, and what is left of the first.
    assert low[:6].tolist() == [100, 105, 110, 115, 120, 125]
    assert np.isnan(low[6:10]).all()
    assert low[10:].tolist() == list(range(50, 100, 5))


def test_the_replay_may_start_anywhere() -> None:
    low, _ = envelope(ramp(12, start=777), 0, sweep(789, first_sample=777))
    assert low[:3].tolist() == [777, 782, 787]


@pytest.mark.parametrize("samples", [100, 97, 1333, 13])
def test_every_sample_falls_on_the_dot_that_starts_before_it(samples: int) -> None:
    uneven = Sweep(first_sample=5, now=10**6, samples=samples, cells=10, erase=0)
    for sample in range(5, 400):
        dot = uneven.dot(sample)
        assert uneven.first_of(dot) <= sample < uneven.first_of(dot + 1)


def test_invalid_samples_leave_a_hole() -> None:
    ring = SampleRing(1, 1000)
    signal = np.ones(50, np.float32)
    signal[10:20] = np.nan
    signal[22] = np.nan
    ring.append(Chunk(start=0, samples=signal[None]))
    low, _ = envelope(ring, 0, sweep(50))
    assert np.isnan(low[:10]).tolist() == [False] * 2 + [True] * 2 + [False] * 6


def test_fewer_samples_than_dots_are_drawn_too() -> None:
    sparse = Sweep(first_sample=0, now=8, samples=10, cells=10, erase=0)
    low, high = envelope(ramp(8), 0, sparse)
    assert low[:15].tolist() == high[:15].tolist()
    assert low[0] == 0
    assert low[14] == 7


def test_cells_of_beats_that_are_shown() -> None:
    shown = sweep(130)
    assert shown.cell(129) == 2
    assert shown.cell(99) == 9
    assert shown.cell(40) is None
    assert shown.cells_of(95, 104) == [9, 0]
    assert shown.erased_cells() == [3, 4]


def test_a_step_is_drawn_as_a_connected_line() -> None:
    low = np.array([0, 0, 1, 1], np.float32)
    dots = trace(low, low, bottom_mv=0.0, top_mv=1.0, rows=1)
    assert braille.text(braille.code_points(braille.pack(dots))) == ["⣀⡏"]


def test_an_unknown_column_is_not_bridged() -> None:
    low = np.array([0, np.nan, np.nan, 1], np.float32)
    dots = trace(low, low, bottom_mv=0.0, top_mv=1.0, rows=1)
    assert braille.text(braille.code_points(braille.pack(dots))) == ["⡀⠈"]


def test_what_leaves_the_screen_is_drawn_on_its_edge() -> None:
    low = np.array([9.0, -9.0], np.float32)
    dots = trace(low, low, bottom_mv=-1.0, top_mv=1.0, rows=1)
    assert dots[0, 0]
    assert dots[-1, 1]
