"""Which findings are told, how often and until when: the tracker finds, the policy decides."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rhythm_cases import items, labels
from sample_events import gap, labeled_beat

from classifier.labels import Label
from streamer.core.events import (
    Alarm,
    AlarmState,
    EctopyCondition,
    Event,
    LabeledBeat,
    Priority,
    Rhythm,
    RhythmEvent,
)
from streamer.rhythm.alerting.alerts import AlertState
from streamer.rhythm.alerting.policy import Active, Alert, AlertConfig, AlertPolicy
from streamer.rhythm.tracker import RhythmTracker

FS = 360.0
RR = 288
CALM = AlertConfig(repeat_s=dict.fromkeys(Priority, 0.0), max_per_min=1000)
"""No rate limits: every finding is told."""
VT, BIGEMINY = Rhythm.VENTRICULAR_TACHYCARDIA, Rhythm.BIGEMINY


def beats(text: str, start: int = 0, revision: int = 1) -> list[LabeledBeat]:
    return [
        labeled_beat(start + i * RR, Label(label), revision=revision, probabilities=())
        for i, label in enumerate(text)
    ]


def named(rhythm: Rhythm, at: int) -> RhythmEvent:
    return RhythmEvent(
        rhythm=rhythm, onset=at, decided_at=at + 500, heart_rate_bpm=None, beats=(at,)
    )


def alarmed(
    rhythm: Rhythm,
    at: int,
    priority: Priority = Priority.LOW,
    state: AlarmState = AlarmState.MOMENT,
) -> Alarm:
    return Alarm(
        rhythm=rhythm,
        priority=priority,
        onset=at,
        decided_at=at + 500,
        beats=(at, at + 150),
        state=state,
    )


def over(rhythm: Rhythm, at: int, priority: Priority = Priority.LOW) -> Alarm:
    return alarmed(rhythm, at, priority, AlarmState.OVER)


def begins(rhythm: Rhythm, at: int, priority: Priority = Priority.LOW) -> list[Event]:
    """What the tracker says of a rhythm that is an alarm: its name first."""
    return [named(rhythm, at), alarmed(rhythm, at, priority, AlarmState.ONGOING)]


def run(at: int, stop: int | None = None) -> list[Event]:
    """A ventricular tachycardia, up to the rhythm after it."""
    after = [] if stop is None else [named(Rhythm.SINUS, stop), over(VT, stop, Priority.HIGH)]
    return [*begins(VT, at, Priority.HIGH), *after]


def alerts(policy: AlertPolicy, events: list[Event]) -> list[Alert]:
    return [alert for event in events if (alert := policy.push(event)) is not None]


def states(policy: AlertPolicy) -> list[tuple[str, AlertState]]:
    return [(item.alert.condition, item.state) for item in policy.active]


@pytest.mark.parametrize(
    "text",
    ["NNNNNNNN", "NNNNNNNVVNNN", "NNNNNNNVNVNVNNNN", "NNNNNNVNNVNNVNNN", "NNNNNNNSSNNN"],
)
@pytest.mark.parametrize("rr", [300, 170])
def test_of_rhythms_the_policy_tells_what_the_tracker_finds(text: str, rr: int) -> None:
    tracker, policy = RhythmTracker(), AlertPolicy(FS, CALM)
    events: list[Event] = []
    for item in items(labels(text, rr)):
        assert isinstance(item, LabeledBeat)
        events += [item, *tracker.push(item)]
    found = [a for a in alerts(policy, events) if a.condition not in set(EctopyCondition)]
    alarms = [event for event in events if isinstance(event, Alarm) and event.is_raised]
    assert [(a.condition, a.priority, a.beats) for a in found] == [
        (alarm.rhythm, alarm.priority, alarm.beats) for alarm in alarms
    ]


def test_labels_alone_are_no_rhythm() -> None:
    found = alerts(AlertPolicy(FS, CALM), list(beats("NVVNNVVVNNVNVNVNV")))
    assert {alert.condition for alert in found} == {EctopyCondition.V_FIRST, EctopyCondition.V_RATE}


def test_a_priority_can_be_chosen() -> None:
    config = AlertConfig(priorities={"pause": Priority.HIGH})
    (alert,) = alerts(AlertPolicy(FS, config), [alarmed(Rhythm.PAUSE, 0, Priority.MEDIUM)])
    assert (alert.priority, alert.latched) == (Priority.HIGH, True)


def provisional_run(start: int = 0) -> list[Event]:
    fast = [labeled_beat(start + k * 180, Label.V, revision=0) for k in range(3)]
    return [*beats("NNNNNN", start=start - 6 * RR, revision=0), *fast]


def test_a_run_is_told_early_and_then_confirmed() -> None:
    policy = AlertPolicy(FS, CALM)
    (early,) = alerts(policy, provisional_run())
    assert (early.condition, early.priority, early.provisional) == (
        EctopyCondition.V_RUN_WARNING,
        Priority.MEDIUM,
        True,
    )
    assert early.beats == (0, 180, 360)
    assert states(policy) == [(EctopyCondition.V_RUN_WARNING, AlertState.ONGOING)]
    (confirmed,) = alerts(policy, run(0))
    assert (confirmed.priority, confirmed.provisional, confirmed.latched) == (
        Priority.HIGH,
        False,
        True,
    )
    assert states(policy) == [(VT, AlertState.ONGOING)]
    again = provisional_run(start=9000)
    assert alerts(policy, again) == [], "the run is known already"


def test_a_false_early_warning_ends_with_the_confirmed_labels() -> None:
    policy = AlertPolicy(FS, CALM)
    alerts(policy, provisional_run())
    alerts(policy, list(beats("NNN", start=5000)))
    assert policy.active == ()


def test_a_rhythm_goes_on_under_an_episode() -> None:
    policy = AlertPolicy(FS, CALM)
    alerts(policy, begins(BIGEMINY, 0))
    alerts(policy, run(1000))
    assert states(policy) == [(VT, AlertState.ONGOING), (BIGEMINY, AlertState.ONGOING)]
    alerts(policy, [named(BIGEMINY, 2000), over(VT, 2000)])
    assert states(policy) == [(VT, AlertState.LATCHED), (BIGEMINY, AlertState.ONGOING)]
    alerts(policy, [named(Rhythm.SINUS, 3000), over(BIGEMINY, 3000)])
    assert states(policy) == [(VT, AlertState.LATCHED)]


def test_what_is_over_at_once_is_active_only_for_its_latch() -> None:
    policy = AlertPolicy(FS, CALM)
    couplet = alarmed(Rhythm.V_COUPLET, 0)
    rate = alarmed(Rhythm.EXTREME_TACHYCARDIA, 500, Priority.HIGH)
    assert len(alerts(policy, [couplet, rate])) == 2
    assert states(policy) == [(Rhythm.EXTREME_TACHYCARDIA, AlertState.LATCHED)]


def couplets(count: int, start: int = 0) -> list[Event]:
    return [alarmed(Rhythm.V_COUPLET, start + k * 4 * RR) for k in range(count)]


def test_repeats_are_rate_limited_and_counted() -> None:
    policy = AlertPolicy(FS)
    found = alerts(policy, couplets(60))
    quiet = AlertConfig().repeat_s[Priority.LOW] * FS
    assert all(b.decided_at - a.decided_at >= quiet for a, b in pairwise(found))
    assert sum(a.occurrences for a in found) <= 60
    assert max(a.occurrences for a in found) > 5
    assert policy.suppressed > 20


def test_what_goes_on_is_told_when_the_minute_has_room_again() -> None:
    policy = AlertPolicy(FS, AlertConfig(max_per_min=1))
    assert len(alerts(policy, [alarmed(Rhythm.S_COUPLET, 0), *begins(BIGEMINY, 1000)])) == 1
    (alert,) = alerts(policy, list(beats("N" * 90, start=2000)))
    assert (alert.condition, alert.onset) == (BIGEMINY, 1000)
    assert alert.decided_at == pytest.approx(500 + 60 * FS, abs=RR)
    late = AlertPolicy(FS, AlertConfig(max_per_min=1))
    alerts(late, [alarmed(Rhythm.S_COUPLET, 0), *begins(BIGEMINY, 1000)])
    assert alerts(late, [over(BIGEMINY, 2000), *beats("N" * 90, start=3000)]) == []


def test_high_priority_is_never_kept_quiet() -> None:
    stream = [event for k in range(30) for event in run(k * 1500, k * 1500 + 900)]
    assert len(alerts(AlertPolicy(FS), stream)) == 30


def test_a_latched_alert_stays_until_acknowledged() -> None:
    policy = AlertPolicy(FS, CALM)
    alerts(policy, run(0, 900))
    assert states(policy) == [(VT, AlertState.LATCHED)]
    assert policy.acknowledge("something else") == 0
    assert policy.acknowledge(VT) == 1
    assert policy.active == ()


def test_acknowledging_what_goes_on_keeps_it_active_until_its_end() -> None:
    policy = AlertPolicy(FS, CALM)
    alerts(policy, run(0))
    assert policy.acknowledge() == 1
    assert policy.acknowledge() == 0
    assert states(policy) == [(VT, AlertState.ACKNOWLEDGED)]
    alerts(policy, [over(VT, 5000, Priority.HIGH)])
    assert policy.active == ()


@pytest.mark.parametrize("rhythm", [Rhythm.EXTREME_TACHYCARDIA, Rhythm.EXTREME_BRADYCARDIA])
def test_an_extreme_rate_is_active_until_it_is_over_and_somebody_has_seen_it(
    rhythm: Rhythm,
) -> None:
    """However long it goes on, and whatever the rhythm is called meanwhile."""
    policy = AlertPolicy(FS)
    alerts(policy, [alarmed(rhythm, 0, Priority.HIGH, AlarmState.ONGOING)])
    alerts(policy, [named(Rhythm.SINUS_BRADYCARDIA, 2000), *beats("N" * 400, start=3000)])
    assert states(policy) == [(rhythm, AlertState.ONGOING)]
    policy.acknowledge(rhythm)
    alerts(policy, list(beats("N" * 400, start=200_000)))
    assert states(policy) == [(rhythm, AlertState.ACKNOWLEDGED)]
    alerts(policy, [over(rhythm, 400_000, Priority.HIGH)])
    assert policy.active == ()


def test_what_goes_on_is_active_though_the_minute_has_no_room_for_its_alert() -> None:
    policy = AlertPolicy(FS, AlertConfig(max_per_min=1))
    assert len(alerts(policy, [alarmed(Rhythm.S_COUPLET, 0), *begins(BIGEMINY, 1000)])) == 1
    assert states(policy) == [(BIGEMINY, AlertState.ONGOING)]
    policy.acknowledge(BIGEMINY)
    assert alerts(policy, list(beats("N" * 90, start=2000))) == [], "somebody knows already"
    assert states(policy) == [(BIGEMINY, AlertState.ACKNOWLEDGED)]


def test_the_gravest_comes_first_also_where_it_is_acknowledged() -> None:
    policy = AlertPolicy(FS, CALM)
    vf = Rhythm.VENTRICULAR_FIBRILLATION
    alerts(policy, [*begins(BIGEMINY, 0), *begins(vf, 500, Priority.HIGH), *run(1000)])
    assert [name for name, _ in states(policy)] == [vf, VT, BIGEMINY]
    policy.acknowledge(vf)
    assert [name for name, _ in states(policy)] == [vf, VT, BIGEMINY]
    assert policy.active is policy.active


def kept(condition: Rhythm, state: AlertState) -> Active:
    alert = Alert(
        condition=condition,
        priority=Priority.HIGH,
        onset=90_000,
        decided_at=90_500,
        beats=(),
        provisional=False,
        latched=True,
        occurrences=1,
    )
    return Active(alert, state, 1_700_000_000.0)


def test_a_new_run_takes_over_what_nobody_had_acknowledged() -> None:
    policy = AlertPolicy(FS, CALM)
    asystole = Rhythm.ASYSTOLE
    policy.recall([kept(VT, AlertState.LATCHED), kept(asystole, AlertState.ONGOING)])
    alerts(policy, list(beats("N" * 20)))
    # Nobody knows yet whether it is over.
    assert states(policy) == [(asystole, AlertState.ONGOING), (VT, AlertState.LATCHED)]
    alerts(policy, list(beats("N" * 40, start=20 * RR)))
    assert states(policy) == [(asystole, AlertState.LATCHED), (VT, AlertState.LATCHED)]
    alerts(policy, run(100_000))
    assert states(policy) == [(asystole, AlertState.LATCHED), (VT, AlertState.ONGOING)]


def test_what_was_acknowledged_after_a_snapshot_stays_so() -> None:
    policy = AlertPolicy(FS, CALM)
    alerts(policy, [*run(0, 900), *begins(Rhythm.ASYSTOLE, 90_000, Priority.HIGH)])
    policy.recall([kept(Rhythm.ASYSTOLE, AlertState.ACKNOWLEDGED)])
    assert states(policy) == [(Rhythm.ASYSTOLE, AlertState.ACKNOWLEDGED)]


def test_what_nobody_acknowledges_for_long_is_raised_higher() -> None:
    config = AlertConfig(
        repeat_s=dict.fromkeys(Priority, 0.0),
        escalate_s={Priority.LOW: 60.0, Priority.MEDIUM: 30.0},
    )
    policy = AlertPolicy(FS, config)
    alerts(policy, begins(BIGEMINY, 0))
    found = alerts(policy, list(beats("N" * 200, start=1000)))
    told = [(round(a.decided_at / FS), a.priority, a.latched) for a in found]
    assert told == [(62, Priority.MEDIUM, False), (92, Priority.HIGH, True)]
    assert states(policy) == [(BIGEMINY, AlertState.ONGOING)]
    alerts(policy, [over(BIGEMINY, 90_000)])
    assert states(policy) == [(BIGEMINY, AlertState.LATCHED)]


def test_what_is_acknowledged_or_over_is_not_raised_higher() -> None:
    policy = AlertPolicy(FS, AlertConfig(escalate_s={Priority.LOW: 60.0}))
    alerts(policy, begins(BIGEMINY, 0))
    policy.acknowledge(BIGEMINY)
    assert alerts(policy, list(beats("N" * 200, start=1000))) == []
    alerts(policy, [over(BIGEMINY, 90_000), *begins(Rhythm.TRIGEMINY, 91_000)])
    alerts(policy, [over(Rhythm.TRIGEMINY, 92_000)])
    assert alerts(policy, list(beats("N" * 200, start=93_000))) == []


def test_nonsense_limits_are_refused() -> None:
    with pytest.raises(ValueError, match="expected 1 or more"):
        AlertConfig(max_per_min=0)


STREAMS = st.lists(
    st.sampled_from(
        [*"NSVVVFQ", *Rhythm, "gap"],
    ),
    max_size=150,
)


def stream_of(steps: list[str]) -> list[Event]:
    """Beats under both labels, rhythms that begin, and gaps, a beat apart."""
    stream: list[Event] = []
    for k, step in enumerate(steps):
        at = k * RR
        if isinstance(step, Rhythm):
            stream += [over(step, at)] if k % 4 == 0 else begins(step, at, Priority(1 + k % 3))
        elif step == "gap":
            stream.append(gap(at))
        else:
            stream += [*beats(step, at, revision=0), *beats(step, at)]
    return stream


@settings(deadline=None)
@given(STREAMS)
def test_few_alerts_whatever_comes(steps: list[str]) -> None:
    policy, config = AlertPolicy(FS), AlertConfig()
    found = alerts(policy, stream_of(steps))
    minor = [a.decided_at for a in found if a.priority is not Priority.HIGH]
    for first, last in zip(minor, minor[config.max_per_min :], strict=False):
        assert last - first >= 60 * FS
    assert len(policy.active) <= len(EctopyCondition) + len(Rhythm)


@settings(deadline=None)
@given(STREAMS, st.integers(0, 300), st.booleans())
def test_a_policy_goes_on_from_what_it_remembered(steps: list[str], cut: int, told: bool) -> None:
    """Through JSON, as snapshots are kept."""
    config = AlertConfig(max_per_min=2) if told else CALM
    stream = stream_of(steps)
    whole, first, second = (AlertPolicy(FS, config) for _ in range(3))
    expected = alerts(whole, stream)
    found = alerts(first, stream[:cut])
    second.restore(json.loads(json.dumps(first.state())))
    assert second.active == first.active
    assert [*found, *alerts(second, stream[cut:])] == expected
    assert (second.active, second.suppressed) == (whole.active, whole.suppressed)
    assert second.state() == whole.state()


@pytest.mark.database
def test_five_minutes_of_208_raise_something_sensible(mitdb: Path) -> None:
    """From the reference labels, so that this measures rules and policy alone."""
    from classifier.labels import SYMBOL_TO_LABEL
    from replay.records import open_record

    reference = open_record(str(mitdb / "208")).reference()
    assert reference is not None
    placed = [
        (int(sample), SYMBOL_TO_LABEL[symbol].value)
        for sample, symbol in zip(reference.samples, reference.symbols, strict=True)
        if symbol in SYMBOL_TO_LABEL and sample < 5 * 60 * FS
    ]
    tracker, policy = RhythmTracker(), AlertPolicy(FS)
    events: list[Event] = []
    for item in items(placed):
        assert isinstance(item, LabeledBeat)
        events += [item, *tracker.push(item)]
    found = alerts(policy, events)
    assert {EctopyCondition.V_FIRST, Rhythm.V_COUPLET, EctopyCondition.V_RATE} <= {
        a.condition for a in found
    }
    assert 3 <= len(found) <= 30 < sum(label in "VFS" for _, label in placed)
