"""The last alarms of a ward, newest first, and how each of them stands."""

from typing import Final

from streamer.monitor.shown_alerts import time_of_day
from streamer.monitor.terminal import palette
from streamer.monitor.terminal.screen_lines import Line, line, single_cells
from streamer.rhythm.alerting.alerts import AlertState
from streamer.rhythm.alerting.patients import PatientAlerts

_STANDS: Final = {
    AlertState.ONGOING: "goes on",
    AlertState.ACKNOWLEDGED: "goes on, acknowledged",
    AlertState.LATCHED: "over, not acknowledged",
    None: "over",
}
_SOURCE_CELLS: Final = 16
_STANDS_CELLS: Final = 24


def history_header(width: int) -> Line:
    """Return the names of the columns."""
    names = f" {'SINCE':<10}{'PATIENT':<{_SOURCE_CELLS}}    {'ALARM':<{_what_cells(width)}}STATE"
    return line([(names, palette.TITLE)], width)


def history_lines(alerts: PatientAlerts, width: int, rows: int) -> list[Line]:
    """Return up to `rows` lines of `width` cells."""
    newest = [past for past, _ in zip(reversed(alerts.past), range(rows), strict=False)]
    cells = _what_cells(width)
    lines = []
    for past in newest:
        alert, info = past.alert, past.info
        stands = alerts.state_of(past)
        is_open = stands in {AlertState.ONGOING, AlertState.LATCHED}
        style = palette.ALARM_WORD[alert.priority] if is_open else palette.FAINT
        began_s = info.wall_time_s(alert.onset)
        source = single_cells(info.source)[: _SOURCE_CELLS - 1]
        lines.append(
            line(
                [
                    (f" {time_of_day(began_s):<10}", palette.FAINT),
                    (f"{source:<{_SOURCE_CELLS}}", palette.STRONG),
                    (f"{palette.ALARM_MARK[alert.priority]:<4}", style),
                    (f"{alert.condition[: cells - 1]:<{cells}}", style),
                    (_STANDS[stands], style),
                ],
                width,
            )
        )
    return lines or [line([(" no alarm so far", palette.FAINT)], width)]


def _what_cells(width: int) -> int:
    return max(width - 11 - _SOURCE_CELLS - 4 - _STANDS_CELLS, 12)
