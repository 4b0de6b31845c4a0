import numpy as np
import pytest

from replay.noise import NORMAL_SYMBOLS, NoiseConfig, add_noise, noise_gain
from replay.simulate.record import simulate_beats
from replay.wfdb_record import WfdbRecord

FS = 360.0
SHORT = NoiseConfig(learning_s=10, period_s=5)


@pytest.fixture
def clean():
    return simulate_beats(np.arange(0.5, 39.5, 0.8), duration_s=40.0)


@pytest.fixture
def white():
    return np.random.default_rng(5).standard_normal((2, round(40 * FS))).astype(np.float32)


def power_ratio_db(signal_mv, noise_mv):
    return 10 * np.log10(signal_mv**2 / 8 / noise_mv**2)


@pytest.mark.parametrize("snr_db", [24.0, 0.0, -6.0])
def test_ratio_is_the_one_asked_for(clean, white, snr_db):
    gain = noise_gain(clean.signal, white, r_peaks=clean.reference().samples, fs=FS, snr_db=snr_db)
    height = np.ptp(clean.signal[0, 180 - 18 : 180 + 19])
    assert power_ratio_db(height, gain[0]) == pytest.approx(snr_db, abs=0.2)


def test_noise_comes_in_turns_after_the_learning_period(clean, white):
    before = clean.signal.copy()
    noisy = add_noise(
        clean.signal, white, r_peaks=clean.reference().samples, fs=FS, snr_db=6, config=SHORT
    )
    assert np.array_equal(clean.signal, before)
    assert noisy.dtype == np.float32
    added = noisy - clean.signal
    loud = [added[0, i * 1800 : (i + 1) * 1800].std() > 0.1 for i in range(8)]
    assert loud == [False, False, True, False, True, False, True, False]
    assert not added[:, :3600].any()


def test_no_step_where_noise_sets_in_or_ends(clean):
    slow = np.cumsum(np.full((1, 14_400), 1e-3), axis=1) + 5.0
    noisy = add_noise(
        clean.signal, slow, r_peaks=clean.reference().samples, fs=FS, snr_db=0, config=SHORT
    )
    added = noisy.astype(np.float64) - clean.signal
    assert np.abs(np.diff(added)).max() < 0.01


def test_short_noise_starts_again_and_fewer_leads_are_shared(clean, white):
    short = white[:1, :1000]
    noisy = add_noise(
        clean.signal, short, r_peaks=clean.reference().samples, fs=FS, snr_db=0, config=SHORT
    )
    added = (noisy - clean.signal)[:, 3600:5400]
    assert np.allclose(np.diff(added)[:, :799], np.diff(added)[:, 1000:], atol=1e-5)
    ratio = np.std(added[0]) / np.std(added[1])
    assert ratio == pytest.approx(np.abs(added[0]).max() / np.abs(added[1]).max(), rel=1e-3)


@pytest.mark.parametrize(
    ("peaks", "noise", "message"),
    [
        ([], np.ones((1, 1000)), "no normal beats"),
        ([500], np.ones((1, 1000)), "silent"),
        ([500], np.ones((1, 100)), "noise has 100 samples; it must have 360 or more"),
    ],
)
def test_what_cannot_be_measured(clean, peaks, noise, message):
    with pytest.raises(ValueError, match=message):
        noise_gain(clean.signal, noise, r_peaks=peaks, fs=FS, snr_db=0)


def whole(record):
    return np.concatenate([chunk.samples for chunk in record.chunks(size=65_536)], axis=1)


@pytest.mark.database
@pytest.mark.parametrize(("name", "snr_db"), [("118", 12), ("119", 0)])
def test_agrees_with_the_noise_stress_test_database(mitdb, nstdb, name, snr_db):
    record = WfdbRecord(mitdb / name)
    reference = record.reference()
    normal = [
        sample
        for sample, symbol in zip(reference.samples, reference.symbols, strict=True)
        if symbol in NORMAL_SYMBOLS
    ]
    clean, noise = whole(record), whole(WfdbRecord(nstdb / "em"))
    ours = add_noise(clean, noise, r_peaks=normal, fs=record.fs, snr_db=snr_db) - clean
    theirs = whole(WfdbRecord(nstdb / f"{name}e{snr_db:02}")) - clean
    assert not ours[:, : 300 * 360].any()
    for lead in range(2):
        for minute in range(5, 29, 4):
            loud = np.arange(minute * 60 * 360 + 1, (minute + 2) * 60 * 360 - 1)
            quiet = loud + 2 * 60 * 360
            our_mv, their_mv = ours[lead, loud], theirs[lead, loud]
            assert 20 * np.log10(our_mv.std() / their_mv.std()) == pytest.approx(0, abs=0.2)
            assert np.corrcoef(our_mv, their_mv)[0, 1] > 0.9999
            assert np.ptp(ours[lead, quiet]) < 1e-5
            assert np.ptp(theirs[lead, quiet]) < 1e-5
