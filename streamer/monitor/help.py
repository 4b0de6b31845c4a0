"""The box that says what the monitor's keys do and what its letters mean."""

from typing import Final

from classifier.labels import Label
from streamer.monitor.keys import help_rows
from streamer.monitor.terminal import palette
from streamer.monitor.terminal.screen_lines import Line, Part, beside, block, line, rule

_WIDTH: Final = 46
_MEANING: Final = {
    Label.N: "normal",
    Label.S: "supraventricular ectopic",
    Label.V: "ventricular ectopic",
    Label.F: "fusion of V and N",
    Label.Q: "can't be judged",
}


def help_box(width: int) -> list[Line]:
    """Return lines of equal width, at most `width` cells."""
    inner = min(_WIDTH, width) - 2
    rows = [*_keys(), [], *_letters()]
    sides = block([[("│", palette.FRAME)]] * len(rows), 1, len(rows))
    return [
        [*_corner("┌"), *rule([(1, "KEYS")], inner), *_corner("┐")],
        *beside([sides, block(rows, inner, len(rows)), sides]),
        line([("└" + "─" * inner + "┘", palette.FRAME)], inner + 2),
    ]


def _corner(character: str) -> Line:
    return line([(character, palette.FRAME)], 1)


def _keys() -> list[list[Part]]:
    return [
        [(f" {keys:<7}", palette.STRONG), (words, palette.PLAIN)] for keys, words in help_rows()
    ]


def _letters() -> list[list[Part]]:
    rows: list[list[Part]] = [
        [(f" {label.value:<3}", palette.BEAT[label]), (words, palette.PLAIN)]
        for label, words in _MEANING.items()
    ]
    provisional = "provisional, until the next beat"
    return [*rows, [(" V? ", palette.BEAT[Label.V]), (provisional, palette.PLAIN)]]
