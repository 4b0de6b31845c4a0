"""The ring, with a signal that encodes its own index."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.chunk import Chunk
from streamer.core.errors import OverlapError
from streamer.signal.ring import SampleRing


def ramp(start: int, stop: int) -> Chunk:
    """Lead 0 holds its own sample index, lead 1 its negative."""
    index = np.arange(start, stop, dtype=np.float32)
    return Chunk(start=start, samples=np.stack([index, -index]))


@given(
    start=st.integers(0, 50),
    lengths=st.lists(st.integers(1, 70), min_size=1, max_size=12),
    capacity=st.integers(1, 60),
)
def test_every_column_holds_its_own_index(start: int, lengths: list[int], capacity: int) -> None:
    ring = SampleRing(2, capacity)
    position = start
    for n in lengths:
        ring.append(ramp(position, position + n))
        position += n
    assert ring.stop == position
    read = ring.read(start - 5, position + 5)
    index = np.arange(start - 5, position + 5)
    kept = (index >= max(start, position - capacity)) & (index < position)
    np.testing.assert_array_equal(read[0], np.where(kept, index, np.nan))
    np.testing.assert_array_equal(read[1], np.where(kept, -index, np.nan))


def test_an_empty_ring_reads_nan() -> None:
    assert np.isnan(SampleRing(2, 8).read(-3, 4)).all()


@pytest.mark.parametrize("skipped", [1, 5, 8, 100])
def test_skipped_samples_read_as_nan(skipped: int) -> None:
    ring = SampleRing(2, 8)
    ring.append(ramp(0, 8))
    ring.append(ramp(8 + skipped, 10 + skipped))
    read = ring.read(8, 10 + skipped)[0]
    np.testing.assert_array_equal(read, [*[np.nan] * skipped, 8 + skipped, 9 + skipped])


def test_growing_keeps_what_is_stored() -> None:
    ring = SampleRing(2, 4)
    ring.append(ramp(0, 6))
    ring.grow(9)
    ring.append(ramp(6, 10))
    np.testing.assert_array_equal(ring.read(2, 10)[0], np.arange(2, 10))
    ring.grow(3)
    assert ring.capacity == 9


def test_what_was_read_is_a_copy() -> None:
    ring = SampleRing(2, 8)
    ring.append(ramp(0, 8))
    ring.read(0, 8)[:] = 99
    np.testing.assert_array_equal(ring.read(0, 8)[0], np.arange(8))


def test_an_overlap_is_an_error_and_changes_nothing() -> None:
    ring = SampleRing(2, 8)
    ring.append(ramp(0, 4))
    with pytest.raises(OverlapError, match="starts at sample 3, expected 4"):
        ring.append(ramp(3, 6))
    ring.append(ramp(4, 8))
    np.testing.assert_array_equal(ring.read(0, 8)[0], np.arange(8))


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="got a chunk of 2 leads, expected 1"):
        SampleRing(1, 8).append(ramp(0, 1))
    with pytest.raises(ValueError, match="must be at least 1"):
        SampleRing(0, 8)
