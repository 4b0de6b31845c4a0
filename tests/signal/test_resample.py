import itertools

import numpy as np
import pytest

from replay.chunk import Chunk
from streamer.core.errors import OverlapError, StageClosedError
from streamer.core.events import Gap, GapReason
from streamer.signal.resample import Resampler

RATES = [100.0, 128.0, 250.0, 257.3, 500.0, 1000.0]


def resampled(resampler: Resampler, samples: np.ndarray, start: int = 0) -> list[Chunk]:
    out = [*resampler.push(Chunk(start=start, samples=samples)), *resampler.flush()]
    assert all(isinstance(item, Chunk) for item in out)
    return [item for item in out if isinstance(item, Chunk)]


def joined(chunks: list[Chunk]) -> np.ndarray:
    for one, other in itertools.pairwise(chunks):
        assert other.start == one.stop
    return np.concatenate([chunk.samples for chunk in chunks], axis=1)


@pytest.mark.parametrize("fs", RATES)
def test_a_sine_keeps_its_time_and_size(fs: float) -> None:
    wave = np.sin(2 * np.pi * 8.0 * np.arange(round(20 * fs)) / fs)[None].astype(np.float32)
    out = joined(resampled(Resampler(fs=fs, n_leads=1), wave))[0]
    assert out.size == pytest.approx(20 * 360, abs=4)
    expected = np.sin(2 * np.pi * 8.0 * np.arange(out.size) / 360.0)
    inner = slice(360, -360)
    assert np.abs(out - expected)[inner].max() < 0.01


def test_the_chain_rate_passes_through_untouched() -> None:
    samples = np.random.default_rng(1).normal(size=(2, 100)).astype(np.float32)
    (chunk,) = Resampler(fs=360, n_leads=2).push(Chunk(start=77, samples=samples))
    assert isinstance(chunk, Chunk)
    assert chunk.start == 77
    np.testing.assert_array_equal(chunk.samples, samples)
    assert Resampler(fs=360, n_leads=2).delay_s == 0


def test_frequencies_above_half_the_output_rate_are_removed() -> None:
    fs = 1000.0
    tone = np.sin(2 * np.pi * 300.0 * np.arange(10_000) / fs)[None].astype(np.float32)
    out = joined(resampled(Resampler(fs=fs, n_leads=1), tone))
    assert np.abs(out[:, 360:-360]).max() < 0.02


@pytest.mark.parametrize("fs", RATES)
def test_arrival_names_the_sample_that_completed_an_output(fs: float) -> None:
    resampler = Resampler(fs=fs, n_leads=1)
    for n in range(300):
        for item in resampler.push(Chunk(start=n, samples=np.ones((1, 1), np.float32))):
            assert isinstance(item, Chunk)
            for sample in range(item.start, item.stop):
                assert resampler.arrival(sample) == n
                assert 0 <= n - resampler.to_source(sample) <= round(resampler.delay_s * fs) + 1


@pytest.mark.parametrize("fs", [*RATES, 360.0])
def test_source_positions_survive_the_way_there_and_back(fs: float) -> None:
    resampler = Resampler(fs=fs, n_leads=1)
    for sample in [0, 1, 2, 1000, 650_000, 31_104_001]:
        assert abs(resampler.to_source(resampler.from_source(sample)) - sample) <= max(
            1, fs / 360 / 2 + 1
        )


def test_a_jump_is_a_gap_in_chain_samples() -> None:
    resampler = Resampler(fs=180, n_leads=1)
    ones = np.ones((1, 90), np.float32)
    resampler.push(Chunk(start=0, samples=ones))
    out = resampler.push(Chunk(start=190, samples=ones))
    gaps = [item for item in out if isinstance(item, Gap)]
    assert gaps == [Gap(start=180, stop=380, reason=GapReason.LOST, decided_at=380)]
    chunks = [item for item in out if isinstance(item, Chunk)]
    assert chunks[0].stop == 180
    assert chunks[1].start == 380


def test_overlap_and_push_after_flush_are_refused() -> None:
    resampler = Resampler(fs=250, n_leads=1)
    ones = np.ones((1, 90), np.float32)
    resampler.push(Chunk(start=0, samples=ones))
    with pytest.raises(OverlapError, match="starts at sample 10"):
        resampler.push(Chunk(start=10, samples=ones))
    resampler.flush()
    with pytest.raises(StageClosedError, match="reset"):
        resampler.push(Chunk(start=90, samples=ones))


@pytest.mark.parametrize("fs", [0.0, -360.0, 10.0, 1e6, float("nan")])
def test_an_impossible_rate_is_refused_with_the_legal_range(fs: float) -> None:
    with pytest.raises(ValueError, match="use 50 to 5000 Hz"):
        Resampler(fs=fs, n_leads=1)
