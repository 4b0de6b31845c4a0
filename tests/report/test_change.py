"""Two recordings side by side."""

import dataclasses
import re
from pathlib import Path

import pytest

from classifier.labels import Label
from streamer.commands.cli import main
from streamer.report.change import change_page
from streamer.report.data import AlarmRow, BeatRow, ReportData

FS = 250.0
HOUR = round(3600 * FS)


def recording(name: str, hours: int, *, v_every: int) -> ReportData:
    """One beat a second, each `v_every`-th of them ventricular."""
    data = ReportData(source=name, fs=FS, first=0, stop=hours * HOUR)
    data.beats = [
        BeatRow(
            sample=round(k * FS),
            label=Label.N if k % v_every else Label.V,
            quality=1.0,
            delay_ms=300.0,
        )
        for k in range(1, hours * 3600)
    ]
    data.rhythms = [("sinus rhythm", 0)]
    return data


def rows_of(page: str) -> dict[str, list[str]]:
    rows = re.findall(r"<tr><td>([^<]*)</td>(.*?)</tr>", page)
    return {name: re.findall(r"<td>([^<]*)</td>", rest) for name, rest in rows}


def test_counts_are_an_hour_so_that_unlike_lengths_compare() -> None:
    before, after = recording("march", 1, v_every=10), recording("june", 2, v_every=100)
    pause = AlarmRow(rhythm="pause", priority="medium", onset=HOUR, decided_at=HOUR)
    after.alarms = [pause, dataclasses.replace(pause, rhythm="asystole", priority="high")]
    page = change_page(before, after)
    found = rows_of(page)
    assert "june compared with march" in page
    assert found["V beats an hour"] == ["359.0", "35.5", "-323.5"]
    assert found["V beats, % of all"] == ["10.0", "1.0", "-9.0"]
    assert found["Heart rate, mean, 1/min"] == ["60", "60", "+0"]
    assert found["Alarms of high priority an hour"] == ["0.00", "0.50", "+0.50"]
    assert found["pause"] == ["0.00", "0.50", "+0.50"]
    assert "Not measured: ST segments" in page
    assert re.findall(r'(?:src|href)="(?!#)[^"]*"', page) == []


def test_recordings_of_one_name_are_told_apart_and_an_empty_one_has_no_rate() -> None:
    empty = ReportData(source="a", fs=FS, first=0, stop=HOUR)
    page = change_page(empty, recording("a", 1, v_every=10))
    assert "a, first" in page
    assert "a, second" in page
    assert rows_of(page)["Heart rate, mean, 1/min"] == ["–", "60", "–"]


def test_the_command_compares_two_sources(tmp_path: Path) -> None:
    out = tmp_path / "change.html"
    times = ("--start", "0:00", "--stop", "0:20")
    assert main(["report", "demo", "--compare", "demo:7", *times, "--out", str(out)]) == 0
    assert "Heart rate, mean" in out.read_text()


def test_times_outside_the_record_are_refused_in_times(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "demo", "--start", "50:00"]) == 1
    assert "nothing lies between 50:00 and the end; the record goes" in capsys.readouterr().err
