import pytest

from streamer.monitor.terminal import big_digits


def test_small_digits() -> None:
    assert big_digits.small("17") == [
        " ▄█   ▀▀▀▀█ ",
        "  █      █  ",
        "  █     █   ",
        " ▀▀▀    ▀   ",
    ]


def test_large_digits() -> None:
    assert big_digits.large("1") == [
        "    ██      ",
        "  ████      ",
        "    ██      ",
        "    ██      ",
        "    ██      ",
        "    ██      ",
        "  ██████    ",
    ]


@pytest.mark.parametrize("draw", [big_digits.small, big_digits.large])
def test_every_digit_is_different_and_equally_wide(draw) -> None:
    drawn = ["\n".join(draw(digit)) for digit in "0123456789- "]
    assert len(set(drawn)) == 12
    assert len({len(row) for glyph in drawn for row in glyph.split("\n")}) == 1
