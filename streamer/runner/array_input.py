"""Arrays that a library user hands over, checked and turned into what the chain takes."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from replay.chunk import Chunk
from replay.record import lead_order

UNNAMED_LEAD: Final = "ECG"
"""Name of the only lead where none is given."""


def lead_names(leads: str | Sequence[str]) -> tuple[str, ...]:
    """Return the names of the leads; one name may stand alone.

    Raises
    ------
    ValueError
        If there is none.
    """
    names = (leads,) if isinstance(leads, str) else tuple(leads)
    if not names:
        raise ValueError('leads are (); name each lead, such as ("MLII", "V1")')
    return names


def whole_signal(
    samples: ArrayLike, leads: str | Sequence[str] | None
) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """Return a whole signal as (leads, n), primary lead first, with the names in that order.

    Raises
    ------
    ValueError
        If the numbers aren't floats, or it can't be told which axis is which.
    """
    array = _millivolts(samples)
    if array.ndim == 1:
        array = array[None, :]
    if leads is None:
        array = _unnamed(array)
        names = tuple(f"lead {row + 1}" for row in range(len(array)))
        return _contiguous(array), names if len(names) > 1 else (UNNAMED_LEAD,)
    names = lead_names(leads)
    array = _named(array, names)
    order = lead_order(names, None, "")
    return _contiguous(array[list(order)]), tuple(names[row] for row in order)


def next_chunk(
    item: Chunk | ArrayLike, start: int, leads: tuple[str, ...], order: tuple[int, ...]
) -> Chunk:
    """Return the next piece of a stream as a chunk with its rows in the given order.

    Parameters
    ----------
    item : Chunk or array_like
        A chunk keeps its own start. An array follows what came before: (leads, n); one value for
        each lead; of a single lead also any number of samples, or one number.
    start : int
        Sample index of an array's first sample.
    leads : tuple of str
        Names of the rows as they come.
    order : tuple of int
        Which row comes first, second and so on.

    Raises
    ------
    ValueError
        If the numbers aren't floats, or the rows aren't those of the leads.
    """
    names = None
    if isinstance(item, Chunk):
        start, values, names = item.start, item.samples, item.leads
    else:
        values = item  # type: ignore[assignment]
    array = _millivolts(values)
    if array.ndim <= 1:
        array = array.reshape(1, -1) if len(leads) == 1 else array.reshape(-1, 1)
    if array.ndim != 2 or len(array) != len(leads):
        raise ValueError(
            f"a piece of the stream has shape {np.shape(values)}; expected ({len(leads)}, n) for "
            f"{_listed(leads)}, or one value for each lead"
        )
    named = None if names is None else tuple(names[row] for row in order)
    return Chunk(start=start, samples=_contiguous(array[list(order)]), leads=named)


def _millivolts(samples: ArrayLike) -> NDArray[np.floating[Any]]:
    """Return an array of floats; masked values become NaN."""
    if isinstance(samples, np.ma.MaskedArray) and samples.dtype.kind == "f":
        return np.asarray(samples.filled(np.nan))
    array = np.asarray(samples)
    if array.dtype.kind != "f":
        raise ValueError(
            f"samples are of type {array.dtype}; expected floats in mV: of an analogue-to-digital "
            "converter's integers that is (samples - baseline) / gain"
        )
    return array


def _unnamed(array: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    if array.ndim != 2 or not len(array):
        raise ValueError(f"samples have shape {array.shape}; expected (n,) or (leads, n)")
    if len(array) > array.shape[1] > 0:
        raise ValueError(
            f"samples have shape {array.shape}, which reads as {len(array)} leads; expected "
            "(leads, n): give samples.T, or the names of the leads"
        )
    return array


def _named(array: NDArray[np.floating[Any]], names: tuple[str, ...]) -> NDArray[np.floating[Any]]:
    if array.ndim == 2 and len(array) == len(names):
        return array
    if array.ndim == 2 and array.shape[1] == len(names):
        return array.T
    raise ValueError(
        f"samples have shape {array.shape}; expected ({len(names)}, n) for {_listed(names)}"
    )


def _contiguous(array: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    # What is too large for float32 becomes infinite, which the chain takes for invalid.
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(array, dtype=np.float32)


def _listed(names: tuple[str, ...]) -> str:
    return f"{len(names)} lead{'s' if len(names) > 1 else ''} ({', '.join(names)})"
