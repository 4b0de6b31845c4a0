"""What is counted of ventricular beats, from labels alone; then the alerts that come of it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_events import labeled_beat

from classifier.labels import Label
from streamer.core.events import EctopyCondition, LabeledBeat
from streamer.rhythm.ectopy import EctopyConfig, EctopyCounter, EctopyFinding

FS = 250.0
RR = 200
EARLY = 130
"""Samples from one beat to the next of a fast run, 115 a minute."""


def beats(labels: str, start: int = 0, revision: int = 1, rr: int = RR) -> list[LabeledBeat]:
    return [
        labeled_beat(start + i * rr, Label(label), revision=revision, probabilities=())
        for i, label in enumerate(labels)
    ]


def found(counter: EctopyCounter, stream: list[LabeledBeat]) -> list[EctopyFinding]:
    return [finding for beat in stream if (finding := counter.push(beat)) is not None]


def conditions(labels: str) -> list[EctopyCondition]:
    return [finding.condition for finding in found(EctopyCounter(FS), beats(labels))]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ("NSNFNQNS", []),
        ("NNNVNNNVVN", [EctopyCondition.V_FIRST]),
        ("VNNVNNVNNVNNVNNVNN", [EctopyCondition.V_FIRST, EctopyCondition.V_RATE]),
        ("VVVVVVVV", [EctopyCondition.V_FIRST, EctopyCondition.V_RATE]),
        (
            "VNNNNNVNNNNNVNNNNNVNNNNNVNNNNNV" + 80 * "N" + "V",
            [EctopyCondition.V_FIRST, EctopyCondition.V_RATE],
        ),
    ],
)
def test_what_confirmed_labels_come_to(labels: str, expected: list[EctopyCondition]) -> None:
    assert conditions(labels) == expected


def test_a_v_beat_is_the_first_only_after_a_long_time() -> None:
    hour = round(3600 * FS)
    stream = [*beats("NVNNVN"), *beats("NVNNVN", start=hour), *beats("NVN", start=3 * hour)]
    assert found(EctopyCounter(FS), stream) == [
        EctopyFinding(EctopyCondition.V_FIRST, (RR,)),
        EctopyFinding(EctopyCondition.V_FIRST, (3 * hour + RR,)),
    ]


def test_the_v_rate_has_hysteresis() -> None:
    """Between the limits nothing begins again; below the lower one it is over."""
    dense, sparse = "VNN" * 6, "VNNNNNNNNNNNNNNNNNNN"
    assert conditions(dense + sparse * 6 + dense).count(EctopyCondition.V_RATE) == 1
    assert conditions(dense + "N" * 100 + dense).count(EctopyCondition.V_RATE) == 2


def provisional(labels: str, rr: int = EARLY) -> list[LabeledBeat]:
    """Eight ordinary beats, then these at another pace."""
    before = beats("N" * 8, revision=0)
    return [*before, *beats(labels, start=8 * RR, revision=0, rr=rr)]


def test_a_run_is_found_early_from_provisional_labels_until_confirmed_ones_differ() -> None:
    counter = EctopyCounter(FS)
    run = tuple(8 * RR + k * EARLY for k in range(3))
    assert found(counter, provisional("VVVV")) == [
        EctopyFinding(EctopyCondition.V_RUN_WARNING, run)
    ]
    assert counter.ongoing == {EctopyCondition.V_RUN_WARNING}
    counter.push(labeled_beat(8 * RR, Label.N))
    assert counter.ongoing == set()


@pytest.mark.parametrize(
    ("labels", "rr"), [("VNVVNVNVNSF", EARLY), ("VVSVV", EARLY), ("VVVVV", RR)]
)
def test_an_early_warning_follows_the_rule_of_a_run(labels: str, rr: int) -> None:
    """At the pace of before it is beats of another shape, as for the tracker."""
    assert found(EctopyCounter(FS), provisional(labels, rr)) == []


def test_a_gap_ends_an_early_warning_but_no_count() -> None:
    counter = EctopyCounter(FS)
    found(counter, [*provisional("VVV"), *beats("VNN" * 6, start=3000)])
    found(counter, provisional("VVV"))
    counter.clear_streaks()
    assert counter.ongoing == {EctopyCondition.V_RATE}
    assert found(counter, beats("VV", start=20_000, revision=0)) == []


@pytest.mark.parametrize("clear", [0, 9])
def test_nonsense_limits_are_refused(clear: int) -> None:
    with pytest.raises(ValueError, match="expected 0 < the first"):
        EctopyConfig(v_rate_clear_per_min=clear)


@given(st.text("NVVVSFQ", max_size=60), st.integers(0, 120))
def test_a_counter_goes_on_from_what_it_remembered(labels: str, cut: int) -> None:
    stream = [
        beat
        for pair in zip(beats(labels, revision=0, rr=EARLY), beats(labels, rr=EARLY), strict=True)
        for beat in pair
    ]
    whole, first, second = (EctopyCounter(FS) for _ in range(3))
    expected = found(whole, stream)
    begun = found(first, stream[:cut])
    second.restore(json.loads(json.dumps(first.state())))
    assert [*begun, *found(second, stream[cut:])] == expected
    assert second.state() == whole.state()
