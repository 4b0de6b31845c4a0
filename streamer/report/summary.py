"""The first page of a report: what a technician looks for before anything else."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from classifier.labels import Label
from streamer.core.clock_format import clock
from streamer.core.events import Rhythm
from streamer.report import page
from streamer.report.counts import (
    PAUSE_S,
    Ectopy,
    Intervals,
    ectopy,
    rr_intervals,
    whole_rates,
)
from streamer.report.data import ReportData
from streamer.report.hrv import Variability
from streamer.report.table import Table
from streamer.report.trust import doubts_of_s, doubts_of_sdnn

_MS = 1000.0
_NONE = "--"
_HOUR_S = 3600.0
_LINES = {Rhythm.VENTRICULAR_FIBRILLATION: "ventricular fibrillation or flutter"}
"""Rhythms that the summary calls by more than their name."""


def headline(data: ReportData, whole: Variability | None) -> str:
    """Mark up the numbers that everybody wants."""
    counts = Counter(beat.label for beat in data.beats)
    found = whole_rates(data, rr_intervals(data))
    means = [rate.mean_bpm for rate in found]
    swing = f"heart rate, 1/min ({min(means):.0f} to {max(means):.0f})" if means else ""
    share = counts["V"] / len(data.beats) if data.beats else 0.0
    high = sum(alarm.priority == "high" for alarm in data.alarms)
    return page.tiles(
        [
            (f"{np.median(means):.0f}" if means else _NONE, swing or "heart rate"),
            (f"{len(data.beats)}", "beats"),
            (f"{counts['V']}", f"ventricular, {100 * share:.1f} % of all"),
            (f"{counts['S']}", "supraventricular ectopic" + _doubt(doubts_of_s(data))),
            (f"{len(data.alarms)}", f"alarms, {high} of high priority"),
            (
                _NONE if whole is None else f"{whole.sdnn_ms:.0f} ms",
                "SDNN" + _doubt(doubts_of_sdnn(data) if whole is not None else []),
            ),
        ]
    )


def _doubt(reasons: Sequence[str]) -> str:
    return ": caution, see below" if reasons else ""


def summary(data: ReportData) -> str:
    """Mark up heart rate, pauses and ectopy, with when each extreme was."""
    intervals = rr_intervals(data)
    tables = [_heart_rate(data, intervals)]
    for label, name in ((Label.V, "Ventricular ectopy"), (Label.S, "Supraventricular ectopy")):
        tables.append(_ectopy(data, name, ectopy(data.beats, label, data.fs)))
    body = page.beside([page.table(table) for table in tables])
    if doubts := doubts_of_s(data):
        body += page.caution(f"supraventricular ectopy is uncertain: {'; '.join(doubts)}.")
    return body


def _heart_rate(data: ReportData, intervals: Intervals) -> Table:
    rows = [("Recorded", clock(data.seconds), ""), ("Beats", str(len(data.beats)), "")]
    found = whole_rates(data, intervals)
    if found:
        slow = min(found, key=lambda rate: rate.mean_bpm)
        fast = max(found, key=lambda rate: rate.mean_bpm)
        rows += [
            ("Slowest 10 s", f"{slow.mean_bpm:.0f} /min", f"at {data.when(slow.start_s)}"),
            ("Fastest 10 s", f"{fast.mean_bpm:.0f} /min", f"at {data.when(fast.start_s)}"),
        ]
    if intervals.lengths_s.size:
        lengths_s = intervals.lengths_s
        mean, longest = 60.0 / float(lengths_s.mean()), int(np.argmax(lengths_s))
        n_pauses = int((lengths_s >= PAUSE_S).sum())
        rows += [
            ("Mean", f"{mean:.0f} /min", ""),
            _interval("Longest RR interval", data, intervals, longest),
            _interval("Shortest RR interval", data, intervals, int(np.argmin(lengths_s))),
            (f"Pauses, {PAUSE_S:g} s and more", str(n_pauses), ""),
        ]
    lost_s = sum(stop - start for start, stop, _ in data.gaps) / data.fs
    times = "1 time" if len(data.gaps) == 1 else f"{len(data.gaps)} times"
    kinds = (Rhythm.ATRIAL_FIBRILLATION, Rhythm.VENTRICULAR_FIBRILLATION)
    rows += [
        *(_time_in(data, kind) for kind in kinds),
        ("Without signal", f"{lost_s:.1f} s", times),
    ]
    return Table(title="Heart rate", header=("", "", ""), rows=tuple(rows))


def _interval(name: str, data: ReportData, intervals: Intervals, k: int) -> tuple[str, str, str]:
    length_s = float(intervals.lengths_s[k])
    start_s = float(intervals.ends_s[k]) - length_s
    return name, f"{length_s * _MS:.0f} ms", f"at {data.when(start_s)}"


def _time_in(data: ReportData, rhythm: Rhythm) -> tuple[str, str, str]:
    """Say how much of the recording was one rhythm; its waves are no beats."""
    spans = data.spans(rhythm)
    inside = sum(stop - onset for onset, stop in spans)
    share = 100 * inside / max(data.stop - data.first, 1)
    name = _LINES.get(rhythm, str(rhythm)).capitalize()
    times = f", {len(spans)} times" if len(spans) > 1 else ""
    return name, clock(inside / data.fs), f"{share:.1f} %{times}"


def _ectopy(data: ReportData, title: str, found: Ectopy) -> Table:
    share = 100.0 * found.total / len(data.beats) if data.beats else 0.0
    an_hour = found.total / (data.seconds / _HOUR_S) if data.seconds else 0.0
    runs = found.runs
    rows = [
        ("Beats", str(found.total), f"{share:.1f} %"),
        ("An hour", f"{an_hour:.0f}", ""),
        ("Alone", str(found.alone), ""),
        ("Couplets", str(found.couplets), ""),
        ("Runs, 3 and more", str(len(runs)), ""),
    ]
    if runs:
        longest = max(runs, key=lambda run: run.n)
        fastest = max(runs, key=lambda run: run.rate_bpm or 0.0)
        rows += [
            ("Longest run", f"{longest.n} beats", _at(data, longest.first)),
            ("Fastest run", f"{fastest.rate_bpm:.0f} /min", _at(data, fastest.first)),
        ]
    return Table(title=title, header=("", "", ""), rows=tuple(rows))


def _at(data: ReportData, sample: int) -> str:
    return f"at {data.when(sample / data.fs)}"
