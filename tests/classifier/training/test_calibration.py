import numpy as np
import pytest

from classifier.training.calibration import BINS, TOP, class_reliability, reliability
from classifier.training.dataset import NO_BEAT


def test_probabilities_that_come_true_have_no_error():
    predicted = np.repeat([0.25, 0.75], 400)
    came_true = np.concatenate([np.arange(400) % 4 == 0, np.arange(400) % 4 != 0])
    found = reliability(predicted, came_true)
    assert found.error == pytest.approx(0.0)
    assert found.predicted == pytest.approx((0.25, 0.75))
    assert found.beats == (400, 400)


def test_the_error_weighs_bins_by_their_beats():
    predicted = np.array([0.95] * 30 + [0.15] * 10)
    came_true = np.array([True] * 15 + [False] * 15 + [False] * 10)
    found = reliability(predicted, came_true)
    assert found.observed == pytest.approx((0.0, 0.5))
    assert found.error == pytest.approx((30 * 0.45 + 10 * 0.15) / 40)


def test_certainty_falls_into_the_last_bin():
    found = reliability(np.array([1.0, 1.0 - 0.5 / BINS]), np.array([True, True]))
    assert found.beats == (2,)


def test_nothing_has_no_bins():
    found = reliability(np.zeros(0), np.zeros(0, bool))
    assert (found.error, found.beats) == (0.0, ())


def test_each_class_and_the_label_have_their_own_curve():
    probabilities = np.array(
        [[0.7, 0.1, 0.1, 0.1], [0.1, 0.1, 0.7, 0.1], [0.7, 0.1, 0.1, 0.1]], np.float32
    )
    found = class_reliability(probabilities, np.array([0, 2, NO_BEAT]))
    assert set(found) == {TOP, "N", "S", "V", "F"}
    assert found[TOP].observed == pytest.approx((2 / 3,))
    assert found["N"].observed == pytest.approx((0.0, 1 / 2))
    assert found["V"].observed == pytest.approx((0.0, 1.0))


def test_a_set_without_beats_has_curves_too():
    found = class_reliability(np.zeros((0, 4), np.float32), np.zeros(0, np.int64))
    assert found[TOP].beats == ()
