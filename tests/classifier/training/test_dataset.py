from dataclasses import fields

import numpy as np
import pytest
from beat_sets import make_dataset

from classifier.errors import DatasetError
from classifier.labels import MODEL_LABELS, Label
from classifier.splits import DS1, DS2, PACED
from classifier.training.dataset import (
    NO_BEAT,
    NOT_SCORED,
    BeatDataset,
    concatenate,
    load_dataset,
    require_disjoint,
    save_dataset,
)


def equal(a, b):
    return all(np.array_equal(getattr(a, f.name), getattr(b, f.name)) for f in fields(BeatDataset))


def test_a_file_gives_back_what_was_saved(tmp_path):
    dataset = make_dataset(["101", "106"])
    save_dataset(dataset, tmp_path / "beats.npz")
    assert equal(load_dataset(tmp_path / "beats.npz"), dataset)
    assert [path.name for path in tmp_path.iterdir()] == ["beats.npz"]


def test_a_damaged_file_says_what_to_do(tmp_path):
    (tmp_path / "beats.npz").write_bytes(b"PK nonsense")
    with pytest.raises(DatasetError, match="delete it to cut anew"):
        load_dataset(tmp_path / "beats.npz")


def test_joining_and_picking_records_are_opposites():
    one, other = make_dataset(["101"], seed=1), make_dataset(["106"], seed=2)
    joined = concatenate([one, other])
    assert len(joined) == len(one) + len(other)
    assert equal(joined.of_records(["106"]), other)
    with pytest.raises(DatasetError, match="no record"):
        concatenate([])


def test_judgeable_beats_and_what_is_no_beat_are_trained_on():
    dataset = make_dataset(["101"])
    dataset.reference[:3] = NO_BEAT
    dataset.reference[3] = 4
    dataset.reference[4] = NOT_SCORED
    dataset.judgeable[5] = False
    kept = dataset.trainable()
    assert len(kept) == len(dataset) - 3
    assert set(np.unique(kept.reference)) == {NO_BEAT, 0, 1, 2, 3}
    assert set(np.unique(kept.target[kept.reference == NO_BEAT])) == {MODEL_LABELS.index(Label.Q)}


def test_only_beats_as_recorded_are_judged():
    dataset = make_dataset(["101"])
    dataset.variant[10:] = 2
    assert len(dataset.as_recorded()) == 10


def test_the_customary_division_has_every_record_once():
    assert len(DS1) == len(DS2) == 22
    assert len({*DS1, *DS2, *PACED}) == 48
    assert {"232", "233"} <= set(DS2)
    require_disjoint(DS1, DS2)


@pytest.mark.parametrize(
    ("training", "testing", "text"),
    [
        (["101", "106"], ["106"], "keep them apart"),
        (["101", "100"], ["103"], "DS2 is only for reporting"),
        (["201"], ["202", "101"], "one patient"),
    ],
)
def test_a_patient_on_both_sides_is_refused(training, testing, text):
    with pytest.raises(DatasetError, match=text):
        require_disjoint(training, testing)
