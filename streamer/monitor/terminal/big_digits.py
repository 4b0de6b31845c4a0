"""Digits that can be read across a room."""

from typing import Final

_GLYPHS: Final[dict[str, tuple[int, ...]]] = {
    "0": (0b01110, 0b10001, 0b10001, 0b10001, 0b10001, 0b10001, 0b01110),
    "1": (0b00100, 0b01100, 0b00100, 0b00100, 0b00100, 0b00100, 0b01110),
    "2": (0b01110, 0b10001, 0b00001, 0b00110, 0b01000, 0b10000, 0b11111),
    "3": (0b11110, 0b00001, 0b00001, 0b01110, 0b00001, 0b00001, 0b11110),
    "4": (0b00010, 0b00110, 0b01010, 0b10010, 0b11111, 0b00010, 0b00010),
    "5": (0b11111, 0b10000, 0b11110, 0b00001, 0b00001, 0b10001, 0b01110),
    "6": (0b00110, 0b01000, 0b10000, 0b11110, 0b10001, 0b10001, 0b01110),
    "7": (0b11111, 0b00001, 0b00010, 0b00010, 0b00100, 0b00100, 0b00100),
    "8": (0b01110, 0b10001, 0b10001, 0b01110, 0b10001, 0b10001, 0b01110),
    "9": (0b01110, 0b10001, 0b10001, 0b01111, 0b00001, 0b00010, 0b01100),
    "-": (0b00000, 0b00000, 0b00000, 0b11111, 0b00000, 0b00000, 0b00000),
    " ": (0, 0, 0, 0, 0, 0, 0),
}
"""Five pixels across, seven down; the leftmost pixel is the highest bit."""
_ACROSS: Final = 5
_DOWN: Final = 7
_HALVES: Final = {(False, False): " ", (True, False): "▀", (False, True): "▄", (True, True): "█"}


def small(text: str) -> list[str]:
    """Draw digits, '-' and ' ' in 4 rows, 5 cells and a space for each character.

    Raises
    ------
    KeyError
        If a character has no glyph.
    """
    pixels = [*_pixels(text), [False] * (len(text) * (_ACROSS + 1))]
    return [
        "".join(_HALVES[pair] for pair in zip(pixels[row], pixels[row + 1], strict=True))
        for row in range(0, _DOWN + 1, 2)
    ]


def large(text: str) -> list[str]:
    """Draw digits, '-' and ' ' in 7 rows, 10 cells and two spaces for each character.

    Raises
    ------
    KeyError
        If a character has no glyph.
    """
    return ["".join("██" if pixel else "  " for pixel in row) for row in _pixels(text)]


def _pixels(text: str) -> list[list[bool]]:
    """Rows of pixels, one column free after each character."""
    return [
        [
            bool(_GLYPHS[character][row] >> (_ACROSS - 1 - column) & 1)
            if column < _ACROSS
            else False
            for character in text
            for column in range(_ACROSS + 1)
        ]
        for row in range(_DOWN)
    ]
