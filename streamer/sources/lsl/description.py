"""What an LSL stream says of itself: its rate, its leads, and what a number is in mV; pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, unquote

import numpy as np
from numpy.typing import ArrayLike, NDArray

from replay.record import lead_order
from streamer.core.errors import StreamerError
from streamer.messages.samples import MAX_LEADS

SCHEME: Final = "lsl://"
_FORM: Final = "lsl://NAME, lsl://NAME?unit=uV or lsl://NAME?source_id=ID"
_MV_OF: Final = {
    **dict.fromkeys(("v", "volt", "volts"), 1e3),
    **dict.fromkeys(("mv", "millivolt", "millivolts"), 1.0),
    **dict.fromkeys(("uv", "\u00b5v", "\u03bcv", "microvolt", "microvolts"), 1e-3),
    **dict.fromkeys(("nv", "nanovolt", "nanovolts"), 1e-6),
}
"""mV in one unit, by its name in small letters; both of Unicode's signs for micro."""
_ECG_TYPES: Final = {"ecg", "ekg"}


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamName:
    """Which stream is wanted.

    Attributes
    ----------
    name : str
        The stream's name, exactly.
    unit : str or None
        Of its numbers, where the stream doesn't say.
    source_id : str or None
        Which one, where several have that name.
    """

    name: str
    unit: str | None = None
    source_id: str | None = None


def parse_stream_name(text: str) -> StreamName:
    """Read `NAME[?unit=UNIT][&source_id=ID]`, with or without `lsl://` in front; %20 is a blank.

    Raises
    ------
    ValueError
        If there is no name, or something else is asked for.
    """
    name, _, query = text.removeprefix(SCHEME).partition("?")
    name = unquote(name)
    wanted = parse_qs(query, keep_blank_values=True)
    if not name or wanted.keys() - {"unit", "source_id"}:
        raise ValueError(f"{text!r} names no LSL stream; expected {_FORM}")
    unit = wanted.get("unit", [None])[-1]
    if unit is not None and unit.lower() not in _MV_OF:
        raise ValueError(f"{unit!r} is no unit of an ECG; expected mV, uV or V")
    return StreamName(name=name, unit=unit, source_id=wanted.get("source_id", [None])[-1])


def predicate_of(wanted: StreamName) -> str:
    """Return the query that finds a stream, in LSL's XPath, which has no escapes."""
    terms = [f"name={_quoted(wanted.name)}"]
    if wanted.source_id is not None:
        terms.append(f"source_id={_quoted(wanted.source_id)}")
    return " and ".join(terms)


def _quoted(text: str) -> str:
    return f'"{text}"' if "'" in text else f"'{text}'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What a stream says of itself.

    Attributes
    ----------
    name : str
    fs : float
        Nominal rate in Hz; 0 is irregular.
    n_channels : int
    is_text : bool
        Whether its samples are strings.
    labels, types, units : sequence of str or None
        Of each channel; None where nothing is said.
    """

    name: str
    fs: float
    n_channels: int
    is_text: bool = False
    labels: Sequence[str | None] | None = None
    types: Sequence[str | None] | None = None
    units: Sequence[str | None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Channels:
    """Which of a stream's channels are ECG leads, primary lead first.

    Attributes
    ----------
    leads : tuple of str
    columns : tuple of int
    scales : tuple of float
        mV in one unit of each.
    """

    leads: tuple[str, ...]
    columns: tuple[int, ...]
    scales: tuple[float, ...]

    def millivolts(self, samples: ArrayLike) -> NDArray[np.float32]:
        """Return samples, shape (n, channels), as (leads, n) in mV; what isn't finite is NaN."""
        rows = np.asarray(samples, np.float64)[:, self.columns] * self.scales
        with np.errstate(over="ignore"):
            found = np.ascontiguousarray(rows.T, np.float32)
        found[~np.isfinite(found)] = np.nan
        return found


def choose_channels(
    stream: Description, unit: str | None, *, lowest_fs: float, highest_fs: float
) -> Channels:
    """Choose the ECG leads of a stream.

    Channels of type ECG if any are named so, else all that are a voltage.

    Raises
    ------
    StreamerError
        If the rate is irregular or out of bounds, or no channel is known to be a voltage.
    """
    name = f"LSL stream {stream.name!r}"
    if stream.is_text or stream.fs == 0.0:
        kind = "text" if stream.is_text else "an irregular rate"
        raise StreamerError(
            f"{name} has {kind}; an ECG has numbers at a constant rate, {lowest_fs:g} to "
            f"{highest_fs:g} Hz: state the nominal rate in its StreamInfo"
        )
    if not lowest_fs <= stream.fs <= highest_fs:
        raise StreamerError(
            f"{name} has {stream.fs:g} Hz; expected {lowest_fs:g} to {highest_fs:g}"
        )
    every = range(stream.n_channels)
    types = [(kind or "").lower() for kind in _all(stream.types, stream.n_channels)]
    ecg = [column for column in every if types[column] in _ECG_TYPES] or list(every)
    units = [said or unit for said in _all(stream.units, stream.n_channels)]
    if not any(units[column] for column in ecg):
        raise StreamerError(
            f"{name} doesn't state its unit; say which it is: lsl://{stream.name}?unit=mV "
            "(or uV, or V)"
        )
    columns = [column for column in ecg if (units[column] or "").lower() in _MV_OF]
    if not columns:
        found = ", ".join(sorted({units[column] or "none" for column in ecg}))
        raise StreamerError(
            f"{name} has no channel in volts (units: {found}); expected mV, uV or V"
        )
    labels = _all(stream.labels, stream.n_channels)
    leads = tuple(labels[column] or f"lead{n + 1}" for n, column in enumerate(columns))
    order = lead_order(leads, None, "")[:MAX_LEADS]
    return Channels(
        leads=tuple(leads[row] for row in order),
        columns=tuple(columns[row] for row in order),
        scales=tuple(_MV_OF[(units[columns[row]] or "").lower()] for row in order),
    )


def _all(said: Sequence[str | None] | None, n: int) -> list[str | None]:
    """Return what is said of each channel; a description may be shorter than the stream."""
    return [*(said or ()), *[None] * n][:n]
