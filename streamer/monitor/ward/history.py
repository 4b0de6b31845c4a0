"""The last alarms of a ward, newest first, and how each of them stands."""

from collections.abc import Callable
from itertools import islice
from typing import Final

from streamer.monitor.shown_alerts import short_name, time_of_day
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


def history_header(width: int, source: str | None = None) -> Line:
    """Return the names of the columns, of all patients or of one."""
    patient = f"{'PATIENT':<{_SOURCE_CELLS}}" if source is None else ""
    names = f" {'SINCE':<10}{patient}    {'ALARM':<{_what_cells(width, source)}}STATE"
    return line([(names, palette.TITLE)], width)


def history_lines(
    alerts: PatientAlerts,
    width: int,
    rows: int,
    source: str | None = None,
    name_of: Callable[[str], str] = str,
) -> list[Line]:
    """Return up to `rows` lines of `width` cells, of all patients or of one."""
    those = (past for past in reversed(alerts.past) if source in {None, past.info.source})
    newest = list(islice(those, rows))
    cells = _what_cells(width, source)
    lines = []
    for past in newest:
        alert, info = past.alert, past.info
        stands = alerts.state_of(past)
        is_open = stands in {AlertState.ONGOING, AlertState.LATCHED}
        style = palette.ALARM_WORD[alert.priority] if is_open else palette.FAINT
        began_s = info.wall_time_s(alert.onset)
        name = single_cells(name_of(info.source))[: _SOURCE_CELLS - 1]
        patient = f"{name:<{_SOURCE_CELLS}}" if source is None else ""
        what = alert.condition if len(alert.condition) < cells else short_name(alert.condition)
        lines.append(
            line(
                [
                    (f" {time_of_day(began_s):<10}", palette.FAINT),
                    (patient, palette.STRONG),
                    (f"{palette.ALARM_MARK[alert.priority]:<4}", style),
                    (f"{what[: cells - 1]:<{cells}}", style),
                    (_STANDS[stands], style),
                ],
                width,
            )
        )
    return lines or [line([(" no alarm so far", palette.FAINT)], width)]


def _what_cells(width: int, source: str | None) -> int:
    patient = _SOURCE_CELLS if source is None else 0
    return max(width - 11 - patient - 4 - _STANDS_CELLS, 12)
