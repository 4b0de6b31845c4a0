import pytest

from streamer.core.clock_format import clock, record_time


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (59.9, "0:59"), (61, "1:01"), (3600, "1:00:00")]
)
def test_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text


@pytest.mark.parametrize(
    ("sample", "fs", "text"),
    [
        (0, 360.0, "0:00.000"),
        (1, 360.0, "0:00.003"),
        (21_599, 360.0, "0:59.997"),
        (59_999_7, 10_000.0, "1:00.000"),
        (650_000, 360.0, "30:05.556"),
    ],
)
def test_sample_time(sample: int, fs: float, text: str) -> None:
    assert record_time(sample, fs) == text
