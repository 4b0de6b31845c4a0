import numpy as np
import pytest
from beat_windows import beat, bump

from classifier.inputs.config import CONFIG
from classifier.inputs.features import FEATURE_NAMES, N_NEXT, SECOND_LEAD, Feature
from classifier.inputs.memory import PatientMemory


def ectopic():
    return bump(0.01, 0.05, 1.6) - bump(0.2, 0.06, 0.8)


def describe(patient, window, rr_s=0.8, **how):
    return patient.describe_and_learn(np.atleast_2d(window.astype(np.float32)), rr_s, **how)[0]


def value(found, name):
    return found.features[FEATURE_NAMES.index(name)]


def noisy(window, random):
    return window + 0.02 * random.standard_normal(window.size)


def test_the_first_beat_is_its_own_template():
    found = describe(PatientMemory(), beat(), 0.0)
    assert np.array_equal(found.signal[0], found.signal[1])
    assert value(found, "maturity") == 0


def test_an_ectopic_beat_differs_from_the_template_and_leaves_it_alone():
    patient = PatientMemory()
    for _ in range(30):
        describe(patient, beat())
    found = describe(patient, ectopic(), 0.5)
    assert value(found, "qrs_similarity") < CONFIG.match_min
    regular = describe(patient, beat(), 1.1)
    assert value(regular, "qrs_similarity") == pytest.approx(1, abs=1e-4)
    assert value(regular, "shape_share") > 0.9


def test_without_learning_nothing_changes():
    patient = PatientMemory()
    describe(patient, beat())
    before = patient.state()
    describe(patient, ectopic(), 0.4, learns=False)
    describe(patient, np.full(256, np.nan), 0.4)
    after = patient.state()
    assert before.tobytes() == after.tobytes()


def test_a_wrong_first_template_is_outvoted():
    patient = PatientMemory()
    for _ in range(6):
        describe(patient, ectopic())
    for _ in range(40):
        found = describe(patient, beat())
    assert value(found, "qrs_similarity") == pytest.approx(1, abs=1e-3)


def test_in_bigeminy_the_beat_on_time_is_the_template():
    patient = PatientMemory()
    random = np.random.default_rng(3)
    for _ in range(40):
        early = describe(patient, noisy(ectopic(), random), 0.5)
        regular = describe(patient, noisy(beat(), random), 1.1)
    assert value(regular, "qrs_similarity") > 0.95
    assert value(early, "qrs_similarity") < 0.8


def test_a_lasting_change_is_followed():
    patient = PatientMemory()
    for _ in range(400):
        describe(patient, beat())
    for _ in range(400):
        found = describe(patient, bump(0, 0.045) - bump(0.15, 0.05, 0.5))
    assert value(found, "qrs_similarity") == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("gain", [0.01, 1.0, 1000.0])
def test_a_small_lasting_change_is_followed_for_all_the_rounding(gain):
    """A beat moves the template by a 24th of what is left, which rounding must not stop."""
    patient = PatientMemory()
    changed = beat() + bump(0.2, 0.03, 0.01)
    for window in (beat(), changed):
        for _ in range(300):
            found = describe(patient, gain * window)
    largest = float(np.abs(found.signal[1]).max())
    assert np.abs(found.signal[0] - found.signal[1]).max() < 0.001 * largest


def test_the_template_is_the_running_mean():
    random = np.random.default_rng(8)
    patient, mean = PatientMemory(), np.zeros(256)
    for n in range(200):
        window = two_leads(noisy(beat(), random), noisy(-0.4 * beat(), random))
        found = describe(patient, window, learns=False)
        if n == 150:
            expected = mean * (np.ptp(found.signal[1]) / np.ptp(mean))
            assert np.abs(found.signal[1] - expected).max() < 1e-3
        patient.describe_and_learn(window, 0.8)
        centred = window[0] - np.median(window[0])
        count = patient.state()["counts"][0].max()
        mean += max(1.0 / count, 1.0 / CONFIG.smoothing_beats) * (centred - mean)


def test_memory_is_bounded():
    patient = PatientMemory()
    random = np.random.default_rng(0)

    for _ in range(100):
        describe(patient, random.standard_normal(256))
    reached = patient.state().nbytes
    for _ in range(300):
        describe(patient, random.standard_normal(256))
    assert patient.state().nbytes == reached < 7_700
    assert np.isfinite(patient.state()["residuals"]).all()


def test_state_continues_bit_for_bit_and_is_a_copy():
    random = np.random.default_rng(5)
    windows = [noisy(beat() if n % 4 else ectopic(), random) for n in range(60)]
    one, other = PatientMemory(), PatientMemory()
    for window in windows[:30]:
        describe(one, window)
    other.set_state(one.state())
    for window in windows[30:]:
        a, b = describe(one, window), describe(other, window)
        assert np.array_equal(a.features, b.features)
        assert np.array_equal(a.signal, b.signal)


def test_gain_does_not_matter():
    found = []
    for gain in (1.0, 4.0):
        patient = PatientMemory()
        for _ in range(10):
            describe(patient, gain * beat())
        found.append(describe(patient, gain * ectopic(), 0.5))
    assert np.allclose(found[0].signal, found[1].signal, atol=1e-5)
    assert np.allclose(found[0].features, found[1].features, atol=1e-4)


def test_confirming_adds_only_what_the_next_beat_tells():
    patient = PatientMemory()
    for _ in range(10):
        describe(patient, beat())
    first = describe(patient, ectopic(), 0.5)
    before = first.features.copy()
    _, complete = patient.describe_and_learn(beat()[None], 1.1, learns=False, before=first)
    assert np.array_equal(first.features, before)
    assert not first.features[-N_NEXT:].any()
    assert np.array_equal(complete[:-N_NEXT], first.features[:-N_NEXT])
    assert complete[Feature.NEXT_KNOWN] == 1
    _, unknown = patient.describe_and_learn(beat()[None], 0.0, learns=False, before=first)
    assert np.array_equal(unknown, first.features)
    assert patient.describe_and_learn(beat()[None], 0.8)[1].size == 0


def two_leads(primary, second):
    return np.stack([primary, second]).astype(np.float32)


def second_of(found):
    return dict(zip(FEATURE_NAMES[SECOND_LEAD], found.features[SECOND_LEAD], strict=True))


def test_the_second_lead_shows_what_the_first_hides():
    patient = PatientMemory()
    for _ in range(10):
        describe(patient, two_leads(beat(), 0.5 * beat()))
    regular = describe(patient, two_leads(beat(), 0.5 * beat()))
    assert second_of(regular)["second_similarity"] == pytest.approx(1, abs=1e-4)
    other = describe(patient, two_leads(beat(), -0.5 * ectopic()))
    assert value(other, "qrs_similarity") == pytest.approx(1, abs=1e-3)
    assert second_of(other)["second_similarity"] < 0.5


@pytest.mark.parametrize("second", [np.zeros(256), np.full(256, np.nan), None])
def test_one_lead_is_enough(second):
    patient = PatientMemory()
    for _ in range(10):
        describe(patient, beat())
    windows = beat() if second is None else two_leads(beat(), second)
    found = describe(patient, windows)
    assert not any(second_of(found).values())
    assert np.isfinite(found.features).all()
    assert found.unjudgeable is None


def test_noise_shows_in_what_surrounds_the_complex():
    random = np.random.default_rng(2)
    patient = PatientMemory()
    for _ in range(30):
        quiet = describe(patient, beat())
    for _ in range(12):
        noisy_beat = describe(patient, beat() + 0.2 * random.standard_normal(256))
    assert value(noisy_beat, "residual") > value(quiet, "residual") + 1
    assert value(noisy_beat, "roughness_10") > value(quiet, "roughness_10") + 1


def test_new_shapes_are_counted():
    random = np.random.default_rng(4)
    patient = PatientMemory()
    for _ in range(40):
        calm = describe(patient, beat())
    assert value(calm, "novelty_10") == 0
    for _ in range(11):
        wild = describe(patient, random.standard_normal(256))
    assert value(wild, "novelty_10") > 0.5
    assert value(wild, "shape_share") == 0


def test_another_state_is_refused():
    with pytest.raises(ValueError, match="another kind"):
        PatientMemory().set_state(np.zeros(3))
