import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sample_events import alarm, gap, labeled_beat, rhythm_event

from classifier.labels import Label
from streamer.core.events import Event, LabeledBeat, Priority, Rhythm
from streamer.rhythm.alert_policy import Alert, AlertConfig, AlertPolicy, Condition

FS = 360.0
RR = 288
CALM = AlertConfig(repeat_s=dict.fromkeys(Priority, 0.0), most_per_min=1000)
"""No rate limits: every finding is told."""


def beats(labels: str, start: int = 0, revision: int = 1) -> list[LabeledBeat]:
    return [
        labeled_beat(start + i * RR, Label(label), revision=revision)
        for i, label in enumerate(labels)
    ]


def alerts(policy: AlertPolicy, events: list[Event]) -> list[Alert]:
    return [alert for event in events if (alert := policy.push(event)) is not None]


def conditions(labels: str, config: AlertConfig = CALM) -> list[str]:
    """What a stretch of confirmed beats raises, the first V beat of all left out."""
    found = alerts(AlertPolicy(FS, config), list(beats(labels)))
    return [a.condition for a in found if a.condition != Condition.V_FIRST]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ("NNNNNNNN", []),
        ("NNNVNNNN", []),
        ("NSNFNQNS", []),
        ("NNNVVNNN", [Condition.V_COUPLET]),
        ("NNVVVNNN", [Condition.V_RUN]),
        ("NNVVVVVVVNN", [Condition.V_RUN, Condition.V_RATE]),
        ("NVVNVVVN", [Condition.V_COUPLET, Condition.V_RUN]),
        ("NVNVNVNN", [Condition.BIGEMINY]),
        ("NNVNVNVN", [Condition.BIGEMINY]),
        ("NVNVNNVN", []),
        ("VNNVNNVNNVNNVNNVNN", [Condition.V_RATE]),
        ("V" + 80 * "N" + "VV" + 80 * "N" + "VN", [Condition.V_COUPLET]),
    ],
)
def test_what_is_found(labels: str, expected: list[str]) -> None:
    assert conditions(labels) == expected


def test_one_v_beat_is_news_only_after_a_long_time() -> None:
    policy = AlertPolicy(FS, CALM)
    hour = round(3600 * FS)
    stream = [*beats("NVNNVN"), *beats("NVNNVN", start=hour), *beats("NVN", start=3 * hour)]
    found = alerts(policy, list(stream))
    assert [(a.condition, a.onset) for a in found] == [
        (Condition.V_FIRST, RR),
        (Condition.V_FIRST, 3 * hour + RR),
    ]


def test_a_run_is_told_early_from_provisional_labels_and_then_confirmed() -> None:
    policy = AlertPolicy(FS, CALM)
    early = alerts(policy, list(beats("NVVV", revision=0)))
    assert [(a.condition, a.priority, a.provisional) for a in early] == [
        (Condition.V_RUN_WARNING, Priority.MEDIUM, True)
    ]
    assert early[0].beats == (RR, 2 * RR, 3 * RR)
    found = [a for a in alerts(policy, list(beats("NVVV"))) if a.condition == Condition.V_RUN]
    assert [(a.priority, a.provisional, a.latched) for a in found] == [(Priority.HIGH, False, True)]


def test_a_false_early_warning_ends_with_the_confirmed_labels() -> None:
    policy = AlertPolicy(FS, CALM)
    alerts(policy, list(beats("VVV", revision=0)))
    assert [a.alert.condition for a in policy.active] == [Condition.V_RUN_WARNING]
    alerts(policy, list(beats("NNN")))
    assert policy.active == ()


def test_provisional_labels_raise_nothing_else() -> None:
    assert alerts(AlertPolicy(FS, CALM), list(beats("VNVVNVNVNVNSF", revision=0))) == []


def test_the_v_rate_has_hysteresis() -> None:
    """Between the limits nothing is raised again; below the lower one it is over."""
    policy = AlertPolicy(FS, CALM)
    dense, sparse = "VNN" * 6, "VNNNNNNNNNNNNNNNNNNN"
    found = alerts(policy, list(beats(dense + sparse * 6 + dense)))
    assert [a.condition for a in found].count(Condition.V_RATE) == 1
    policy = AlertPolicy(FS, CALM)
    found = alerts(policy, list(beats(dense + "N" * 100 + dense)))
    assert [a.condition for a in found].count(Condition.V_RATE) == 2


def test_the_trackers_alarms_pass_but_do_not_say_again_what_the_labels_said() -> None:
    policy = AlertPolicy(FS, CALM)
    pause = replace(alarm(), rhythm=Rhythm.PAUSE)
    told = alerts(policy, [pause])
    assert [(a.condition, a.priority) for a in told] == [("pause", pause.priority)]
    assert alerts(policy, [replace(alarm(), rhythm=Rhythm.V_COUPLET)]) == []
    assert [a.condition for a in alerts(policy, list(beats("VVV")))][-1] == Condition.V_RUN
    run = getattr(Rhythm, "V_RUN", Rhythm.VENTRICULAR_TACHYCARDIA)
    assert alerts(policy, [replace(alarm(), rhythm=run)]) == [], "the run is known already"


def test_a_gap_breaks_streaks() -> None:
    policy = AlertPolicy(FS, CALM)
    stream: list[Event] = [*beats("NVV"), gap(), *beats("VVN", start=5000), rhythm_event()]
    found = [a.condition for a in alerts(policy, stream)]
    assert found == [Condition.V_FIRST, Condition.V_COUPLET, Condition.V_COUPLET]


def test_repeats_are_rate_limited_and_counted() -> None:
    policy = AlertPolicy(FS)
    found = [
        a
        for a in alerts(policy, list(beats("VV" + "N" * 10) + beats("VVNN" * 40, start=5000)))
        if a.condition == Condition.V_COUPLET
    ]
    quiet = AlertConfig().repeat_s[Priority.LOW] * FS
    assert all(b.decided_at - a.decided_at >= quiet for a, b in pairwise(found))
    assert sum(a.occurrences for a in found) <= 41
    assert max(a.occurrences for a in found) > 5
    assert policy.suppressed > 20


def test_high_priority_is_never_kept_quiet() -> None:
    found = alerts(AlertPolicy(FS), list(beats("VVVN" * 30)))
    assert [a.condition for a in found].count(Condition.V_RUN) == 30


def test_a_latched_alert_stays_until_acknowledged() -> None:
    policy = AlertPolicy(FS, CALM)
    alerts(policy, list(beats("VVVNNN")))
    [item] = policy.active
    assert (item.alert.condition, item.ended, item.acknowledged) == (Condition.V_RUN, True, False)
    assert policy.acknowledge("something else") == 0
    assert policy.acknowledge(Condition.V_RUN) == 1
    assert policy.active == ()


def test_acknowledging_what_goes_on_keeps_it_active_until_its_end() -> None:
    policy = AlertPolicy(FS, CALM)
    alerts(policy, list(beats("VVV")))
    assert policy.acknowledge() == 1
    assert policy.acknowledge() == 0
    assert [item.acknowledged for item in policy.active] == [True]
    alerts(policy, list(beats("N", start=5000)))
    assert policy.active == ()


@pytest.mark.parametrize(
    "options",
    [
        {"v_rate_clear_per_min": 9},
        {"v_rate_clear_per_min": 0},
        {"run_beats": 2},
        {"most_per_min": 0},
    ],
)
def test_nonsense_limits_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="expected"):
        AlertConfig(**options)


@settings(deadline=None)
@given(st.text("NSVFQ", max_size=300))
def test_few_alerts_whatever_comes(labels: str) -> None:
    policy, config = AlertPolicy(FS), AlertConfig()
    found = alerts(policy, list(beats(labels)))
    minor = [a.decided_at for a in found if a.priority is not Priority.HIGH]
    for first, last in zip(minor, minor[config.most_per_min :], strict=False):
        assert last - first >= 60 * FS
    assert len(policy.active) <= len(Condition)
    assert len(found) + policy.suppressed <= len(labels)


@given(st.text("NVVVS", max_size=80), st.integers(0, 80), st.booleans())
def test_a_policy_goes_on_from_what_it_remembered(labels: str, cut: int, told: bool) -> None:
    """Through JSON, as snapshots are kept."""
    config = AlertConfig() if told else CALM
    stream: list[Event] = []
    for provisional, confirmed in zip(beats(labels, revision=0), beats(labels), strict=True):
        stream += [provisional, confirmed]
    stream[20:20] = [alarm(20 * RR)]
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
    """From the reference labels, so that this measures the policy alone."""
    from classifier.labels import SYMBOL_TO_LABEL
    from replay.records import open_record

    reference = open_record(str(mitdb / "208")).reference()
    assert reference is not None
    policy = AlertPolicy(FS)
    stream = [
        labeled_beat(int(sample), SYMBOL_TO_LABEL[symbol])
        for sample, symbol in zip(reference.samples, reference.symbols, strict=True)
        if symbol in SYMBOL_TO_LABEL and sample < 5 * 60 * FS
    ]
    found = alerts(policy, list(stream))
    ectopic = sum(beat.label in {Label.V, Label.F, Label.S} for beat in stream)
    assert {Condition.V_FIRST, Condition.V_COUPLET, Condition.V_RATE} <= {
        a.condition for a in found
    }
    assert 3 <= len(found) <= 30 < ectopic
