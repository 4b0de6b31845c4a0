"""The challenge's alarms: its table, when one counts as raised, its score."""

from pathlib import Path

import numpy as np
import pytest
from wfdb_files import write_wfdb

from replay.simulate.record import simulate_beats
from streamer.core.errors import ScoringError
from streamer.core.events import Alarm, AlarmState, Priority, Rhythm
from streamer.scoring.bedside_alarms import bedside_alarms, count_verdicts, is_raised

VT = Rhythm.VENTRICULAR_TACHYCARDIA


def alarm(decided_at: int, state: AlarmState, rhythm: Rhythm = VT) -> Alarm:
    return Alarm(
        rhythm=rhythm,
        priority=Priority.HIGH,
        onset=decided_at - 100,
        decided_at=decided_at,
        beats=(),
        state=state,
    )


@pytest.mark.parametrize(
    ("events", "raised"),
    [
        ([], False),
        ([alarm(950, AlarmState.ONGOING)], True),
        ([alarm(950, AlarmState.MOMENT)], True),
        ([alarm(100, AlarmState.ONGOING)], True),
        ([alarm(100, AlarmState.MOMENT)], False),
        ([alarm(100, AlarmState.ONGOING), alarm(899, AlarmState.OVER)], False),
        ([alarm(100, AlarmState.ONGOING), alarm(901, AlarmState.OVER)], True),
        ([alarm(1000, AlarmState.ONGOING)], False),
        ([alarm(950, AlarmState.ONGOING, Rhythm.ASYSTOLE)], False),
    ],
)
def test_an_alarm_counts_that_was_raised_or_went_on(events: list[Alarm], *, raised: bool) -> None:
    assert is_raised(events, VT, since=900, stop=1000) is raised


def test_a_missed_alarm_costs_five_false_ones() -> None:
    found = count_verdicts([(True, True)] * 6 + [(True, False)] + [(False, False)] * 3)
    assert found.score == pytest.approx(9 / 14)
    assert (found.kept, found.silenced) == (pytest.approx(6 / 7), 1.0)
    assert count_verdicts([]).score is None


def test_the_table_stands_beside_the_records(tmp_path: Path) -> None:
    record = simulate_beats(np.arange(0.5, 9.5, 0.8), fs=250.0, duration_s=10.0, seed=1, name="a1")
    write_wfdb(record, tmp_path)
    with pytest.raises(ScoringError, match="no table of alarms"):
        bedside_alarms(str(tmp_path))
    (tmp_path / "ALARMS").write_text("a1,Asystole,0\nnot_here,Tachycardia,1\n")
    (found,) = bedside_alarms(str(tmp_path))
    assert (found.rhythm, found.is_true) == (Rhythm.ASYSTOLE, False)
    (tmp_path / "ALARMS").write_text("a1,Asystole,maybe\n")
    with pytest.raises(ScoringError, match="expected a record, one of Asystole"):
        bedside_alarms(str(tmp_path))
