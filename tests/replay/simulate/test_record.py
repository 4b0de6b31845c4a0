import numpy as np
import pytest

from replay.errors import LeadNotFoundError
from replay.record import lead_order
from replay.simulate.record import simulate_beats
from replay.simulate.shapes import LEADS, SHAPES

FS = 360.0


def test_one_beat_per_time_and_reference_at_its_sample():
    record = simulate_beats([1.0, 1.9, 2.5], "NVA", duration_s=4.0)
    reference = record.reference()
    assert record.leads == LEADS
    assert record.n_samples == 1440
    assert record.signal.dtype == np.float32
    assert reference.samples.tolist() == [360, 684, 900]
    assert reference.symbols == ("N", "V", "A")
    assert reference.aux == ("", "", "")


@pytest.mark.parametrize("symbol", SHAPES)
def test_dominant_deflection_in_mlii_is_where_the_reference_says(symbol):
    record = simulate_beats([1.0, 2.0, 3.0], symbol)
    around = np.abs(record.signal[0, 720 - 43 : 720 + 44])
    assert abs(int(around.argmax()) - 43) <= 1


@pytest.mark.parametrize("fs", [128.0, 250.0, 1000.0])
def test_same_beat_at_any_sampling_frequency(fs):
    r_peak = simulate_beats([1.0], fs=fs).signal[0, round(fs)]
    assert r_peak == pytest.approx(1.25, abs=0.03)


def test_ventricular_beat_is_wide_with_opposite_t():
    record = simulate_beats([1.0, 2.0], "NV", duration_s=3.0)
    widths = [np.count_nonzero(np.abs(record.signal[0, r - 36 : r + 36]) > 0.5) for r in (360, 720)]
    assert widths[1] > 2 * widths[0]
    assert record.signal[0, 720 + 99] < -0.3 < 0.2 < record.signal[0, 360 + 99]


def test_gain_scales_beats_and_seed_fixes_noise():
    plain = simulate_beats([1.0])
    assert np.allclose(simulate_beats([1.0], gain=10).signal, 10 * plain.signal, atol=1e-6)
    noisy = [simulate_beats([1.0], noise_mv=0.1, seed=seed).signal for seed in (1, 1, 2)]
    assert np.array_equal(noisy[0], noisy[1])
    assert not np.array_equal(noisy[0], noisy[2])
    assert (noisy[0] - plain.signal).std() == pytest.approx(0.1, rel=0.1)


def test_no_beats_is_a_flat_record():
    record = simulate_beats([], duration_s=2.0)
    assert not record.signal.any()
    assert record.reference().samples.size == 0


def test_chunks_join_to_the_signal_and_own_their_arrays():
    record = simulate_beats([0.5], duration_s=1.0)
    chunks = list(record.chunks(10, 200, size=64))
    assert [(chunk.start, chunk.stop) for chunk in chunks] == [(10, 74), (74, 138), (138, 200)]
    joined = np.concatenate([chunk.samples for chunk in chunks], axis=1)
    assert np.array_equal(joined, record.signal[:, 10:200])
    assert all(chunk.samples.flags.c_contiguous for chunk in chunks)
    chunks[0].samples[:] = 99
    assert record.signal.max() < 2
    assert [chunk.samples.shape for chunk in record.chunks(358)] == [(2, 1), (2, 1)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"start": -1}, "samples -1 to 360 are not inside the record; choose from 0 to 360"),
        ({"stop": 361}, "not inside the record"),
        ({"start": 5, "stop": 4}, "not inside the record"),
        ({"size": 0}, "chunk size is 0; it must be 1 or more"),
    ],
)
def test_impossible_ranges_are_refused_at_once(arguments, message):
    with pytest.raises(ValueError, match=message):
        simulate_beats([], duration_s=1.0).chunks(**arguments)


@pytest.mark.parametrize(
    ("times", "symbols", "message"),
    [
        ([1.0, 0.5], "N", "ascend"),
        ([-0.1], "N", "ascend"),
        ([0.5, 1.0], "NNN", "2 beat times but 3 symbols"),
        ([0.5], "x", "no beat shape for"),
    ],
)
def test_impossible_beats_are_refused(times, symbols, message):
    with pytest.raises(ValueError, match=message):
        simulate_beats(times, symbols)


@pytest.mark.parametrize(
    ("leads", "lead", "order"),
    [
        (("V5", "MLII"), None, (1, 0)),
        (("V5", "V2"), None, (0, 1)),
        (("I", "II", "V1"), "v1", (2, 0, 1)),
        (("MLII", "V1"), "V1", (1, 0)),
    ],
)
def test_primary_lead_comes_first(leads, lead, order):
    assert lead_order(leads, lead, "x") == order


def test_unknown_lead_lists_the_leads_there_are():
    with pytest.raises(LeadNotFoundError, match=r"record 102 has no lead 'MLII'.*V5, V2"):
        lead_order(("V5", "V2"), "MLII", "102")
