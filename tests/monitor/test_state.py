import numpy as np
import pytest
from monitor_cases import BEAT_EVERY, FS, FedState, info, observe, play, publish, reference
from sample_events import alarm, gap, labeled_beat, rhythm_event

from classifier.labels import Label
from replay.chunk import Chunk
from streamer.core.events import Alarm, GapReason, Priority, Rhythm, RhythmEvent


def test_a_new_state_knows_nothing() -> None:
    state = FedState(info())
    assert state.heart_rate_bpm is None
    assert state.quality is None
    assert state.lost_signal is None
    assert state.active_alarm is None
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


def test_alarm_stays_for_ten_seconds_after_it_was_raised() -> None:
    state = FedState(info())
    raised = alarm(onset=720)
    publish(state, raised)
    observe(state, raised.decided_at + 3600)
    assert state.active_alarm is raised
    observe(state, raised.decided_at + 3601)
    assert state.active_alarm is None
    assert state.n_alarms == 1


def test_alarm_stays_while_its_rhythm_lasts() -> None:
    state = FedState(info())
    raised = alarm(onset=720)
    publish(
        state,
        RhythmEvent(
            rhythm=Rhythm.VENTRICULAR_TACHYCARDIA,
            onset=720,
            decided_at=1220,
            heart_rate_bpm=150.0,
            beats=(720,),
        ),
    )
    publish(state, raised)
    observe(state, 36_000)
    assert state.active_alarm is raised
    publish(state, rhythm_event(onset=36_000))
    assert state.active_alarm is None


def test_the_highest_priority_is_in_the_banner() -> None:
    state = FedState(info())
    high = alarm(onset=720)
    publish(state, high)
    publish(
        state,
        Alarm(rhythm=Rhythm.V_COUPLET, priority=Priority.LOW, onset=800, decided_at=1300, beats=()),
    )
    observe(state, 1400)
    assert state.active_alarm is high


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
