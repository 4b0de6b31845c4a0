import numpy as np
import pytest
from scipy import signal

from replay.chunk import Chunk
from streamer.core.errors import OverlapError, StageClosedError
from streamer.signal.bandpass import BandPass, BandPassConfig


@pytest.fixture
def noise() -> np.ndarray:
    return np.random.default_rng(0).normal(0.7, 1.0, (2, 3000)).astype(np.float32)


def filtered(band_pass: BandPass, samples: np.ndarray, start: int = 0) -> np.ndarray:
    return band_pass.push(Chunk(start=start, samples=samples))[0].filtered


def test_equals_sosfilt_started_from_the_first_sample(noise: np.ndarray) -> None:
    band_pass = BandPass(n_leads=2)
    state = signal.sosfilt_zi(band_pass.sos)[:, None, :] * noise[:, :1].astype(np.float64)
    expected, _ = signal.sosfilt(band_pass.sos, noise.astype(np.float64), axis=1, zi=state)
    np.testing.assert_allclose(filtered(band_pass, noise), expected, atol=1e-6)


def test_constant_input_gives_nothing_from_the_first_sample_on() -> None:
    constant = np.full((1, 500), 3.3, np.float32)
    assert np.abs(filtered(BandPass(n_leads=1), constant)).max() < 1e-6


def test_pass_band_edges_are_where_the_configuration_says() -> None:
    config = BandPassConfig()
    band_pass = BandPass(n_leads=1, config=config)
    _, gain = signal.sosfreqz(band_pass.sos, [config.low_hz, 10.0, config.high_hz], fs=360.0)
    np.testing.assert_allclose(np.abs(gain), [0.5**0.5, 1.0, 0.5**0.5], rtol=0.02)


def test_nan_holds_the_last_good_sample(noise: np.ndarray) -> None:
    holes, held = noise.copy(), noise.copy()
    holes[:, 100:120] = np.nan
    held[:, 100:120] = noise[:, 99:100]
    result = filtered(BandPass(n_leads=2), holes)
    np.testing.assert_array_equal(result, filtered(BandPass(n_leads=2), held))


def test_nan_before_the_first_good_sample_gives_zero(noise: np.ndarray) -> None:
    late = noise.copy()
    late[:, :50] = np.nan
    result = filtered(BandPass(n_leads=2), late)
    assert not result[:, :50].any()
    np.testing.assert_array_equal(result[:, 50:], filtered(BandPass(n_leads=2), noise[:, 50:]))


def test_a_jump_starts_anew(noise: np.ndarray) -> None:
    band_pass = BandPass(n_leads=2)
    filtered(band_pass, noise[:, :1000])
    after = filtered(band_pass, noise[:, 1000:], start=5000)
    np.testing.assert_array_equal(after, filtered(BandPass(n_leads=2), noise[:, 1000:]))


def test_overlap_and_push_after_flush_are_refused(noise: np.ndarray) -> None:
    band_pass = BandPass(n_leads=2)
    filtered(band_pass, noise)
    with pytest.raises(OverlapError, match="starts at sample 2999, expected 3000"):
        filtered(band_pass, noise, start=2999)
    assert band_pass.flush() == []
    with pytest.raises(StageClosedError, match="reset"):
        filtered(band_pass, noise, start=3000)
