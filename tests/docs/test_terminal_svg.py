"""The picture of the monitor in the documentation."""

import re
from pathlib import Path

import pytest
from monitor_cases import FedState, info, play
from terminal_svg import draw_glyphs, export_svg

from streamer.monitor.view import render


def text(content: str, x: float = 0.0) -> str:
    attributes = f'class="c1" x="{x:g}" y="20" textLength="61" clip-path="url(#line-0)"'
    return f"<text {attributes}>{content}</text>"


def test_words_are_placed_one_by_one() -> None:
    drawn = draw_glyphs(text("ab&#160;&#160;c"))
    assert drawn == (
        '<text class="c1" x="0.0" y="20" textLength="24.4" clip-path="url(#line-0)">ab</text>'
        '<text class="c1" x="48.8" y="20" textLength="12.2" clip-path="url(#line-0)">c</text>'
    )


def test_escapes_survive() -> None:
    assert ">&lt;&amp;<" in draw_glyphs(text("&lt;&amp;"))


def test_spaces_alone_draw_nothing() -> None:
    assert draw_glyphs(text("&#160;&#160;")) == ""


@pytest.mark.parametrize(("character", "dots"), [("⠁", 1), ("⣿", 8), ("⠙", 3)])
def test_braille_becomes_circles(character: str, dots: int) -> None:
    drawn = draw_glyphs(text(character))
    assert drawn.count("M") == dots
    assert "<text" not in drawn


def test_the_lowest_dots_are_in_the_lowest_quarter() -> None:
    # Dot 7 is bit 6: left column, fourth row; its middle is 7/8 down the cell.
    assert f"{1.5 + 24.4 * 7 / 8:.1f}a" in draw_glyphs(text("⡀"))


@pytest.mark.parametrize("character", "─━│┤┴└╴╶╌╍╸█▀▄")
def test_box_and_block_characters_become_shapes(character: str) -> None:
    drawn = draw_glyphs(text(character))
    assert drawn.startswith('<path class="c1"')
    assert "<text" not in drawn


def test_other_markup_is_left_alone() -> None:
    assert draw_glyphs("<rect x='1'/>") == "<rect x='1'/>"


def test_svg_has_every_word_and_draws_its_own_dots(tmp_path: Path) -> None:
    path = tmp_path / "monitor.svg"
    state = FedState(info(training_record=True))
    play(state, 3600)
    export_svg(render(state, 80, 24), path, 80, 24, "ecg-stream replay 208")
    svg = path.read_text(encoding="utf-8")
    assert ">training<" in svg
    assert "<path" in svg
    assert not re.search(r"[⠀-⣿─-▟]", svg)
