"""The numeric panels of the monitor, each a list of rows of styled text."""

from collections.abc import Sequence
from typing import Final

from streamer.core.clock_format import clock
from streamer.core.events import Priority, Rhythm
from streamer.monitor.shown_alerts import ShownAlert, short_name, time_of_day
from streamer.monitor.state import MonitorState
from streamer.monitor.terminal import big_digits, palette
from streamer.monitor.terminal.screen_lines import Part, bar, single_cells
from streamer.scoring.running_score import MatchCounts

Row = list[Part]

RATELESS: Final = frozenset({Rhythm.VENTRICULAR_FIBRILLATION, Rhythm.ASYSTOLE})
"""In these a number would be taken for a pulse."""
_BURDEN: Final = "V burden "
_P99_BEATS: Final = 100
_BACKLOG: Final = 20
"""So many messages on their way are no backlog: they come in bursts."""

_GOOD_QUALITY = 0.8
_FAIR_QUALITY = 0.5


def shown_rate(state: MonitorState) -> float | None:
    """Return the heart rate; None where there is none, though a detector may count waves."""
    rateless = state.rhythm is not None and state.rhythm.rhythm in RATELESS
    return None if rateless or state.silent_since_s is not None else state.heart_rate_bpm


def heart_rate(state: MonitorState, *, large: bool = False) -> list[Row]:
    """Return big digits, with the last RR interval below."""
    rate = shown_rate(state)
    digits = f"{min(round(rate), 999):>3}" if rate is not None else " --"
    drawn = big_digits.large(digits) if large else big_digits.small(digits)
    recent = state.ledger.rr_ms(1)
    interval = f"{recent[0]:.0f} ms" if recent and rate is not None else "--"
    below: Row = [(" bpm", palette.STRONG), (f"  RR {interval}", palette.FAINT)]
    return [*([(f" {row}", palette.RATE)] for row in drawn), below]


def beat_counts(state: MonitorState, width: int) -> list[Row]:
    """Return the beats of each class with their share."""
    total = state.ledger.n_beats
    rows: list[Row] = []
    for label, count in state.ledger.counts.items():
        if label is None:
            continue
        share = count / total if total else 0.0
        numbers = f"{count:>6} {share * 100.0:3.0f}% "
        room = max(width - 1 - len(numbers), 0)
        style = palette.BEAT[label]
        drawn = (bar(share, room), style + palette.UPRIGHT)
        rows.append([(label.value, style), (numbers, palette.PLAIN), drawn])
    return rows


def burden(state: MonitorState, width: int) -> Row:
    """Return the ventricular beats of the last hour, or of less while there has been less."""
    part = state.burden.part
    if part is None:
        return [("V burden --", palette.FAINT)]
    count, share = f"{state.burden.an_hour}", f"  {part * 100.0:.1f}%"
    since = "/h" if state.burden.is_whole_hour(state.now) else " so far"
    if len(_BURDEN + count + since + share) <= width:
        count += since
    return [(_BURDEN, palette.FAINT), (count, palette.PLAIN), (share, palette.FAINT)]


def latency(state: MonitorState, width: int) -> list[Row]:
    """Show the latency of provisional labels from the R peak, against the budget."""
    ledger = state.ledger
    p50, p99 = ledger.latency.quantile(0.5), ledger.latency.quantile(0.99)
    median, tail = (
        palette.GOOD if value is None or value <= ledger.budget_ms else palette.POOR
        for value in (p50, p99)
    )
    late = palette.POOR if ledger.n_late else palette.FAINT
    # Of fewer, the worst is all that p99 can say.
    name = "  p99 " if ledger.latency.count >= _P99_BEATS else "  max "
    return [
        [("p50 ", palette.FAINT), (_ms(p50), median), (name, palette.FAINT), (_ms(p99), tail)],
        _budget_bar(p50, p99, ledger.budget_ms, width),
        [(f"budget {ledger.budget_ms:.0f} ms  ", palette.FAINT), (f"late {ledger.n_late}", late)],
    ]


def _ms(value: float | None) -> str:
    return "--" if value is None else f"{value:.0f}"


def _budget_bar(p50: float | None, p99: float | None, budget_ms: float, width: int) -> Row:
    """Solid up to the median, dashed up to p99, thin up to the budget; '!' when p99 is beyond."""
    median = round(min((p50 or 0.0) / budget_ms, 1.0) * (width - 1))
    tail = max(round(min((p99 or 0.0) / budget_ms, 1.0) * (width - 1)), median)
    over = p99 is not None and p99 > budget_ms
    return [
        ("━" * median, palette.GOOD),
        ("╍" * (tail - median), palette.FAIR),
        ("─" * (width - 1 - tail), palette.FRAME),
        ("!", palette.POOR) if over else ("┤", palette.FAINT),
    ]


def quality(state: MonitorState, width: int) -> Row:
    """Show signal quality as a bar."""
    value = state.quality
    if value is None:
        return [("quality --", palette.FAINT)]
    style = palette.POOR
    if value >= _GOOD_QUALITY:
        style = palette.GOOD
    elif value >= _FAIR_QUALITY:
        style = palette.FAIR
    number = f" {value * 100.0:3.0f}%"
    return [
        ("quality ", palette.FAINT),
        (bar(value, max(width - 8 - len(number), 0)), style + palette.UPRIGHT),
        (number, style),
    ]


def mqtt_state(state: MonitorState, width: int) -> Row:
    """Return connection, losses, messages sent and address on one row, the last if they fit."""
    if state.mqtt is None:
        return [("MQTT off", palette.FAINT)]
    word = single_cells(str(state.mqtt.state))
    style = palette.GOOD if word == "online" else palette.NOTE
    row: Row = [("MQTT ", palette.FAINT), (word, style)]
    if state.mqtt.shed:
        row.append((f"  {state.mqtt.shed} shed", palette.POOR))
    if state.mqtt.queued > _BACKLOG:
        row.append((f"  {state.mqtt.queued} queued", palette.NOTE))
    for words in (f"  {state.mqtt.sent} sent", f"  {mqtt_address(state)}"):
        if sum(len(text) for text, _ in row) + len(words) <= width:
            row.append((words, palette.FAINT))
    return row


def mqtt_address(state: MonitorState) -> str:
    """Return host and port of the broker, without the scheme and credentials."""
    if state.mqtt is None:
        return ""
    url = single_cells(str(state.mqtt.url or ""))
    return url.partition("://")[2].rpartition("@")[2] or url


def mqtt_counts(state: MonitorState) -> Row:
    """Count messages sent, waiting and shed."""
    if state.mqtt is None:
        return [("MQTT off", palette.FAINT)]
    shed = palette.POOR if state.mqtt.shed else palette.FAINT
    row: Row = [(f"{state.mqtt.sent} sent", palette.PLAIN), (f"  {state.mqtt.shed} shed", shed)]
    if state.mqtt.queued:
        row.append((f"  {state.mqtt.queued} queued", palette.NOTE))
    return row


def reference_score(state: MonitorState) -> list[Row]:
    """Return running Se and +P against the record's reference beats."""
    if state.score is None:
        return [[("no reference", palette.FAINT)], [("annotations", palette.FAINT)]]
    qrs = state.score.qrs
    rows = [_ratios("QRS", qrs)]
    rows += [_ratios(f"  {label.value}", counts) for label, counts in state.score.classes.items()]
    missed = palette.NOTE if qrs.fn or qrs.fp else palette.FAINT
    rows.append([(f"FN {qrs.fn}  FP {qrs.fp}", missed)])
    return [[("       Se    +P", palette.FAINT)], *rows]


def _ratios(name: str, counts: MatchCounts) -> Row:
    return [
        (f"{name:<3} ", palette.STRONG),
        (f"{_percent(counts.sensitivity)} {_percent(counts.ppv)}", palette.PLAIN),
    ]


def _percent(ratio: float | None) -> str:
    """Format a ratio in 5 cells; only a perfect one reads 100."""
    if ratio is None:
        return "   --"
    return "  100" if ratio == 1.0 else f"{min(ratio * 100.0, 99.99):5.2f}"


def alarm_list(state: MonitorState, width: int, rows: int) -> list[Row]:
    """Return the last alarms, newest first, with their age."""
    if not state.alarms:
        return [[("none so far", palette.FAINT)]]
    newest = list(reversed(state.alarms))[:rows]
    room = width - 9
    return [
        [
            (f"{palette.ALARM_MARK[alarm.priority]:<3} ", palette.ALARM_WORD[alarm.priority]),
            (short_name(alarm.rhythm)[:room].ljust(room), palette.PLAIN),
            (f"{clock(state.age_s(alarm.onset)):>5}", palette.FAINT),
        ]
        for alarm in newest
    ]


def rhythm(state: MonitorState) -> Row:
    """Say what is happening, and since when."""
    silent_s = state.silent_since_s
    if silent_s is not None:
        words = f" NO SIGNAL FROM SOURCE since {time_of_day(silent_s)} "
        return [(words, palette.ALARM[Priority.MEDIUM])]
    lost = state.lost_signal
    if lost is not None:
        return [(f" NO SIGNAL: {lost} ", palette.ALARM[Priority.MEDIUM])]
    event = state.rhythm
    if event is None or event.rhythm is Rhythm.UNKNOWN:
        return [(" rhythm not known yet", palette.FAINT)]
    return [
        (f" {str(event.rhythm).upper()}", palette.STRONG),
        (f"  for {clock(state.age_s(event.onset))}", palette.FAINT),
    ]


def alarm_banner(state: MonitorState, room: int) -> Row:
    """Return the alarms that count most right now, in words that fit into `room` cells."""
    shown = state.banner
    if not shown:
        word = "alarm" if state.n_alarms == 1 else "alarms"
        return [(f"{state.n_alarms} {word} ", palette.FAINT)] if state.n_alarms else []
    others = len(state.shown_alerts) - len(shown)
    more = f" +{others} " if others else ""
    rows = [_banner_row(state, shown, kind, more) for kind in range(_WAYS)]
    return next((row for row in rows if sum(len(text) for text, _ in row) <= room), rows[-1])


_WAYS: Final = 5


def _banner_row(state: MonitorState, shown: Sequence[ShownAlert], kind: int, more: str) -> Row:
    row: Row = []
    for one in shown:
        style = palette.FAINT if one.is_acknowledged else palette.ALARM[one.priority]
        row.append((_alarm_words(state, one)[kind], style))
    return [*row, (more, palette.FAINT)] if more else row


def _alarm_words(state: MonitorState, shown: ShownAlert) -> list[str]:
    """Return ways to say an alarm and its age, the longest first."""
    time = clock(state.age_s(shown.onset))
    age = f"for {time}" if shown.goes_on else f"{time} ago"
    if shown.began_s is not None:
        time = time_of_day(shown.began_s)
        age = f"since {time}" if shown.goes_on else f"at {time}"
    name, short = shown.condition, short_name(shown.condition)
    if shown.is_acknowledged:
        return [
            f" {name} {age}, acknowledged ",
            f" {short} {age}, acknowledged ",
            f" {short} {age}, seen ",
            f" {short} {time}, seen ",
            f" {short} seen ",
        ]
    mark = palette.ALARM_MARK[shown.priority]
    return [
        f" {mark} {shown.priority.name} {name.upper()} {age} {mark} ",
        f" {mark} {shown.priority.name} {name.upper()} {age} ",
        f" {mark} {name.upper()} {age} ",
        f" {mark} {name.upper()} {time} ",
        f" {mark} {short.upper()} {age} ",
    ]
