"""Alarm limits from a file: the documented one is the defaults, nonsense is refused in a line."""

import re
from pathlib import Path

import pytest
from rhythm_cases import alarms, items, run, steady

from streamer.commands.cli import main
from streamer.core.events import Priority, Rhythm
from streamer.rhythm.alerting.limits import (
    ALERT_KEYS,
    RHYTHM_KEYS,
    TABLES,
    AlarmLimits,
    AlarmLimitsError,
    read_alarm_limits,
)

PAGE = Path(__file__).parents[3] / "docs" / "alarms.md"


def limits(folder: Path, text: str) -> AlarmLimits:
    path = folder / "limits.toml"
    path.write_text(text)
    return read_alarm_limits(path)


def test_the_page_documents_every_key_with_its_default_and_its_bounds(tmp_path: Path) -> None:
    (block,) = re.findall(r"```toml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert limits(tmp_path, block) == AlarmLimits()
    numbers = {key: bounds for keys in RHYTHM_KEYS.values() for key, bounds in keys.items()}
    for key, bounds in {**numbers, **ALERT_KEYS}.items():
        (line,) = re.findall(rf"^{key} = .*", block, re.MULTILINE)
        assert f"# {bounds.low:g} to {bounds.high:g}" in line
    assert [name for name in TABLES if f"[{name}]" not in block] == []


def test_what_is_left_out_keeps_its_default(tmp_path: Path) -> None:
    assert limits(tmp_path, "") == AlarmLimits()
    found = limits(
        tmp_path,
        "[rate]\ntachycardia_alarm_bpm = 100\n[alerts]\nlatched = ['high', 'medium']\n"
        "[alerts.priorities]\npause = 'high'\n[alerts.repeat_s]\nlow = 5\n"
        "[alerts.escalate_s]\nmedium = 120\n",
    )
    assert found.rhythm.tachycardia_alarm_bpm == 100.0
    assert found.rhythm.bradycardia_alarm_bpm == 50.0
    assert found.alerts.latched == {Priority.HIGH, Priority.MEDIUM}
    assert found.alerts.priorities["pause"] is Priority.HIGH
    assert found.alerts.repeat_s[Priority.LOW] == 5.0
    assert found.alerts.repeat_s[Priority.MEDIUM] == 30.0
    assert found.alerts.escalate_s == {Priority.MEDIUM: 120.0}
    fast = alarms(run(items(steady(30, 200)), found.rhythm))
    assert [name for name, *_ in fast] == [Rhythm.TACHYCARDIA]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[rate", "are no TOML"),
        ("[heart]\nx = 1", "'heart' is no table; expected one of rate, silence, runs, alerts"),
        ("rate = 3", r"rate is no table; write \[rate\]"),
        ("[rate]\ntachycardia = 120", "'tachycardia' is no key of .* expected one of bradycardia_"),
        ("[rate]\ntachycardia_alarm_bpm = 'x'", "is 'x'; expected a number from 60 to 300; change"),
        ("[rate]\ntachycardia_alarm_bpm = nan", "expected a number from 60 to 300"),
        ("[rate]\ntachycardia_alarm_bpm = true", "expected a number from 60 to 300"),
        ("[rate]\nextreme_tachycardia_beats = 3.5", "is 3.5; expected a whole number from 3 to 60"),
        ("[rate]\nbradycardia_alarm_bpm = 118", "bradycardia_alarm_bpm is 118 and tachycardia"),
        ("[silence]\npause_s = 5", "pause_s is 5 and asystole_s 4; expected the first to be less"),
        ("[alerts]\nlatched = 'high'", "latched is 'high'; expected a list"),
        ("[alerts]\nlatched = ['urgent']", "'urgent'; expected one of low, medium, high"),
        ("[alerts.priorities]\nflutter = 'high'", "'flutter' is no alarm in priorities; expected"),
        ("[alerts.repeat_s]\nlow = -1", "repeat_s.low is -1; expected a number from 0 to 3600"),
        ("[alerts]\nv_rate_clear_per_min = 9", "V rate clears below 9"),
    ],
)
def test_nonsense_is_refused_in_one_line(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(AlarmLimitsError, match=words) as caught:
        limits(tmp_path, text)
    assert "\n" not in str(caught.value)
    assert "limits.toml" in str(caught.value)


def test_a_command_says_so_and_ends(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "none.toml"
    assert main(["replay", "demo", "--alarm-limits", str(path)]) == 1
    told = capsys.readouterr().err
    assert "can't read alarm limits" in told
    assert told.count("\n") == 1
    path.write_text("[rate]\ntachycardia_alarm_bpm = 1000\n")
    assert main(["ward", "demo", "--mqtt", "off", "--alarm-limits", str(path)]) == 1
    assert "expected a number from 60 to 300" in capsys.readouterr().err
