"""The eight points of the stage contract, over every stage in `stage_cases.CASES`."""

import copy
import dataclasses
import gc
import tracemalloc
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stage_cases import (
    CASES,
    DURATION_S,
    FIRST,
    N_LEADS,
    Case,
    Cuts,
    chunks,
    ecg,
    joined,
    push_all,
    same,
)

from replay.chunk import Chunk
from streamer.beats.label_request import LabelRequest
from streamer.core.errors import OverlapError, SnapshotError, StageClosedError
from streamer.core.events import Gap, GapReason, LabeledBeat, RPeak, Tick
from streamer.core.stage import Snapshot
from streamer.signal.bandpass import BandPass, FilteredChunk

MAX_SNAPSHOT_BYTES = 80 * 1024
HALF = 9.1
"""Seconds at which a stream is cut in two: between beats, with a beat still undecided."""


def _each(cases: Sequence[Case]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", cases, ids=lambda case: case.name)


every_stage = _each(CASES)
every_sample_stage = _each([case for case in CASES if case.takes_samples])
every_deciding_stage = _each([case for case in CASES if not case.emits_samples])
every_stateful_stage = _each([case for case in CASES if case.carries_state])
quick = settings(max_examples=8, deadline=None, derandomize=True)


def whole(case: Case, cuts: Cuts = ()) -> list[Any]:
    """Outputs of the whole stream with its flush."""
    stage = case.make()
    outputs = push_all(stage, case.stream(cuts))
    return joined([*outputs, *stage.flush()])


def half(case: Case) -> int:
    return round(HALF * case.fs)


def in_two(case: Case) -> tuple[list[Any], list[Any]]:
    """Return the pushes before and after `HALF`, each in several."""
    step = round(case.fs)
    cuts = sorted({*range(step, case.signal.shape[1], step), half(case)})
    items = case.stream(cuts)
    first = [item for item in items if _known_at(item) < FIRST + half(case)]
    return first, items[len(first) :]


def _known_at(item: Any) -> int:
    """Return the sample at which a push or an output is known."""
    if isinstance(item, Tick):
        return item.sample
    if isinstance(item, Chunk):
        return item.stop - 1
    if isinstance(item, FilteredChunk):
        return item.start + item.raw.shape[1] - 1
    return int(item.decided_at)


def _place(output: Any) -> int:
    """Return the sample that an event is about."""
    if isinstance(output, RPeak):
        return output.sample
    if isinstance(output, LabeledBeat):
        return output.beat.rpeak.sample
    if isinstance(output, LabelRequest):
        return output.beat.rpeak.sample
    if isinstance(output, Gap):
        return output.stop
    return int(output.onset) if hasattr(output, "onset") else int(output.rpeak.sample)


# 1. push, flush, and no push afterwards


@every_stage
def test_the_stream_makes_the_stage_speak(case: Case) -> None:
    """A silent stage would pass every other test here."""
    outputs = whole(case)
    assert len(outputs) >= (1 if case.emits_samples else 3)


@every_stage
def test_a_push_after_the_flush_is_refused(case: Case) -> None:
    stage = case.make()
    items = case.stream()
    push_all(stage, items)
    stage.flush()
    with pytest.raises(StageClosedError, match="reset"):
        stage.push(items[-1])


@every_stage
def test_flushing_a_new_stage_returns_nothing(case: Case) -> None:
    stage = case.make()
    assert stage.flush() == []
    assert stage.flush() == []


# 2. chunk invariance


@every_stage
@quick
@given(data=st.data())
def test_outputs_do_not_depend_on_the_cuts(case: Case, data: st.DataObject) -> None:
    n = case.signal.shape[1]
    cuts = data.draw(st.lists(st.integers(1, n - 1), max_size=30, unique=True).map(sorted))
    assert same(whole(case, cuts), whole(case))


@every_stage
def test_one_sample_at_a_time_gives_the_same(case: Case) -> None:
    assert same(whole(case, range(1, case.signal.shape[1])), whole(case))


# 3. causality and delay


@every_deciding_stage
def test_what_was_emitted_is_all_that_was_known(case: Case) -> None:
    """Pushing only the first half gives exactly the outputs decided in it, and no later change."""
    first, _ = in_two(case)
    outputs = push_all(case.make(), first)
    known = [output for output in whole(case) if output.decided_at < FIRST + half(case)]
    assert same(outputs, known)


@every_sample_stage
def test_the_future_changes_no_output(case: Case) -> None:
    samples = case.signal.copy()
    samples[:, half(case) :] = ecg(samples.shape[1], case.fs, seed=8)[:, half(case) :] * 3
    outputs = []
    for signal in (case.signal, samples):
        stage = case.make()
        items = case.inputs(signal, [half(case)])
        outputs.append(copy.deepcopy(stage.push(items[0])))
        push_all(stage, items[1:])
    assert same(*outputs)


@every_deciding_stage
def test_the_delay_is_bounded_and_never_negative(case: Case) -> None:
    for output in whole(case, range(50, case.signal.shape[1], 50)):
        delay = output.decided_at - _place(output)
        # A gap at the end of the stream is decided by its last sample, one before its stop.
        assert -1 <= delay <= case.max_delay_s * case.fs


@every_stage
def test_events_ascend_in_decided_at(case: Case) -> None:
    known = [_known_at(output) for output in whole(case)]
    assert known == sorted(known)


# 4. reset


@every_stage
def test_a_reset_stage_is_a_new_one(case: Case) -> None:
    stage = case.make()
    push_all(stage, in_two(case)[0])
    stage.reset()
    outputs = push_all(stage, case.stream())
    assert same(joined([*outputs, *stage.flush()]), whole(case))
    stage.reset()
    outputs = push_all(stage, case.stream())
    assert same(joined([*outputs, *stage.flush()]), whole(case))


@every_stateful_stage
def test_without_a_reset_the_past_matters(case: Case) -> None:
    first, second = in_two(case)
    carried, new = case.make(), case.make()
    push_all(carried, first)
    assert not same(joined(push_all(carried, second)), joined(push_all(new, second)))


# 5. snapshot and restore


@every_stage
def test_a_restored_stage_continues_bit_for_bit(case: Case) -> None:
    first, second = in_two(case)
    stage = case.make()
    push_all(stage, first)
    snapshot = stage.snapshot()
    expected = joined([*push_all(stage, second), *stage.flush()])
    for _ in range(2):
        restored = case.make()
        push_all(restored, case.stream())
        restored.restore(snapshot)
        assert same(joined([*push_all(restored, second), *restored.flush()]), expected)


@every_stage
def test_a_restored_stage_knows_that_it_was_flushed(case: Case) -> None:
    stage, restored = case.make(), case.make()
    items = case.stream()
    push_all(stage, items)
    stage.flush()
    restored.restore(stage.snapshot())
    with pytest.raises(StageClosedError):
        restored.push(items[-1])


@every_stage
def test_a_snapshot_is_small_and_plain(case: Case) -> None:
    stage = case.make()
    push_all(stage, in_two(case)[0])
    assert _plain_size(stage.snapshot()) < MAX_SNAPSHOT_BYTES


@every_stage
def test_a_foreign_snapshot_is_refused(case: Case) -> None:
    stage = case.make()
    snapshot = stage.snapshot()
    for change in ({"stage": "Other"}, {"version": snapshot.version + 1}):
        with pytest.raises(SnapshotError, match="start the stage anew"):
            stage.restore(dataclasses.replace(snapshot, **change))


def _plain_size(value: Any) -> int:
    """Return the bytes of a snapshot's content; anything but plain values fails."""
    if isinstance(value, Snapshot):
        return _plain_size(value.state)
    if isinstance(value, dict):
        return sum(map(_plain_size, value.values()))
    if isinstance(value, list | tuple):
        return sum(map(_plain_size, value))
    if isinstance(value, np.ndarray):
        return value.nbytes
    assert value is None or isinstance(value, bool | int | float | str), type(value)
    return 8


# 6. memory and aliasing


@every_stage
def test_memory_does_not_grow_with_the_stream(case: Case) -> None:
    stage = case.make()
    step = round(0.5 * case.fs)
    items = case.stream(range(step, case.signal.shape[1], step))
    tracemalloc.start()
    try:
        used = []
        for _ in range(4):
            for item in items:
                stage.push(item)
            gc.collect()
            used.append(tracemalloc.get_traced_memory()[0])
            items = [_shifted(item, round(DURATION_S * case.fs)) for item in items]
        # The first two rounds fill histories of fixed length and warm up caches.
        assert used[3] - used[2] < 16 * 1024
    finally:
        tracemalloc.stop()


def _shifted(item: Any, by: int) -> Any:
    """Return the same push, later."""
    if isinstance(item, LabeledBeat):
        beat = _shifted(item.beat, by)
        return dataclasses.replace(item, beat=beat, decided_at=item.decided_at + by)
    changes: dict[str, Any] = {}
    for field in dataclasses.fields(item):
        value = getattr(item, field.name)
        if field.name in {"start", "stop", "sample", "decided_at", "window_start"}:
            changes[field.name] = value + by
        elif field.name == "rpeak":
            changes[field.name] = _shifted(value, by)
    return dataclasses.replace(item, **changes)


@every_stage
def test_inputs_stay_as_they_were(case: Case) -> None:
    items = case.stream([half(case)])
    before = copy.deepcopy(items)
    stage = case.make()
    push_all(stage, items)
    stage.flush()
    assert same(items, before)


@every_stage
def test_outputs_stay_as_they_were_when_more_is_pushed(case: Case) -> None:
    first, second = in_two(case)
    stage = case.make()
    outputs = push_all(stage, first)
    before = copy.deepcopy(outputs)
    push_all(stage, second)
    stage.flush()
    assert same(outputs, before)


# 7. bad input


@every_sample_stage
def test_an_overlap_is_an_error(case: Case) -> None:
    stage = case.make()
    items = case.stream([half(case)])
    stage.push(items[0])
    with pytest.raises(OverlapError):
        stage.push(dataclasses.replace(items[1], start=items[1].start - 1))


@every_sample_stage
def test_a_jump_goes_on_and_the_source_stages_report_it(case: Case) -> None:
    stage = case.make()
    cut, skipped = half(case), round(3 * case.fs)
    first, second = case.stream([cut])
    outputs = stage.push(first)
    outputs += stage.push(dataclasses.replace(second, start=second.start + skipped))
    outputs += stage.flush()
    lost = [o for o in outputs if isinstance(o, Gap) and o.reason is GapReason.LOST]
    if isinstance(first, Chunk) and not isinstance(stage, BandPass):
        assert len(lost) == 1
        if case.name.startswith("Chain"):
            start, stop = FIRST + cut, FIRST + cut + skipped
            assert lost[0].start == pytest.approx(start, abs=1)
            assert lost[0].stop == pytest.approx(stop, abs=1)
    known = [_known_at(output) for output in joined(outputs)]
    assert known == sorted(known)


BAD_STRETCHES = {
    "nan": np.float32(np.nan),
    "infinite": np.float32(np.inf),
    "flat": np.float32(0.0),
    "saturated": np.float32(5.12),
}


@pytest.mark.parametrize("value", BAD_STRETCHES.values(), ids=list(BAD_STRETCHES))
@every_sample_stage
def test_an_unusable_stretch_makes_no_beat(case: Case, value: np.float32) -> None:
    """Four seconds without a signal; a beat within 0.2 s of an edge may be half a real one."""
    start, stop = round(6.0 * case.fs), round(10.0 * case.fs)
    samples = ecg(case.signal.shape[1], case.fs)
    samples[:, start:stop] = value
    stage = case.make()
    outputs = push_all(stage, case.inputs(samples, [start + 7, stop - 3])) + stage.flush()
    inside = range(FIRST + start + round(0.2 * case.fs), FIRST + stop - round(0.2 * case.fs))
    beats = [o for o in outputs if isinstance(o, RPeak | LabeledBeat)]
    assert [_place(beat) for beat in beats if _place(beat) in inside] == []
    if case.name.startswith(("QRS", "Chain")):
        after = [beat for beat in beats if _place(beat) >= FIRST + stop]
        assert len(after) >= 8
        gaps = [o for o in outputs if isinstance(o, Gap)]
        assert any(gap.start <= inside.start and gap.stop >= inside.stop for gap in gaps)


@every_sample_stage
def test_a_stream_of_nothing_but_nan_makes_no_beat(case: Case) -> None:
    stage = case.make()
    samples = np.full_like(case.signal, np.nan)
    outputs = push_all(stage, case.inputs(samples, [half(case)])) + stage.flush()
    assert not [o for o in outputs if isinstance(o, RPeak | LabeledBeat)]


# 8. the start of the filters


@every_sample_stage
@pytest.mark.parametrize("level", [0.0, 5.0, -300.0])
def test_a_constant_is_no_transient(case: Case, level: float) -> None:
    stage = case.make()
    samples = np.full_like(case.signal, level)
    outputs = push_all(stage, case.inputs(samples, [1, 5, half(case)])) + stage.flush()
    for output in outputs:
        if isinstance(output, FilteredChunk):
            np.testing.assert_allclose(output.filtered, 0.0, atol=1e-6 * max(1.0, abs(level)))
        elif isinstance(output, Chunk):
            np.testing.assert_allclose(output.samples, level, rtol=1e-5)
        else:
            assert not isinstance(output, RPeak | LabeledBeat)


@pytest.mark.parametrize("size", [1, 100])
def test_the_filter_starts_from_the_first_sample_not_from_the_chunk(size: int) -> None:
    """A step right after the first sample is seen in full, whatever the chunk's mean is."""
    samples = np.ones((N_LEADS, 100), np.float32)
    samples[:, 0] = 0.0
    outputs = push_all(BandPass(n_leads=N_LEADS), chunks(samples, range(size, 100, size)))
    filtered = joined(outputs)[0].filtered
    assert filtered[0, 0] == 0.0
    assert filtered[0, 1:10].max() > 0.1
