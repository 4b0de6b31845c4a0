"""Plots of the training report, as SVG. Needs matplotlib, which is imported late."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from classifier.inputs.geometry import GEOMETRY
from streamer.report.plots import CLASS_COLOURS, GRID, MISSED, OWN, PEERS, SOFT, figure

_INK: Final = "#1b2733"
_DARK_FROM: Final = 0.55
"""Share of the colour scale from which writing on it is white."""
_KERNELS_A_ROW: Final = 8
_BEAT_RANGE: Final = (-2.0, 2.5)
"""In QRS amplitudes of the template; the outliers beyond are not drawn."""


def class_bars(counts: Mapping[str, Mapping[str, int]], unit: str = "beats") -> str:
    """Draw how many beats of each class each set has, on a logarithmic scale."""
    names = list(next(iter(counts.values())))
    at = np.arange(len(names))
    width = 0.8 / len(counts)
    with figure(10.5, 3.0) as (_, axes, svg):
        for number, (title, found) in enumerate(counts.items()):
            values = [found[name] for name in names]
            place = at + (number - (len(counts) - 1) / 2) * width
            axes.bar(place, values, width * 0.92, color=(OWN, SOFT, *PEERS)[number], label=title)
            for x, value in zip(place, values, strict=True):
                axes.text(x, max(value, 1), f"{value:,}", ha="center", va="bottom", fontsize=8)
        top = max(max(found.values()) for found in counts.values())
        axes.set_yscale("log")
        axes.set_ylim(0.7, 6.0 * max(top, 1))
        axes.set_xticks(at, names)
        axes.set_ylabel(unit)
        axes.legend(loc="upper right")
        axes.grid(axis="y", color=GRID, linewidth=0.8)
        axes.set_axisbelow(True)
    return svg[0]


def average_beats(
    beats: Mapping[str, Mapping[str, Any]],
    time_ms: NDArray[np.float64] | None = None,
    unit: str = "template QRS amplitudes",
    outermost: tuple[float, float] = _BEAT_RANGE,
) -> str:
    """Draw the average beat of each class over its spread, one panel a class.

    Parameters
    ----------
    beats : mapping
        By class: `beats` (their number), and the curves `mean`, `low` and `high`.
    time_ms : ndarray of float64, optional
        Of each column from the R peak; the classifier's window if None.
    unit : str
    outermost : (float, float)
        What lies beyond isn't drawn.
    """
    time_ms = column_times_ms(GEOMETRY.window_samples) if time_ms is None else time_ms
    low = max(min(min(found["low"]) for found in beats.values()), outermost[0])
    high = min(max(max(found["high"]) for found in beats.values()), outermost[1])
    margin = 0.011 * (high - low)
    colours = dict(zip(beats, (OWN, MISSED, *PEERS), strict=False)) | CLASS_COLOURS
    with figure(10.5, 2.9, len(beats)) as (_, drawn, svg):
        panels = np.atleast_1d(drawn)
        for axes, (name, found) in zip(panels, beats.items(), strict=True):
            colour = colours[name]
            axes.fill_between(time_ms, found["low"], found["high"], color=colour, alpha=0.22, lw=0)
            axes.plot(time_ms, found["mean"], color=colour, linewidth=1.6)
            axes.axhline(0, color=SOFT, linewidth=0.6)
            axes.set_title(f"{name}, {found['beats']:,} beats", fontsize=10, loc="left")
            axes.set_xlabel("ms from the R peak")
            axes.set_xlim(time_ms[0], time_ms[-1])
            axes.set_ylim(low - margin, high + margin)
            axes.tick_params(labelleft=axes is panels[0])
        panels[0].set_ylabel(unit)
    return svg[0]


def column_times_ms(columns: int) -> NDArray[np.float64]:
    """Return the time of each window column from the R peak, in ms."""
    return (np.arange(columns) - GEOMETRY.r_column) / GEOMETRY.fs_hz * 1000.0


def epoch_curves(panels: Sequence[tuple[str, Sequence[float], str]], chosen: int) -> str:
    """Draw a figure by epoch in each panel (title, values, unit) and mark the epoch chosen."""
    with figure(10.5, 3.0, len(panels)) as (_, drawn, svg):
        for axes, (title, values, unit) in zip(np.atleast_1d(drawn), panels, strict=True):
            epochs = np.arange(1, len(values) + 1)
            axes.plot(epochs, values, "o-", color=OWN, linewidth=1.8, markersize=4)
            axes.axvline(chosen, color=MISSED, linewidth=1.1, linestyle="--")
            axes.set_title(title, fontsize=10, loc="left")
            axes.set_xlabel("epoch")
            axes.set_ylabel(unit)
            axes.set_xlim(0, len(values) + 0.5)
            axes.xaxis.get_major_locator().set_params(integer=True)
            axes.grid(color=GRID, linewidth=0.8)
    return svg[0]


def confusion_pair(
    counts: NDArray[np.int64],
    rows: Sequence[str],
    columns: Sequence[str],
    title: str,
    unit: str = "beats",
) -> str:
    """Draw a confusion matrix twice: as counts, and as shares of each row.

    Parameters
    ----------
    counts : ndarray of int, shape (len(rows), len(columns))
        Reference by label.
    """
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    height = 1.2 + 0.42 * len(rows)
    with figure(10.5, height, 2) as (_, (left, right), svg):
        # Counts span decades; a logarithm keeps the rare classes apart from nothing.
        tint = np.log1p(counts) / max(np.log1p(counts.max(initial=0)), 1.0)
        _matrix(left, tint, [[f"{count:,}" for count in row] for row in counts.tolist()])
        cells = [[f"{100 * share:.1f}" for share in row] for row in shares.tolist()]
        _matrix(right, shares, cells)
        left.set_title(f"{title}: {unit}", fontsize=10, loc="left")
        right.set_title(f"{title}: % of the row", fontsize=10, loc="left")
        for axes in (left, right):
            axes.set_xticks(np.arange(len(columns)) + 0.5, columns)
            axes.set_yticks(np.arange(len(rows)) + 0.5, rows)
            axes.set_xlabel("label")
            axes.set_ylabel("reference")
    return svg[0]


def _matrix(axes: Any, tint: NDArray[np.float64], cells: Sequence[Sequence[str]]) -> None:
    """Draw shaded cells with their text; vector shapes, so that the page stays sharp."""
    axes.pcolormesh(tint, cmap="GnBu", vmin=0.0, vmax=1.0, edgecolors="white", linewidth=1.5)
    for row, texts in enumerate(cells):
        for column, text in enumerate(texts):
            colour = "white" if tint[row, column] > _DARK_FROM else _INK
            axes.text(
                column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=9, color=colour
            )
    axes.invert_yaxis()
    axes.tick_params(length=0)
    axes.spines[["left", "bottom"]].set_visible(False)


def reliability_diagram(panels: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    """Draw probability against the share that was right, one panel a set, one line a class."""
    with figure(10.5, 4.4, len(panels)) as (_, drawn, svg):
        for axes, (title, found) in zip(np.atleast_1d(drawn), panels.items(), strict=True):
            axes.plot([0, 1], [0, 1], color=SOFT, linewidth=0.9, linestyle="--")
            for name, curve in found.items():
                is_class = name in CLASS_COLOURS
                axes.plot(
                    curve["predicted"],
                    curve["observed"],
                    "o-",
                    color=CLASS_COLOURS.get(name, _INK),
                    linewidth=1.2 if is_class else 2.4,
                    markersize=3 if is_class else 4,
                    label=f"{'class ' if is_class else ''}{name}: {100 * curve['error']:.1f} %",
                )
            axes.set_title(title, fontsize=10, loc="left")
            axes.set_xlabel("probability given")
            axes.set_xlim(0, 1)
            axes.set_ylim(0, 1)
            axes.set_aspect("equal")
            axes.grid(color=GRID, linewidth=0.8)
            axes.legend(
                fontsize=8,
                title="calibration error",
                title_fontsize=8,
                loc="upper left",
                bbox_to_anchor=(1.0, 1.0),
            )
        np.atleast_1d(drawn)[0].set_ylabel("share that was right")
    return svg[0]


def kernels(
    weights: NDArray[np.float32], channels: Sequence[str], fs_hz: float = GEOMETRY.fs_hz
) -> str:
    """Draw the kernels of the first convolution, one panel a kernel, one line a channel.

    Parameters
    ----------
    weights : ndarray of float32, shape (kernels, channels, taps)
    channels : sequence of str
        Name of each input channel.
    fs_hz : float
        Of the input.
    """
    rows = -(-len(weights) // _KERNELS_A_ROW)
    largest = float(np.abs(weights).max())
    time_ms = (np.arange(weights.shape[2]) - weights.shape[2] // 2) / fs_hz * 1000.0
    grid = figure(10.5, 0.5 + 1.6 * rows, _KERNELS_A_ROW, rows=rows, squeeze=False)
    with grid as (whole, drawn, svg):
        for axes in drawn.flat[len(weights) :]:
            axes.set_visible(False)
        for number, (axes, kernel) in enumerate(zip(drawn.flat, weights, strict=False)):
            axes.axhline(0, color=SOFT, linewidth=0.6)
            for name, values, colour in zip(channels, kernel, (OWN, *PEERS), strict=False):
                axes.plot(time_ms, values, "o-", color=colour, lw=1.3, markersize=2.5, label=name)
            axes.set_title(f"kernel {number + 1}", fontsize=9, loc="left")
            axes.set_ylim(-1.08 * largest, 1.08 * largest)
            if number + _KERNELS_A_ROW >= len(weights):
                axes.set_xlabel("ms", fontsize=8.5)
            axes.tick_params(labelsize=7.5, labelleft=number % _KERNELS_A_ROW == 0)
        handles, names = drawn.flat[0].get_legend_handles_labels()
        whole.legend(handles, names, loc="outside upper left", ncols=len(names), fontsize=8.5)
    return svg[0]
