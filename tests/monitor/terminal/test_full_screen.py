"""What is sent turns the screen into each frame, whatever was on it before."""

import io
import random

from monitor_cases import FedState, info, mqtt, observe, play, reference
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from terminal_grid import Grid

from streamer.monitor.terminal.full_screen import FullScreen, changed_part
from streamer.monitor.terminal.screen_lines import Frame, cut
from streamer.monitor.view import render

_STYLES = [Style.null(), Style.parse("bold"), Style.parse("#ff0000"), Style.parse("reverse")]
_LEAVE = "\x1b[?1049l"


class Sent(io.StringIO):
    """What was written since one last looked."""

    encoding = "utf-8"

    def take(self) -> str:
        text = self.getvalue()
        self.seek(0)
        self.truncate()
        return text


def screen(width: int = 80, height: int = 24, **options: object) -> tuple[FullScreen, Sent]:
    sent = Sent()
    console = Console(
        file=sent,
        width=width,
        height=height,
        force_terminal=True,
        color_system="truecolor",
        **options,  # type: ignore[arg-type]
    )
    full = FullScreen(console)
    full.enter()
    return full, sent


def expected(frame: Frame, width: int, height: int) -> list[list[tuple[str, str]]]:
    """The grid after the whole frame was sent to a new screen."""
    full, sent = screen(width, height)
    full.draw(frame)
    grid = Grid(width, height)
    grid.feed(sent.take())
    return grid.cells


def test_every_frame_of_a_moving_trace_is_shown_as_it_is() -> None:
    state = FedState(info(), mqtt=mqtt(), reference=reference())
    full, sent = screen(120, 40)
    grid = Grid(120, 40)
    for stop in range(0, 4000, 131):
        play(state, stop) if stop == 1310 else observe(state, stop)
        frame = render(state, 120, 40)
        full.draw(frame)
        grid.feed(sent.take())
        assert grid.cells == expected(frame, 120, 40)
    assert grid.beyond == 0


def test_random_changes_are_found() -> None:
    chance = random.Random(3)
    full, sent = screen(12, 3)
    grid = Grid(12, 3)
    for _ in range(300):
        rows = []
        for _ in range(3):
            text = "".join(chance.choices("ab ", k=12))
            at = chance.randrange(1, 12)
            parts = (text[:at], text[at:])
            rows.append([Segment(part, chance.choice(_STYLES)) for part in parts])
        frame = Frame(rows)
        full.draw(frame)
        grid.feed(sent.take())
        assert grid.cells == expected(frame, 12, 3)


def test_only_what_changed_is_sent() -> None:
    state = FedState(info())
    observe(state, 3600)
    full, sent = screen(160, 50)
    full.draw(render(state, 160, 50))
    whole = len(sent.take())
    full.draw(render(state, 160, 50))
    assert sent.take() == ""
    observe(state, 3618)
    full.draw(render(state, 160, 50))
    assert 0 < len(sent.take()) < whole / 5


def test_what_others_wrote_is_gone_after_a_while() -> None:
    full, sent = screen(4, 1)
    frame = Frame([[Segment("abcd")]])
    full.draw(frame)
    sent.take()
    for _ in range(200):
        full.draw(frame)
    assert "abcd" in sent.take()


def test_a_new_size_begins_anew() -> None:
    full, sent = screen(4, 1)
    full.draw(Frame([[Segment("abcd")]]))
    sent.take()
    full._console.size = type(full._console.size)(5, 1)
    full.draw(Frame([[Segment("abcd ")]]))
    assert "\x1b[2J\x1b[1;1Habcd " in sent.take()


def test_nothing_is_drawn_on_a_screen_that_is_not_ours() -> None:
    full, sent = screen(4, 1)
    full.leave()
    full.leave()
    assert sent.take().count(_LEAVE) == 1
    full.draw(Frame([[Segment("abcd")]]))
    assert sent.take() == ""


def test_no_colour_is_heeded() -> None:
    full, sent = screen(4, 1, no_color=True)
    sent.take()
    full.draw(Frame([[Segment("ab", Style.parse("bold #ff0000")), Segment("cd", _STYLES[2])]]))
    assert "\x1b[1mab\x1b[0mcd" in sent.take()


def test_the_changed_part_is_as_short_as_it_can_be() -> None:
    before = [Segment("aaaa", _STYLES[0]), Segment("bbbb", _STYLES[1])]
    after = [Segment("aaxa", _STYLES[0]), Segment("bybb", _STYLES[1])]
    column, changed = changed_part(before, after)
    assert column == 2
    assert [(segment.text, segment.style) for segment in changed] == [
        ("xa", _STYLES[0]),
        ("by", _STYLES[1]),
    ]
    # A change between equal neighbours: no cell is counted from both ends.
    assert changed_part([Segment("aab")], [Segment("aaab"[:3])]) == (2, [Segment("a", None)])
    assert changed_part([Segment("abab")], [Segment("abaa")]) == (3, [Segment("a", None)])


def test_cutting_keeps_styles() -> None:
    row = [Segment("abc", _STYLES[1]), Segment("def", _STYLES[2])]
    assert cut(row, 2, 4) == [Segment("c", _STYLES[1]), Segment("d", _STYLES[2])]
    assert cut(row, 3, 3) == []
