"""The intervals of a recording as pictures, and strips at their extremes."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.report import page
from streamer.report.counts import RATE_WINDOW_S, Intervals, rr_intervals, whole_rates
from streamer.report.data import ReportData
from streamer.report.plots import GRID, MISSED, OWN, figure
from streamer.report.strip.paper import StripSpan
from streamer.report.strips import StripConfig, strip

_BIN_MS: Final = 20.0
_LONGEST_MS: Final = 3000.0
"""Longer intervals are counted in the last bin, and drawn at the edge."""
_MOST_POINTS: Final = 4000
"""Of the Poincaré plot: intervals are rounded until there are no more different pairs."""
_AROUND_S: Final = 3.0
"""Signal before and after an interval."""
_LONGEST_STRIP_S: Final = 10.0
"""At 25 mm/s more doesn't fit across a printed page, whose scale would shrink."""
_LEAST_AROUND_S: Final = 0.5
_BAR: Final = "#1f2328"


def extreme_strips(data: ReportData, config: StripConfig) -> str:
    """Mark up strips at the slowest and fastest rate, and about the longest and shortest RR."""
    intervals = rr_intervals(data)
    found = whole_rates(data, intervals)
    if data.record is None or not found:
        return ""
    drawn = ""
    for words, rate in (
        ("Slowest", min(found, key=lambda rate: rate.mean_bpm)),
        ("Fastest", max(found, key=lambda rate: rate.mean_bpm)),
    ):
        title = f"{words} 10 s, {rate.mean_bpm:.0f} /min, at {data.when(rate.start_s)}"
        start = round(rate.start_s * data.fs)
        drawn += strip(data, start, start + round(RATE_WINDOW_S * data.fs), title, config)
    for words, at in (
        ("Longest", int(np.argmax(intervals.lengths_s))),
        ("Shortest", int(np.argmin(intervals.lengths_s))),
    ):
        drawn += _interval_strip(data, intervals, at, words, config)
    return drawn


def _interval_strip(
    data: ReportData, intervals: Intervals, at: int, words: str, config: StripConfig
) -> str:
    stop_s = float(intervals.ends_s[at])
    start_s = stop_s - float(intervals.lengths_s[at])
    title = f"{words} RR interval, {1000 * (stop_s - start_s):.0f} ms, at {data.when(start_s)}"
    around_s = min((_LONGEST_STRIP_S - (stop_s - start_s)) / 2, _AROUND_S)
    begin_s = start_s - max(around_s, _LEAST_AROUND_S)
    first = round(begin_s * data.fs)
    last = round(min(stop_s + max(around_s, 0.0), begin_s + _LONGEST_STRIP_S) * data.fs)
    span = StripSpan(round(start_s * data.fs), round(stop_s * data.fs), _BAR)
    return strip(data, first, last, title, config, (span,))


def interval_plots(data: ReportData) -> str:
    """Draw how often each RR interval is, and each against the one before it (Poincaré)."""
    intervals = rr_intervals(data)
    if intervals.lengths_s.size < 2:
        return page.paragraph("There are too few intervals.")
    lengths_ms = np.minimum(1000.0 * intervals.lengths_s, _LONGEST_MS)
    ectopic = np.array([beat.sample / data.fs for beat in data.beats if beat.label != "N"])
    starts_s = intervals.ends_s - intervals.lengths_s
    is_normal = ~(np.isin(intervals.ends_s, ectopic) | np.isin(starts_s.round(6), ectopic.round(6)))
    # Two intervals follow each other where one ends as the next begins.
    follows = np.abs(starts_s[1:] - intervals.ends_s[:-1]) < 0.5 / data.fs
    pairs = np.column_stack([lengths_ms[:-1], lengths_ms[1:]])[follows]
    both_normal = (is_normal[:-1] & is_normal[1:])[follows]
    with figure(10.5, 4.4, 2) as (_, (left, right), svg):
        bins = np.arange(0.0, _LONGEST_MS + _BIN_MS, _BIN_MS)
        parts = [lengths_ms[is_normal], lengths_ms[~is_normal]]
        names = ["between normal beats", "others"]
        left.hist(parts, bins=bins.tolist(), stacked=True, color=[OWN, MISSED], label=names)
        left.set_xlabel("RR interval, ms")
        left.set_ylabel("intervals")
        left.legend(fontsize=8)
        for chosen, colour in ((~both_normal, MISSED), (both_normal, OWN)):
            right.plot(*_thinned(pairs[chosen]).T, ".", color=colour, markersize=3, alpha=0.5)
        low, high = float(lengths_ms.min()) - 50.0, float(lengths_ms.max()) + 50.0
        right.plot([low, high], [low, high], color=GRID, linewidth=0.8, zorder=0)
        right.set_xlim(low, high)
        right.set_ylim(low, high)
        right.set_aspect("equal")
        right.set_xlabel("RR interval, ms")
        right.set_ylabel("next RR interval, ms")
        left.set_xlim(low, high)
    words = "Left how often each length is; right each interval against the next (Poincaré plot)."
    return page.paragraph(words) + svg[0]


def _thinned(pairs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Leave out points that lie upon each other, so that a day's plot stays small."""
    step = 1.0
    points = pairs
    while len(points) > _MOST_POINTS:
        step *= 2.0
        points = np.unique(np.round(pairs / step) * step, axis=0)
    return points
