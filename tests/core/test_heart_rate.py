"""The heart rate of a few intervals by hand."""

import pytest

from streamer.core.heart_rate import HeartRateConfig, heart_rate_bpm

CONFIG = HeartRateConfig()


@pytest.mark.parametrize(
    ("intervals_s", "bpm"),
    [
        ([0.8], 75.0),
        ([1.0, 0.5], 80.0),
        ([0.8] * 20, 75.0),
        # Neither a premature beat nor its pause counts.
        ([0.8, 0.8, 0.4, 1.2, 0.8], 75.0),
        # Alternating intervals have the rate of all beats.
        ([0.4, 1.2] * 6, 75.0),
        # Also at a slow pace, where only four of them count.
        ([0.5, 1.2] * 4, 60 / 0.85),
        ([1.5, 0.7] * 4, 60 / 1.1),
        ([0.7, 1.5] * 4, 60 / 1.1),
        # Neither does a pause.
        ([0.8] * 8 + [3.0], 75.0),
        ([0.8] * 8 + [3.0, 0.8], 75.0),
        # A beat that was missed, and one that was none.
        ([0.5] * 4 + [1.0] + [0.5] * 2, 120.0),
        ([0.8, 0.8, 0.4, 0.4, 0.8, 0.8], 60 / 0.7),
        # Four to five seconds after a step the old rate is gone.
        ([0.75] * 20 + [0.5] * 8, 120.0),
        ([0.75] * 20 + [1.5] * 3, 40.0),
    ],
)
def test_rate_of_the_newest_intervals(intervals_s: list[float], bpm: float) -> None:
    assert heart_rate_bpm(intervals_s, 1.0, CONFIG) == pytest.approx(bpm)
    in_ms = [1000.0 * interval for interval in intervals_s]
    assert heart_rate_bpm(in_ms, 1000.0, CONFIG) == pytest.approx(bpm)


def test_no_interval_no_rate() -> None:
    assert heart_rate_bpm([], 1.0, CONFIG) is None
