"""Trends of a report: heart rate, ectopy, quality, rhythm and alarms over one axis of time."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from classifier.labels import Label
from streamer.core.clock_format import clock
from streamer.core.events import Rhythm
from streamer.report.counts import rates, rr_intervals, window_starts
from streamer.report.data import ReportData
from streamer.report.hrv import Variability
from streamer.report.plots import GRID, OWN, SOFT, figure
from streamer.report.strip.paper import LETTER_COLOURS

_WIDTH_IN: Final = 10.5
_WINDOWS_S: Final = (10.0, 30.0, 60.0, 300.0, 900.0)
_MOST_WINDOWS: Final = 300
"""More columns than that can't be told apart."""
_TICKS_S: Final = (5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 10800, 21600)
_MOST_TICKS: Final = 13
PRIORITY_COLOURS: Final = {"high": "#cf222e", "medium": "#bf8700", "low": "#0969a2"}
_VENTRICULAR: Final = "#e5868c"
_RHYTHM_COLOURS: Final = {
    Rhythm.BIGEMINY: _VENTRICULAR,
    Rhythm.TRIGEMINY: _VENTRICULAR,
    Rhythm.PAUSE: LETTER_COLOURS["V"],
    Rhythm.VENTRICULAR_TACHYCARDIA: LETTER_COLOURS["V"],
    Rhythm.VENTRICULAR_FIBRILLATION: LETTER_COLOURS["V"],
    Rhythm.IDIOVENTRICULAR: LETTER_COLOURS["V"],
    Rhythm.ASYSTOLE: LETTER_COLOURS["V"],
    Rhythm.ATRIAL_FIBRILLATION: LETTER_COLOURS["S"],
    Rhythm.SUPRAVENTRICULAR_TACHYCARDIA: LETTER_COLOURS["S"],
    Rhythm.UNKNOWN: SOFT,
    Rhythm.LEAD_OFF: SOFT,
    Rhythm.UNUSABLE: SOFT,
}
_MOST_MARKERS: Final = 60
"""More points than that are drawn as a line alone."""
_BAND_IN: Final = 0.24
"""Height of a rhythm or a kind of alarm."""


def trend_window_s(data: ReportData) -> float:
    """Return how long the windows of a trend are: fine, but no more than can be seen."""
    fitting = (w for w in _WINDOWS_S[1:] if data.seconds / w <= _MOST_WINDOWS)
    longest = next(fitting, _WINDOWS_S[-1])
    # A short recording is better seen in short windows.
    return _WINDOWS_S[0] if data.seconds < _WINDOWS_S[1] * 20 else max(longest, _WINDOWS_S[1])


def trends(data: ReportData) -> str:
    """Draw heart rate, ectopic beats and quality; each window by its middle."""
    window = trend_window_s(data)
    heights = {"height_ratios": (2.2, 1.3, 1.0)}
    with figure(_WIDTH_IN, 6.2, rows=3, sharex=True, gridspec_kw=heights) as (drawn, axes, svg):
        _draw_rates(axes[0], data, window)
        _draw_ectopy(axes[1], data, window)
        _draw_quality(axes[2], data, window)
        _draw_time(axes[-1], data)
        axes[0].set_title(f"windows of {_words(window)}", fontsize=10, loc="left")
        drawn.align_ylabels(axes)
    return svg[0]


def _words(window_s: float) -> str:
    return f"{window_s:g} s" if window_s < 60.0 else f"{window_s / 60.0:g} min"


def _draw_rates(axes: Any, data: ReportData, window: float) -> None:
    found = rates(data, rr_intervals(data), window)
    at = [rate.start_s + window / 2 for rate in found]
    axes.fill_between(
        at,
        [rate.slow_bpm for rate in found],
        [rate.fast_bpm for rate in found],
        step="mid",
        color=OWN,
        alpha=0.18,
        linewidth=0,
        label="nine intervals in ten",
    )
    axes.plot(at, [rate.mean_bpm for rate in found], color=OWN, linewidth=1.8, label="mean")
    highest = max((rate.fast_bpm for rate in found), default=100.0)
    lowest = min((rate.slow_bpm for rate in found), default=50.0)
    axes.set_ylim(max(np.floor(lowest / 10) * 10 - 10, 0), np.ceil(highest / 10) * 10 + 10)
    axes.set_ylabel("heart rate, 1/min")
    axes.legend(fontsize=8, ncols=2, loc="lower right", bbox_to_anchor=(1.0, 1.0))
    axes.grid(color=GRID, linewidth=0.8)


def _draw_ectopy(axes: Any, data: ReportData, window: float) -> None:
    starts = window_starts(data, window)
    edges = np.append(starts, starts[-1] + window)
    below = np.zeros(starts.size)
    for label in (Label.V, Label.S, Label.F):
        times = [beat.sample / data.fs for beat in data.beats if beat.label == label.value]
        counts = np.histogram(times, edges)[0] * (60.0 / window)
        axes.bar(
            starts,
            counts,
            width=window,
            bottom=below,
            align="edge",
            color=LETTER_COLOURS[label.value],
            label=label.value,
        )
        below = below + counts
    axes.set_ylim(0, max(float(below.max(initial=0.0)) * 1.1, 5.0))
    axes.set_ylabel("beats a minute")
    axes.legend(fontsize=8, ncols=3, loc="lower right", bbox_to_anchor=(1.0, 0.97))
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)


def _draw_quality(axes: Any, data: ReportData, window: float) -> None:
    times = np.array([beat.sample for beat in data.beats], np.float64) / data.fs
    quality = np.array([beat.quality for beat in data.beats])
    at, values = [], []
    for start in window_starts(data, window).tolist():
        first, last = np.searchsorted(times, (start, start + window))
        if first < last:
            at.append(start + window / 2)
            values.append(100.0 * float(np.median(quality[first:last])))
    axes.plot(at, values, color=OWN, linewidth=1.6)
    for start, stop, _ in data.gaps:
        axes.axvspan(start / data.fs, stop / data.fs, color=PRIORITY_COLOURS["high"], alpha=0.25)
    axes.set_ylim(0, 105)
    axes.set_ylabel("quality, %")
    axes.grid(color=GRID, linewidth=0.8)


def tick_s(seconds: float) -> float:
    """Return how far apart the times along an axis stand."""
    return next((s for s in _TICKS_S if seconds / s <= _MOST_TICKS), _TICKS_S[-1])


def _draw_time(axes: Any, data: ReportData) -> None:
    """Mark the axis with the record's time."""
    from matplotlib.ticker import MultipleLocator  # noqa: PLC0415 - slow to import

    axes.set_xlim(data.first / data.fs, data.stop / data.fs)
    axes.xaxis.set_major_locator(MultipleLocator(tick_s(data.seconds)))
    axes.xaxis.set_major_formatter(lambda value, _: clock(max(value, 0.0)))
    axes.set_xlabel("time in the recording")


def rhythm_chart(data: ReportData) -> str:
    """Draw a row for each rhythm and each kind of alarm; nothing without either."""
    bands = _rhythm_bands(data)
    kinds = Counter((alarm.rhythm, alarm.priority) for alarm in data.alarms)
    names = [*bands, *(f"{rhythm}, alarm" for rhythm, _ in kinds)]
    if not names:
        return ""
    with figure(_WIDTH_IN, 0.7 + _BAND_IN * len(names)) as (_, axes, svg):
        for row, (name, spans) in enumerate(bands.items()):
            colour = _RHYTHM_COLOURS.get(Rhythm(name), OWN)
            axes.broken_barh(spans, (row - 0.35, 0.7), color=colour, linewidth=0.4)
        for row, (rhythm, priority) in enumerate(kinds, len(bands)):
            at = [
                a.onset / data.fs
                for a in data.alarms
                if (a.rhythm, a.priority) == (rhythm, priority)
            ]
            axes.plot(at, [row] * len(at), "|", color=PRIORITY_COLOURS[priority], markersize=9)
        axes.set_yticks(range(len(names)), names, fontsize=9)
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.grid(axis="x", color=GRID, linewidth=0.8)
        axes.set_axisbelow(True)
        _draw_time(axes, data)
    return svg[0]


def _rhythm_bands(data: ReportData) -> dict[str, list[tuple[float, float]]]:
    """Begin and length of each rhythm's segments in s, the longest in all first."""
    bands: dict[str, list[tuple[float, float]]] = {}
    for name, onset, end in data.segments():
        bands.setdefault(name, []).append((onset / data.fs, (end - onset) / data.fs))
    return dict(sorted(bands.items(), key=lambda item: -sum(length for _, length in item[1])))


def variability_chart(
    data: ReportData, rows: Sequence[tuple[float, Variability]], window_s: float
) -> str:
    """Draw SDNN and RMSSD of each window."""
    at = [begin + window_s / 2 for begin, _ in rows]
    with figure(_WIDTH_IN, 2.6) as (_, axes, svg):
        dot, square = ("o", "s") if len(rows) <= _MOST_MARKERS else ("", "")
        sdnn, rmssd = zip(*((v.sdnn_ms, v.rmssd_ms) for _, v in rows), strict=True)
        axes.plot(at, sdnn, f"{dot}-", color=OWN, label="SDNN", linewidth=1.8)
        axes.plot(at, rmssd, f"{square}--", color="#3b6fb6", label="RMSSD", linewidth=1.2)
        axes.set_ylim(bottom=0)
        axes.set_ylabel("ms")
        axes.set_title(f"windows of {_words(window_s)}", fontsize=10, loc="left")
        axes.legend(fontsize=8, ncols=2, loc="lower right", bbox_to_anchor=(1.0, 1.0))
        axes.grid(color=GRID, linewidth=0.8)
        _draw_time(axes, data)
    return svg[0]
