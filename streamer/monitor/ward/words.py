"""How a patient is, in as many cells as there are; the same in rows, tiles and the detail."""

from collections.abc import Iterable
from typing import Final

from rich.style import Style

from streamer.core.clock_format import clock
from streamer.monitor.terminal import palette
from streamer.monitor.ward.patient_line import PatientLine

_ACKNOWLEDGED: Final = "✓"
"""In place of an alarm's mark once a person has seen it."""
_MOST_HOURS: Final = 10.0
_DAYS_FROM_HOURS: Final = 48.0
"""From these on an age is told in hours, and in days."""
_REVERSED: Final = Style(reverse=True)


def is_selected(style: Style) -> Style:
    """Return how what is selected looks."""
    return style + _REVERSED


def mark_of(one: PatientLine, *, banner: bool = False) -> tuple[str, Style]:
    """Return an alarm's mark and style; of a banner the style has a background."""
    if one.priority is None:
        return "", palette.PLAIN
    if one.is_acknowledged:
        return _ACKNOWLEDGED, palette.STRONG
    styles = palette.ALARM if banner else palette.ALARM_WORD
    return palette.ALARM_MARK[one.priority], styles[one.priority]


def state_words(one: PatientLine, room: int) -> str:
    """Say how a patient is and what changed, or less where that doesn't fit."""
    ways = (one.what, one.short, one.brief)
    words = next((words for words in ways if len(words) <= room), one.brief[: max(room, 0)])
    return fitting([words, *one.changed], room)


def fitting(parts: Iterable[str], room: int) -> str:
    """Put parts behind one another, as many as fit."""
    words = ""
    for part in parts:
        longer = f"{words}, {part}" if words else part
        words = longer if len(longer) <= room else words
    return words


def age_words(one: PatientLine) -> str:
    """Return the age of the alarm or rhythm, in at most 7 cells; empty while unknown."""
    if one.since_s is None:
        return ""
    hours = one.since_s / 3600.0
    if hours < _MOST_HOURS:
        return clock(one.since_s)
    return f"{hours:.0f} h" if hours < _DAYS_FROM_HOURS else f"{hours / 24.0:.0f} d"


def rate_words(one: PatientLine) -> str:
    """Return the heart rate, or that there is none."""
    return "--" if one.heart_rate_bpm is None else f"{one.heart_rate_bpm:.0f}"
