"""Drawing with the dots of braille characters: each character cell is 2 dots wide and 4 high."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

DOTS_X: Final = 2
"""Dots across one cell."""
DOTS_Y: Final = 4
"""Dots down one cell."""

_BLANK: Final = 0x2800
_WEIGHTS: Final = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]], np.uint8)
"""Bit of each dot in the code point, by row and column in the cell (Unicode chart U+2800)."""


def bars(top: NDArray[np.int64], bottom: NDArray[np.int64], height: int) -> NDArray[np.bool_]:
    """Set dots `top` to `bottom` (inclusive, from the top edge down) in each dot column.

    Parameters
    ----------
    top, bottom : ndarray of int, shape (n,)
        First and last dot of each column; `top` greater than `bottom` leaves a column empty.
    height : int
        Dots from the top edge to the bottom edge.

    Returns
    -------
    ndarray of bool, shape (height, n)
    """
    rows = np.arange(height)[:, None]
    return (rows >= top) & (rows <= bottom)


def pack(dots: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Turn dots into the low byte of each cell's code point; 0 is an empty cell.

    Parameters
    ----------
    dots : ndarray of bool, shape (4 * rows, 2 * columns)

    Returns
    -------
    ndarray of uint8, shape (rows, columns)

    Raises
    ------
    ValueError
        If the dots don't fill whole cells.
    """
    height, width = dots.shape
    if height % DOTS_Y or width % DOTS_X:
        raise ValueError(
            f"got {height} x {width} dots, expected a multiple of {DOTS_Y} x {DOTS_X} to fill cells"
        )
    cells = dots.reshape(height // DOTS_Y, DOTS_Y, width // DOTS_X, DOTS_X)
    packed = np.zeros((cells.shape[0], cells.shape[2]), np.uint8)
    for row in range(DOTS_Y):
        for column in range(DOTS_X):
            packed |= cells[:, row, :, column] * _WEIGHTS[row, column]
    return packed


def text(cells: NDArray[np.uint32]) -> list[str]:
    """Turn code points, shape (rows, columns), into one string a row."""
    return [row.astype("<u4").tobytes().decode("utf-32-le") for row in cells]


def code_points(packed: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """Turn packed cells into code points; an empty cell becomes a plain space."""
    points = packed.astype(np.uint32) + _BLANK
    points[packed == 0] = ord(" ")
    return points
