import dataclasses

import numpy as np
import pytest
from monitor_cases import BEAT_EVERY, FS, FedState, info, observe, play, publish, reference
from sample_events import alarm, gap, labeled_beat, rhythm_event

from classifier.labels import Label
from replay.chunk import Chunk
from streamer.core.events import AlarmState, GapReason, Priority, Rhythm


def conditions(state: FedState) -> list[str]:
    return [one.condition for one in state.shown_alerts]


def test_a_new_state_knows_nothing() -> None:
    state = FedState(info())
    assert state.heart_rate_bpm is None
    assert state.quality is None
    assert state.lost_signal is None
    assert state.banner == []
    assert state.progress == 0.0


def test_counts_rate_and_quality_follow_the_beats() -> None:
    state = FedState(info())
    play(state, 3600, ventricular=(2, 5))
    assert state.ledger.counts[Label.V] == 2
    assert state.ledger.n_beats == 12
    assert state.heart_rate_bpm == pytest.approx(60.0 * FS / BEAT_EVERY)
    assert state.quality == pytest.approx(0.9)
    assert state.progress == pytest.approx(0.1)


def test_the_ring_holds_the_last_ten_seconds() -> None:
    state = FedState(info())
    observe(state, 7200)
    held = state.ring.read(0, 7200)
    assert np.isfinite(held[0]).sum() == 3600
    assert np.isfinite(held[0, -3600:]).all()


def test_ages_are_in_signal_time() -> None:
    state = FedState(info())
    observe(state, 3600)
    assert state.age_s(3240) == 1.0
    assert state.age_s(4000) == 0.0


def test_lead_off_is_seen_after_a_second_without_change() -> None:
    state = FedState(info())
    observe(state, 720)
    flat = np.zeros((2, 360), np.float32)
    state.observe(Chunk(start=720, samples=flat[:, :180]))
    assert state.lost_signal is None
    state.observe(Chunk(start=900, samples=flat))
    assert state.lost_signal is GapReason.FLAT
    assert state.quality == 0.0
    state.observe(Chunk(start=1260, samples=np.full((2, 360), np.nan, np.float32)))
    assert state.lost_signal is GapReason.INVALID
    observe(state, 2340)
    assert state.lost_signal is None


def test_a_lesser_alarm_that_is_over_stays_for_ten_seconds_after_it_was_raised() -> None:
    state = FedState(info())
    raised = alarm(onset=720, rhythm=Rhythm.V_COUPLET, priority=Priority.LOW)
    publish(state, raised)
    observe(state, raised.decided_at + 3600)
    assert conditions(state) == [Rhythm.V_COUPLET]
    observe(state, raised.decided_at + 3601)
    assert conditions(state) == []
    assert state.n_alarms == 1


def test_a_high_alarm_stays_until_it_is_over_and_somebody_has_seen_it() -> None:
    state = FedState(info())
    raised = alarm(720, AlarmState.ONGOING, Rhythm.EXTREME_BRADYCARDIA)
    publish(state, raised)
    # Whatever the rhythm is called meanwhile.
    publish(state, rhythm_event(onset=3600))
    observe(state, 36_000)
    assert state.banner[0].goes_on
    publish(state, dataclasses.replace(raised, state=AlarmState.OVER, decided_at=36_000))
    observe(state, 72_000)
    assert conditions(state) == [Rhythm.EXTREME_BRADYCARDIA]
    assert not state.banner[0].goes_on
    state.acknowledge(state.banner)
    assert conditions(state) == []
    assert state.n_alarms == 1


def test_the_highest_priority_is_in_the_banner() -> None:
    state = FedState(info())
    publish(state, alarm(onset=720))
    publish(state, alarm(onset=800, rhythm=Rhythm.V_COUPLET, priority=Priority.LOW))
    observe(state, 1400)
    assert conditions(state) == [Rhythm.VENTRICULAR_TACHYCARDIA, Rhythm.V_COUPLET]
    assert [one.condition for one in state.banner] == [Rhythm.VENTRICULAR_TACHYCARDIA]


def test_events_are_kept_within_bounds() -> None:
    state = FedState(info())
    for n in range(100):
        publish(state, gap(start=1000 * n))
        publish(state, alarm(onset=1000 * n))
    assert state.n_alarms == 100
    assert len(state.gaps) == len(state.alarms) == state.config.notices


def test_the_score_runs_along() -> None:
    state = FedState(info(), reference=reference())
    play(state, 3600)
    assert state.score is not None
    assert state.score.qrs.tp == 11
    assert state.score.qrs.sensitivity == 1.0


def test_missed_beats_are_counted_as_time_goes_by() -> None:
    state = FedState(info(), reference=reference())
    observe(state, BEAT_EVERY + 54 + 1800 + 180)
    assert state.score is not None
    assert state.score.qrs.fn == 1


def test_late_beats_are_counted() -> None:
    state = FedState(info(), budget_ms=400.0)
    publish(state, labeled_beat(1000, revision=0), compute_ms=60.0)
    publish(state, labeled_beat(1400, revision=0), compute_ms=1.0)
    assert state.ledger.n_late == 1


def test_a_live_source_has_no_progress() -> None:
    assert FedState(info(n_samples=None)).progress is None
