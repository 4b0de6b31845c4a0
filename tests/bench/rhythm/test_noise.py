"""The noise part of the rhythm benchmark: what it adds, what it counts, and its short form."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from replay.noise import in_noise
from replay.simulate.rhythms import TEMPTING_RHYTHMS
from streamer.bench.report import plain
from streamer.bench.rhythm import noise as rhythm_noise
from streamer.bench.rhythm.noise import (
    AlarmNoiseResults,
    AlarmNoiseSettings,
    FalseAlarms,
    false_alarms,
    measure_alarm_noise,
    plan_alarm_noise,
    settings_of,
)
from streamer.bench.rhythm.onsets import TimeToAlarm
from streamer.bench.rhythm.report import alarm_noise_report
from streamer.commands.cli import main
from streamer.core.events import Alarm, Priority, Rhythm

HISS = np.random.default_rng(0).standard_normal((2, 4000)).astype(np.float32)


def test_noise_has_its_ratio_and_its_place_by_seed() -> None:
    clean = TEMPTING_RHYTHMS["sinus rhythm"](250.0, 0)
    loud, soft = (in_noise(clean, HISS, snr_db, 1) for snr_db in (0.0, 20.0))
    ratio = (loud.signal - clean.signal).std() / (soft.signal - clean.signal).std()
    assert ratio == pytest.approx(10.0, rel=0.01)
    assert np.array_equal(in_noise(clean, HISS, 0.0, 1).signal, loud.signal)
    assert not np.array_equal(in_noise(clean, HISS, 0.0, 2).signal, loud.signal)


def test_noise_needs_beats_to_be_measured_by() -> None:
    clean = replace(TEMPTING_RHYTHMS["sinus rhythm"](250.0, 0), annotations=None)
    with pytest.raises(ValueError, match="no beats to measure"):
        in_noise(clean, HISS, 0.0, 1)


def alarm(rhythm: Rhythm, onset: int) -> Alarm:
    return Alarm(
        rhythm=rhythm, priority=Priority.HIGH, onset=onset, decided_at=onset + 1000, beats=()
    )


def test_alarms_are_false_by_the_simulation_and_all_are_where_no_heart_is() -> None:
    record = TEMPTING_RHYTHMS["sinus rhythm"](250.0, 0)
    events = [alarm(Rhythm.ASYSTOLE, 2500), alarm(Rhythm.VENTRICULAR_FIBRILLATION, 5000)]
    assert false_alarms(iter(events), record) == Counter(
        {Rhythm.ASYSTOLE: 1, Rhythm.VENTRICULAR_FIBRILLATION: 1}
    )
    flutter = TEMPTING_RHYTHMS["atrial flutter"](250.0, 0)
    events.append(alarm(Rhythm.ATRIAL_FIBRILLATION, 2500))
    assert false_alarms(iter(events), flutter)[Rhythm.ATRIAL_FIBRILLATION] == 0
    assert false_alarms(iter(events), replace(flutter, annotations=None)).total() == 3


def test_the_command_line_sets_the_size() -> None:
    settings = settings_of([], trials=5, records=["106"], stop=None)
    assert settings.noises == rhythm_noise.CHOSEN_ON
    assert (settings.seeds, settings.steady, settings.stop) == (3, 2, "10:00")
    assert settings_of(["em"], trials=2, records=[], stop="1:00").noises == ("em",)


def test_a_short_form_with_made_up_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rhythm_noise, "read_noise", lambda _name, _fs: 0.1 * HISS)
    monkeypatch.setattr(rhythm_noise, "_ALONE_S", 10.0)
    kept = {"low voltage": TEMPTING_RHYTHMS["low voltage"]}
    monkeypatch.setattr(rhythm_noise, "TEMPTING_RHYTHMS", kept)
    monkeypatch.setattr(rhythm_noise, "FAULTS", {"tremor": rhythm_noise.FAULTS["tremor"]})
    monkeypatch.setattr(rhythm_noise, "SCENARIOS", rhythm_noise.SCENARIOS[1:2])
    monkeypatch.setattr(rhythm_noise, "ARREST_SCENARIOS", rhythm_noise.ARREST_SCENARIOS[:1])
    settings = AlarmNoiseSettings(
        noises=("ma",), ratios_db=(12,), sampling_hz=(250.0,), trials=1, steady=1, records=()
    )
    told: list[str] = []
    plan = plan_alarm_noise(settings)
    results = measure_alarm_noise(plan, advance=told.append)
    assert len(told) == plan.steps
    found = {(c, o.name): o.missed for c, onsets in results.onsets.items() for o in onsets}
    assert found["arrests, clean", "coarse fibrillation"] == 0
    assert found["clean", "asystole"] == 0
    assert found["ma at 12 dB", "asystole"] == 0
    assert {part.group for part in results.steady} == {"rhythm", "fault", "noise", "noise alone"}
    steady = next(part for part in results.steady if part.name == "low voltage")
    assert not steady.counts
    assert steady.hours == pytest.approx(120 / 3600)


def made_up() -> AlarmNoiseResults:
    onset = TimeToAlarm(name="asystole", limit_s=5.0, delays_s=(4.5, 6.0), missed=1)
    counts = Counter({Rhythm.VENTRICULAR_FIBRILLATION: 2, Rhythm.V_COUPLET: 1})
    return AlarmNoiseResults(
        settings=AlarmNoiseSettings(noises=("em",), records=()),
        onsets={"em at 6 dB": (onset,)},
        steady=(FalseAlarms(group="fault", name="tremor", hours=0.5, counts=counts),),
    )


def test_tables_say_what_is_late_and_how_often_alarms_are_false() -> None:
    first, second = alarm_noise_report(made_up()).tables
    assert first.rows == (("asystole", "3", "1", "5.25", "6.00", "1", "5"),)
    assert second.rows == (("tremor", "0.50", "0.0", "0.0", "4.0", "0.0", "0.0", "0.0", "2.0"),)
    assert alarm_noise_report(made_up()).introduction[-1] == "Nothing was chosen on em."


def test_programs_get_every_count() -> None:
    found = json.loads(json.dumps(plain(alarm_noise_report(made_up()).figures)))
    assert found["onsets"][0]["delays_s"] == [4.5, 6.0]
    assert found["false_alarms"][0]["counts"] == {
        "ventricular fibrillation": 2,
        "ventricular couplet": 1,
    }


@pytest.mark.database
def test_records_in_noise_from_the_command_line(
    mitdb: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "noise.json"
    words = ["bench", "rhythm", "--noise", "bw", "--records", str(mitdb / "112")]
    assert main([*words, "--stop", "2:00", "--trials", "0", "--json", str(out)]) == 0
    assert "records with noise" in capsys.readouterr().out
    found = json.loads(out.read_text())["false_alarms"]
    assert [part["name"] for part in found] == [f"bw at {snr} dB" for snr in (24, 12, 6, 0)]
    assert all("asystole" not in part["counts"] for part in found)
