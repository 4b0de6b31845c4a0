import numpy as np
import pytest

from streamer.monitor.terminal import braille


def test_each_dot_has_its_bit() -> None:
    expected = {
        (0, 0): "⠁", (1, 0): "⠂", (2, 0): "⠄", (3, 0): "⡀",
        (0, 1): "⠈", (1, 1): "⠐", (2, 1): "⠠", (3, 1): "⢀",
    }  # fmt: skip
    for (row, column), character in expected.items():
        dots = np.zeros((4, 2), np.bool_)
        dots[row, column] = True
        assert braille.text(braille.code_points(braille.pack(dots))) == [character]


def test_empty_cells_are_plain_spaces() -> None:
    assert (
        braille.text(braille.code_points(braille.pack(np.zeros((8, 6), np.bool_)))) == ["   "] * 2
    )


def test_a_full_cell() -> None:
    assert braille.text(braille.code_points(braille.pack(np.ones((4, 2), np.bool_)))) == ["⣿"]


def test_bars_reach_from_top_to_bottom_inclusive() -> None:
    dots = braille.bars(np.array([0, 1, 3]), np.array([3, 1, 2]), 4)
    assert dots.T.astype(int).tolist() == [[1, 1, 1, 1], [0, 1, 0, 0], [0, 0, 0, 0]]


def test_a_falling_line() -> None:
    steps = np.arange(8)
    assert braille.text(braille.code_points(braille.pack(braille.bars(steps, steps, 8)))) == [
        "⠑⢄  ",
        "  ⠑⢄",
    ]


def test_refuses_half_a_cell() -> None:
    with pytest.raises(ValueError, match="got 5 x 2 dots"):
        braille.pack(np.zeros((5, 2), np.bool_))
