"""A strip of ECG on chart paper, described in millimetres: what SVG and PNG are both drawn from."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamer.core.clock_format import clock

Points = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """Scales of the strip, as on the usual chart paper."""

    mm_per_s: float = 25.0
    gains_mm_per_mv: tuple[float, ...] = (10.0, 5.0, 2.5)
    """The first at which every lead fits is taken for all; at the last, what doesn't is cut off."""
    least_mm: float = 25.0
    """Height of a lead that hardly moves."""
    most_mm: float = 60.0
    """Height of one that swings."""
    margin_mm: float = 6.0
    """Height that a lead has beyond its swing."""
    head_mm: float = 7.0
    """Room for the letters above the signal."""
    gutter_mm: float = 10.0
    """Room left of the signal for the lead's name and the calibration mark."""
    foot_mm: float = 10.0
    """Room for the times and the title below the signal."""


class StripMark(NamedTuple):
    """A letter above the signal."""

    sample: int
    text: str


class StripSpan(NamedTuple):
    """A bar above the signal, such as from an alarm's onset until it was known."""

    start: int
    stop: int
    colour: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stroke:
    """Lines of one pen; each of `paths` has shape (n, 2): mm from the left and from the top."""

    paths: tuple[Points, ...]
    colour: str
    width_mm: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """Text with its baseline `y_mm` from the top."""

    x_mm: float
    y_mm: float
    text: str
    size_mm: float
    colour: str
    anchor: Literal["start", "middle"] = "start"
    bold: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A strip, ready to be drawn."""

    width_mm: float
    height_mm: float
    title: str
    strokes: tuple[Stroke, ...]
    words: tuple[Word, ...]


LETTER_COLOURS: Final = {"N": "#1a7f37", "S": "#9a6700", "V": "#cf222e", "F": "#8250df"}
"""Of a beat's class; the letter itself says the same."""
PAPER_COLOUR: Final = "#fffdfb"
_FINE_COLOUR: Final = "#f7dede"
_COARSE_COLOUR: Final = "#eeb4b4"
_INK: Final = "#1f2328"
_SOFT: Final = "#57606a"
_BOX_MM: Final = 5.0
_LETTER_MM: Final = 3.5
_NAME_MM: Final = 3.2
_SMALL_MM: Final = 2.7
_CURVE_MM: Final = 0.32
_PULSE_S: Final = 0.2
"""Width of the calibration mark; it is 1 mV tall."""
_LETTER_WIDTH: Final = 0.55
"""Of its size, about."""


@dataclass(frozen=True, slots=True)
class _Band:
    """Where a lead lies, and at which scale."""

    top_mm: float
    height_mm: float
    centre_mv: float
    mm_per_mv: float

    def y_mm(self, mv: Points) -> Points:
        """Place amplitudes; what lies beyond the band is drawn on its edge."""
        half = self.height_mm / 2.0
        beyond = np.clip((self.centre_mv - mv) * self.mm_per_mv, -half, half)
        return np.asarray(self.top_mm + half + beyond, np.float64)


def describe_strip(
    samples: NDArray[np.float32],
    *,
    fs: float,
    start: int,
    leads: Sequence[str],
    marks: Sequence[StripMark] = (),
    spans: Sequence[StripSpan] = (),
    title: str = "",
    paper: Paper | None = None,
) -> Picture:
    """Lay a strip out: grid, calibration marks, signal, letters, times and scales.

    Parameters
    ----------
    samples : ndarray, shape (leads, n)
        mV; NaN leaves a hole.
    fs : float
        Sampling frequency in Hz.
    start : int
        Sample index of the first column; the record's time is counted from sample 0.
    leads : sequence of str
        Name of each row.
    marks : sequence of StripMark
        Letters; those outside the strip are left out.
    spans : sequence of StripSpan
        Bars; what lies outside the strip is left out.
    title : str
        Stands below the strip, before the scales.
    paper : Paper, optional
        Scales.
    """
    paper, n = paper or Paper(), samples.shape[1]
    scale = _Scale(paper=paper, fs=fs, start=start, n=n)
    bands = _bands(samples, paper)
    bottom = bands[-1].top_mm + bands[-1].height_mm if bands else paper.head_mm
    height = bottom + paper.foot_mm
    ticks, times = _times(scale, bottom)
    curves = [_curve(row, band, scale) for row, band in zip(samples, bands, strict=True)]
    names = [_name(lead, band) for lead, band in zip(leads, bands, strict=True)]
    return Picture(
        width_mm=scale.width_mm,
        height_mm=height,
        title=title,
        strokes=(
            *_grid(scale.width_mm, height),
            *(bar for span in spans for bar in _bar(span, scale)),
            Stroke(paths=tuple(_pulse(band, paper) for band in bands), colour=_INK, width_mm=0.3),
            Stroke(paths=ticks, colour=_SOFT, width_mm=0.25),
            *(Stroke(paths=paths, colour=_INK, width_mm=_CURVE_MM) for paths in curves),
        ),
        words=(
            *(_letter(mark, scale) for mark in marks if start <= mark.sample < start + n),
            *names,
            *times,
            _footer(title, marks, bands, scale, height),
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scale:
    """Where samples lie on the paper."""

    paper: Paper
    fs: float
    start: int
    n: int

    @property
    def width_mm(self) -> float:
        return self.x_mm(self.start + self.n)

    def x_mm(self, sample: float) -> float:
        return self.paper.gutter_mm + (sample - self.start) / self.fs * self.paper.mm_per_s


def _bands(samples: NDArray[np.float32], paper: Paper) -> list[_Band]:
    """Place the leads below each other, all at the largest gain at which they fit."""
    ranges = [_range_mv(row) for row in samples]
    swing = max((high - low for low, high in ranges), default=0.0)
    room = paper.most_mm - paper.margin_mm
    gains = paper.gains_mm_per_mv
    gain = next((gain for gain in gains if swing * gain <= room), gains[-1])
    bands, top = [], paper.head_mm
    for low, high in ranges:
        wanted = math.ceil((high - low) * gain + paper.margin_mm)
        height = min(max(float(wanted), paper.least_mm), paper.most_mm)
        bands.append(_Band(top, height, (low + high) / 2.0, gain))
        top += height
    return bands


def _range_mv(row: NDArray[np.float32]) -> tuple[float, float]:
    known = row[np.isfinite(row)]
    return (float(known.min()), float(known.max())) if known.size else (0.0, 0.0)


def _grid(width: float, height: float) -> list[Stroke]:
    """Lines every millimetre, and stronger ones every five."""
    strokes = []
    for step, colour, pen_mm in ((1.0, _FINE_COLOUR, 0.12), (_BOX_MM, _COARSE_COLOUR, 0.2)):
        down = [np.array([(x, 0.0), (x, height)]) for x in np.arange(0.0, width, step)]
        across = [np.array([(0.0, y), (width, y)]) for y in np.arange(0.0, height, step)]
        strokes.append(Stroke(paths=(*down, *across), colour=colour, width_mm=pen_mm))
    return strokes


def _curve(row: NDArray[np.float32], band: _Band, scale: _Scale) -> tuple[Points, ...]:
    """Return the pieces of a lead between its holes."""
    x = scale.paper.gutter_mm + np.arange(row.size) / scale.fs * scale.paper.mm_per_s
    points = np.column_stack([x, band.y_mm(row.astype(np.float64))])
    edges = np.flatnonzero(np.diff(np.isfinite(row))) + 1
    return tuple(piece for piece in np.split(points, edges) if np.isfinite(piece).all())


def _pulse(band: _Band, paper: Paper) -> Points:
    """Draw 1 mV for 0.2 s, as an electrocardiograph does before each lead."""
    wide = _PULSE_S * paper.mm_per_s
    left = (paper.gutter_mm - wide) / 2.0
    foot = band.top_mm + band.height_mm / 2.0 + band.mm_per_mv / 2.0
    head = foot - band.mm_per_mv
    x = (left - 1.5, left, left, left + wide, left + wide, left + wide + 1.5)
    return np.column_stack([x, (foot, foot, head, head, foot, foot)])


def _bar(span: StripSpan, scale: _Scale) -> list[Stroke]:
    """Draw what of a span lies on the strip."""
    last = scale.start + scale.n
    start, stop = max(span.start, scale.start), min(span.stop, last)
    if start >= stop:
        return []
    y = scale.paper.head_mm - 0.8
    bar = np.array([(scale.x_mm(start), y), (scale.x_mm(stop), y)])
    return [Stroke(paths=(bar,), colour=span.colour, width_mm=0.9)]


def _name(lead: str, band: _Band) -> Word:
    return Word(
        x_mm=1.0, y_mm=band.top_mm + 4.0, text=lead, size_mm=_NAME_MM, colour=_INK, bold=True
    )


def _letter(mark: StripMark, scale: _Scale) -> Word:
    return Word(
        x_mm=scale.x_mm(mark.sample),
        y_mm=scale.paper.head_mm - 2.4,
        text=mark.text,
        size_mm=_LETTER_MM,
        colour=LETTER_COLOURS.get(mark.text[:1], _SOFT),
        anchor="middle",
        bold=True,
    )


def _times(scale: _Scale, bottom_mm: float) -> tuple[tuple[Points, ...], list[Word]]:
    """Mark every whole second of the record below the signal."""
    first = math.ceil(scale.start / scale.fs)
    last = math.floor((scale.start + scale.n - 1) / scale.fs)
    ticks, words = [], []
    for second in range(first, last + 1):
        x = scale.x_mm(second * scale.fs)
        ticks.append(np.array([(x, bottom_mm), (x, bottom_mm + 2.0)]))
        text = clock(second)
        # Half a time is another time.
        if x + 0.6 + len(text) * _LETTER_WIDTH * _SMALL_MM <= scale.width_mm:
            y = bottom_mm + 2.8
            words.append(Word(x_mm=x + 0.6, y_mm=y, text=text, size_mm=_SMALL_MM, colour=_SOFT))
    return tuple(ticks), words


def _footer(
    title: str, marks: Sequence[StripMark], bands: Sequence[_Band], scale: _Scale, height_mm: float
) -> Word:
    """Write title and scales, or the scales alone where both don't fit."""
    gain = bands[0].mm_per_mv if bands else scale.paper.gains_mm_per_mv[0]
    scales = f"{scale.paper.mm_per_s:g} mm/s, {gain:g} mm/mV"
    provisional = ", ? provisional" if any(mark.text[1:] == "?" for mark in marks) else ""
    text = f"{title} \N{MIDDLE DOT} {scales}{provisional}" if title else scales
    if len(text) * _LETTER_WIDTH * _NAME_MM > scale.width_mm:
        text = scales
    return Word(x_mm=1.0, y_mm=height_mm - 1.8, text=text, size_mm=_NAME_MM, colour=_SOFT)
