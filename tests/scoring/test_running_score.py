from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classifier.labels import SYMBOL_TO_LABEL, Label
from streamer.scoring.ec57 import BeatAnnotations, score_record
from streamer.scoring.running_score import RunningScore

FS = 360.0
FAR = 54
"""150 ms at 360 Hz."""


def score(reference: list[tuple[int, str]], first_sample: int = 0) -> RunningScore:
    return RunningScore(
        [sample for sample, _ in reference],
        [symbol for _, symbol in reference],
        fs=FS,
        first_sample=first_sample,
    )


def counts(running: RunningScore) -> tuple[int, int, int]:
    return running.qrs.tp, running.qrs.fn, running.qrs.fp


def test_a_pair_counts_once_the_next_beat_has_come() -> None:
    running = score([(100, "N"), (400, "N")])
    running.beat(102, Label.N)
    running.advance(250)
    assert counts(running) == (0, 0, 0)
    running.beat(401, Label.N)
    running.advance(550)
    assert counts(running) == (1, 0, 0)


def test_the_tolerance_is_inclusive() -> None:
    running = score([(1000, "N"), (2000, "N")])
    running.beat(1000 + FAR, Label.N)
    running.beat(2000 + FAR + 1, Label.N)
    running.finish(3000)
    assert counts(running) == (1, 1, 1)


def test_a_silence_becomes_final_after_the_patience() -> None:
    running = score([(1000, "N")])
    patience = round(5.0 * FS)
    running.advance(1000 + FAR + patience)
    assert counts(running) == (0, 0, 0)
    running.advance(1000 + FAR + patience + 1)
    assert counts(running) == (0, 1, 0)


def test_the_nearer_of_two_detections_matches() -> None:
    running = score([(1000, "N")])
    for sample in (960, 1010):
        running.beat(sample, Label.N)
    running.finish(2000)
    assert counts(running) == (1, 0, 1)


def test_what_lies_before_the_start_of_the_replay_does_not_count() -> None:
    running = score([(100, "N"), (5000, "N")], first_sample=1000)
    running.beat(5001, Label.N)
    running.finish(6000)
    assert counts(running) == (1, 0, 0)


def test_what_was_not_played_does_not_count() -> None:
    running = score([(1000, "N"), (9000, "N")])
    running.beat(1000, Label.N)
    running.finish(2000)
    assert counts(running) == (1, 0, 0)


def test_the_latest_label_counts() -> None:
    running = score([(1000, "V"), (1400, "N")])
    running.beat(1000, Label.N)
    running.beat(1000, Label.V)
    running.beat(1400, Label.N)
    running.finish(2000)
    assert running.classes[Label.V].sensitivity == 1.0
    assert running.classes[Label.V].ppv == 1.0


def test_a_fusion_beat_called_v_is_no_false_v() -> None:
    running = score([(1000, "F"), (1400, "Q"), (1800, "N")])
    for sample in (1000, 1400, 1800):
        running.beat(sample, Label.V)
    running.finish(3000)
    assert running.classes[Label.V].fp == 1


def test_flutter_is_left_out() -> None:
    running = score([(500, "["), (600, "!"), (900, "]"), (1400, "N")])
    for sample in (550, 700, 1400):
        running.beat(sample, Label.V)
    running.finish(2000)
    assert counts(running) == (1, 0, 0)


def test_ratios_of_nothing_are_unknown() -> None:
    running = score([])
    assert running.qrs.sensitivity is None
    assert running.qrs.ppv is None


beats = st.lists(
    st.tuples(st.integers(0, 4000), st.sampled_from("NVAFQ")), max_size=12, unique_by=lambda b: b[0]
).map(sorted)


@settings(deadline=None, max_examples=300)
@given(reference=beats, predicted=beats)
def test_agrees_with_the_scorer_at_the_end(
    reference: list[tuple[int, str]], predicted: list[tuple[int, str]]
) -> None:
    running = score(reference)
    for sample, symbol in predicted:
        running.beat(sample, SYMBOL_TO_LABEL[symbol])
        running.advance(sample + 100)
    running.finish(10_000)
    final = score_record(
        BeatAnnotations.from_symbols([s for s, _ in reference], [c for _, c in reference]),
        BeatAnnotations.of(
            [s for s, _ in predicted], [SYMBOL_TO_LABEL[symbol] for _, symbol in predicted]
        ),
        fs=FS,
    )
    assert counts(running) == (final.tp, final.fn, final.fp)
    for label, tally in running.classes.items():
        name = label.value.lower()
        assert tally.sensitivity == final.value(f"{name}_se")
        assert tally.ppv == final.value(f"{name}_ppv")


@pytest.mark.database
def test_a_record_against_itself_is_perfect(mitdb: Path) -> None:
    import wfdb

    annotation = wfdb.rdann(str(mitdb / "207"), "atr")
    running = RunningScore(annotation.sample, annotation.symbol, fs=FS)
    for sample, symbol in zip(annotation.sample, annotation.symbol, strict=True):
        if symbol in SYMBOL_TO_LABEL:
            running.beat(int(sample), SYMBOL_TO_LABEL[symbol])
            running.advance(int(sample))
    running.finish(650_000)
    own = BeatAnnotations.from_symbols(np.asarray(annotation.sample), annotation.symbol)
    assert counts(running) == (own.samples.size, 0, 0)
