"""Run-by-run scoring on cases small enough to count by hand."""

import numpy as np
import pytest

from classifier.labels import Label
from streamer.scoring.ec57 import BeatAnnotations, Ratio
from streamer.scoring.runs import LONGEST, RunCounts, count_runs, runs_of

STEP = 300
TOLERANCE = 54
V = (Label.V, Label.F)


def beats(letters: str, *, shift: int = 0) -> BeatAnnotations:
    """A beat every `STEP` samples, one a letter; a dot is no beat."""
    at = [(STEP * (k + 1) + shift, Label(c)) for k, c in enumerate(letters) if c != "."]
    return BeatAnnotations.of([sample for sample, _ in at], [label for _, label in at])


def compare(reference: str, predicted: str, *, shift: int = 0) -> RunCounts:
    theirs, ours = runs_of(beats(reference), V), runs_of(beats(predicted, shift=shift), V)
    return count_runs(theirs, ours, TOLERANCE)


def test_fusion_beats_belong_to_runs_of_v_and_others_end_them():
    found = runs_of(beats("NVFVNSVQFV"), V)
    assert [(run.first, run.last, run.length()) for run in found] == [
        (600, 1200, 3),
        (2100, 2100, 1),
        (2700, 3000, 2),
    ]


def test_a_run_at_the_end_counts_and_long_ones_count_alike():
    assert [run.length() for run in runs_of(beats("N" + 9 * "V"), V)] == [LONGEST]
    assert runs_of(beats("NNN"), V) == []
    assert runs_of(beats(""), V) == []


def test_stretches_left_out_end_a_run_even_without_beats_in_them():
    assert len(runs_of(beats("VVVV"), V, left_out=[(STEP * 2 + 10, STEP * 3 - 10)])) == 2
    (run,) = runs_of(beats("NVVVN"), V, left_out=[(0, STEP * 2)])
    assert run.beats == (STEP * 3, STEP * 4)


def test_flutter_is_a_long_run():
    (run,) = runs_of(beats("NV....N"), V, episodes=[(700, 1900)])
    assert (run.first, run.last, run.length()) == (600, 1900, LONGEST)
    assert run.length(0, 650) == 1
    assert run.length(1800, 2500) == LONGEST
    found = count_runs([run], runs_of(beats("N...VV.N"), V), TOLERANCE)
    assert found.se("runs of 6 or more") == Ratio(0, 1)
    assert found.ppv("couplets") == Ratio(1, 1)


@pytest.mark.parametrize(
    ("predicted", "se", "ppv"),
    [
        ("NVVNN", Ratio(1, 1), Ratio(1, 1)),
        ("NVNNN", Ratio(0, 1), Ratio(0, 0)),
        ("NVVVN", Ratio(1, 1), Ratio(0, 0)),
        ("NNNVV", Ratio(0, 1), Ratio(0, 1)),
        ("NNVVN", Ratio(0, 1), Ratio(0, 1)),
    ],
)
def test_couplets_are_found_at_least_as_such(predicted, se, ppv):
    found = compare("NVVNN", predicted)
    assert (found.se("couplets"), found.ppv("couplets")) == (se, ppv)


def test_a_couplet_called_a_triplet_is_a_false_short_run():
    found = compare("NVVNN", "NVVVN")
    assert found.ppv("runs of 3-5") == Ratio(0, 1)
    assert found.by_predicted[2, 3] == 1


def test_a_run_broken_by_one_label_is_seen_by_its_longest_part():
    found = compare("N" + 7 * "V" + "N", "NVVNVVVVN")
    assert found.se("runs of 6 or more") == Ratio(0, 1)
    assert found.by_reference[LONGEST, 4] == 1
    assert found.ppv("couplets") == Ratio(1, 1)
    assert found.ppv("runs of 3-5") == Ratio(1, 1)


@pytest.mark.parametrize(("shift", "right"), [(TOLERANCE, 1), (TOLERANCE + 1, 0)])
def test_windows_are_150_ms_wider_than_their_runs(shift, right):
    found = compare("NVVNN", "NVVNN", shift=shift)
    assert found.se("couplets") == Ratio(right, 1)


def test_counts_add_up_over_records():
    one = compare("NVVNN", "NVVNN")
    both = sum([one, one], RunCounts())
    assert both.se("couplets") == Ratio(2, 2)
    assert one.se("couplets") == Ratio(1, 1)
    assert np.array_equal(both.by_predicted, 2 * one.by_predicted)
