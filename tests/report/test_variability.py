"""Variability by window, day and night; who the patient is, and when the recording began."""

import re
from pathlib import Path

import numpy as np
import pytest

from replay.wfdb_record import WfdbRecord
from streamer.commands.cli import main
from streamer.report.data import BeatRow, ReportData, from_record
from streamer.report.hrv import spectrum, variability
from streamer.report.particulars import Particulars, Recorded, first_page
from streamer.report.variability import is_day, variability_section, windows_of


def breathing(seconds: float) -> tuple[np.ndarray, np.ndarray]:
    """NN intervals with waves of 30 ms at 0.1 Hz and 20 ms at 0.25 Hz."""
    ends, intervals, now = [], [], 0.0
    while now < seconds:
        wave = 0.03 * np.sin(2 * np.pi * 0.1 * now) + 0.02 * np.sin(2 * np.pi * 0.25 * now)
        intervals.append(0.8 + wave)
        now += intervals[-1]
        ends.append(now)
    return np.array(intervals), np.array(ends)


def recording(seconds: float, recorded: Recorded | None = None) -> ReportData:
    _, ends = breathing(seconds)
    beats = [
        BeatRow(sample=round(1000 * end), label="N", quality=0.9, delay_ms=300.0) for end in ends
    ]
    stop = round(1000 * seconds)
    return ReportData(source="x", fs=1000.0, first=0, stop=stop, beats=beats, recorded=recorded)


def test_the_spectrum_is_in_square_milliseconds() -> None:
    found = spectrum(*breathing(300.0), 300.0)
    assert found is not None
    assert found.lf_ms2 == pytest.approx(0.5 * 30.0**2, rel=0.1)
    assert found.hf_ms2 == pytest.approx(0.5 * 20.0**2, rel=0.1)


def test_a_window_that_is_half_missing_has_no_spectrum() -> None:
    intervals, ends = breathing(300.0)
    assert spectrum(intervals[:150], ends[:150], 300.0) is None


def test_sdann_is_the_spread_of_five_minute_means() -> None:
    lengths = np.repeat([0.7, 0.8, 0.9], (429, 375, 334))
    found = variability(lengths, np.cumsum(lengths))
    assert found is not None
    assert found.sdann_ms == pytest.approx(100.0, rel=0.05)
    short = variability(*breathing(60.0))
    assert short is not None
    assert short.sdann_ms is None


def test_windows_have_their_own_spectrum_and_the_whole_their_mean() -> None:
    data = recording(900.0)
    windows = windows_of(data, 300.0)
    assert [window.start_s for window in windows] == [0.0, 300.0, 600.0]
    whole = windows[0].time
    section = variability_section(data, whole, window_s=300.0, most_rows=24)
    assert "LF ms²" in section
    assert "SDANN" in section
    assert "Day and night are not told apart" in section
    (last,) = re.findall(r'<tr class="summary"><td>all</td>.*?</tr>', section)
    cells = re.findall(r"<td>([^<]*)</td>", last)
    assert float(cells[-3]) == pytest.approx(450.0, rel=0.1)
    assert float(cells[-1]) == pytest.approx(2.25, rel=0.1)


def test_day_and_night_are_told_apart_by_the_clock() -> None:
    data = recording(1200.0, Recorded.parse("2026-03-05 21:50"))
    whole = windows_of(data, 300.0)[0].time
    section = variability_section(data, whole, window_s=300.0, most_rows=24)
    assert re.search(r"<td>day</td><td>9:5\d</td><td>75\d</td><td>75</td>", section)
    assert re.search(r"<td>night</td><td>10:00</td><td>75\d</td><td>75</td>", section)
    assert "(21:55:00)" in section
    night = is_day(np.array([0.0, 599.0, 600.0, 8.2 * 3600]), Recorded.parse("21:50"))
    assert night.tolist() == [True, True, False, True]


def test_a_recording_time_is_read_or_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert str(Recorded.parse("2026-03-05 08:30")) == "2026-03-05 08:30:00"
    assert str(Recorded.parse("08:30:05")) == "08:30:05"
    assert Recorded.parse("23:59").clock(90.0) == "00:00:30"
    out = tmp_path / "report.html"
    assert main(["report", "demo", "--recorded", "noon", "--out", str(out)]) == 1
    assert "'noon' is no date and time; write 2026-03-05 08:30" in capsys.readouterr().err
    assert not out.exists()


def test_the_header_says_when_a_record_began(tmp_path: Path) -> None:
    import wfdb

    wfdb.wrsamp(
        "dated",
        fs=100,
        units=["mV"],
        sig_name=["MLII"],
        p_signal=np.sin(np.arange(500.0) / 10.0)[:, None],
        write_dir=str(tmp_path),
        fmt=["16"],
    )
    assert from_record(WfdbRecord(tmp_path / "dated")).recorded is None
    header = tmp_path / "dated.hea"
    first, rest = header.read_text().split("\n", 1)
    header.write_text(f"{first} 22:15:30 05/03/2026\n{rest}")
    data = from_record(WfdbRecord(tmp_path / "dated"))
    assert str(data.recorded) == "2026-03-05 22:15:30"
    assert data.when(45.0) == "0:45 (22:16:15)"


def test_patient_and_conclusion_come_from_options_and_can_be_edited(tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    words = ["--patient", "A <b>", "--patient-id", "17", "--physician", "Dr. C", "--born", "1950"]
    words += ["--indication", "syncope", "--conclusion", "No & none.", "--recorded", "08:30"]
    assert main(["report", "demo", "--stop", "0:30", "--out", str(out), *words]) == 0
    page = out.read_text(encoding="utf-8")
    for value in ("A &lt;b&gt;", "17", "Dr. C", "1950", "syncope", "08:30:00", "0:30"):
        assert f"<td contenteditable>{value}</td>" in page
    assert "<b>Conclusion</b><div contenteditable>No &amp; none.</div>" in page
    assert "Not measured: ST segments, QT interval." in page
    assert "<div contenteditable>Not yet written." in first_page(Particulars(), None, 1.0)
