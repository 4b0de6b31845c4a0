import numpy as np
import pytest
from test_features import beat, bump

from classifier.features import FEATURE_NAMES, N_NEXT, NEXT_FEATURES
from classifier.patient import CONFIG, Patient, confirm


def ectopic():
    return bump(0.01, 0.05, 1.6) - bump(0.2, 0.06, 0.8)


def see(patient, window, rr_s=0.8):
    found = patient.describe(window.astype(np.float32), rr_s)
    patient.learn(found)
    return found


def value(found, name):
    return found.features[FEATURE_NAMES.index(name)]


def noisy(window, random):
    return window + 0.02 * random.standard_normal(window.size)


def test_the_first_beat_is_its_own_template():
    found = Patient().describe(beat(), 0.0)
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


def test_describing_changes_nothing():
    patient = Patient()
    see(patient, beat())
    before = patient.state()
    patient.describe(ectopic(), 0.4)
    after = patient.state()
    assert all(np.array_equal(before[name], after[name]) for name in before)


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


def test_memory_is_bounded():
    patient = Patient()
    random = np.random.default_rng(0)

    def size():
        return sum(np.asarray(part).nbytes for part in patient.state().values())

    for _ in range(100):
        see(patient, random.standard_normal(256))
    reached = size()
    for _ in range(300):
        see(patient, random.standard_normal(256))
    assert size() == reached < 16_000


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
    second = patient.describe(beat(), 1.1)
    complete = confirm(first, second)
    assert not first.features[-N_NEXT:].any()
    assert np.array_equal(complete[:-N_NEXT], first.features[:-N_NEXT])
    assert complete[FEATURE_NAMES.index(NEXT_FEATURES[0])] == 1
    assert confirm(first, patient.describe(beat(), 0.0)) is first.features
