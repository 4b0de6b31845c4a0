import numpy as np
import pytest
from beat_windows import beat, bump

from classifier.inputs import alignment, window
from classifier.inputs.config import CONFIG
from classifier.inputs.features import (
    FEATURE_NAMES,
    NEXT_BEAT,
    SECOND_LEAD,
    Feature,
    Source,
    inputs_hash,
)
from classifier.inputs.geometry import GEOMETRY, QRS
from classifier.inputs.kernels import pack, unpack
from classifier.inputs.memory import PatientMemory
from classifier.inputs.morphology import describe_shape
from classifier.inputs.rhythm import describe_rhythm, sample_entropy
from classifier.inputs.window import REASONS


def rhythm(before, newest, long_run=0.8):
    features = np.zeros(len(FEATURE_NAMES), np.float32)
    before = np.asarray(before, float)
    describe_rhythm(before, np.sort(before), newest, long_run, CONFIG.premature_ratio, features)
    return by_name(features, Source.RHYTHM)


def shape(window, template):
    features = np.zeros(len(FEATURE_NAMES), np.float32)
    describe_shape(window, template, CONFIG.parameters(), features)
    return by_name(features, Source.SHAPE)


def by_name(features, source):
    names = {feature for feature in Feature if feature.source is source}
    assert not any(features[feature] for feature in Feature if feature not in names)
    return {feature.name.lower(): features[feature] for feature in names}


def align(window, templates):
    reach = GEOMETRY.max_shift_samples
    energies = alignment.energies_of(window, QRS.start, QRS.stop, reach)
    found = (alignment.align(window, energies, one[QRS], QRS.start, reach) for one in templates)
    return zip(*found, strict=True)


def fill_missing(samples):
    filled = np.full_like(samples, -1.0)
    limits = (QRS.start, QRS.stop), GEOMETRY.missing_share_max
    return filled, REASONS[window.fill_missing(samples, *limits, filled)]


def remove_baseline(samples):
    level = samples.copy()
    window.remove_baseline(level)
    return level


def shift(window, samples):
    moved = np.empty_like(window)
    alignment.move(window, samples, moved)
    return moved


def test_a_whole_window_is_judgeable_and_copied():
    window = beat()
    filled, reason = fill_missing(window)
    assert reason is None
    assert np.array_equal(filled, window)
    assert not np.shares_memory(filled, window)


def test_missing_samples_at_the_edge_take_their_neighbour_and_stay_judgeable():
    window = beat()
    window[:30] = np.nan
    filled, reason = fill_missing(window)
    assert reason is None
    assert (filled[:30] == window[30]).all()
    assert np.array_equal(filled[30:], window[30:])


@pytest.mark.parametrize("lost", [slice(120, 124), slice(0, 90), slice(None)])
def test_a_window_without_its_qrs_or_with_too_many_holes_is_refused(lost):
    window = beat()
    window[lost] = np.nan
    filled, reason = fill_missing(window)
    assert reason == "missing samples"
    assert np.isfinite(filled).all()


def test_a_constant_window_is_flat():
    assert fill_missing(np.full(GEOMETRY.window_samples, 0.3, np.float32))[1] == "flat"


def test_offset_leaves_nothing():
    assert np.allclose(remove_baseline(beat() + 5), remove_baseline(beat()), atol=1e-6)


@pytest.mark.parametrize("offset", [-20, -3, 0, 5, 20])
def test_align_finds_the_shift(offset):
    shifts, similarities = align(shift(beat(), -offset), beat()[None])
    assert shifts[0] == offset
    assert similarities[0] == pytest.approx(1.0, abs=1e-6)


def test_similarity_falls_with_amplitude_and_sign():
    _, similarities = align(beat(), np.stack([beat(), 2 * beat(), -beat()]))
    assert similarities[0] == pytest.approx(1.0)
    assert similarities[1] == pytest.approx(0.8, abs=1e-6)
    assert similarities[2] < 0.1


def test_an_early_beat_shows_against_every_reference():
    found = rhythm([0.8] * 40, 0.4)
    expected = np.log(0.5)
    for name in ("rr_to_mean_10", "rr_to_median_40", "rr_to_long_run", "rr_to_previous"):
        assert found[name] == pytest.approx(expected)
    assert found["rr_known"] == 1
    assert found["irregularity_10"] == 0


def test_rate_alone_changes_no_ratio():
    slow, fast = rhythm([1.2] * 20, 0.9, 1.2), rhythm([0.6] * 20, 0.45, 0.6)
    for name in rhythm([1.2] * 20, 0.9, 1.2).keys() - {"rr_seconds", "median_seconds"}:
        assert slow[name] == pytest.approx(fast[name], abs=1e-6)


def test_irregular_intervals_are_told_from_one_early_beat():
    random = np.random.default_rng(1)
    fibrillation = 0.8 * np.exp(0.25 * random.standard_normal(40))
    assert rhythm(fibrillation, 0.5)["irregularity_10"] > 0.1
    assert rhythm([0.8] * 38 + [0.5, 1.1], 0.8)["irregularity_10"] == 0


def test_an_early_beat_deviates_less_where_all_is_irregular():
    random = np.random.default_rng(1)
    fibrillation = 0.8 * np.exp(0.25 * random.standard_normal(40))
    regular, irregular = rhythm([0.8] * 40, 0.6), rhythm(fibrillation, 0.6)
    assert regular["rr_deviation"] < 2 * irregular["rr_deviation"] < 0
    assert regular["rr_rank_40"] == 0
    assert irregular["rr_rank_40"] > 0


def test_a_pattern_that_repeats_has_less_entropy_than_fibrillation():
    random = np.random.default_rng(1)
    fibrillation = 0.8 * np.exp(0.25 * random.standard_normal(40))
    assert rhythm(fibrillation, 0.8)["entropy_24"] > 1.0
    assert rhythm([0.5, 1.1] * 20, 0.5)["entropy_24"] < 0.5
    assert rhythm([0.5, 1.1] * 20, 0.5)["spread_40"] == pytest.approx(np.log(1.1 / 0.5), abs=1e-6)
    assert sample_entropy(np.zeros(3), 0.1) == 0.0


def test_of_the_first_interval_little_is_known():
    first = rhythm([], 0.8)
    assert first["rr_known"] == 1
    assert first["rr_to_median_40"] == 0


def test_the_template_itself_differs_in_nothing():
    found = shape(beat(), beat())
    assert found["qrs_correlation"] == pytest.approx(1)
    assert found["p_correlation"] == pytest.approx(1)
    for name in ("qrs_amplitude_ratio", "qrs_width_ratio", "p_difference", "qrs_difference"):
        assert found[name] == pytest.approx(0, abs=1e-6)


def test_a_wide_beat_without_p_wave_shows():
    found = shape(bump(0, 0.06), beat())
    assert found["qrs_width_ratio"] > 0.5
    assert found["qrs_difference"] > 0.5
    assert found["p_amplitude_ratio"] != 0
    assert found["sharpness_ratio"] < -0.5


def test_a_p_wave_that_comes_later_is_found():
    late = bump() + bump(-0.13, 0.025, 0.15) + bump(0.28, 0.05, 0.3)
    found = shape(late, beat())
    assert found["p_match"] > 0.95 > found["p_correlation"]
    assert found["p_match_lag"] > 0


@pytest.mark.parametrize("gain", [1e-6, 1.0, 1e6])
def test_a_packed_shape_is_right_to_a_step(gain):
    values = (gain * (beat() - 0.1)).astype(np.float32)
    packed, again = np.zeros(256, np.int16), np.zeros(256, np.float32)
    unit = pack(values, packed)
    unpack(packed, unit, again)
    assert unit == pytest.approx(np.abs(values).max() / 32767)
    assert np.abs(packed).max() == 32767
    assert np.abs(again - values).max() <= 0.51 * unit
    assert pack(again, packed) == pytest.approx(unit, rel=1e-6), "packing again changes nothing"


def test_a_flat_line_is_packed():
    packed, again = np.ones(256, np.int16), np.ones(256, np.float32)
    unpack(packed, pack(np.zeros(256, np.float32), packed), again)
    assert not again.any()


def test_compensatory_pause_sums_to_two_intervals():
    patient = PatientMemory()
    for _ in range(60):
        patient.describe_and_learn(beat()[None], 0.8)
    early, _ = patient.describe_and_learn(bump(0.0, 0.05, -1.5)[None].astype(np.float32), 0.5)
    following, completed = patient.describe_and_learn(beat()[None], 1.1, before=early)
    values = dict(zip(FEATURE_NAMES, completed, strict=True))
    of_next = dict(zip(FEATURE_NAMES, following.features, strict=True))
    assert [values[name] for name in ("next_known", "next_is_new_shape")] == [1, 0]
    assert values["next_qrs_similarity"] == of_next["qrs_similarity"] > 0.99
    assert values["next_p_difference"] == of_next["p_difference"]
    assert values["next_qrs_width_ratio"] == of_next["qrs_width_ratio"]
    assert values["next_qrs_similarity_to_this"] < 0.5
    assert values["two_rr_to_long_run"] == pytest.approx(0, abs=0.01)
    assert values["two_rr_to_median_40"] == pytest.approx(0, abs=1e-6)
    assert values["next_rr_to_median_40"] == pytest.approx(np.log(1.1 / 0.8))
    assert values["next_rr_to_rr"] == pytest.approx(np.log(1.1 / 0.5))


def test_names_are_unique_and_the_hash_is_stable():
    assert len(set(FEATURE_NAMES)) == len(FEATURE_NAMES)
    assert [feature.value for feature in Feature] == list(range(len(FEATURE_NAMES)))
    assert {f for f in Feature if f.source is Source.SECOND_LEAD} == set(list(Feature)[SECOND_LEAD])
    assert NEXT_BEAT.stop == len(FEATURE_NAMES)
    assert all(feature.unit for feature in Feature)
    assert inputs_hash() == inputs_hash()
    assert QRS.start > GEOMETRY.max_shift_samples
    assert QRS.stop + GEOMETRY.max_shift_samples <= GEOMETRY.window_samples


@pytest.mark.parametrize("gain", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("decimals", [0, 1, 8])
def test_the_baseline_is_the_median(gain, decimals):
    random = np.random.default_rng(6)
    for offset in (-3.0, 0.0, 0.25):
        window = offset + random.standard_normal(GEOMETRY.window_samples).round(decimals)
        window = (gain * window).astype(np.float32)
        assert np.array_equal(remove_baseline(window), window - np.median(window))


def test_the_baseline_of_a_flat_line_is_the_line():
    assert not remove_baseline(np.full(GEOMETRY.window_samples, -0.3)).any()
