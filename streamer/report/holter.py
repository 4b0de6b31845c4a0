"""The report of one recording as a page that a cardiology technician would recognise."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from replay.player import format_time
from replay.record import offered_leads
from streamer.core.clock_format import clock
from streamer.report import page
from streamer.report.comparison import against_reference
from streamer.report.counts import sinus_intervals
from streamer.report.data import ReportData, ignore
from streamer.report.extremes import extreme_strips, interval_plots
from streamer.report.hours import hours
from streamer.report.hrv import variability
from streamer.report.particulars import Particulars, first_page
from streamer.report.plots import delay_histogram
from streamer.report.shapes import beats
from streamer.report.strips import StripConfig, alarms
from streamer.report.summary import headline, summary
from streamer.report.table import Column, columns, table
from streamer.report.trends import rhythm_chart, trends
from streamer.report.variability import variability_section


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportConfig:
    """How much the report shows."""

    strips: StripConfig = field(default_factory=StripConfig)
    trend_s: float = 300.0
    """Windows of the variability: the five minutes of the Task Force 1996."""
    rows: int = 24
    """A longer table of windows opens on a click."""
    gaps: int = 50
    """Gaps that are listed."""


def report_page(
    data: ReportData,
    config: ReportConfig | None = None,
    particulars: Particulars | None = None,
    *,
    on_part: Callable[[float], None] = ignore,
) -> str:
    """Put the whole page together.

    Parameters
    ----------
    data : ReportData
        What was found.
    config : ReportConfig, optional
        How much is shown.
    particulars : Particulars, optional
        Patient, physician and conclusion; what is empty can be written on the page.
    on_part : callable
        Gets the part of it that is done, 0 to 1, again and again.

    Returns
    -------
    str
        HTML that loads nothing.
    """
    config, given = config or ReportConfig(), particulars or Particulars()
    where = f"{format_time(data.first, data.fs)} to {format_time(data.stop, data.fs)}"
    leads = f", leads {' and '.join(data.leads)}" if data.leads else ""
    if data.record is not None and (n := len(offered_leads(data.record))) > len(data.leads):
        leads += f" of the {n} that the record has"
    lines = [
        f"{where}, {data.fs:g} Hz{leads}",
        "Labels and alarms are those of ecg-stream; no person has reviewed them.",
        "Not measured: ST segments, QT interval. Nothing here speaks for or against ischaemia.",
    ]
    if data.training_record:
        lines.append("The shipped model was trained on this record.")
    whole = variability(*sinus_intervals(data))
    drawn: dict[str, Callable[[], str]] = {
        "Patient and conclusion": lambda: first_page(given, data.recorded, data.seconds),
        "Summary": lambda: summary(data),
        "Trends": lambda: _trends(data),
        "Rhythm and alarms over time": lambda: _rhythm(data),
        "Beats and burden by hour": lambda: hours(data, config.strips),
        "Slowest, fastest, longest, shortest": lambda: extreme_strips(data, config.strips),
        "RR intervals": lambda: interval_plots(data),
        "Heart-rate variability": lambda: variability_section(
            data, whole, window_s=config.trend_s, most_rows=config.rows
        ),
        "Alarms": lambda: alarms(data, config.strips),
        "Beats of each class": lambda: beats(data, config.strips),
        "Signal quality": lambda: _quality(data, config),
        "Decision delay": lambda: _delays(data),
        "Against reference annotations": lambda: against_reference(data, config.strips),
    }
    sections = []
    for done, (title, draw) in enumerate(drawn.items(), start=1):
        sections.append(page.Section(title=title, body=draw()))
        on_part(done / len(drawn))
    sections = [section for section in sections if section.body]
    top = headline(data, whole)
    return page.page(f"Report of {data.source}", lines, top, sections)


def _trends(data: ReportData) -> str:
    if len(data.beats) < 4:
        return page.paragraph("There are too few beats for a heart rate.")
    return trends(data)


def _rhythm(data: ReportData) -> str:
    found: dict[str, list[int]] = {}
    for name, onset, end in data.segments():
        found.setdefault(name, []).append(end - onset)
    seen = max(data.stop - data.first, 1)
    rows = [
        (
            name,
            len(times),
            clock(sum(times) / data.fs),
            sum(times) / seen,
            _length(max(times) / data.fs),
        )
        for name, times in sorted(found.items(), key=lambda item: -sum(item[1]))
    ]
    header = (
        *columns("Rhythm", "Times", "Together"),
        Column("% of the time", ".1%"),
        Column("Longest"),
    )
    content = table("Time in each rhythm", header, rows)
    return rhythm_chart(data) + page.table(content)


def _length(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60.0 else clock(seconds)


def _quality(data: ReportData, config: ReportConfig) -> str:
    """Say how good the signal was; its course over time is among the trends."""
    quality = [100 * beat.quality for beat in data.beats]
    words = "There are no beats to tell the quality by."
    if quality:
        low, median = np.quantile(quality, (0.05, 0.5))
        words = f"Of the beats' quality the median is {median:.0f} %, one in twenty is below "
        words += f"{low:.0f} %."
    lost_s = sum(stop - start for start, stop, _ in data.gaps) / data.fs
    words += f" {len(data.gaps)} stretches without a signal, {lost_s:.1f} s."
    if not data.gaps:
        return page.paragraph(words)
    longest = sorted(data.gaps, key=lambda gap: gap[0] - gap[1])[: config.gaps]
    rows = (
        (format_time(start, data.fs), (stop - start) / data.fs, reason)
        for start, stop, reason in sorted(longest)
    )
    header = (Column("From"), Column("s", ".1f"), Column("Why"))
    return page.paragraph(words) + page.table(table("Without a signal", header, rows))


def _delays(data: ReportData) -> str:
    delays = np.array([beat.delay_ms for beat in data.beats if beat.delay_ms > 0])
    if not delays.size:
        return page.paragraph("There are no beats.")
    marks = {"median": float(np.median(delays)), "p99": float(np.quantile(delays, 0.99))}
    words = (
        "Signal time from the R peak until the first label; computing comes on top. The slowest "
        f"beat took {delays.max():.0f} ms: the detector listens before it names its first beats, "
        "and finds some only by looking back."
    )
    return page.paragraph(words) + delay_histogram(delays, marks)
