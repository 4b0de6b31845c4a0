import numpy as np
import pytest
from beat_sets import make_dataset

from classifier.labels import Label
from classifier.training.dataset import CLASSES, NO_BEAT
from classifier.training.evaluation import (
    bootstrap_f1,
    class_figures,
    confusion,
    dataset_confusion,
    figures,
    labels_of,
)

N, S, V, F, Q = range(5)


def counts(pairs, missed=None):
    reference, predicted = np.array(pairs, np.int64).T
    return confusion(reference, predicted, missed)


def test_figures_of_a_small_case():
    table = counts([(N, N), (N, N), (N, V), (V, V), (V, V), (V, N), (S, V)])
    found = class_figures(table, Label.V)
    assert found.sensitivity == pytest.approx(2 / 3)
    assert found.ppv == pytest.approx(2 / 4)
    assert found.false_positive_rate == pytest.approx(2 / 4)
    assert found.f1 == pytest.approx(2 * 2 / (3 + 4))


@pytest.mark.parametrize(
    ("reference", "label", "false"),
    [
        (F, V, 0),
        (Q, V, 0),
        (S, V, 1),
        (N, V, 1),
        (NO_BEAT, V, 1),
        (Q, S, 0),
        (F, S, 1),
        (V, S, 1),
        (V, F, 1),
        (Q, F, 0),
    ],
)
def test_what_ec57_does_not_count_as_false(reference, label, false):
    table = counts([(label, label), (reference, label)])
    found = class_figures(table, CLASSES[label])
    assert found.n_predicted == 1 + false


def test_missed_beats_lower_the_sensitivity():
    missed = np.array([0, 0, 3, 0, 0])
    found = class_figures(counts([(V, V)], missed), Label.V)
    assert found.sensitivity == pytest.approx(1 / 4)


def test_a_class_without_beats_has_no_sensitivity():
    found = class_figures(counts([(N, N)]), Label.S)
    assert (found.sensitivity, found.ppv, found.f1) == (None, None, 0.0)


def test_always_n_scores_nothing_for_the_others():
    found = figures(counts([(N, N), (S, N), (V, N), (F, N)]))
    assert [found[name].f1 for name in "SVF"] == [0, 0, 0]
    assert found["N"].sensitivity == 1


def test_what_is_not_judged_is_q():
    dataset = make_dataset(["101"], (3, 1, 1, 1))
    dataset.judgeable[0] = False
    probabilities = np.tile(np.array([[0.1, 0.2, 0.6, 0.1]], np.float32), (6, 1))
    assert labels_of(probabilities, dataset).tolist() == [Q, V, V, V, V, V]


def test_records_can_be_left_out_with_their_missed_beats():
    dataset = make_dataset(["232", "233"], (2, 1, 1, 0))
    dataset.missed[:, S] = 5
    table = dataset_confusion(dataset, dataset.reference, without=("232",))
    assert table[S, S] == 1
    assert table[S].sum() == 6


def test_bootstrap_holds_the_estimate_and_repeats():
    random = np.random.default_rng(0)
    tables = np.stack(
        [confusion(random.integers(0, 4, 200), random.integers(0, 4, 200)) for _ in range(10)]
    )
    ends = bootstrap_f1(tables, resamples=200)
    assert ends == bootstrap_f1(tables, resamples=200)
    for label, found in figures(tables.sum(axis=0)).items():
        low, high = ends[label]
        assert low < found.f1 < high
