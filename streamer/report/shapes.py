"""What the beats of each class look like: laid over each other, typical, worst, and sorted."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from classifier.labels import Label
from replay.player import format_time
from streamer.report import page
from streamer.report.data import BeatRow, ReportData
from streamer.report.plots import GRID, SOFT, figure
from streamer.report.strip.paper import LETTER_COLOURS
from streamer.report.strips import StripConfig, beat_strip, spread

_CLASSES: Final = tuple(label.value for label in Label)
_DRAWN_POINTS: Final = 140
"""Of each beat laid over others: they are many."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShapeConfig:
    """How many beats are looked at, and when two have one shape."""

    template_beats: int = 30
    """Beats of a class that its shape is taken from, spread over the recording."""
    template_before_s: float = 0.3
    template_after_s: float = 0.5
    """About the R peak."""
    compared_beats: int = 300
    """Ventricular beats that are sorted by shape, spread over the recording."""
    compared_before_s: float = 0.08
    compared_after_s: float = 0.28
    """Part that is compared: QRS and ST-T, without the beats before and after in a run."""
    lag_s: float = 0.04
    """The R peak of a wide beat may be taken on either of its flanks."""
    least_correlation: float = 0.9
    least_beats: int = 3
    least_share: float = 0.02
    """A shape of fewer beats is chance, or noise."""
    most_shapes: int = 6
    """That are drawn."""


def beats(data: ReportData, strips: StripConfig, config: ShapeConfig | None = None) -> str:
    """Mark up each class's shape, its most typical beat and its worst, and ventricular shapes."""
    config = config or ShapeConfig()
    if data.record is None:
        return page.paragraph("The signal is not at hand; give --record to see examples.")
    found = {label: [b for b in data.beats if b.label == label] for label in _CLASSES}
    shapes = [
        shape
        for label, own in found.items()
        if (shape := _shape(data, label, own, config.template_beats, config)) is not None
    ]
    if not shapes:
        return page.paragraph("There are no beats.")
    words = (
        f"Up to {config.template_beats} beats of each class laid over each other at their R "
        "peaks, and their median. Below, the beat closest to it and that of the poorest signal."
    )
    pairs = "".join(_examples(data, shape, strips) for shape in shapes)
    drawn = page.paragraph(words) + _templates(shapes, data, config)
    return drawn + _ventricular(data, found[Label.V], config) + pairs


def _ventricular(data: ReportData, found: list[BeatRow], config: ShapeConfig) -> str:
    """Mark up the shapes of the ventricular beats, if there are several."""
    looked_at = _shape(data, Label.V, found, config.compared_beats, config)
    if looked_at is None:
        return ""
    groups = sort_by_shape(looked_at.windows, data.fs, config)
    if len(groups) < 2:
        return ""
    shapes = [
        _Shape(
            label=f"V, shape {number}",
            beats=[looked_at.drawn[k] for k in group],
            drawn=[looked_at.drawn[k] for k in spread(group, config.template_beats)],
            windows=looked_at.windows[spread(group, config.template_beats)],
            median=np.asarray(np.median(looked_at.windows[group], axis=0)),
        )
        for number, group in enumerate(groups[: config.most_shapes], start=1)
    ]
    alike = sum(map(len, groups))
    words = (
        f"{len(groups)} shapes among {len(looked_at.drawn)} ventricular beats of {len(found)}, "
        f"spread over the recording; {len(looked_at.drawn) - alike} are like none of them."
    )
    return (
        page.heading("Ventricular shapes")
        + page.paragraph(words)
        + _templates(shapes, data, config)
    )


def sort_by_shape(windows: Floats, fs: float, config: ShapeConfig) -> list[list[int]]:
    """Sort beats into groups of one shape each, the most frequent first.

    A beat joins the shape that it correlates with best, at a lag of a few samples, if it does so
    well enough; else it begins one of its own. Shapes alike in the end are made one, and those of
    too few beats are dropped.

    Parameters
    ----------
    windows : ndarray of float64, shape (n, samples)
        Beats in order of time, the R peak at `template_before_s`.

    Returns
    -------
    list of list of int
        Rows of each shape's beats.
    """
    groups: list[list[int]] = []
    for row, window in enumerate(windows):
        means = [windows[group].mean(axis=0) for group in groups]
        likeness = [_likeness(mean, window, fs, config) for mean in means]
        best = int(np.argmax(likeness)) if likeness else 0
        if likeness and likeness[best] >= config.least_correlation:
            groups[best].append(row)
        else:
            groups.append([row])
    kept: list[list[int]] = []
    for group in sorted(groups, key=len, reverse=True):
        median = np.median(windows[group], axis=0)
        for other in kept:
            same = _likeness(np.median(windows[other], axis=0), median, fs, config)
            if same >= config.least_correlation:
                other.extend(group)
                break
        else:
            kept.append(group)
    least = max(config.least_beats, config.least_share * len(windows))
    return sorted((sorted(g) for g in kept if len(g) >= least), key=len, reverse=True)


def _likeness(shape: Floats, window: Floats, fs: float, config: ShapeConfig) -> float:
    """Return the largest correlation of two windows about the QRS, over a few lags."""
    first = round((config.template_before_s - config.compared_before_s) * fs)
    length = round((config.compared_before_s + config.compared_after_s) * fs)
    lag = round(config.lag_s * fs)
    still = shape[first : first + length]
    moved = sliding_window_view(window[first - lag : first + length + lag], length)
    still, moved = still - still.mean(), moved - moved.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(still) * np.linalg.norm(moved, axis=1)
    return float((moved @ still / np.maximum(norms, np.finfo(float).tiny)).max())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shape:
    """What the beats of a class look like in the first lead."""

    label: str
    beats: list[BeatRow]
    """All of them."""
    drawn: list[BeatRow]
    windows: NDArray[np.float64]
    """Of those drawn, mV, shape (n, samples); the middle of each window is at 0."""
    median: NDArray[np.float64]

    @property
    def typical(self) -> BeatRow:
        """The drawn beat that is most like the median."""
        centred = self.windows - self.windows.mean(axis=1, keepdims=True)
        product = centred @ (self.median - self.median.mean())
        norms = np.linalg.norm(centred, axis=1)
        return self.drawn[int(np.argmax(product / np.maximum(norms, np.finfo(float).tiny)))]

    @property
    def worst(self) -> BeatRow:
        """The beat of the poorest signal."""
        return min(self.beats, key=lambda beat: beat.quality)


def _shape(
    data: ReportData, label: str, found: list[BeatRow], most: int, config: ShapeConfig
) -> _Shape | None:
    before, after = (
        round(seconds * data.fs) for seconds in (config.template_before_s, config.template_after_s)
    )
    drawn, windows = [], []
    for beat in spread(found, most):
        samples = data.signal(beat.sample - before, beat.sample + after)
        if samples is not None and samples.shape[1] == before + after:
            lead = samples[0].astype(np.float64)
            if np.isfinite(lead).all():
                drawn.append(beat)
                windows.append(lead - np.median(lead))
    if not drawn:
        return None
    stacked = np.stack(windows)
    return _Shape(
        label=label,
        beats=found,
        drawn=drawn,
        windows=stacked,
        median=np.asarray(np.median(stacked, axis=0)),
    )


def _templates(shapes: Sequence[_Shape], data: ReportData, config: ShapeConfig) -> str:
    """Draw the classes side by side, at one scale."""
    n = shapes[0].median.size
    at = (np.arange(n) / data.fs - config.template_before_s) * 1000.0
    low, high = np.quantile(np.concatenate([shape.windows for shape in shapes]), (0.002, 0.998))
    with figure(10.5, 2.9, len(shapes), sharey=True) as (_, axes, svg):
        for one, shape in zip(np.atleast_1d(axes), shapes, strict=True):
            _draw_template(one, at, shape)
        first: Any = np.atleast_1d(axes)[0]
        first.set_ylabel(f"{data.leads[0]}, mV")
        first.set_ylim(low - 0.2, high + 0.2)
    return svg[0]


def _draw_template(axes: Any, at: NDArray[np.float64], shape: _Shape) -> None:
    colour = LETTER_COLOURS.get(shape.label[:1], SOFT)
    thin = slice(None, None, max(shape.windows.shape[1] // _DRAWN_POINTS, 1))
    axes.plot(at[thin], shape.windows.T[thin], color=colour, linewidth=0.6, alpha=0.3)
    axes.plot(at, shape.median, color=colour, linewidth=2.2)
    axes.axvline(0, color=SOFT, linewidth=0.6, linestyle=":")
    axes.set_title(f"{shape.label}, {len(shape.beats)}", fontsize=10, loc="left", color=colour)
    axes.set_xlabel("ms from the R peak")
    axes.set_xlim(at[0], at[-1])
    axes.set_xticks([-200, 0, 200, 400])
    axes.grid(color=GRID, linewidth=0.8)


def _examples(data: ReportData, shape: _Shape, config: StripConfig) -> str:
    typical, worst = shape.typical, shape.worst
    chosen = [("typical", typical), ("poorest signal", worst)]
    return page.beside(
        [
            _example(data, beat, f"{shape.label}, {words}", config)
            for words, beat in chosen[: 1 if worst is typical else 2]
        ]
    )


def _example(data: ReportData, beat: BeatRow, words: str, config: StripConfig) -> str:
    title = f"{words} ({100 * beat.quality:.0f} %), at {format_time(beat.sample, data.fs)}"
    return beat_strip(data, beat.sample, title, config)
