"""Plots of where a network looked, as SVG. Needs matplotlib, which is imported late."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streamer.report.plots import MISSED, SOFT, figure

_BAND: Final = 0.22
"""Of a panel's height, for the gradient below the beat."""
INK: Final = "#1b2733"
_SHADE: Final = "#8fc5e8"
_SMOOTHING_MS: Final = 30.0
"""The gradient is averaged over so long: nobody reads single samples."""
_COARSE_MS: Final = 22.0
_FINE_MS: Final = 5.6
"""A curve has a point every so often, outside of the QRS complex and inside."""
_QRS_MS: Final = (-100.0, 120.0)
_STEEPEST: Final = 99.8
"""Percentile of the gradients' sizes that fills the band; the few beyond are cut off."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LookedAt:
    """One beat in one lead with what decided in it; curves of one length."""

    title: str
    beat: NDArray[np.floating]
    gradient: NDArray[np.floating]
    grad_cam: NDArray[np.floating]
    """From 0 to 1."""


def looked_at(
    panels: Sequence[LookedAt], time_ms: NDArray[np.float64], unit: str, columns: int
) -> str:
    """Draw each beat over Grad-CAM (shaded), with its gradient, of either sign, in a band below.

    Parameters
    ----------
    time_ms : ndarray of float64
        Of each column from the R peak.
    unit : str
        Of the beats.
    columns : int
        Panels in a row. All gradients have one scale.
    """
    rows = -(-len(panels) // columns)
    window = np.ones(_samples(_SMOOTHING_MS, time_ms))
    smooth = [np.convolve(p.gradient, window / window.size, "same") for p in panels]
    coarse = slice(None, None, _samples(_COARSE_MS, time_ms))
    largest = float(np.percentile(np.abs(smooth), _STEEPEST)) or 1.0
    shown = shown_columns(time_ms)
    grid = figure(10.5, 0.5 + 2.0 * rows, columns, rows=rows, squeeze=False, sharex=True)
    with grid as (whole, drawn, svg):
        for axes in drawn.flat[len(panels) :]:
            axes.set_visible(False)
        for axes, one, gradient in zip(drawn.flat, panels, smooth, strict=False):
            low, high = float(np.min(one.beat)), float(np.max(one.beat))
            span = max(high - low, 1e-3)
            middle, half = low - 1.2 * _BAND * span, _BAND * span
            shade = middle - half + (high - middle + half) * one.grad_cam
            curve = middle + half * (gradient / largest).clip(-1.0, 1.0)
            for level, values, at, colour, opacity, name in (
                (middle - half, shade, coarse, _SHADE, 0.45, "Grad-CAM"),
                (middle, curve, shown, MISSED, 1.0, "gradient"),
            ):
                x, y = time_ms[at], np.r_[level, values[at], level]
                axes.fill(np.r_[x[0], x, x[-1]], y, color=colour, alpha=opacity, lw=0, label=name)
            axes.plot(time_ms[shown], one.beat[shown], color=INK, linewidth=1.3, label="beat")
            axes.set_ylim(middle - half, high + 0.06 * span)
            tidy(axes, one.title, time_ms)
        label(whole, drawn, unit)
    return svg[0]


def shown_columns(time_ms: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the columns that a curve is drawn through: more in the QRS complex."""
    at = np.arange(time_ms.size)
    coarse, fine = (at % _samples(ms, time_ms) == 0 for ms in (_COARSE_MS, _FINE_MS))
    in_qrs = (time_ms >= _QRS_MS[0]) & (time_ms <= _QRS_MS[1])
    return np.flatnonzero(np.where(in_qrs, fine, coarse))


def _samples(duration_ms: float, time_ms: NDArray[np.float64]) -> int:
    return max(round(duration_ms / float(time_ms[1] - time_ms[0])), 1)


def tidy(axes: Any, title: str, time_ms: NDArray[np.float64]) -> None:
    """Give a small panel a title, a zero line and few ticks."""
    axes.axhline(0, color=SOFT, linewidth=0.5)
    axes.set_title(title, fontsize=9, loc="left")
    axes.set_xlim(time_ms[0], time_ms[-1])
    axes.locator_params(nbins=4)
    axes.tick_params(labelsize=7.5)


def label(whole: Any, drawn: Any, unit: str) -> None:
    """Label the outer axes of a grid of panels, and give it one legend."""
    for axes in drawn[-1]:
        axes.set_xlabel("ms from the R peak", fontsize=8.5)
    for axes in drawn[:, 0]:
        axes.set_ylabel(unit, fontsize=8.5)
    handles, names = drawn.flat[0].get_legend_handles_labels()
    whole.legend(handles, names, loc="outside upper left", ncols=len(names), fontsize=8.5)


def standalone(svg: str) -> str:
    """Return an SVG as a file of its own: on white, as a page may be dark, and short.

    Coordinates of paths are rounded to a tenth of a point; names that nothing refers to go.
    """
    svg = re.sub(r"font-family: [^;\"]*", "font-family: sans-serif", svg)
    svg = re.sub(r'<g id="[^"]*">', "<g>", svg)
    svg = _shortened(_shortened(svg, r' d="[^"]*"', 1), r'"[^"]*"', 2)
    svg = re.sub(r" *\n *", " ", svg).replace("> <", "><")
    return svg.replace("<svg ", '<svg style="background: white" ', 1) + "\n"


def _shortened(svg: str, where: str, digits: int) -> str:
    """Cut numbers after some digits, in attributes alone: what is written stays as it is."""
    number = re.compile(rf"(\.\d{{{digits}}})\d+")
    return re.sub(where, lambda found: number.sub(r"\1", found[0]), svg)
