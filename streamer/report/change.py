"""Two recordings side by side: what changed from one to the other."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

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
    rates,
    rr_intervals,
    sinus_intervals,
    whole_rates,
    window_starts,
)
from streamer.report.data import ReportData
from streamer.report.hours import HOUR_S
from streamer.report.hrv import Variability, variability
from streamer.report.plots import GRID, MISSED, OWN, figure
from streamer.report.table import Column, Table, columns, table
from streamer.report.trends import tick_s, trend_window_s
from streamer.report.trust import doubts_of_s

_COLOURS: Final = (OWN, MISSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measured:
    """What is counted of a recording once, for every line of the table."""

    data: ReportData
    intervals: Intervals
    v: Ectopy
    s: Ectopy
    whole: Variability | None
    tens_bpm: Sequence[float]
    """Mean heart rate of each ten seconds."""

    @property
    def hours(self) -> float:
        """Length of what has a signal."""
        lost = sum(stop - start for start, stop, _ in self.data.gaps)
        return max(self.data.seconds - lost / self.data.fs, 1.0) / HOUR_S

    @property
    def mean_bpm(self) -> float | None:
        """Mean heart rate."""
        lengths = self.intervals.lengths_s
        return 60.0 / float(lengths.mean()) if lengths.size else None

    @property
    def pauses(self) -> float:
        """Pauses an hour."""
        return float((self.intervals.lengths_s >= PAUSE_S).sum()) / self.hours

    def share(self, rhythm: Rhythm) -> float:
        """Return the part of the recording that is one rhythm."""
        inside = sum(stop - start for start, stop in self.data.spans(rhythm))
        return inside / max(self.data.stop - self.data.first, 1)

    def alarms(self, priority: str) -> float:
        """Return how many alarms of a priority there are an hour."""
        return sum(one.priority == priority for one in self.data.alarms) / self.hours


_Value = Callable[[_Measured], float | None]
_LINES: Final[tuple[tuple[str, str, _Value], ...]] = (
    ("Hours with a signal", ".2f", lambda one: one.hours),
    ("Heart rate, mean, 1/min", ".0f", lambda one: one.mean_bpm),
    ("Slowest 10 s, 1/min", ".0f", lambda one: min(one.tens_bpm, default=None)),
    ("Fastest 10 s, 1/min", ".0f", lambda one: max(one.tens_bpm, default=None)),
    ("Longest RR interval, s", ".1f", lambda one: max(one.intervals.lengths_s, default=None)),
    (f"Pauses of {PAUSE_S:g} s and more, an hour", ".1f", lambda one: one.pauses),
    ("V beats, % of all", ".1%", lambda one: one.v.total / max(len(one.data.beats), 1)),
    ("V beats an hour", ".1f", lambda one: one.v.total / one.hours),
    ("V couplets an hour", ".1f", lambda one: one.v.couplets / one.hours),
    ("V runs an hour", ".2f", lambda one: len(one.v.runs) / one.hours),
    ("Longest V run, beats", ".0f", lambda one: max((r.n for r in one.v.runs), default=0)),
    ("S beats an hour", ".1f", lambda one: one.s.total / one.hours),
    ("S runs an hour", ".2f", lambda one: len(one.s.runs) / one.hours),
    ("Atrial fibrillation, % of the time", ".1%", lambda o: o.share(Rhythm.ATRIAL_FIBRILLATION)),
    ("SDNN, ms", ".0f", lambda one: None if one.whole is None else one.whole.sdnn_ms),
    ("RMSSD, ms", ".0f", lambda one: None if one.whole is None else one.whole.rmssd_ms),
    ("Alarms of high priority an hour", ".2f", lambda one: one.alarms("high")),
    ("Alarms of medium priority an hour", ".2f", lambda one: one.alarms("medium")),
    ("Alarms of low priority an hour", ".2f", lambda one: one.alarms("low")),
)
"""What is compared: its name, how it is written, and what it is of a recording."""


def change_page(before: ReportData, after: ReportData) -> str:
    """Put the page together.

    Parameters
    ----------
    before, after : ReportData
        What was found in each.

    Returns
    -------
    str
        HTML that loads nothing.
    """
    both = _measured(before), _measured(after)
    lines = [
        f"{number}: {one.source}, {clock(one.seconds)}"
        + ("" if one.recorded is None else f", recorded {one.recorded}")
        for number, one in zip(_names(before, after), (before, after), strict=True)
    ]
    lines += [
        "Counts are an hour with a signal, so that recordings of unlike length compare. A "
        "difference is no proof of a change: ectopy varies from day to day by itself.",
        "Labels and alarms are those of ecg-stream; no person has reviewed them.",
        "Not measured: ST segments, QT interval.",
    ]
    sections = [
        page.Section(title="Side by side", body=page.table(_side_by_side(both)) + _cautions(both)),
        page.Section(title="Over time", body=_over_time(before, after)),
        page.Section(title="Alarms an hour", body=page.table(_alarms(both))),
    ]
    title = f"{after.source} compared with {before.source}"
    return page.page(title, lines, "", sections)


def _names(before: ReportData, after: ReportData) -> tuple[str, str]:
    """Return what the recordings are called in tables."""
    if before.source != after.source:
        return before.source, after.source
    return f"{before.source}, first", f"{after.source}, second"


def _measured(data: ReportData) -> _Measured:
    intervals = rr_intervals(data)
    return _Measured(
        data=data,
        intervals=intervals,
        v=ectopy(data.beats, Label.V, data.fs),
        s=ectopy(data.beats, Label.S, data.fs),
        whole=variability(*sinus_intervals(data)),
        tens_bpm=[rate.mean_bpm for rate in whole_rates(data, intervals)],
    )


def _side_by_side(both: tuple[_Measured, _Measured]) -> Table:
    rows = []
    for name, form, value in _LINES:
        column = Column("", form)
        first, second = (value(one) for one in both)
        change = None if first is None or second is None else second - first
        signed = Column("", f"+{form}").cell(change)
        rows.append((name, column.cell(first), column.cell(second), signed))
    header = columns("", *_names(both[0].data, both[1].data), "Change")
    return table("What was counted", header, rows)


def _cautions(both: tuple[_Measured, _Measured]) -> str:
    names = _names(both[0].data, both[1].data)
    doubts = [(name, doubts_of_s(one.data)) for name, one in zip(names, both, strict=True)]
    return "".join(
        page.caution(f"supraventricular ectopy of {name} is uncertain: {'; '.join(found)}.")
        for name, found in doubts
        if found
    )


def _alarms(both: tuple[_Measured, _Measured]) -> Table:
    counts = [Counter(alarm.rhythm for alarm in one.data.alarms) for one in both]
    kinds = sorted(counts[0] | counts[1], key=lambda kind: -counts[0][kind] - counts[1][kind])
    rows = []
    for kind in kinds:
        first, second = (found[kind] / one.hours for found, one in zip(counts, both, strict=True))
        rows.append((kind, first, second, f"{second - first:+.2f}"))
    names = _names(both[0].data, both[1].data)
    header = (*columns(""), *columns(*names, form=".2f"), *columns("Change"))
    return table("By kind", header, rows)


def _over_time(before: ReportData, after: ReportData) -> str:
    """Draw heart rate and ventricular beats of both, each from its own beginning."""
    from matplotlib.ticker import MultipleLocator  # noqa: PLC0415 - slow to import

    window = max(trend_window_s(before), trend_window_s(after))
    with figure(10.5, 5.0, rows=2, sharex=True) as (_, axes, svg):
        named = zip((before, after), _names(before, after), _COLOURS, strict=True)
        for data, name, colour in named:
            _draw(axes, data, name, colour, window)
        axes[0].set_ylabel("heart rate, 1/min")
        axes[1].set_ylabel("V beats a minute")
        axes[1].set_xlabel("time since the beginning")
        axes[1].xaxis.set_major_locator(MultipleLocator(tick_s(max(before.seconds, after.seconds))))
        axes[1].xaxis.set_major_formatter(lambda value, _: clock(max(value, 0.0)))
        axes[0].legend(fontsize=8, ncols=2, loc="lower right", bbox_to_anchor=(1.0, 1.0))
        for one in axes:
            one.set_ylim(bottom=0)
            one.grid(color=GRID, linewidth=0.8)
    return svg[0]


def _draw(axes: Any, data: ReportData, name: str, colour: str, window: float) -> None:
    begin = data.first / data.fs
    found = rates(data, rr_intervals(data), window)
    at = [rate.start_s - begin + window / 2 for rate in found]
    axes[0].plot(at, [rate.mean_bpm for rate in found], color=colour, linewidth=1.6, label=name)
    starts = window_starts(data, window)
    times = [beat.sample / data.fs for beat in data.beats if beat.label == Label.V.value]
    counts = np.histogram(times, np.append(starts, starts[-1] + window))[0] * (60.0 / window)
    axes[1].step(starts - begin + window / 2, counts, where="mid", color=colour, linewidth=1.6)
