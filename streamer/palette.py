"""Colours of the monitor. Meaning never hangs on a colour alone: letters and words carry it too."""

from typing import Final

from rich.style import Style

from classifier.labels import Label
from streamer.events import Priority


def _style(definition: str) -> Style:
    return Style.parse(definition)


PLAIN: Final = Style.null()
STRONG: Final = _style("bold")
FAINT: Final = _style("grey50")
FRAME: Final = _style("grey39")
GRID: Final = _style("grey30")
TITLE: Final = _style("bold #6cb6ff")
TRACE: Final = _style("#3ddc84")
HEAD: Final = _style("bold default")
RATE: Final = _style("bold #3ddc84")
GOOD: Final = _style("#3ddc84")
FAIR: Final = _style("#ffc83d")
POOR: Final = _style("bold #ff6b5e")
NOTE: Final = _style("bold #ffc83d")
BRAND: Final = _style("bold reverse")

BEAT: Final[dict[Label | None, Style]] = {
    Label.N: TRACE,
    Label.S: _style("bold #ffc83d"),
    Label.V: _style("bold #ff6b5e"),
    Label.F: _style("bold #d2a8ff"),
    Label.Q: _style("bold grey66"),
    None: _style("bold default"),
}
"""Tint of a beat by class; None is a beat that has no label yet."""

ALARM: Final[dict[Priority, Style]] = {
    Priority.LOW: _style("bold #000000 on #5fd7ff"),
    Priority.MEDIUM: _style("bold #000000 on #ffc83d"),
    Priority.HIGH: _style("bold #ffffff on #d1242f"),
}
"""Cyan, yellow and red, as IEC 60601-1-8 assigns them to the priorities."""

ALARM_WORD: Final[dict[Priority, Style]] = {
    Priority.LOW: _style("bold #5fd7ff"),
    Priority.MEDIUM: _style("bold #ffc83d"),
    Priority.HIGH: _style("bold #ff6b5e"),
}
"""The same for text without a background."""

ALARM_MARK: Final[dict[Priority, str]] = {
    Priority.LOW: "!",
    Priority.MEDIUM: "!!",
    Priority.HIGH: "!!!",
}
"""What stands for the priority where there are no colours."""
