"""`bench alarms` on simulated records: what is told, what is false, tables, strips, figures."""

import json
from pathlib import Path

import numpy as np
import pytest
from wfdb_files import write_wfdb

from replay.record import Reference
from replay.simulate.arrests import ARRESTS
from replay.simulate.record import SimulatedRecord, simulate_beats
from streamer.bench.alarms.measure import _delay_s, _false_alarms, _lethal_spans
from streamer.commands.cli import main
from streamer.core.events import Alarm, AlarmState, Priority, Rhythm

FS = 250.0


def alarm(rhythm: Rhythm, decided_at: int, state: AlarmState = AlarmState.ONGOING) -> Alarm:
    return Alarm(
        rhythm=rhythm,
        priority=Priority.HIGH,
        onset=decided_at - 250,
        decided_at=decided_at,
        beats=(),
        state=state,
    )


def rhythm_marks(*marks: tuple[int, str]) -> Reference:
    samples, aux = zip(*marks, strict=True)
    return Reference(
        samples=np.array(samples, np.int64), symbols=("+",) * len(marks), aux=tuple(aux)
    )


MARKS = rhythm_marks((0, "(N"), (5000, "(VT"), (6000, "(VFIB"), (9000, "(N"), (20000, "(HGEA"))


def test_episodes_that_touch_are_one() -> None:
    assert _lethal_spans(MARKS, 30000) == [(5000, 9000)]


def test_an_episode_is_told_by_any_lethal_alarm() -> None:
    vf, over = Rhythm.VENTRICULAR_FIBRILLATION, AlarmState.OVER
    assert _delay_s([alarm(vf, 5500)], (5000, 9000), FS) == pytest.approx(2.0)
    assert _delay_s([alarm(vf, 4500)], (5000, 9000), FS) == 0.0
    assert _delay_s([alarm(vf, 4500), alarm(vf, 4900, over)], (5000, 9000), FS) is None
    assert _delay_s([alarm(vf, 9500)], (5000, 9000), FS) is None


def test_false_alarms_lie_outside_of_episodes() -> None:
    vt = Rhythm.VENTRICULAR_TACHYCARDIA
    events = [alarm(vt, at) for at in (2000, 5500, 9200, 12000, 25000)]
    events.append(alarm(Rhythm.TACHYCARDIA, 15000))
    found = [false.decided_at for false in _false_alarms(events, MARKS, FS, 30000)]
    assert found == [2000, 12000]
    asystole = [alarm(Rhythm.ASYSTOLE, 25000)]
    assert list(_false_alarms(asystole, rhythm_marks((0, "(HGEA")), FS, 30000)) == []


@pytest.fixture
def databases(tmp_path: Path) -> tuple[Path, Path]:
    """A silence and a sinus rhythm, each with a bedside alarm of asystole, and one annotated."""
    onset = ARRESTS["silence"](FS, 3)
    stop = round((onset.onset_s + 7.0) * FS)
    bedside, annotated = tmp_path / "bedside", tmp_path / "annotated"
    for folder in (bedside, annotated):
        folder.mkdir()
    silent = SimulatedRecord(
        name="a1", fs=FS, leads=onset.record.leads, signal=onset.record.signal[:, :stop]
    )
    sinus = simulate_beats(
        np.arange(0.5, 29.0, 0.8), fs=FS, duration_s=30.0, seed=1, noise_mv=0.01, name="a2"
    )
    for record in (silent, sinus):
        write_wfdb(record, bedside)
    (bedside / "ALARMS").write_text("a1,Asystole,1\na2,Asystole,0\n")
    write_wfdb(sinus, annotated)
    return bedside, annotated


def test_from_the_command_line(
    databases: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bedside, annotated = databases
    # An alarm that is called true though nothing is there: an error, to be drawn.
    (bedside / "ALARMS").write_text("a1,Asystole,1\na2,Asystole,0\na2,Tachycardia,1\n")
    page, figures = tmp_path / "page.html", tmp_path / "figures.json"
    arguments = ["bench", "alarms", "--bedside", str(bedside), "--annotated", str(annotated)]
    arguments += ["--resamples", "20", "--html", str(page), "--json", str(figures)]
    assert main(arguments) == 0
    found = json.loads(figures.read_text())
    assert [one["raised"] for one in found["bedside"]] == [True, False, False]
    assert found["score"] == pytest.approx(2 / 7)
    assert found["lethal"][0]["false"] == {}
    printed = capsys.readouterr().out
    assert "Alarms of bedside monitors, %" in printed
    assert "False lethal alarms" in printed
    assert "a2: true alarm of extreme tachycardia, silent (said: nothing)" in page.read_text()
    assert page.read_text().count('<div class="strip">') == 1
