import numpy as np
import pytest
from beat_windows import beat, bump

from classifier.inputs.features import (
    FEATURE_NAMES,
    N_NEXT,
    NEXT_FEATURES,
    SECOND_LEAD,
    SECOND_LEAD_FEATURES,
)
from classifier.inputs.patient import Patient
from classifier.inputs.patient_config import CONFIG


def ectopic():
    return bump(0.01, 0.05, 1.6) - bump(0.2, 0.06, 0.8)


def see(patient, window, rr_s=0.8, **how):
    return patient.meet(np.atleast_2d(window.astype(np.float32)), rr_s, **how)[0]


def value(found, name):
    return found.features[FEATURE_NAMES.index(name)]


def noisy(window, random):
    return window + 0.02 * random.standard_normal(window.size)


def test_the_first_beat_is_its_own_template():
    found = see(Patient(), beat(), 0.0)
    assert np.array_equal(found.signal[0], found.signal[1])
    assert value(found, "maturity") == 0


def test_an_ectopic_beat_differs_from_the_template_and_leaves_it_alone():
    patient = Patient()
    for _ in range(30):
        see(patient, beat())
    found = see(patient, ectopic(), 0.5)
    assert value(found, "qrs_similarity") < CONFIG.match_min
    usual = see(patient, beat(), 1.1)
    assert value(usual, "qrs_similarity") == pytest.approx(1, abs=1e-4)
    assert value(usual, "shape_share") > 0.9


def test_without_learning_nothing_changes():
    patient = Patient()
    see(patient, beat())
    before = patient.state()
    see(patient, ectopic(), 0.4, learns=False)
    see(patient, np.full(256, np.nan), 0.4)
    after = patient.state()
    assert before.tobytes() == after.tobytes()


def test_a_wrong_first_template_is_outvoted():
    patient = Patient()
    for _ in range(6):
        see(patient, ectopic())
    for _ in range(40):
        found = see(patient, beat())
    assert value(found, "qrs_similarity") == pytest.approx(1, abs=1e-3)


def test_in_bigeminy_the_beat_on_time_is_the_usual_one():
    patient = Patient()
    random = np.random.default_rng(3)
    for _ in range(40):
        early = see(patient, noisy(ectopic(), random), 0.5)
        usual = see(patient, noisy(beat(), random), 1.1)
    assert value(usual, "qrs_similarity") > 0.95
    assert value(early, "qrs_similarity") < 0.8


def test_a_lasting_change_is_followed():
    patient = Patient()
    for _ in range(400):
        see(patient, beat())
    for _ in range(400):
        found = see(patient, bump(0, 0.045) - bump(0.15, 0.05, 0.5))
    assert value(found, "qrs_similarity") == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("gain", [0.01, 1.0, 1000.0])
def test_a_small_lasting_change_is_followed_for_all_the_rounding(gain):
    """A beat moves the template by a 24th of what is left, which rounding must not stop."""
    patient = Patient()
    changed = beat() + bump(0.2, 0.03, 0.01)
    for window in (beat(), changed):
        for _ in range(300):
            found = see(patient, gain * window)
    largest = float(np.abs(found.signal[1]).max())
    assert np.abs(found.signal[0] - found.signal[1]).max() < 0.001 * largest


def test_the_template_is_the_running_mean():
    random = np.random.default_rng(8)
    patient, mean = Patient(), np.zeros(256)
    for n in range(200):
        window = two_leads(noisy(beat(), random), noisy(-0.4 * beat(), random))
        found = see(patient, window, learns=False)
        if n == 150:
            expected = mean * (np.ptp(found.signal[1]) / np.ptp(mean))
            assert np.abs(found.signal[1] - expected).max() < 1e-3
        patient.meet(window, 0.8)
        centred = window[0] - np.median(window[0])
        count = patient.state()["counts"][0].max()
        mean += max(1.0 / count, 1.0 / CONFIG.smoothing_beats) * (centred - mean)


def test_memory_is_bounded():
    patient = Patient()
    random = np.random.default_rng(0)

    for _ in range(100):
        see(patient, random.standard_normal(256))
    reached = patient.state().nbytes
    for _ in range(300):
        see(patient, random.standard_normal(256))
    assert patient.state().nbytes == reached < 7_500
    assert np.isfinite(patient.state()["recent"]).all()


def test_state_continues_bit_for_bit_and_is_a_copy():
    random = np.random.default_rng(5)
    windows = [noisy(beat() if n % 4 else ectopic(), random) for n in range(60)]
    one, other = Patient(), Patient()
    for window in windows[:30]:
        see(one, window)
    other.set_state(one.state())
    for window in windows[30:]:
        a, b = see(one, window), see(other, window)
        assert np.array_equal(a.features, b.features)
        assert np.array_equal(a.signal, b.signal)


def test_gain_does_not_matter():
    found = []
    for gain in (1.0, 4.0):
        patient = Patient()
        for _ in range(10):
            see(patient, gain * beat())
        found.append(see(patient, gain * ectopic(), 0.5))
    assert np.allclose(found[0].signal, found[1].signal, atol=1e-5)
    assert np.allclose(found[0].features, found[1].features, atol=1e-4)


def test_confirming_adds_only_what_the_next_beat_tells():
    patient = Patient()
    for _ in range(10):
        see(patient, beat())
    first = see(patient, ectopic(), 0.5)
    before = first.features.copy()
    _, complete = patient.meet(beat()[None], 1.1, learns=False, before=first)
    assert np.array_equal(first.features, before)
    assert not first.features[-N_NEXT:].any()
    assert np.array_equal(complete[:-N_NEXT], first.features[:-N_NEXT])
    assert complete[FEATURE_NAMES.index(NEXT_FEATURES[0])] == 1
    _, unknown = patient.meet(beat()[None], 0.0, learns=False, before=first)
    assert np.array_equal(unknown, first.features)
    assert patient.meet(beat()[None], 0.8)[1].size == 0


def two_leads(primary, second):
    return np.stack([primary, second]).astype(np.float32)


def second_of(found):
    return dict(zip(SECOND_LEAD_FEATURES, found.features[SECOND_LEAD], strict=True))


def test_the_second_lead_shows_what_the_first_hides():
    patient = Patient()
    for _ in range(10):
        see(patient, two_leads(beat(), 0.5 * beat()))
    usual = see(patient, two_leads(beat(), 0.5 * beat()))
    assert second_of(usual)["second_similarity"] == pytest.approx(1, abs=1e-4)
    other = see(patient, two_leads(beat(), -0.5 * ectopic()))
    assert value(other, "qrs_similarity") == pytest.approx(1, abs=1e-3)
    assert second_of(other)["second_similarity"] < 0.5


@pytest.mark.parametrize("second", [np.zeros(256), np.full(256, np.nan), None])
def test_one_lead_is_enough(second):
    patient = Patient()
    for _ in range(10):
        see(patient, beat())
    windows = beat() if second is None else two_leads(beat(), second)
    found = see(patient, windows)
    assert not any(second_of(found).values())
    assert np.isfinite(found.features).all()
    assert found.unjudgeable is None


def test_noise_shows_in_what_surrounds_the_complex():
    random = np.random.default_rng(2)
    patient = Patient()
    for _ in range(30):
        quiet = see(patient, beat())
    for _ in range(12):
        noisy_beat = see(patient, beat() + 0.2 * random.standard_normal(256))
    assert value(noisy_beat, "residual") > value(quiet, "residual") + 1
    assert value(noisy_beat, "roughness_10") > value(quiet, "roughness_10") + 1


def test_new_shapes_are_counted():
    random = np.random.default_rng(4)
    patient = Patient()
    for _ in range(40):
        calm = see(patient, beat())
    assert value(calm, "novelty_10") == 0
    for _ in range(11):
        wild = see(patient, random.standard_normal(256))
    assert value(wild, "novelty_10") > 0.5
    assert value(wild, "shape_share") == 0


def test_another_state_is_refused():
    with pytest.raises(ValueError, match="another kind"):
        Patient().set_state(np.zeros(3))
