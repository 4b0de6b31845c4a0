"""The first page of a report: what a technician looks for before anything else."""

from collections import Counter

import numpy as np

from classifier.labels import Label
from replay.player import format_time
from streamer.core.clock_format import clock
from streamer.core.events import Rhythm
from streamer.report import page
from streamer.report.counts import (
    PAUSE_S,
    RATE_WINDOW_S,
    Ectopy,
    Intervals,
    ectopy,
    rates,
    rhythm_segments,
    rr_intervals,
)
from streamer.report.data import ReportData
from streamer.report.hrv import Variability
from streamer.report.table import Table

_MS = 1000.0
_NONE = "--"
_HOUR_S = 3600.0


def headline(data: ReportData, whole: Variability | None) -> str:
    """Mark up the numbers that everybody wants."""
    counts = Counter(beat.label for beat in data.beats)
    found = rates(data, rr_intervals(data), RATE_WINDOW_S)
    means = [rate.mean_bpm for rate in found]
    swing = f"heart rate, 1/min ({min(means):.0f} to {max(means):.0f})" if means else ""
    share = counts["V"] / len(data.beats) if data.beats else 0.0
    high = sum(alarm.priority == "high" for alarm in data.alarms)
    return page.tiles(
        [
            (f"{np.median(means):.0f}" if means else _NONE, swing or "heart rate"),
            (f"{len(data.beats)}", "beats"),
            (f"{counts['V']}", f"ventricular, {100 * share:.1f} % of all"),
            (f"{counts['S']}", "supraventricular ectopic"),
            (f"{len(data.alarms)}", f"alarms, {high} of high priority"),
            (_NONE if whole is None else f"{whole.sdnn_ms:.0f} ms", "SDNN"),
        ]
    )


def summary(data: ReportData) -> str:
    """Mark up heart rate, pauses and ectopy, with when each extreme was."""
    intervals = rr_intervals(data)
    tables = [_heart_rate(data, intervals)]
    for label, name in ((Label.V, "Ventricular ectopy"), (Label.S, "Supraventricular ectopy")):
        tables.append(_ectopy(data, name, ectopy(data.beats, label, data.fs)))
    return page.beside([page.table(table) for table in tables])


def _heart_rate(data: ReportData, intervals: Intervals) -> Table:
    rows = [("Recorded", clock(data.seconds), ""), ("Beats", str(len(data.beats)), "")]
    found = rates(data, intervals, RATE_WINDOW_S)
    if found:
        slow = min(found, key=lambda rate: rate.mean_bpm)
        fast = max(found, key=lambda rate: rate.mean_bpm)
        mean = 60.0 / float(intervals.lengths_s.mean())
        longest = int(np.argmax(intervals.lengths_s))
        pause_s = intervals.lengths_s[longest]
        n_pauses = int((intervals.lengths_s >= PAUSE_S).sum())
        rows += [
            ("Slowest 10 s", f"{slow.mean_bpm:.0f} /min", f"at {clock(slow.start_s)}"),
            ("Mean", f"{mean:.0f} /min", ""),
            ("Fastest 10 s", f"{fast.mean_bpm:.0f} /min", f"at {clock(fast.start_s)}"),
            (
                "Longest RR interval",
                f"{pause_s * _MS:.0f} ms",
                f"at {clock(intervals.ends_s[longest] - pause_s)}",
            ),
            (f"Pauses, {PAUSE_S:g} s and more", str(n_pauses), ""),
        ]
    lost_s = sum(stop - start for start, stop, _ in data.gaps) / data.fs
    times = "1 time" if len(data.gaps) == 1 else f"{len(data.gaps)} times"
    rows += [_fibrillation(data), ("Without signal", f"{lost_s:.1f} s", times)]
    return Table(title="Heart rate", header=("", "", ""), rows=tuple(rows))


def _fibrillation(data: ReportData) -> tuple[str, str, str]:
    """Say how much of the recording was atrial fibrillation."""
    name = str(Rhythm.ATRIAL_FIBRILLATION)
    inside = sum(stop - onset for found, onset, stop in rhythm_segments(data) if found == name)
    share = 100 * inside / max(data.stop - data.first, 1)
    return name.capitalize(), clock(inside / data.fs), f"{share:.1f} %"


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
    return f"at {format_time(sample, data.fs).partition('.')[0]}"
