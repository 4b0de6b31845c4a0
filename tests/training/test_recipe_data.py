import dataclasses

import numpy as np
import pytest

from classifier.recipes.recipe import KACHUEE, SIX_TYPES
from replay.errors import NoReferenceError
from replay.record import Reference
from replay.records import open_record
from replay.simulate.record import SimulatedRecord, simulate_beats
from streamer.training.recipe_data import cut_kachuee, prepare

TIMES_S = np.arange(1.0, 35.0, 0.8)


def ramp_record(fs=125.0, duration_s=32.0, period_s=1.0):
    """Twice as high every ten seconds; an annotation each period."""
    n = round(fs * duration_s)
    lead = (np.arange(n) % 1250) * 2.0 ** (np.arange(n) // 1250)
    samples = np.arange(0, n, round(period_s * fs))
    return SimulatedRecord(
        name="ramp",
        fs=fs,
        leads=("MLII",),
        signal=lead[None].astype(np.float32),
        annotations=Reference(
            samples=samples, symbols=("N",) * samples.size, aux=("",) * samples.size
        ),
    )


def test_six_types_are_centred_beats_of_one_scale():
    record = simulate_beats(TIMES_S, "NNVA" * 10 + "NNV")
    beats = prepare(record, SIX_TYPES)
    assert beats.signal.shape == (TIMES_S.size, 192)
    assert beats.signal.dtype == np.float32
    assert np.abs(beats.signal.mean(axis=1)).max() < 1e-5
    assert beats.signal.std(axis=1) == pytest.approx(1.0, abs=1e-4)
    normal = beats.signal[beats.target == SIX_TYPES.classes.index("N")]
    # R peaks stand 0.8 s apart: in the middle, and at both ends.
    assert np.abs(normal[:, 90:103].argmax(axis=1) - 6).max() <= 1
    assert beats.counts(SIX_TYPES.classes) == {"N": 22, "L": 0, "R": 0, "A": 10, "V": 11, "F": 0}


def test_six_types_leave_out_other_leads_other_beats_and_the_edges():
    record = simulate_beats([0.5, *TIMES_S], "N")
    assert len(prepare(record, SIX_TYPES)) == TIMES_S.size
    assert len(prepare(record.with_lead("V1"), SIX_TYPES)) == 0
    assert record.annotations is not None
    paced = dataclasses.replace(
        record.annotations, symbols=("/",) * len(record.annotations.symbols)
    )
    assert len(prepare(dataclasses.replace(record, annotations=paced), SIX_TYPES)) == 0


def test_six_types_take_out_wander_and_hum():
    clean = simulate_beats(TIMES_S, "N")
    time = np.arange(clean.n_samples) / clean.fs
    added = 2.0 * np.sin(2 * np.pi * 0.1 * time) + 0.5 * np.sin(2 * np.pi * 60.0 * time)
    dirty = dataclasses.replace(clean, signal=(clean.signal + added).astype(np.float32))
    inner = slice(3, -3)
    expected, found = (prepare(one, SIX_TYPES).signal[inner] for one in (clean, dirty))
    assert np.abs(found - expected).max() < 0.35
    assert np.abs(expected).max() > 3.0


def test_kachuee_scales_each_ten_seconds_and_pads_with_zeros():
    record = ramp_record()
    samples = record.annotations.samples
    beats = cut_kachuee(record, KACHUEE, samples)
    assert beats.shape == (samples.size, 187)
    part = round(1.2 * 125)
    # Every window spans its own range, however high it is.
    for row in (0, 5, 10, 15, 20):
        start = samples[row] % 1250
        assert beats[row, :50] == pytest.approx((start + np.arange(50)) / 1249, abs=1e-5)
        assert not beats[row, part:].any()
        assert beats[row, part - 1] > 0
    # A part that runs into the next, higher window stays within 0..1.
    assert beats[9, :part].max() == 1.0
    assert beats[9, :part].min() == 0.0


def test_kachuee_drops_what_the_record_cuts_short():
    record = ramp_record()
    beats = cut_kachuee(record, KACHUEE, record.annotations.samples)
    assert np.isnan(beats[-1]).any()
    assert not np.isnan(beats[:-1]).any()
    assert len(prepare(record, KACHUEE)) == record.annotations.samples.size - 1


@pytest.mark.parametrize(("period_s", "part"), [(0.4, 60), (0.8, 120), (2.0, 187)])
def test_kachuee_cuts_as_long_as_the_median_interval_says(period_s, part):
    record = ramp_record(period_s=period_s)
    beats = cut_kachuee(record, KACHUEE, record.annotations.samples)
    assert (beats[3] > 0).nonzero()[0][-1] == part - 1


def test_kachuee_starts_at_the_r_peak():
    record = simulate_beats(TIMES_S, "N")
    beats = prepare(record, KACHUEE)
    assert beats.signal[:, :3].max(axis=1).min() > 0.9
    assert len(set(beats.record)) == 1


def test_a_record_shorter_than_a_window_is_one_window():
    record = simulate_beats([0.5, 1.3, 2.1, 2.9], "N")
    assert len(prepare(record, KACHUEE)) == 4
    assert prepare(record, KACHUEE).signal.max() == 1.0


def test_missing_samples_do_not_spread():
    clean = simulate_beats(TIMES_S, "N")
    signal = clean.signal.copy()
    signal[0, 5000:5040] = np.nan
    beats = prepare(dataclasses.replace(clean, signal=signal), SIX_TYPES)
    assert len(beats) == TIMES_S.size
    assert np.isfinite(beats.signal).all()


def test_a_record_without_annotations_is_one_clear_line():
    record = dataclasses.replace(simulate_beats(TIMES_S, "N"), annotations=None)
    with pytest.raises(NoReferenceError, match="has no reference annotations"):
        prepare(record, KACHUEE)


@pytest.mark.database
def test_counts_of_a_record_are_those_of_the_published_data(mitdb):
    # Kachuee's file has every annotated beat but the last of each record.
    beats = prepare(open_record(str(mitdb / "208")), KACHUEE)
    assert len(beats) == 2955 - 1
