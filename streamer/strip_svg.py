"""A strip of ECG on paper as SVG: 25 mm/s, 10 mm/mV, beats by their letters."""

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

SVG: Final = "http://www.w3.org/2000/svg"


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """Scales of the strip, as on the usual chart paper."""

    mm_per_s: float = 25.0
    mm_per_mv: float = 10.0
    units_per_mm: float = 4.0
    """Of the picture; it scales without loss anyway."""
    least_mm: float = 25.0
    """Height of a lead that hardly moves."""
    most_mm: float = 60.0
    """Height of one that swings; what lies beyond is cut off."""
    head_mm: float = 7.0
    """Room for the letters above the signal."""


@dataclass(frozen=True, slots=True)
class StripMark:
    """A letter above the signal."""

    sample: int
    text: str


LETTER_COLOURS: Final = {"N": "#1a7f37", "S": "#9a6700", "V": "#cf222e", "F": "#8250df"}
"""Of a beat's class; the letter itself says the same."""


def strip_svg(
    samples: NDArray[np.float32],
    *,
    fs: float,
    start: int,
    leads: Sequence[str],
    marks: Sequence[StripMark] = (),
    title: str = "",
    paper: Paper | None = None,
) -> str:
    """Draw a strip.

    Parameters
    ----------
    samples : ndarray, shape (leads, n)
        mV; NaN leaves a hole.
    fs : float
        Sampling frequency in Hz.
    start : int
        Sample index of the first column.
    leads : sequence of str
        Name of each row.
    marks : sequence of StripMark
        Letters; those outside the strip are left out.
    title : str
        Stands below the strip.
    paper : Paper, optional
        Scales.

    Returns
    -------
    str
        One `<svg>` element, which needs nothing besides.
    """
    paper = paper or Paper()
    unit = paper.units_per_mm
    width = samples.shape[1] / fs * paper.mm_per_s * unit
    bands = [_band(row, paper) for row in samples]
    height = sum(band.height_mm for band in bands) * unit + (paper.head_mm + 6.0) * unit
    parts = [
        f'<svg xmlns="{SVG}" viewBox="0 0 {width:.1f} {height:.1f}" '
        f'width="{width / unit:.1f}mm" height="{height / unit:.1f}mm" '
        'font-family="sans-serif" role="img">',
        f"<title>{html.escape(title)}</title>",
        _grid(width, height, unit),
        *_letters(marks, start, samples.shape[1], fs, paper),
    ]
    top = paper.head_mm
    for row, band, lead in zip(samples, bands, leads, strict=True):
        parts.append(_curve(row, band, top, fs, paper))
        y = (top + 4.0) * unit
        parts.append(f'<text x="4" y="{y:.1f}" font-size="13">{html.escape(lead)}</text>')
        top += band.height_mm
    parts += [
        f'<text x="4" y="{height - 6:.1f}" font-size="12" fill="#57606a">'
        f"{html.escape(_footer(title, width, paper))}</text>",
        "</svg>",
    ]
    return "".join(parts)


_LETTER_UNITS: Final = 6.5
"""About the width of a letter of the footer."""


def _footer(title: str, width: float, paper: Paper) -> str:
    """Return the title and the scales, or the scales alone where both don't fit."""
    scales = f"{paper.mm_per_s:g} mm/s  {paper.mm_per_mv:g} mm/mV"
    words = f"{title}   {scales}"
    return words if _LETTER_UNITS * len(words) <= width else scales


@dataclass(frozen=True, slots=True)
class _Band:
    """Where a lead lies."""

    centre_mv: float
    height_mm: float


def _band(row: NDArray[np.float32], paper: Paper) -> _Band:
    known = row[np.isfinite(row)]
    if known.size == 0:
        return _Band(0.0, paper.least_mm)
    low, high = float(known.min()), float(known.max())
    height = min(max((high - low) * paper.mm_per_mv + 6.0, paper.least_mm), paper.most_mm)
    return _Band((low + high) / 2.0, height)


def _grid(width: float, height: float, unit: float) -> str:
    """Lines every millimetre, and stronger ones every five."""
    shapes = [f'<rect width="{width:.1f}" height="{height:.1f}" fill="#fffdfb"/>']
    for step, colour, stroke in ((unit, "#f7dede", 0.5), (5 * unit, "#eeb4b4", 0.8)):
        lines = [f"M{x:.1f} 0V{height:.1f}" for x in np.arange(0, width, step)]
        lines += [f"M0 {y:.1f}H{width:.1f}" for y in np.arange(0, height, step)]
        shapes.append(f'<path d="{"".join(lines)}" stroke="{colour}" stroke-width="{stroke}"/>')
    return "".join(shapes)


def _curve(row: NDArray[np.float32], band: _Band, top_mm: float, fs: float, paper: Paper) -> str:
    unit = paper.units_per_mm
    x = np.arange(row.size) / fs * paper.mm_per_s * unit
    middle = top_mm + band.height_mm / 2.0
    half = band.height_mm / 2.0
    mm = np.clip((band.centre_mv - row) * paper.mm_per_mv, -half, half)
    y = (middle + mm) * unit
    commands, pen = [], "M"
    for left, down in zip(x.tolist(), y.tolist(), strict=True):
        if np.isnan(down):
            pen = "M"
            continue
        commands.append(f"{pen}{left:.1f} {down:.1f}")
        pen = "L"
    return (
        f'<path d="{"".join(commands)}" fill="none" stroke="#1f2328" stroke-width="1.3" '
        'stroke-linejoin="round"/>'
    )


def _letters(marks: Sequence[StripMark], start: int, n: int, fs: float, paper: Paper) -> list[str]:
    y = (paper.head_mm - 2.0) * paper.units_per_mm
    return [
        f'<text x="{(mark.sample - start) / fs * paper.mm_per_s * paper.units_per_mm:.1f}" '
        f'y="{y:.1f}" font-size="14" font-weight="bold" text-anchor="middle" '
        f'fill="{LETTER_COLOURS.get(mark.text[:1], "#57606a")}">{html.escape(mark.text)}</text>'
        for mark in marks
        if start <= mark.sample < start + n
    ]
