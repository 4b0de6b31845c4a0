"""Colours of the monitor. Meaning never hangs on a colour alone: letters and words carry it too.

The names below hold the styles of the theme in use; `use` changes the theme for the process,
before anything is drawn. Rich leaves all colours out where `NO_COLOR` is set.
"""

from typing import Final

from rich.style import Style

from classifier.labels import Label
from streamer.core.events import Priority


def _style(definition: str) -> Style:
    return Style.parse(definition)


PLAIN = Style.null()
UPRIGHT: Final = Style(reverse=False, underline=False)
"""Added to a style for bars, lines and dots, whose blank cells would become blocks."""
STRONG = _style("bold")
FAINT = _style("grey50")
FRAME = _style("grey39")
GRID = _style("grey30")
TITLE = _style("bold #6cb6ff")
TRACE = _style("#3ddc84")
HEAD = _style("bold default")
RATE = _style("bold #3ddc84")
GOOD = _style("#3ddc84")
FAIR = _style("#ffc83d")
POOR = _style("bold #ff6b5e")
NOTE = _style("bold #ffc83d")
BRAND = _style("bold reverse")

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


_STYLES: Final = {
    name: globals()[name]
    for name in ("STRONG FAINT FRAME GRID TITLE TRACE HEAD RATE GOOD FAIR POOR NOTE BRAND".split())
}
_BEAT: Final = dict(BEAT)
_ALARM: Final = dict(ALARM)
_ALARM_WORD: Final = dict(ALARM_WORD)
"""The dark theme, as it is written above."""

_LIGHT: Final = {
    "FAINT": "grey42",
    "FRAME": "grey58",
    "GRID": "grey78",
    "TITLE": "bold #0550ae",
    "TRACE": "#116329",
    "RATE": "bold #116329",
    "GOOD": "#116329",
    "FAIR": "#7d4e00",
    "POOR": "bold #b3001b",
    "NOTE": "bold #7d4e00",
}
_LIGHT_BEAT: Final = {"S": "bold #7d4e00", "V": "bold #b3001b", "F": "bold #6639ba"}
# Okabe & Ito's palette (jfly.uni-koeln.de/color): told apart in every common colour blindness.
_SAFE: Final = {
    "TITLE": "bold #56b4e9",
    "TRACE": "#56b4e9",
    "RATE": "bold #56b4e9",
    "GOOD": "#56b4e9",
    "FAIR": "#f0e442",
    "POOR": "bold #e69f00",
    "NOTE": "bold #f0e442",
}
_SAFE_BEAT: Final = {"S": "bold #f0e442", "V": "bold #e69f00", "F": "bold #cc79a7"}
_NONE: Final = {
    **dict.fromkeys(("FAINT", "FRAME", "GRID"), "dim"),
    **dict.fromkeys(("TRACE", "GOOD"), ""),
    **dict.fromkeys(("TITLE", "HEAD", "RATE", "FAIR", "NOTE"), "bold"),
    "POOR": "bold reverse",
}
_NONE_BEAT: Final = {"S": "bold", "V": "bold reverse", "F": "bold underline", "Q": "dim"}

THEMES: Final = ("dark", "light", "colour-blind", "none")
"""What `use` takes: `light` is for light backgrounds, `none` has no colours at all."""

_CHANGES: Final[dict[str, tuple[dict[str, str], dict[str, str]]]] = {
    "dark": ({}, {}),
    "light": (_LIGHT, _LIGHT_BEAT),
    "colour-blind": (_SAFE, _SAFE_BEAT),
    "none": (_NONE, _NONE_BEAT),
}


def use(theme: str) -> None:
    """Take the styles of a theme.

    Raises
    ------
    ValueError
        If there is no such theme.
    """
    if theme not in _CHANGES:
        raise ValueError(f"no theme is called {theme!r}; choose from {', '.join(THEMES)}")
    styles, beats = _CHANGES[theme]
    for name, style in _STYLES.items():
        globals()[name] = _style(styles[name]) if name in styles else style
    for label, style in _BEAT.items():
        BEAT[label] = _style(beats[label]) if label is not None and label in beats else style
    BEAT[Label.N] = globals()["TRACE"]
    for priority in Priority:
        ALARM[priority] = _alarm(theme, priority)
        ALARM_WORD[priority] = _alarm_word(theme, priority)


def _alarm(theme: str, priority: Priority) -> Style:
    if theme == "none":
        return _style("bold reverse" if priority is Priority.HIGH else "bold")
    if theme == "colour-blind" and priority is Priority.HIGH:
        return _style("bold #ffffff on #d55e00")
    return _ALARM[priority]


def _alarm_word(theme: str, priority: Priority) -> Style:
    if theme == "none":
        return _style("bold")
    if theme == "light":
        return _style({3: "bold #b3001b", 2: "bold #7d4e00", 1: "bold #0550ae"}[int(priority)])
    if theme == "colour-blind" and priority is Priority.HIGH:
        return _style("bold #e69f00")
    return _ALARM_WORD[priority]
