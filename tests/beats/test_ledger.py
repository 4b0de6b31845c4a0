import pytest
from sample_events import labeled_beat

from classifier.labels import Label
from streamer.beats.ledger import BeatLedger, LedgerConfig
from streamer.core.events import OVERLOAD
from streamer.signal.detector.qrs_detector import DetectorConfig


def test_a_beat_counts_once_under_its_latest_label() -> None:
    ledger = BeatLedger(fs=360.0)
    assert ledger.add(labeled_beat(1000, Label.N, revision=0), 1.0)
    assert not ledger.add(labeled_beat(1000, Label.V, revision=1), 1.0)
    assert ledger.counts == {Label.N: 0, Label.S: 0, Label.V: 1, Label.F: 0, Label.Q: 0, None: 0}
    assert ledger.n_beats == 1
    assert ledger.beats[0].confirmed


def test_a_provisional_label_does_not_undo_a_confirmed_one() -> None:
    ledger = BeatLedger(fs=360.0)
    ledger.add(labeled_beat(1000, Label.V, revision=1), 1.0)
    ledger.add(labeled_beat(1000, Label.N, revision=0), 1.0)
    assert ledger.beats[0].label is Label.V


def test_latency_is_that_of_the_first_label() -> None:
    ledger = BeatLedger(fs=360.0)
    ledger.add(labeled_beat(1000, Label.N, revision=0), 2.25)
    ledger.add(labeled_beat(1000, Label.V, revision=1), 900.0)
    decision = 127 / 360.0 * 1000.0
    assert ledger.latency.count == 1
    assert ledger.decision_delay.maximum == pytest.approx(decision)
    assert ledger.compute.maximum == 2.25
    assert ledger.latency.maximum == pytest.approx(decision + 2.25)
    assert ledger.n_late == 0


def test_a_late_beat_counts_late_once_and_its_label_later() -> None:
    ledger = BeatLedger(fs=360.0)
    ledger.add(labeled_beat(1000, None, revision=0, late=True), 600.0)
    assert (ledger.n_late, ledger.counts[None], ledger.latency.count) == (1, 1, 0)
    ledger.add(labeled_beat(1000, Label.V, revision=0, late=True), 700.0)
    assert (ledger.n_late, ledger.counts[None], ledger.latency.count) == (1, 0, 1)


def test_a_beat_over_the_budget_is_late_even_unmarked() -> None:
    ledger = BeatLedger(fs=360.0, budget_ms=353.0)
    ledger.add(labeled_beat(1000, revision=0), 0.1)
    ledger.add(labeled_beat(1400, revision=0), 0.3)
    assert [beat.late for beat in ledger.beats] == [False, True]
    assert ledger.n_late == 1


def test_late_beats_of_the_start_are_counted_apart() -> None:
    assert LedgerConfig().start_s == DetectorConfig().learn_s
    ledger = BeatLedger(fs=360.0, first_sample=1000)
    for sample in (1288, 1576):
        ledger.add(labeled_beat(sample, Label.N, revision=0, late=True), 1.0)
        ledger.add(labeled_beat(sample, Label.N, revision=1, late=True), 1.0)
    assert (ledger.n_late, ledger.n_late_at_start) == (1, 1)
    without = BeatLedger(fs=360.0)
    without.add(labeled_beat(288, Label.N, revision=0, late=True), 1.0)
    assert (without.n_late, without.n_late_at_start) == (1, 0)


def test_heart_rate_leaves_out_a_premature_beat_and_its_pause() -> None:
    ledger = BeatLedger(fs=360.0)
    for number, rr in enumerate((0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.5, 1.1, 0.8)):
        ledger.add(labeled_beat(1000 + 300 * number, rr_s=(rr,)), 1.0)
    assert ledger.heart_rate_bpm(3400) == pytest.approx(75.0)


def test_no_heart_rate_after_a_gap_or_a_silence() -> None:
    ledger = BeatLedger(fs=360.0)
    assert ledger.heart_rate_bpm(0) is None
    ledger.add(labeled_beat(1000, rr_s=(0.8,)), 1.0)
    assert ledger.heart_rate_bpm(1000 + 4 * 360) == pytest.approx(75.0)
    assert ledger.heart_rate_bpm(1000 + 4 * 360 + 1) is None
    ledger.add(labeled_beat(9000, rr_s=()), 1.0)
    assert ledger.heart_rate_bpm(9000) is None
    assert ledger.rr_ms(5) == []


def test_memory_is_bounded_and_counts_go_on() -> None:
    ledger = BeatLedger(fs=360.0, config=LedgerConfig(beats=4))
    for number in range(10):
        ledger.add(labeled_beat(1000 + 300 * number), 1.0)
    assert len(ledger.beats) == 4
    assert ledger.counts[Label.V] == 10
    assert not ledger.add(labeled_beat(1000, Label.N), 1.0)
    assert ledger.counts[Label.N] == 0
    assert [beat.sample for beat in ledger.last(2)] == [3400, 3700]


def test_refuses_a_budget_of_nothing() -> None:
    with pytest.raises(ValueError, match="budget of 0 ms"):
        BeatLedger(fs=360.0, budget_ms=0)


def test_labels_that_were_never_worked_out_are_counted_and_not_timed() -> None:
    ledger = BeatLedger(fs=360.0)
    ledger.add(labeled_beat(1000, None, revision=0, late=True), 600.0)
    ledger.add(labeled_beat(1000, Label.Q, reason=OVERLOAD), 9000.0)
    ledger.add(labeled_beat(1400, Label.N, revision=0), 2.0)
    ledger.add(labeled_beat(1400, Label.N, reason=OVERLOAD), 9000.0)
    assert (ledger.n_overload, ledger.n_late, ledger.latency.count) == (2, 1, 1)
    assert (ledger.counts[Label.Q], ledger.counts[Label.N], ledger.n_beats) == (1, 1, 2)


def test_the_parts_of_the_latency_may_be_left_uncounted() -> None:
    ledger = BeatLedger(fs=360.0, config=LedgerConfig(parts=False))
    ledger.add(labeled_beat(1000, Label.N, revision=0), 2.25)
    assert ledger.latency.count == 1
    assert ledger.decision_delay.count == ledger.compute.count == 0
