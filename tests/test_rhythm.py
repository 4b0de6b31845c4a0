"""Rhythm transitions and alarms with exact samples, on beats placed by hand."""

from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classifier.labels import Label
from streamer.errors import SnapshotError, StageClosedError
from streamer.events import (
    Alarm,
    Beat,
    Gap,
    GapReason,
    LabeledBeat,
    Priority,
    Rhythm,
    RhythmEvent,
    RPeak,
    Tick,
)
from streamer.rhythm import RhythmConfig, RhythmTracker

DELAY = 127
"""Samples from an R peak to its beat, as the windower has it."""
CONFIRM = 720
"""Samples after which a label is confirmed without a next beat, as the classifier has it."""

Item = LabeledBeat | Gap | Tick
Output = RhythmEvent | Alarm


def labeled(sample: int, label: str, revision: int, decided_at: int) -> LabeledBeat:
    rpeak = RPeak(
        sample=sample, amplitude_mv=1.0, decided_at=sample + 40, search_back=False, quality=1.0
    )
    beat = Beat(
        rpeak=rpeak,
        window_start=sample - 128,
        window=np.zeros((1, 256), np.float32),
        rr_s=np.zeros(0, np.float32),
        decided_at=sample + DELAY,
    )
    return LabeledBeat(
        beat=beat,
        label=Label(label),
        probabilities=(),
        revision=revision,
        decided_at=decided_at,
    )


def items(beats: Sequence[tuple[int, str]], end: int | None = None) -> Iterator[Item]:
    """Yield what the classifier yields for these beats, then the time at the end."""
    for k, (sample, label) in enumerate(beats):
        if k:
            before, before_label = beats[k - 1]
            decided_at = min(sample + DELAY, before + CONFIRM)
            yield labeled(before, before_label, 1, decided_at)
        yield labeled(sample, label, 0, sample + DELAY)
    if end is not None:
        if end >= beats[-1][0] + CONFIRM:
            yield labeled(*beats[-1], 1, beats[-1][0] + CONFIRM)
        yield Tick(sample=end)


def steady(count: int, rr: int, start: int = 1000, label: str = "N") -> list[tuple[int, str]]:
    return [(start + k * rr, label) for k in range(count)]


def labels(text: str, rr: int = 300, start: int = 1000) -> list[tuple[int, str]]:
    return [(start + k * rr, label) for k, label in enumerate(text)]


def run(inputs: Iterator[Item] | Sequence[Item]) -> list[Output]:
    tracker = RhythmTracker()
    outputs = [output for item in inputs for output in tracker.push(item)]
    outputs += tracker.flush()
    assert [o.decided_at for o in outputs] == sorted(o.decided_at for o in outputs)
    return outputs


def rhythms(outputs: Sequence[Output]) -> list[tuple[Rhythm, int, int]]:
    return [(o.rhythm, o.onset, o.decided_at) for o in outputs if isinstance(o, RhythmEvent)]


def alarms(outputs: Sequence[Output]) -> list[tuple[Rhythm, int, int]]:
    return [(o.rhythm, o.onset, o.decided_at) for o in outputs if isinstance(o, Alarm)]


@pytest.mark.parametrize(
    ("rr", "rhythm", "rate"),
    [
        (300, Rhythm.SINUS, 72),
        (360, Rhythm.SINUS, 60),
        (361, Rhythm.BRADYCARDIA, 59.834),
        (216, Rhythm.SINUS, 100),
        (215, Rhythm.TACHYCARDIA, 100.465),
    ],
)
def test_first_rhythm_is_named_after_four_intervals(rr: int, rhythm: Rhythm, rate: float) -> None:
    (event,) = [o for o in run(items(steady(10, rr))) if isinstance(o, RhythmEvent)]
    # The fifth beat's label is confirmed by the sixth.
    assert (event.rhythm, event.onset, event.decided_at) == (rhythm, 1000, 1000 + 5 * rr + DELAY)
    assert event.heart_rate_bpm == pytest.approx(rate, abs=0.001)
    assert event.beats == tuple(1000 + k * rr for k in range(5))


def test_too_few_beats_have_no_rhythm() -> None:
    assert run(items(steady(5, 300))) == []


def test_faster_rate_needs_four_beats_of_evidence() -> None:
    beats = steady(12, 300)
    fast = steady(12, 200, start=beats[-1][0] + 200)
    found = rhythms(run(items(beats + fast)))
    # The median of 8 intervals is fast with the fifth fast one; three more beats must agree.
    onset = fast[4][0]
    assert found[1] == (Rhythm.TACHYCARDIA, onset, fast[8][0] + DELAY)
    assert len(found) == 2


def test_rate_at_the_limit_does_not_chatter() -> None:
    beats = [(1000 + k * 216 + (k // 6 % 2) * 3, "N") for k in range(200)]
    assert len(rhythms(run(items(beats)))) <= 2


def test_rate_alarms_come_once_at_wider_limits() -> None:
    assert alarms(run(items(steady(30, 190)))) == []
    fast = alarms(run(items(steady(30, 170))))
    assert fast == [(Rhythm.TACHYCARDIA, 1000 + 4 * 170, 1000 + 5 * 170 + DELAY)]
    slow = alarms(run(items(steady(30, 440))))
    assert slow == [(Rhythm.BRADYCARDIA, 1000 + 4 * 440, 1000 + 5 * 440 + DELAY)]


def test_couplet_is_an_alarm_when_the_third_beat_is_not_v() -> None:
    outputs = run(items(labels("NNNNNNNVVNNNN")))
    assert alarms(outputs) == [(Rhythm.V_COUPLET, 1000 + 7 * 300, 1000 + 10 * 300 + DELAY)]
    assert [event[0] for event in rhythms(outputs)] == [Rhythm.SINUS]
    (alarm,) = [o for o in outputs if isinstance(o, Alarm)]
    assert (alarm.priority, alarm.beats) == (Priority.LOW, (3100, 3400))


def test_couplet_at_the_end_is_announced() -> None:
    beats = labels("NNNNNNNVV")
    end = beats[-1][0] + 800
    assert alarms(run(items(beats, end=end))) == [(Rhythm.V_COUPLET, 3100, end)]


def test_single_v_is_no_alarm() -> None:
    assert alarms(run(items(labels("NNNNNNVNNNNNNVNNNNN")))) == []


def test_run_begins_with_the_third_v_and_ends_with_the_next_other_beat() -> None:
    outputs = run(items(labels("NNNNNNNVVVVVNNNN")))
    first, third, after = 1000 + 7 * 300, 1000 + 9 * 300, 1000 + 12 * 300
    assert rhythms(outputs)[1:] == [
        (Rhythm.V_RUN, first, third + 300 + DELAY),
        (Rhythm.SINUS, after, after + 300 + DELAY),
    ]
    assert alarms(outputs) == [(Rhythm.V_RUN, first, third + 300 + DELAY)]
    (alarm,) = [o for o in outputs if isinstance(o, Alarm)]
    assert (alarm.priority, alarm.beats) == (Priority.HIGH, (3100, 3400, 3700))


def test_bigeminy_needs_three_cycles() -> None:
    outputs = run(items(labels("NNNNNNNVNVNVNN")))
    # The pattern N V N V N V is complete with the sixth of its beats.
    event = (Rhythm.BIGEMINY, 1000 + 6 * 300, 1000 + 12 * 300 + DELAY)
    assert rhythms(outputs)[1] == event
    assert alarms(outputs) == [event]
    assert len(rhythms(run(items(labels("NNNNNNNVNVNNNN"))))) == 1


def test_bigeminy_ends_after_four_other_beats() -> None:
    found = rhythms(run(items(labels("NNNNNNNVNVNVNNNNNNNN"))))
    assert [event[0] for event in found] == [Rhythm.SINUS, Rhythm.BIGEMINY, Rhythm.SINUS]
    # V at 11, N at 12 still alternates; 13 to 16 don't.
    assert found[2][1:] == (1000 + 13 * 300, 1000 + 17 * 300 + DELAY)


def test_trigeminy_needs_three_cycles() -> None:
    found = rhythms(run(items(labels("NNNNNNVNNVNNVN"))))
    assert found[1] == (Rhythm.TRIGEMINY, 1000 + 4 * 300, 1000 + 13 * 300 + DELAY)


def irregular(count: int, start: int) -> list[tuple[int, str]]:
    intervals = [220, 340, 260, 400, 240, 310, 370, 230]
    samples = start + np.cumsum([intervals[k % len(intervals)] for k in range(count)])
    return [(int(sample), "N") for sample in samples]


def test_irregular_rhythm_is_entered_and_left() -> None:
    beats = steady(20, 300)
    beats += irregular(24, beats[-1][0])
    beats += steady(24, 300, start=beats[-1][0] + 300)
    outputs = run(items(beats))
    assert [event[0] for event in rhythms(outputs)] == [
        Rhythm.SINUS,
        Rhythm.IRREGULAR,
        Rhythm.SINUS,
    ]
    assert [alarm[0] for alarm in alarms(outputs)] == [Rhythm.IRREGULAR]


def test_isolated_premature_beats_are_not_irregular() -> None:
    beats, sample = [], 1000
    for k in range(60):
        beats.append((sample, "S" if k % 8 == 7 else "N"))
        sample += {6: 200, 7: 400}.get(k % 8, 300)
    assert [event[0] for event in rhythms(run(items(beats)))] == [Rhythm.SINUS]


def test_pause_is_announced_by_the_clock() -> None:
    beats = steady(8, 300)
    last = beats[-1][0]
    due = last + 900 + 216
    outputs = run(items(beats, end=due))
    assert rhythms(outputs)[-1] == (Rhythm.PAUSE, last, due)
    assert alarms(outputs) == [(Rhythm.PAUSE, last, due)]
    assert alarms(run(items(beats, end=due - 1))) == []


def test_beat_ends_the_pause_and_gives_the_rhythm_back() -> None:
    beats = [*steady(8, 300), *steady(8, 300, start=5000)]
    outputs = run(items(beats))
    assert rhythms(outputs)[1:] == [
        (Rhythm.PAUSE, 3100, 3100 + 1116),
        (Rhythm.SINUS, 5000, 5000 + DELAY),
    ]


def test_pause_that_a_beat_ends_before_its_time_is_an_alarm_only() -> None:
    beats = [*steady(8, 300), *steady(8, 300, start=3100 + 900)]
    outputs = run(items(beats))
    assert alarms(outputs) == [(Rhythm.PAUSE, 3100, 4000 + DELAY)]
    assert [event[0] for event in rhythms(outputs)] == [Rhythm.SINUS]
    beats = [*steady(8, 300), *steady(8, 300, start=3100 + 899)]
    assert alarms(run(items(beats))) == []


def gap(start: int, stop: int, reason: GapReason) -> Gap:
    return Gap(start=start, stop=stop, reason=reason, decided_at=stop)


def test_lost_samples_are_no_pause() -> None:
    inputs = [*items(steady(8, 300), end=3800), gap(3801, 9000, GapReason.LOST)]
    inputs += list(items(steady(8, 300, start=9100)))
    outputs = run(inputs)
    assert alarms(outputs) == []
    assert rhythms(outputs)[1:] == [
        (Rhythm.UNKNOWN, 3801, 9000),
        (Rhythm.SINUS, 9100, 9100 + 5 * 300 + DELAY),
    ]


def test_silence_before_the_loss_is_a_pause() -> None:
    inputs = [*items(steady(8, 300)), gap(3100 + 1117, 9000, GapReason.LOST)]
    assert alarms(run(inputs)) == [(Rhythm.PAUSE, 3100, 3100 + 1116)]


def test_nothing_is_carried_over_a_gap() -> None:
    inputs = [*items(labels("NNNNNNNVV"), end=4200), gap(4201, 4300, GapReason.FLAT)]
    inputs += list(items(labels("VNNN", start=4400)))
    assert alarms(run(inputs)) == [(Rhythm.V_COUPLET, 3100, 4300)]


def test_noise_beats_have_no_rate() -> None:
    found = rhythms(run(items(labels("NNNNNN" + "QQQQQQQQQQQQQQQQQQQQ"))))
    assert [event[0] for event in found] == [Rhythm.SINUS, Rhythm.UNKNOWN]


BEATS = st.lists(
    st.tuples(st.integers(120, 1500), st.sampled_from("NNNNSVVVFQ")), min_size=1, max_size=60
)


@given(BEATS, st.data())
@settings(max_examples=60, deadline=None)
def test_ticks_and_snapshots_change_nothing(
    steps: list[tuple[int, str]], data: st.DataObject
) -> None:
    samples = np.cumsum([step for step, _ in steps]).tolist()
    beats = [(sample, label) for sample, (_, label) in zip(samples, steps, strict=True)]
    inputs = list(items(beats, end=samples[-1] + 2000))
    expected = run(inputs)
    tracker, outputs = RhythmTracker(), []
    for item in inputs:
        until = item.sample if isinstance(item, Tick) else item.decided_at
        for sample in data.draw(st.lists(st.integers(0, 300), max_size=2).map(sorted)):
            if 0 <= tracker._now < until - 1 - sample:
                outputs += tracker.push(Tick(sample=tracker._now + 1 + sample))
        snapshot = tracker.snapshot()
        tracker = RhythmTracker()
        tracker.restore(snapshot)
        outputs += tracker.push(item)
    outputs += tracker.flush()
    assert outputs == expected


def test_reset_equals_a_new_tracker() -> None:
    tracker = RhythmTracker()
    first = [output for item in items(labels("NNNNNNVVV")) for output in tracker.push(item)]
    again = [
        output for item in items(labels("NNNNNNVVV", start=4000)) for output in tracker.push(item)
    ]
    tracker.reset()
    assert [o for item in items(labels("NNNNNNVVV")) for o in tracker.push(item)] == first
    assert again
    assert again[0] != first[0]


def test_flushed_tracker_is_closed() -> None:
    tracker = RhythmTracker()
    tracker.flush()
    assert tracker.flush() == []
    with pytest.raises(StageClosedError, match="reset it"):
        tracker.push(Tick(sample=1))


def test_snapshot_of_another_stage_is_refused() -> None:
    tracker = RhythmTracker()
    snapshot = tracker.snapshot()
    with pytest.raises(SnapshotError, match="start the stage anew"):
        tracker.restore(type(snapshot)(stage="Other", version=1, state={}))


def test_limits_can_be_chosen() -> None:
    tracker = RhythmTracker(RhythmConfig(pause_s=1.0, pause_margin_s=0.5))
    outputs = [o for item in items(steady(8, 300), end=3640) for o in tracker.push(item)]
    assert alarms(outputs) == [(Rhythm.PAUSE, 3100, 3640)]
