"""The fit of the evidence of runs: on segments whose answer is known, and on a simulated record."""

import numpy as np
import pytest

from replay.simulate.arrests import ARRESTS
from streamer.rhythm.run_evidence import RUN, RunMeasure
from streamer.training.runs import Segment, describe, fit, held_out, score, sequences


def random_segments(n: int = 120) -> list[Segment]:
    """Segments of six runs, one of which is alike where the segment is a true alarm."""
    rng = np.random.default_rng(0)
    found = []
    for k in range(n):
        measures = rng.normal(0.0, 1.0, (6, len(RunMeasure)))
        is_true = k % 3 == 0
        measures[2, RunMeasure.SIMILARITY] += 5.0 * is_true
        segment = Segment(record=f"r{k}", is_true=is_true, weight=1.0, measures=measures)
        found.append(segment)
    return found


def test_the_run_of_a_true_segment_is_found() -> None:
    segments = random_segments()
    weights = fit(segments)
    assert np.argmax(np.abs(weights[:-1])) == RunMeasure.SIMILARITY
    scores = held_out(segments, seed=0)
    is_true = np.array([segment.is_true for segment in segments])
    assert np.median(scores[is_true]) > np.quantile(scores[~is_true], 0.95)
    first, *_ = describe(segments, scores)
    assert first.startswith("90% of false alarms silenced")


def test_a_segment_without_fast_beats_is_no_run() -> None:
    segments = random_segments()
    empty = Segment(record="x", is_true=True, weight=1.0, measures=np.empty((0, len(RunMeasure))))
    assert score(empty, fit([*segments, empty])) == -np.inf


@pytest.mark.parametrize("kind", ["sine-like tachycardia"])
def test_sequences_are_fast_beats_in_a_row(kind: str) -> None:
    onset = ARRESTS[kind](250.0, 4)
    found = list(sequences(onset.record))
    assert found
    for first, last, measures in found:
        assert len(measures) == len(RunMeasure)
        assert (last - first) / 360.0 <= 0.6 * (RUN - 1)
