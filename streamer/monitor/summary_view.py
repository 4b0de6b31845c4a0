"""The summary of a run in lines, printed at its end or when it is stopped."""

from typing import Final

from rich.style import Style
from rich.text import Text

from streamer.core.clock_format import clock, record_time
from streamer.core.histogram import QuantileHistogram
from streamer.core.text import clean
from streamer.monitor.summary import Summary
from streamer.monitor.terminal import palette
from streamer.scoring.running_score import MatchCounts

_NAME_WIDTH: Final = 14
_QUANTILES: Final = ((0.5, "median"), (0.95, "p95"), (0.99, "p99"), (1.0, "max"))
_Words = list[tuple[str, Style]]
_Rows = list[tuple[str, _Words]]


def render_summary(summary: Summary) -> Text:
    """Put a summary into lines of at most 80 cells, for a terminal or a file.

    Parameters
    ----------
    summary : Summary
        What was collected; `finish` is called first, so that the score is final.

    Returns
    -------
    rich.text.Text
    """
    summary.finish()
    text = Text(no_wrap=True)
    for name, words in [
        *_played(summary),
        *_beats(summary),
        *_rhythms(summary),
        *_notices(summary),
        *_latencies(summary),
        *_mqtt(summary),
        *_reference(summary),
    ]:
        text.append(f"{clean(name):<{_NAME_WIDTH}}", palette.TITLE)
        for word, style in words:
            text.append(clean(word), style)
        text.append("\n")
    text.right_crop(1)
    return text


def _plain(*words: str) -> _Words:
    return [(word, palette.PLAIN) for word in words]


def _played(summary: Summary) -> _Rows:
    info = summary.info
    start, stop = (record_time(n, info.fs) for n in (info.first_sample, summary.now))
    duration = record_time(summary.now - info.first_sample, info.fs)
    words = _plain(f"{duration} played, {start} to {stop}")
    if info.training_record:
        words.append(("  training record", palette.NOTE))
    return [(info.source, words)]


def _beats(summary: Summary) -> _Rows:
    ledger, rates = summary.ledger, summary.heart_rate
    words = _plain(f"{ledger.n_beats}  ")
    for label, count in ledger.counts.items():
        if label is not None:
            words += [(f"  {label.value} ", palette.BEAT[label]), (f"{count}", palette.PLAIN)]
    unlabelled = ledger.counts[None]
    if unlabelled:
        words.append((f"   without label {unlabelled}", palette.POOR))
    low, middle, high = (rates.quantile(fraction) for fraction in (0.0, 0.5, 1.0))
    rate = "unknown"
    if low is not None and middle is not None and high is not None:
        rate = f"{middle:.0f} bpm median, {low:.0f} to {high:.0f}"
    return [("beats", words), ("heart rate", _plain(rate)), *_variability(summary)]


def _variability(summary: Summary) -> _Rows:
    found = summary.variability()
    if found is None:
        return []
    words = f"SDNN {found.sdnn_ms:.0f} ms, RMSSD {found.rmssd_ms:.0f} ms, pNN50 {found.pnn50:.0f}%"
    return [("HRV", _plain(words, f" over {found.n_intervals} NN intervals"))]


def _rhythms(summary: Summary) -> _Rows:
    longest = sorted(summary.rhythms.items(), key=lambda item: -item[1].samples)
    rows: _Rows = []
    for rhythm, episodes in longest:
        seconds = episodes.samples / summary.info.fs
        times = f"{episodes.n} time{'s' if episodes.n != 1 else ''}"
        row = _plain(f"{clock(seconds):>8}  {rhythm!s:<30}{times}")
        rows.append(("" if rows else "rhythm", row))
    return rows or [("rhythm", _plain("not known"))]


def _notices(summary: Summary) -> _Rows:
    rows: _Rows = []
    for (rhythm, priority), n in sorted(summary.alarms.items(), key=lambda item: -item[0][1]):
        row = _plain(f"{n:>8}  {rhythm!s:<30}{priority.name.lower()} priority")
        rows.append(("" if rows else "alarms", row))
    rows = rows or [("alarms", _plain("none"))]
    fs = summary.info.fs
    for reason, gap in summary.gaps.items():
        row = _plain(f"{gap.n:>8}  {reason!s:<30}{gap.samples / fs:.1f} s without signal")
        rows.append(("gaps", row))
    return rows


def _latencies(summary: Summary) -> _Rows:
    ledger = summary.ledger
    header = "".join(f"{name:>9}" for _, name in _QUANTILES)
    late: _Words = [(f"   budget {ledger.budget_ms:.0f} ms, ", palette.FAINT)]
    late.append((f"{ledger.n_late} late", palette.POOR if ledger.n_late else palette.FAINT))
    if ledger.n_late_at_start:
        late.append((f", {ledger.n_late_at_start} at the start", palette.FAINT))
    if ledger.n_overload:
        late.append((f", {ledger.n_overload} labels not worked out", palette.POOR))
    return [
        ("latency ms", [(header, palette.FAINT), *late]),
        ("  decision", _plain(_quantiles(ledger.decision_delay), "   of signal, from the R peak")),
        ("  compute", _plain(_quantiles(ledger.compute), "   until the label was out")),
        ("  together", _plain(_quantiles(ledger.latency))),
    ]


def _quantiles(histogram: QuantileHistogram) -> str:
    values = (histogram.quantile(fraction) for fraction, _ in _QUANTILES)
    return "".join(f"{'--' if value is None else f'{value:.1f}':>9}" for value in values)


def _mqtt(summary: Summary) -> _Rows:
    mqtt = summary.mqtt
    if mqtt is None:
        return []
    words = _plain(f"{mqtt.sent} sent")
    if mqtt.queued:
        words.append((f", {mqtt.queued} not sent", palette.POOR))
    if mqtt.shed:
        words.append((f", {mqtt.shed} shed", palette.POOR))
    return [("MQTT", words)]


def _reference(summary: Summary) -> _Rows:
    if summary.score is None:
        return []
    rows: _Rows = [("QRS", _match_counts(summary.score.qrs))]
    rows += [
        (f"{label.value} beats", _match_counts(t)) for label, t in summary.score.classes.items()
    ]
    return [
        (f"reference {name}" if not k else f"  {name}", words)
        for k, (name, words) in enumerate(rows)
    ]


def _match_counts(counts: MatchCounts) -> _Words:
    ratios = f"Se {_percent(counts.sensitivity)}  +P {_percent(counts.ppv)}"
    return _plain(ratios, f"   TP {counts.tp}  FN {counts.fn}  FP {counts.fp}")


def _percent(ratio: float | None) -> str:
    return "     --" if ratio is None else f"{ratio * 100.0:6.2f}%"
