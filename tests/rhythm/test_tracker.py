"""Every transition of the table with exact samples, on beats placed by hand; then the stage."""

import dataclasses
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rhythm_cases import (
    DELAY,
    alarms,
    ends,
    items,
    labeled,
    labels,
    rhythms,
    run,
    spikes,
    steady,
    with_signal,
)

from streamer.core.errors import SnapshotError, StageClosedError
from streamer.core.events import (
    CHAIN_FS,
    Alarm,
    AlarmState,
    Gap,
    GapReason,
    LabeledBeat,
    Priority,
    Rhythm,
    RhythmEvent,
    Tick,
)
from streamer.rhythm.rule import Layer
from streamer.rhythm.tracker import RhythmConfig, RhythmTracker
from streamer.rhythm.waveform.measures import Measurement
from streamer.signal.bandpass import FilteredChunk

# Background


@pytest.mark.parametrize(
    ("rr", "rhythm", "rate"),
    [
        (300, Rhythm.SINUS, 72),
        (360, Rhythm.SINUS, 60),
        (361, Rhythm.SINUS_BRADYCARDIA, 59.834),
        (216, Rhythm.SINUS, 100),
        (215, Rhythm.SINUS_TACHYCARDIA, 100.465),
    ],
)
def test_first_rhythm_is_named_after_five_beats(rr: int, rhythm: Rhythm, rate: float) -> None:
    (event,) = [o for o in run(items(steady(10, rr))) if isinstance(o, RhythmEvent)]
    # The fifth beat's label is confirmed by the sixth.
    assert (event.rhythm, event.onset, event.decided_at) == (rhythm, 1000, 1000 + 5 * rr + DELAY)
    assert event.heart_rate_bpm == pytest.approx(rate, abs=0.001)
    assert event.beats == tuple(1000 + k * rr for k in range(5))


def test_too_few_beats_have_no_rhythm() -> None:
    assert run(items(steady(5, 300))) == []


def test_faster_rate_needs_three_beats_of_evidence() -> None:
    beats = steady(12, 300)
    fast = steady(12, 200, start=beats[-1][0] + 200)
    found = rhythms(run(items(beats + fast)))
    (tachycardia,) = found[1:]
    assert tachycardia[0] is Rhythm.SINUS_TACHYCARDIA
    # Confirmed with the beat after the third that says so.
    assert tachycardia[2] - tachycardia[1] == 3 * 200 + DELAY


def test_rate_at_the_limit_does_not_chatter() -> None:
    beats = [(1000 + k * 216 + (k // 6 % 2) * 3, "N") for k in range(200)]
    assert len(rhythms(run(items(beats)))) <= 2


def test_bigeminy_needs_three_cycles() -> None:
    outputs = run(items(labels("NNNNNNNVNVNVNN")))
    # The pattern N V N V N V N is complete with the seventh of its beats.
    event = (Rhythm.BIGEMINY, 1000 + 6 * 300, 1000 + 13 * 300 + DELAY)
    assert rhythms(outputs)[1] == event
    assert alarms(outputs) == [event]
    assert len(rhythms(run(items(labels("NNNNNNNVNVNNNN"))))) == 1


def test_bigeminy_ends_where_its_last_v_was() -> None:
    found = rhythms(run(items(labels("NNNNNNNVNVNVNNNNNNNN"))))
    assert [event[0] for event in found] == [Rhythm.SINUS, Rhythm.BIGEMINY, Rhythm.SINUS]
    # V at 11, N at 12 still alternates; 13 to 15 don't, and are known with 16.
    assert found[2][1:] == (1000 + 12 * 300, 1000 + 16 * 300 + DELAY)


def test_trigeminy_needs_three_cycles() -> None:
    found = rhythms(run(items(labels("NNNNNNVNNVNNVNNN"))))
    assert found[1] == (Rhythm.TRIGEMINY, 1000 + 5 * 300, 1000 + 15 * 300 + DELAY)


@pytest.mark.parametrize("text", ["NNNNNNVVNVNVNNNN", "NNNNNNVNVNVVNNNN", "NNNNNVVNNVNNVNNNN"])
def test_a_couplet_beside_an_alternation_is_no_pattern(text: str) -> None:
    assert [event[0] for event in rhythms(run(items(labels(text))))] == [Rhythm.SINUS]


def test_fusion_beats_break_a_pattern() -> None:
    found = rhythms(run(items(labels("NNNNNNNVNVNFNVNVNNN"))))
    assert [event[0] for event in found] == [Rhythm.SINUS]


def test_isolated_premature_beats_are_not_irregular() -> None:
    beats, sample = [], 1000
    for k in range(80):
        beats.append((sample, "S" if k % 8 == 7 else "N"))
        sample += {6: 200, 7: 400}.get(k % 8, 300)
    assert [event[0] for event in rhythms(run(items(beats)))] == [Rhythm.SINUS]


def test_noise_beats_have_no_rhythm() -> None:
    found = rhythms(run(items(labels("NNNNNN" + "Q" * 20))))
    assert [event[0] for event in found] == [Rhythm.SINUS, Rhythm.UNKNOWN]


# Rate


def test_rate_alarms_come_once_at_wider_limits() -> None:
    assert alarms(run(items(steady(30, 200)))) == []
    (fast,) = alarms(run(items(steady(30, 170))))
    # The fifth R peak makes the fourth interval.
    assert fast == (Rhythm.TACHYCARDIA, 1000, 1000 + 4 * 170 + DELAY)
    (slow,) = alarms(run(items(steady(30, 440))))
    assert slow == (Rhythm.BRADYCARDIA, 1000, 1000 + 4 * 440 + DELAY)


@pytest.mark.parametrize(
    "intervals",
    [[435, 176], [170, 500], [538, 245], [300, 300, 300, 300, 300, 850]],
    ids=["bigeminy", "bigeminy with long pauses", "slow bigeminy", "dropped beats"],
)
def test_single_early_beats_and_pauses_are_no_rate(intervals: list[int]) -> None:
    places, sample = [1000], 1000
    for rr in intervals * 8:
        sample += rr
        places.append(sample)
    found = [alarm[0] for alarm in alarms(run(items([(place, "N") for place in places])))]
    assert not {Rhythm.TACHYCARDIA, Rhythm.BRADYCARDIA} & set(found)


@pytest.mark.parametrize(("bpm", "within_s"), [(120, 5.0), (40, 5.0)])
def test_a_step_of_the_rate_is_an_alarm_within_five_seconds(bpm: int, within_s: float) -> None:
    beats = steady(20, 270)
    onset = beats[-1][0]
    beats += steady(12, round(60 * 360 / bpm), start=onset + round(60 * 360 / bpm))
    (first, *_) = [alarm for alarm in alarms(run(items(beats))) if alarm[2] > onset]
    assert first[0] in {Rhythm.TACHYCARDIA, Rhythm.BRADYCARDIA}
    assert first[2] - onset <= within_s * 360


def test_thirteen_very_fast_beats_are_extreme() -> None:
    found = alarms(run(items(steady(40, 150))))
    assert found[1] == (Rhythm.EXTREME_TACHYCARDIA, 1000, 1000 + 12 * 150 + DELAY)
    assert len(found) == 2


def test_five_very_slow_beats_are_extreme() -> None:
    found = alarms(run(items(steady(12, 600))))
    assert found[0] == (Rhythm.EXTREME_BRADYCARDIA, 1000, 1000 + 4 * 600 + DELAY)


def test_bigeminy_has_the_rate_of_all_its_beats() -> None:
    beats, sample = [], 1000
    for k in range(30):
        beats.append((sample, "NV"[k % 2]))
        sample += (200, 400)[k % 2]
    rates = [o.heart_rate_bpm for o in run(items(beats)) if isinstance(o, RhythmEvent)]
    assert rates
    assert all(rate == pytest.approx(72, rel=0.2) for rate in rates)


def test_noise_is_no_rate() -> None:
    inputs = [
        labeled(item.beat.rpeak.sample, "Q", item.revision, item.decided_at, quality=0.2)
        for item in items(steady(40, 120))
        if isinstance(item, LabeledBeat)
    ]
    assert alarms(run(inputs)) == []


def test_what_is_no_longer_extreme_falls_back_to_the_ordinary_alarm() -> None:
    """Only once it is well inside the limit, over as many beats as made it extreme."""
    beats = steady(30, 150)
    beats += steady(30, 160, start=beats[-1][0] + 160)
    inside = beats[-1][0]
    beats += steady(40, 175, start=inside + 175)
    outputs = run(items(beats))
    assert [alarm[0] for alarm in alarms(outputs)] == [
        Rhythm.TACHYCARDIA,
        Rhythm.EXTREME_TACHYCARDIA,
        Rhythm.TACHYCARDIA,
    ]
    over = next(end for end in ends(outputs) if end[0] is Rhythm.EXTREME_TACHYCARDIA)
    assert over[2] == alarms(outputs)[2][2] > inside
    slow = steady(12, 600)
    slow += steady(12, 450, start=slow[-1][0] + 450)
    assert [alarm[0] for alarm in alarms(run(items(slow)))] == [
        Rhythm.EXTREME_BRADYCARDIA,
        Rhythm.BRADYCARDIA,
    ]


# States


def test_a_rate_alarm_is_over_when_the_rate_is_back() -> None:
    beats = steady(30, 150)
    beats += steady(12, 300, start=beats[-1][0] + 300)
    outputs = run(items(beats))
    raised = {alarm[0]: alarm for alarm in alarms(outputs)}
    extreme = raised[Rhythm.EXTREME_TACHYCARDIA]
    first, last = ends(outputs)
    # The tachycardia turns extreme: that alarm takes its place.
    assert first == (Rhythm.TACHYCARDIA, raised[Rhythm.TACHYCARDIA][1], extreme[2])
    assert last[:2] == extreme[:2]
    assert beats[30][0] < last[2] < beats[40][0]


@pytest.mark.parametrize("label", ["V", "S"])
def test_a_run_is_over_with_the_beat_after_it(label: str) -> None:
    beats = ectopic_run(label, 150)
    outputs = run(items(beats))
    raised = alarms(outputs)[0]
    assert (*raised[:2], beats[12][0] + 300 + DELAY) in ends(outputs)


def test_a_couplet_is_a_moment_and_has_no_end() -> None:
    outputs = run(items(labels("NNNNNNNVVNNNN")))
    assert [o.state for o in outputs if isinstance(o, Alarm)] == [AlarmState.MOMENT]


def test_samples_that_never_came_end_what_was_told() -> None:
    tracker = RhythmTracker()
    outputs = [o for item in items(ectopic_run("V", 150)[:12]) for o in tracker.push(item)]
    lost = Gap(start=9000, stop=9900, reason=GapReason.LOST, decided_at=9900)
    outputs += tracker.push(lost)
    assert {end[:2] for end in ends(outputs)} == {alarm[:2] for alarm in alarms(outputs)}
    assert {end[2] for end in ends(outputs)} == {9900}
    assert (
        ends(tracker.push(dataclasses.replace(lost, start=9950, stop=9990, decided_at=9990))) == []
    )


# Couplets and runs


def test_couplet_is_an_alarm_when_the_third_beat_is_not_v() -> None:
    outputs = run(items(labels("NNNNNNNVVNNNN")))
    assert alarms(outputs) == [(Rhythm.V_COUPLET, 1000 + 7 * 300, 1000 + 10 * 300 + DELAY)]
    assert [event[0] for event in rhythms(outputs)] == [Rhythm.SINUS]
    (alarm,) = [o for o in outputs if isinstance(o, Alarm)]
    assert (alarm.priority, alarm.beats) == (Priority.LOW, (3100, 3400))


def test_supraventricular_couplet() -> None:
    outputs = run(items(labels("NNNNNNNSSNNNN")))
    assert alarms(outputs) == [(Rhythm.S_COUPLET, 1000 + 7 * 300, 1000 + 10 * 300 + DELAY)]


def test_couplet_at_the_end_is_announced() -> None:
    beats = labels("NNNNNNNVV")
    end = beats[-1][0] + 800
    assert alarms(run(items(beats, end=end))) == [(Rhythm.V_COUPLET, 3100, end)]


def test_single_v_is_no_alarm() -> None:
    assert alarms(run(items(labels("NNNNNNVNNNNNNVNNNNN")))) == []


def ectopic_run(label: str, rr: int, count: int = 5) -> list[tuple[int, str]]:
    beats = steady(7, 300)
    beats += steady(count, rr, start=beats[-1][0] + rr, label=label)
    return beats + steady(5, 300, start=beats[-1][0] + 300)


@pytest.mark.parametrize(
    ("label", "rr", "rhythm", "priority"),
    [
        ("V", 216, Rhythm.VENTRICULAR_TACHYCARDIA, Priority.HIGH),
        ("V", 217, Rhythm.IDIOVENTRICULAR, Priority.MEDIUM),
        ("V", 400, Rhythm.IDIOVENTRICULAR, Priority.MEDIUM),
        ("S", 216, Rhythm.SUPRAVENTRICULAR_TACHYCARDIA, Priority.MEDIUM),
        ("S", 217, Rhythm.S_RUN, Priority.LOW),
    ],
)
def test_three_ectopic_beats_are_a_run(
    label: str, rr: int, rhythm: Rhythm, priority: Priority
) -> None:
    beats = ectopic_run(label, rr)
    first, known, after = beats[7][0], beats[10][0] + DELAY, beats[12][0]
    outputs = run(items(beats))
    assert rhythms(outputs)[1:3] == [
        (rhythm, first, known),
        (Rhythm.SINUS, after, after + 300 + DELAY),
    ]
    (alarm,) = [o for o in outputs if isinstance(o, Alarm) and o.is_raised and o.rhythm is rhythm]
    assert (alarm.onset, alarm.decided_at, alarm.priority) == (first, known, priority)
    assert alarm.beats == tuple(sample for sample, _ in beats[7:10])


def test_the_rate_of_a_run_is_not_that_of_the_rhythm_after_it() -> None:
    events = [o for o in run(items(ectopic_run("V", 130))) if isinstance(o, RhythmEvent)]
    tachycardia, sinus = events[1:3]
    assert tachycardia.heart_rate_bpm is not None
    assert (sinus.rhythm, sinus.heart_rate_bpm) == (Rhythm.SINUS, None)


def test_a_slow_run_at_the_usual_pace_is_no_other_pacemaker() -> None:
    assert [e[0] for e in rhythms(run(items(ectopic_run("V", 300))))] == [Rhythm.SINUS]


def test_a_run_that_speeds_up_becomes_a_tachycardia() -> None:
    beats = steady(7, 300)
    beats += steady(4, 380, start=beats[-1][0] + 380, label="V")
    beats += steady(6, 150, start=beats[-1][0] + 150, label="V")
    found = [event[0] for event in rhythms(run(items([*beats, (beats[-1][0] + 300, "N")])))]
    assert found[:3] == [Rhythm.SINUS, Rhythm.IDIOVENTRICULAR, Rhythm.VENTRICULAR_TACHYCARDIA]


def test_a_fast_run_holds_fusion_and_what_keeps_its_pace() -> None:
    beats = steady(7, 300)
    for k, label in enumerate("VFVSV"):
        beats.append((3100 + k * 150, label))
    beats += steady(5, 300, start=beats[-1][0] + 300)
    found = rhythms(run(items(beats)))
    assert [e[0] for e in found] == [
        Rhythm.SINUS,
        Rhythm.VENTRICULAR_TACHYCARDIA,
        Rhythm.SINUS,
    ]
    assert found[2][1] == beats[12][0]


def doubtful_run(
    intervals: list[int], quality: float = 0.5, v: float = 0.2, q: float = 0.75
) -> list[LabeledBeat]:
    """Sinus rhythm, then beats labelled Q that would be V otherwise."""
    samples = [start for start, _ in steady(7, 300)]
    for interval in intervals:
        samples.append(samples[-1] + interval)
    rest = 1.0 - v - q
    outputs = []
    for sample, following in pairwise([*samples, samples[-1] + 300]):
        decided_at = following + DELAY
        usual = sample <= 1000 + 6 * 300
        label, good = ("N", 1.0) if usual else ("Q", quality)
        outputs.append(labeled(sample, label, 0, sample + DELAY, good))
        odds = () if usual else (rest, 0.0, v, 0.0, q)
        outputs.append(labeled(sample, label, 1, decided_at, good, probabilities=odds))
    return sorted(outputs, key=lambda beat: (beat.decided_at, -beat.revision))


def test_a_steady_fast_run_is_known_in_noise_by_its_pace() -> None:
    inputs = doubtful_run([180] * 12)
    first = 1000 + 6 * 300 + 180
    found = [a for a in alarms(run(inputs)) if a[0] is Rhythm.VENTRICULAR_TACHYCARDIA]
    assert found == [(Rhythm.VENTRICULAR_TACHYCARDIA, first, first + 6 * 180 + DELAY)]


@pytest.mark.parametrize(
    "inputs",
    [
        doubtful_run([180] * 5),
        doubtful_run([180, 180, 140, 180, 180, 140, 180, 180, 140]),
        doubtful_run([240] * 12),
        doubtful_run([180] * 12, quality=0.35),
        doubtful_run([180] * 12, v=0.1),
        doubtful_run([180] * 12, v=0.04, q=0.95),
    ],
    ids=["short", "unsteady", "slow", "unclear", "not ventricular", "noise"],
)
def test_doubtful_beats_alone_are_no_tachycardia(inputs: list[LabeledBeat]) -> None:
    assert Rhythm.VENTRICULAR_TACHYCARDIA not in {a[0] for a in alarms(run(inputs))}


def test_a_doubtful_run_ends_with_its_pace() -> None:
    inputs = doubtful_run([180] * 8 + [300] * 6)
    names = [event[0] for event in rhythms(run(inputs))]
    assert names.index(Rhythm.SINUS, names.index(Rhythm.VENTRICULAR_TACHYCARDIA))


@pytest.mark.parametrize(
    ("count", "quality", "found"), [(5, 0.62, False), (6, 0.62, True), (5, 0.66, True)]
)
def test_a_short_run_must_be_clear(*, count: int, quality: float, found: bool) -> None:
    inputs = [
        labeled(b.beat.rpeak.sample, str(b.label), b.revision, b.decided_at, quality=quality)
        for b in items(ectopic_run("V", 150, count))
        if isinstance(b, LabeledBeat)
    ]
    assert (Rhythm.VENTRICULAR_TACHYCARDIA in [a[0] for a in alarms(run(inputs))]) is found


def test_noise_is_no_run() -> None:
    inputs = [
        labeled(b.beat.rpeak.sample, str(b.label), b.revision, b.decided_at, quality=0.4)
        for b in items(ectopic_run("V", 150))
        if isinstance(b, LabeledBeat)
    ]
    assert Rhythm.VENTRICULAR_TACHYCARDIA not in [a[0] for a in alarms(run(inputs))]


# The stage


@given(st.lists(st.integers(1, 6999), max_size=20, unique=True).map(sorted))
@settings(max_examples=20, deadline=None)
def test_cuts_change_nothing(cuts: list[int]) -> None:
    beats = [*steady(8, 300), *steady(5, 300, start=5000)]
    signal = spikes(beats, 7000)
    events = list(items(beats, end=6999))
    assert run(with_signal(events, signal, cuts)) == run(with_signal(events, signal))


def test_a_snapshot_within_a_silence_goes_on() -> None:
    beats = steady(8, 300)
    inputs = list(with_signal(items(beats, end=6000), spikes(beats, 6001), range(100, 6000, 100)))
    whole = run(inputs)
    tracker, outputs = RhythmTracker(), []
    for item in inputs:
        if isinstance(item, FilteredChunk):
            snapshot = tracker.snapshot()
            tracker = RhythmTracker()
            tracker.restore(snapshot)
        outputs += tracker.push(item)
    assert outputs + tracker.flush() == whole


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
            if 0 <= tracker._context.now < until - 1 - sample:
                outputs += tracker.push(Tick(sample=tracker._context.now + 1 + sample))
        snapshot = tracker.snapshot()
        tracker = RhythmTracker()
        tracker.restore(snapshot)
        outputs += tracker.push(item)
    outputs += tracker.flush()
    assert outputs == expected


@given(BEATS)
@settings(max_examples=60, deadline=None)
def test_each_alarm_that_goes_on_is_told_over_once_and_none_besides(
    steps: list[tuple[int, str]],
) -> None:
    samples = np.cumsum([step for step, _ in steps]).tolist()
    beats = [(sample, label) for sample, (_, label) in zip(samples, steps, strict=True)]
    ongoing: set[tuple[Rhythm, int]] = set()
    for output in run(items(beats, end=samples[-1] + 2000)):
        if isinstance(output, Alarm) and output.state is AlarmState.ONGOING:
            assert output.rhythm not in {rhythm for rhythm, _ in ongoing}
            ongoing.add((output.rhythm, output.onset))
        elif isinstance(output, Alarm) and output.state is AlarmState.OVER:
            ongoing.remove((output.rhythm, output.onset))
    assert len(ongoing) <= len(Layer)


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
    tracker = RhythmTracker(RhythmConfig(tachycardia_alarm_bpm=70.0))
    outputs = [o for item in items(steady(8, 300)) for o in tracker.push(item)]
    assert [alarm[0] for alarm in alarms(outputs)] == [Rhythm.TACHYCARDIA]


def beating(until: int) -> RhythmTracker:
    """Follow a calm rhythm up to its last beat, at sample `until`."""
    beats = steady(8, 300, start=until - 7 * 300)
    tracker = RhythmTracker()
    for item in items(beats, end=until + DELAY):
        tracker.push(item)
    return tracker


def test_a_tracker_need_not_hear_of_the_signal_soon_after_a_beat() -> None:
    tracker = beating(until=5000)
    tracker.add_measurements(0, [measured(5090, vf_log_odds=tracker.min_vf_log_odds)])
    patience = round(tracker.max_wait_s * CHAIN_FS)
    assert not tracker.may_change_by(5000 + patience - 1)
    assert tracker.may_change_by(5000 + patience)


def test_waves_have_a_tracker_s_attention_until_they_are_refuted() -> None:
    tracker = beating(until=5000)
    tracker.add_measurements(0, [measured(5090, vf_log_odds=tracker.min_vf_log_odds + 0.1)])
    assert tracker.may_change_by(5100)
    tracker.push(Tick(sample=5135))
    assert not tracker.may_change_by(5135)


def test_before_the_first_beat_and_in_an_episode_time_alone_counts() -> None:
    assert RhythmTracker().may_change_by(0)
    tracker = beating(until=5000)
    gap = Gap(start=5200, stop=5201, reason=GapReason.FLAT, decided_at=5201, ongoing=True)
    tracker.push(gap)
    assert tracker.may_change_by(5210)


def test_what_waits_to_be_told_is_in_the_snapshot() -> None:
    tracker, again = beating(until=5000), RhythmTracker()
    tracker.add_measurements(0, [measured(5270, vf_log_odds=3.0)])
    again.restore(tracker.snapshot())
    assert again.may_change_by(5300)
    assert again.snapshot().state["waiting"] == [(5270, 1.0, 3.0, 5.0, 0.01, (0.1,))]


def measured(sample: int, vf_log_odds: float) -> Measurement:
    return Measurement(
        sample=sample,
        span_mv=1.0,
        vf_log_odds=vf_log_odds,
        frequency_hz=5.0,
        roughness_mv=0.01,
        deflection_mv=(0.1,),
    )
