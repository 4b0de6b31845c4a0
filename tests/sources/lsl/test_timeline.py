"""What LSL's time stamps say of samples that are missing."""

import numpy as np
from numpy.typing import NDArray

from streamer.sources.lsl.timeline import Timeline

FS = 250.0
PIECE = 25


def stamps(first_s: float, n: int = PIECE) -> NDArray[np.float64]:
    return first_s + np.arange(n) / FS


def placed(line: Timeline, *firsts_s: float) -> list[int]:
    return [index for first_s in firsts_s for _, index in line.place(stamps(first_s))]


def test_samples_begin_where_they_are_put_or_where_their_stamp_says() -> None:
    assert placed(Timeline(FS, first_sample=0), 100.0) == [0]
    assert placed(Timeline(FS), 100.0) == [25_000]


def test_jitter_of_a_sender_is_no_loss() -> None:
    rng = np.random.default_rng(1)
    late_s = rng.uniform(-0.1, 0.1, 200)
    line = Timeline(FS, first_sample=0)
    firsts = placed(line, *(0.1 * k + late_s[k] for k in range(200)))
    assert firsts == list(range(0, 5000, PIECE))


def test_a_clock_that_is_off_by_one_percent_loses_nothing() -> None:
    for rate in (0.99, 1.01):
        line = Timeline(FS, first_sample=0)
        firsts = placed(line, *(0.1 * rate * k for k in range(3000)))
        assert firsts == list(range(0, 75_000, PIECE))


def test_what_is_missing_is_left_out_between_pieces_and_in_one() -> None:
    line = Timeline(FS, first_sample=0)
    assert placed(line, 10.0, 10.1, 11.2) == [0, 25, 300]
    torn = np.concatenate([stamps(11.3, 10), stamps(12.34, 15)])
    assert line.place(torn) == [(0, 325), (10, 325 + 260)]
    assert line.next_sample == 600


def test_a_sender_that_stalls_and_catches_up_moves_no_sample_back() -> None:
    line = Timeline(FS, first_sample=0)
    firsts = placed(line, 0.0, 0.1, 0.7, 0.71, 0.72, 0.73, 0.74, 0.75, 0.8, 0.9, 1.0)
    assert firsts == sorted(firsts)
    assert line.next_sample == firsts[-1] + PIECE


def test_a_clock_that_begins_anew_is_known_by_the_time_that_passed() -> None:
    line = Timeline(FS, first_sample=0)
    assert placed(line, 5000.0, 5000.1) == [0, 25]
    assert line.place(stamps(3.0), elapsed_s=2.0) == [(0, 50 + 500)]
    assert placed(line, 3.1) == [575]


def test_samples_have_the_times_of_their_stamps() -> None:
    line = Timeline(FS, first_sample=0)
    placed(line, 10.0, 10.1, 11.2)
    assert line.stamp_of(30) == 10.1 + 5 / FS
    assert line.stamp_of(310) == 11.2 + 10 / FS
    assert line.stamp_of(-1) is None
