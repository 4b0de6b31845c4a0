"""The monitor as a picture: `render` turns a state into one screenful of text."""

from typing import Final

from rich.segment import Segment

from streamer.core.clock_format import clock
from streamer.monitor import panels
from streamer.monitor.keys import help_box
from streamer.monitor.panels import Row
from streamer.monitor.state import MonitorState
from streamer.monitor.terminal import palette
from streamer.monitor.terminal.screen_lines import (
    Frame,
    Line,
    Part,
    beside,
    block,
    in_the_middle,
    laid_over,
    line,
    rule,
    shortened,
    single_cells,
    spread,
)
from streamer.monitor.trace import (
    GUTTER,
    axis_line,
    label_line,
    lead_lines,
    strip_line,
    sweep_for,
    tachogram_lines,
)

WIDE_WIDTH: Final = 110
WIDE_HEIGHT: Final = 30
"""From this size on, the numbers stand to the right of the trace."""
MINIMUM_WIDTH: Final = 40
MINIMUM_HEIGHT: Final = 10
"""Below this size there is nothing useful to show."""

_SPEED_WIDTH: Final = 18
"""Room for the speed beside the bar of what was played."""
_SLOW_PART: Final = 0.9
"""Below this part of the speed that was asked for, the screen says so."""
_PANEL_ROWS: Final = 5
_PANEL_HEIGHT: Final = 20
"""From this height on, there is room for the numeric panels below the trace."""
_SIDE_WIDTH: Final = 37
_LEAST_ALARMS: Final = 4
_TACHOGRAM_HEIGHT: Final = 36
_SECOND_LEAD_HEIGHT: Final = 34
_LARGE_DIGITS_HEIGHT: Final = 46


def render(state: MonitorState, width: int, height: int) -> Frame:
    """Draw one frame of exactly `height` lines of `width` cells.

    Parameters
    ----------
    state : MonitorState
        What to show; it isn't changed.
    width, height : int
        Size of the terminal in character cells.

    Returns
    -------
    Frame
        A rich renderable. On a screen below 40 x 10 it only says so.
    """
    if width < MINIMUM_WIDTH or height < MINIMUM_HEIGHT:
        note = f"{width}x{height} is too small, need {MINIMUM_WIDTH}x{MINIMUM_HEIGHT}"
        return Frame(block([[(note, palette.STRONG)]], width, height))
    wide = width >= WIDE_WIDTH and height >= WIDE_HEIGHT
    body_height = height - 3
    body = _wide_body(state, width, body_height) if wide else _body(state, width, body_height)
    if state.shows_help:
        body = in_the_middle(body, help_box(width))
    rhythm = panels.rhythm(state)
    room = width - sum(len(text) for text, _ in rhythm) - 1
    return Frame(
        [
            _header(state, width),
            spread(rhythm, panels.alarm_banner(state, room), width),
            *body,
            _progress(state, width),
        ]
    )


def _header(state: MonitorState, width: int) -> Line:
    info = state.info
    leads = info.lead_names if width >= WIDE_WIDTH else info.leads[0]
    left: list[Part] = [
        (" ecg-stream ", palette.BRAND),
        (f" {single_cells(info.source)}", palette.STRONG),
        (f"  {single_cells(leads)}  {info.fs:g} Hz", palette.FAINT),
    ]
    if info.training_record:
        left.append(("  training record", palette.NOTE))
    room = width - sum(len(text) for text, _ in left) - 2
    return spread(left, [*panels.mqtt_state(state, room), (" ", palette.PLAIN)], width)


def _progress(state: MonitorState, width: int) -> Line:
    fs = state.info.fs
    elapsed = f" {clock(state.now / fs)} "
    speed = _speed(state, width - len(elapsed))
    done = state.progress
    if done is None:
        return spread([(elapsed, palette.STRONG), ("live", palette.GOOD)], speed, width)
    end = clock((state.info.first_sample + (state.info.n_samples or 0)) / fs)
    room = max(width - len(elapsed) - len(end) - 7 - _SPEED_WIDTH, 1)
    filled = round(done * room)
    played: list[Part] = [
        (elapsed, palette.STRONG),
        ("━" * filled, palette.GOOD),
        ("─" * (room - filled), palette.FRAME),
        (f" {end} {done * 100.0:3.0f}%", palette.FAINT),
    ]
    # What takes more room than a speed lies over the bar, so that the bar doesn't jump.
    used = sum(len(text) for text, _ in speed)
    return laid_over(line(played, width), width - used, line(speed, used))


def _speed(state: MonitorState, room: int) -> list[Part]:
    if state.message is not None:
        return [(f" {shortened(single_cells(state.message), room - 2)} ", palette.NOTE)]
    pace = state.pace
    if pace is not None and pace.paused:
        return [(" ", palette.PLAIN), (" PAUSED ", palette.BRAND), (" ", palette.PLAIN)]
    if pace is not None and pace.seeking:
        return [(" TO NEXT ALARM ", palette.NOTE)]
    speed = state.speed if pace is None else pace.speed
    measured = state.measured_speed
    hint = "" if pace is None else "  ? help"
    if speed is None:
        now = "" if measured is None else f" {measured:.0f}×"
        return [(f" max{now}{hint} ", palette.FAINT)]
    if measured is not None and measured < _SLOW_PART * speed:
        return [(f" {speed:g}×", palette.FAINT), (f" runs at {measured:.2g}× ", palette.NOTE)]
    return [(f" {speed:g}×{hint} ", palette.FAINT)]


def _body(state: MonitorState, width: int, height: int) -> list[Line]:
    """Trace over panels, for a terminal of ordinary size."""
    below = [strip_line(state, width, " RR ms")]
    if height + 3 >= _PANEL_HEIGHT:
        below += _bottom_panels(state, width)
    else:
        below.append(_one_line(state, width))
    return [*_trace(state, width, height - len(below), leads=1), *below]


def _trace(state: MonitorState, width: int, height: int, *, leads: int) -> list[Line]:
    """Beat letters, one or two leads, time axis."""
    sweep = sweep_for(state, width - GUTTER)
    order = state.lead_order
    names = [state.info.leads[row] for row in order]
    first = height - 2
    lines = []
    if leads > 1:
        second = (first - 1) * 2 // 5
        first -= second + 1
        title = Segment(f"{single_cells(names[1])[: GUTTER - 1]:>{GUTTER - 1}} ", palette.TITLE)
        lines = [[title, *line([], width - GUTTER)], *lead_lines(state, order[1], sweep, second)]
    return [
        label_line(state, sweep, single_cells(names[0])),
        *lead_lines(state, order[0], sweep, first),
        *lines,
        axis_line(state, sweep),
    ]


def _one_line(state: MonitorState, width: int) -> Line:
    """Return the numbers that matter most, where there is no room for panels."""
    rate = panels.shown_rate(state)
    counts = ((label, n) for label, n in state.ledger.counts.items() if label is not None)
    p99 = state.ledger.latency.quantile(0.99)
    return line(
        [
            (f" {'--' if rate is None else round(rate)} bpm ", palette.RATE),
            *((f" {label.value} {n} ", palette.BEAT[label]) for label, n in counts),
            (
                f"  p99 {'--' if p99 is None else round(p99)}/{state.ledger.budget_ms:.0f} ms",
                palette.FAINT,
            ),
        ],
        width,
    )


def _bottom_panels(state: MonitorState, width: int) -> list[Line]:
    """Heart rate, counts, latency and score side by side under one rule."""
    spare = max(width - 80, 0) // 3
    columns: list[tuple[str, int, list[Row]]] = [
        ("HEART RATE", 20, panels.heart_rate(state)),
        ("BEATS", 19 + spare, panels.beat_counts(state, 17 + spare)),
        ("LATENCY ms", 22 + spare, _latency_column(state, 20 + spare)),
        ("VS REFERENCE %", 19 + spare, panels.reference_score(state)),
    ]
    if state.score is None:
        columns[-1] = ("ALARMS", 19 + spare, panels.alarm_list(state, 18 + spare, _PANEL_ROWS))
    titles, blocks, used = [], [], 0
    for title, wanted, rows in columns:
        room = min(wanted, width - used)
        titles.append((used + 1, title))
        blocks.append(block([[(" ", palette.PLAIN), *row] for row in rows], room, _PANEL_ROWS))
        used += room
    blocks.append(block([], width - used, _PANEL_ROWS))
    return [rule(titles, width), *beside(blocks)]


def _latency_column(state: MonitorState, width: int) -> list[Row]:
    return [
        *panels.latency(state, width),
        panels.quality(state, width),
        panels.burden(state, width),
    ]


def _wide_body(state: MonitorState, width: int, height: int) -> list[Line]:
    """Trace on the left, numbers on the right, as on a bedside monitor."""
    left_width = width - _SIDE_WIDTH - 1
    below: list[Line] = [
        rule([(1, "LAST BEATS  RR ms")], left_width),
        strip_line(state, left_width),
    ]
    if height >= _TACHOGRAM_HEIGHT:
        below.append(rule([(1, "RR ms, last minute")], left_width))
        below += tachogram_lines(state, left_width, 5 + (height - _TACHOGRAM_HEIGHT) // 5)
    two = height >= _SECOND_LEAD_HEIGHT and len(state.info.leads) > 1
    left = _trace(state, left_width, height - len(below), leads=2 if two else 1)
    left += below
    side = _side(state, _SIDE_WIDTH, height)
    divider = block([[("│", palette.FRAME)]] * height, 1, height)
    return beside([left, divider, side])


def _side(state: MonitorState, width: int, height: int) -> list[Line]:
    """As many sections as fit, most important first, in the order of the screen."""
    inner = width - 2
    large = height >= _LARGE_DIGITS_HEIGHT
    sections: list[tuple[str, list[Row]]] = [
        ("HEART RATE", panels.heart_rate(state, large=large)),
        ("BEATS", [*panels.beat_counts(state, inner), panels.burden(state, inner)]),
        ("LATENCY ms from the R peak", panels.latency(state, inner)),
        ("SIGNAL", [panels.quality(state, inner)]),
        ("VS REFERENCE %", panels.reference_score(state)),
        ("MQTT", [panels.mqtt_counts(state)]),
    ]
    if state.score is None:
        sections = [section for section in sections if section[0] != "VS REFERENCE %"]
    # The alarms take what is left; on a small screen they come before MQTT.
    roomy = height - sum(len(rows) + 2 for _, rows in sections) - 2
    tight = height - sum(len(rows) + 1 for _, rows in sections[:-1]) - 1
    n_alarms = max(roomy, min(tight, _LEAST_ALARMS), 1)
    sections.insert(-1, ("ALARMS", panels.alarm_list(state, inner, n_alarms)))
    spare = height - sum(len(rows) + 1 for _, rows in sections)
    lines: list[Line] = []
    for title, rows in sections:
        if len(lines) + len(rows) + 1 > height:
            continue
        lines.append(rule([(1, title)], width))
        lines += block([[(" ", palette.PLAIN), *row] for row in rows], width, len(rows))
        if spare > 0:
            lines.append(line([], width))
            spare -= 1
    return (lines + block([], width, height))[:height]
