"""The report of one recording as a page that a cardiology technician would recognise."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from classifier.labels import SYMBOL_TO_LABEL, Label
from replay.player import format_time
from streamer.bench import page
from streamer.bench.plots import Line, curves, delay_histogram
from streamer.events import Rhythm
from streamer.hrv import Variability, nn_intervals, variability
from streamer.report_data import AlarmRow, BeatRow, ReportData
from streamer.rhythm_timeline import timeline
from streamer.running_score import RunningScore
from streamer.score_report import Table
from streamer.strip import Paper, StripMark, describe_strip
from streamer.strip_svg import strip_svg

_ORDER: Final = ("high", "medium", "low")
_CLASSES: Final = tuple(label.value for label in Label)
_HOUR_S: Final = 3600.0
_MINUTE_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportConfig:
    """How much the report shows."""

    strips: int = 24
    """Alarms with a strip, the most urgent first; the others stand in the table."""
    of_a_kind: int = 4
    """Strips of one kind of alarm."""
    before_s: float = 4.0
    after_s: float = 6.0
    """Signal about an alarm's onset."""
    beat_s: float = 1.5
    """Signal to either side of an example beat."""
    trend_s: float = 300.0
    """Windows of the variability: the five minutes of the Task Force 1996."""
    rate_s: float = 60.0
    """Windows of the heart rate and the quality."""
    drawn_hz: float = 180.0
    """Samples drawn a second: a print shows no more."""


def report_page(data: ReportData, config: ReportConfig | None = None) -> str:
    """Put the whole page together.

    Parameters
    ----------
    data : ReportData
        What was found.
    config : ReportConfig, optional
        How much is shown.

    Returns
    -------
    str
        HTML that loads nothing.
    """
    config = config or ReportConfig()
    where = f"{format_time(data.first, data.fs)} to {format_time(data.stop, data.fs)}"
    leads = f", leads {' and '.join(data.leads)}" if data.leads else ""
    lines = [f"{where}, {data.fs:g} Hz{leads}", "Labels and alarms are those of ecg-stream."]
    if data.training_record:
        lines.append("The shipped model was trained on this record.")
    sections = [
        page.Section(title="Heart rate and variability", body=_trends(data, config)),
        page.Section(title="Ventricular burden by hour", body=page.table(_burden(data))),
        page.Section(title="Rhythm", body=page.table(_rhythms(data))),
        page.Section(title="Alarms", body=_alarms(data, config)),
        page.Section(title="Beats of each class", body=_examples(data, config)),
        page.Section(title="Signal quality", body=_quality(data, config)),
        page.Section(title="Decision delay", body=_delays(data)),
    ]
    score = _score(data)
    if score is not None:
        sections.append(page.Section(title="Against reference annotations", body=score))
    return page.page(f"Report of {data.source}", lines, _headline(data), sections)


def _rates(data: ReportData, window_s: float) -> tuple[list[float], list[float]]:
    """Return the middle of each window in minutes and its median heart rate."""
    samples = np.array([beat.sample for beat in data.beats], np.float64) / data.fs
    intervals = np.diff(samples)
    at, rates = [], []
    for begin in np.arange(data.first / data.fs, data.stop / data.fs, window_s):
        inside = intervals[(samples[1:] >= begin) & (samples[1:] < begin + window_s)]
        if inside.size >= 3:
            at.append((begin + window_s / 2) / _MINUTE_S)
            rates.append(60.0 / float(np.median(inside)))
    return at, rates


def _headline(data: ReportData) -> str:
    counts = Counter(beat.label for beat in data.beats)
    _, rates = _rates(data, 10.0)
    rate = f"{np.median(rates):.0f}" if rates else "--"
    swing = f"heart rate, 1/min ({min(rates):.0f} to {max(rates):.0f})" if rates else "heart rate"
    whole = variability(*_nn(data))
    burden = counts["V"] / len(data.beats) if data.beats else 0.0
    return page.tiles(
        [
            (rate, swing),
            (f"{len(data.beats)}", "beats"),
            (f"{counts['V']}", f"ventricular, {100 * burden:.1f} % of all"),
            (f"{counts['S']}", "supraventricular ectopic"),
            (f"{len(data.alarms)}", f"alarms, {_high(data)} of high priority"),
            ("--" if whole is None else f"{whole.sdnn_ms:.0f} ms", "SDNN"),
        ]
    )


def _high(data: ReportData) -> int:
    return sum(alarm.priority == "high" for alarm in data.alarms)


def _nn(data: ReportData) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    samples = [beat.sample for beat in data.beats]
    return nn_intervals(samples, [beat.label for beat in data.beats], data.fs)


def _trends(data: ReportData, config: ReportConfig) -> str:
    at, rates = _rates(data, config.rate_s)
    if not at:
        return page.paragraph("There are too few beats for a heart rate.")
    drawn = curves(
        [("median of each minute", [Line(name="heart rate", x=at, y=rates, is_own=True)])],
        x_label="minutes",
        y_label="1/min",
        mark_points=False,
    )
    intervals, ends = _nn(data)
    rows: list[tuple[float, Variability]] = []
    for begin in np.arange(data.first / data.fs, data.stop / data.fs, config.trend_s):
        inside = (ends >= begin) & (ends < begin + config.trend_s)
        found = variability(intervals[inside], ends[inside])
        if found is not None:
            rows.append((begin, found))
    if not rows:
        return drawn
    if len(rows) > 1:
        minutes = [(begin + config.trend_s / 2) / _MINUTE_S for begin, _ in rows]
        drawn += curves(
            [
                (
                    "windows of five minutes",
                    [
                        Line(name="SDNN", x=minutes, y=[v.sdnn_ms for _, v in rows], is_own=True),
                        Line(name="RMSSD", x=minutes, y=[v.rmssd_ms for _, v in rows]),
                    ],
                )
            ],
            x_label="minutes",
            y_label="ms",
        )
    return drawn + page.table(_variability_table(data, rows))


def _variability_table(data: ReportData, rows: Sequence[tuple[float, Variability]]) -> Table:
    whole = variability(*_nn(data))
    named = [(format_time(round(begin * data.fs), data.fs), found) for begin, found in rows]
    if whole is not None:
        named.append(("all", whole))
    return Table(
        title="Variability of the NN intervals (neurokit2)",
        header=("From", "NN intervals", "Mean NN ms", "SDNN ms", "RMSSD ms", "pNN50 %"),
        rows=tuple(
            (
                name,
                str(v.n_intervals),
                f"{v.mean_nn_ms:.0f}",
                f"{v.sdnn_ms:.1f}",
                f"{v.rmssd_ms:.1f}",
                f"{v.pnn50:.1f}",
            )
            for name, v in named
        ),
        summary_rows=whole is not None,
    )


def _burden(data: ReportData) -> Table:
    """Count beats of each class by hour of the recording."""
    hours: dict[int, Counter[str | None]] = {}
    for beat in data.beats:
        hours.setdefault(int((beat.sample - data.first) / data.fs // _HOUR_S), Counter())[
            beat.label
        ] += 1
    rows = [
        (
            f"hour {hour + 1}",
            str(counts.total()),
            *(str(counts[label]) for label in _CLASSES),
            f"{100 * counts['V'] / counts.total():.2f}",
            f"{counts['V'] / _hours_seen(data, hour):.0f}",
        )
        for hour, counts in sorted(hours.items())
    ]
    header = ("", "Beats", *_CLASSES, "V %", "V an hour")
    return Table(title="Beats", header=header, rows=tuple(rows))


def _hours_seen(data: ReportData, hour: int) -> float:
    """Return which part of that hour was recorded."""
    return max(min(data.seconds - hour * _HOUR_S, _HOUR_S), 1.0) / _HOUR_S


def _rhythms(data: ReportData) -> Table:
    found: dict[str, list[int]] = {}
    known = timeline((onset, Rhythm(name)) for name, onset in data.rhythms)
    edges = [*((onset, str(rhythm)) for onset, rhythm in known), (data.stop, "")]
    for (onset, name), (end, _) in pairwise(edges):
        found.setdefault(name, []).append(max(end - onset, 0))
    rows = [
        (name, str(len(times)), format_time(sum(times), data.fs), format_time(max(times), data.fs))
        for name, times in sorted(found.items(), key=lambda item: -sum(item[1]))
    ]
    header = ("Rhythm", "Times", "Together", "Longest")
    return Table(title="Time in each rhythm", header=header, rows=tuple(rows))


def _alarms(data: ReportData, config: ReportConfig) -> str:
    if not data.alarms:
        return page.paragraph("There was none.")
    counts = Counter((alarm.rhythm, alarm.priority) for alarm in data.alarms)
    table = Table(
        title="How often",
        header=("Alarm", "Priority", "Times"),
        rows=tuple(
            (rhythm, priority, str(n))
            for (rhythm, priority), n in sorted(
                counts.items(), key=lambda item: (_ORDER.index(item[0][1]), -item[1])
            )
        ),
    )
    body = page.table(table) + page.folded("Every alarm in order of time", page.table(_all(data)))
    return body + "".join(
        _strip(
            data,
            alarm.onset - round(config.before_s * data.fs),
            alarm.onset + round(config.after_s * data.fs),
            f"{alarm.rhythm} ({alarm.priority}) at {format_time(alarm.onset, data.fs)}",
            config,
        )
        for alarm in _chosen(data.alarms, config)
    )


def _all(data: ReportData) -> Table:
    return Table(
        title="Alarms",
        header=("Onset", "Known", "Alarm", "Priority"),
        rows=tuple(
            (
                format_time(alarm.onset, data.fs),
                format_time(alarm.decided_at, data.fs),
                alarm.rhythm,
                alarm.priority,
            )
            for alarm in data.alarms
        ),
    )


def _chosen(alarms: Sequence[AlarmRow], config: ReportConfig) -> list[AlarmRow]:
    """Choose alarms for strips: the most urgent first, a few of each kind."""
    seen: Counter[str] = Counter()
    chosen: list[AlarmRow] = []
    for alarm in sorted(alarms, key=lambda a: (_ORDER.index(a.priority), a.onset)):
        seen[alarm.rhythm] += 1
        if seen[alarm.rhythm] <= config.of_a_kind and len(chosen) < config.strips:
            chosen.append(alarm)
    return sorted(chosen, key=lambda a: (_ORDER.index(a.priority), a.onset))


def _strip(data: ReportData, start: int, stop: int, title: str, config: ReportConfig) -> str:
    """Draw a strip with its heading; nothing where the signal isn't at hand."""
    start = max(start, 0)
    samples = data.signal(start, stop)
    if samples is None:
        return ""
    step = max(round(data.fs / config.drawn_hz), 1)
    marks = [
        StripMark(beat.sample // step, beat.label or "?")
        for beat in data.beats
        if start <= beat.sample < stop
    ]
    picture = describe_strip(
        samples[:, ::step],
        fs=data.fs / step,
        start=start // step,
        leads=data.leads,
        marks=marks,
        title=title,
        paper=Paper(most_mm=45.0),
    )
    return f'{page.heading(title)}<div class="strip">{strip_svg(picture)}</div>'


def _examples(data: ReportData, config: ReportConfig) -> str:
    if data.record is None:
        return page.paragraph("The signal is not at hand; give --record to see examples.")
    body = ""
    for label in _CLASSES:
        beats = [beat for beat in data.beats if beat.label == label]
        if not beats:
            continue
        typical = sorted(beats, key=lambda beat: beat.quality)[len(beats) // 2]
        worst = min(beats, key=lambda beat: beat.quality)
        chosen = [("of median quality", typical), ("of lowest quality", worst)]
        pair = [
            f"<div>{_example(data, beat, f'{label}, {words}', config)}</div>"
            for words, beat in chosen[: 1 if worst is typical else 2]
        ]
        body += f'<div style="display:flex;flex-wrap:wrap;gap:0 2rem">{"".join(pair)}</div>'
    return body or page.paragraph("There are no beats.")


def _example(data: ReportData, beat: BeatRow, words: str, config: ReportConfig) -> str:
    reach = round(config.beat_s * data.fs)
    title = f"{words} ({100 * beat.quality:.0f} %), at {format_time(beat.sample, data.fs)}"
    return _strip(data, beat.sample - reach, beat.sample + reach, title, config)


def _quality(data: ReportData, config: ReportConfig) -> str:
    times = np.array([beat.sample for beat in data.beats], np.float64) / data.fs
    quality = np.array([beat.quality for beat in data.beats])
    at, values = [], []
    for begin in np.arange(data.first / data.fs, data.stop / data.fs, config.rate_s):
        inside = quality[(times >= begin) & (times < begin + config.rate_s)]
        if inside.size:
            at.append((begin + config.rate_s / 2) / _MINUTE_S)
            values.append(100 * float(np.median(inside)))
    body = ""
    if at:
        body = curves(
            [("median of each minute", [Line(name="quality", x=at, y=values, is_own=True)])],
            x_label="minutes",
            y_label="%",
            mark_points=False,
        )
    lost_s = sum(stop - start for start, stop, _ in data.gaps) / data.fs
    return body + page.paragraph(f"{len(data.gaps)} stretches without a signal, {lost_s:.1f} s.")


def _delays(data: ReportData) -> str:
    delays = np.array([beat.delay_ms for beat in data.beats if beat.delay_ms > 0])
    if not delays.size:
        return page.paragraph("There are no beats.")
    marks = {"median": float(np.median(delays)), "p99": float(np.quantile(delays, 0.99))}
    words = "Signal time from the R peak until the first label; computing comes on top."
    return page.paragraph(words) + delay_histogram(delays, marks)


def _score(data: ReportData) -> str | None:
    """Compare with the reference; None without one that has beats."""
    reference = data.reference
    if reference is None or not any(symbol in SYMBOL_TO_LABEL for symbol in reference.symbols):
        return None
    score = RunningScore(reference.samples, reference.symbols, fs=data.fs, first_sample=data.first)
    for beat in data.beats:
        score.beat(beat.sample, None if beat.label is None else Label(beat.label))
        score.advance(beat.sample)
    score.finish(data.stop)
    named = [("QRS", score.qrs), *((label.value, tally) for label, tally in score.classes.items())]
    return page.table(
        Table(
            title="Beats, within 150 ms",
            header=("", "TP", "FN", "FP", "Se %", "+P %"),
            rows=tuple(
                (
                    name,
                    str(tally.tp),
                    str(tally.fn),
                    str(tally.fp),
                    _percent(tally.sensitivity),
                    _percent(tally.ppv),
                )
                for name, tally in named
            ),
        )
    )


def _percent(ratio: float | None) -> str:
    return "--" if ratio is None else f"{100 * ratio:.2f}"
