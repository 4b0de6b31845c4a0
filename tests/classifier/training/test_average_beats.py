import numpy as np
import pytest
from beat_sets import make_dataset

from classifier.inputs.geometry import GEOMETRY
from classifier.training.average_beats import average_beats


def test_mean_and_spread_of_each_class():
    dataset = make_dataset(["101"], (200, 0, 100, 0))
    found = average_beats(dataset)
    assert set(found) == {"N", "V"}
    assert (found["N"].beats, found["V"].beats) == (200, 100)
    column = GEOMETRY.r_column
    assert found["N"].mean[column] == pytest.approx(1.0, abs=0.02)
    # The noise of the made-up beats has a standard deviation of 0.05.
    width = np.array(found["N"].high) - np.array(found["N"].low)
    assert width.mean() == pytest.approx(2 * 1.2816 * 0.05, rel=0.1)


def test_what_was_not_judged_is_left_out():
    dataset = make_dataset(["101"], (10, 0, 5, 0))
    dataset.signal[0] = 1000.0
    dataset.judgeable[0] = False
    dataset.judgeable[10:] = False
    found = average_beats(dataset)
    assert set(found) == {"N"}
    assert found["N"].beats == 9
    assert max(found["N"].high) < 2.0
