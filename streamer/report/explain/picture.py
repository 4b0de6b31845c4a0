"""An explained beat as a picture file. Needs matplotlib, which is imported late."""

from pathlib import Path
from typing import Any, Final

import numpy as np

from classifier.inputs.geometry import GEOMETRY
from classifier.labels import MODEL_LABELS
from streamer.core.errors import writing
from streamer.report.explain.beat import ExplainedBeat, Panel
from streamer.report.plots import CLASS_COLOURS, MISSED, OWN, SOFT

FEATURES: Final = 12
_WIDTH_IN: Final = 12.0
_LEAD_IN: Final = 3.4
_BASE_IN: Final = 2.0
_SIDE_IN: Final = 5.4
"""Least height: the bars at the side need it."""
_STRIP_IN: Final = 1.7
_DPI: Final = 130
_HEAT: Final = ("#9aa5b1", "#d68a2b", "#c81e1e")
"""Saliency from none to most; its lowest tone is visible on white."""
_INK: Final = "#1b2733"
_MARKED_S: Final = 0.12
"""To either side of the R peak."""
_SHADE: Final = ("#ffffff00", "#8fc5e8")
_WAVES: Final = (
    ("P", GEOMETRY.p_wave_s),
    ("QRS", GEOMETRY.qrs_s),
    ("T", GEOMETRY.t_wave_s),
)
_RC: Final[Any] = {
    "svg.hashsalt": "ecg-stream",
    "font.size": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": SOFT,
}


def write_picture(explained: ExplainedBeat, path: Path) -> None:
    """Draw the beat with its saliency and Grad-CAM, probabilities and features.

    Parameters
    ----------
    path : Path
        Ends in `.png` or `.svg`.

    Raises
    ------
    OutputError
        If it can't be written.
    """
    import matplotlib as mpl  # noqa: PLC0415 - slow to import
    from matplotlib.figure import Figure  # noqa: PLC0415

    panels = explained.panels()
    height = max(_BASE_IN + _LEAD_IN * len(panels), _SIDE_IN)
    with mpl.rc_context(_RC):
        drawn = Figure(figsize=(_WIDTH_IN, height + _STRIP_IN), layout="constrained")
        words = "\n".join([explained.title(), *explained.subtitles()])
        drawn.suptitle(words, fontsize=10.5, ha="left", x=0.012)
        rows: Any = drawn.subfigures(2, 1, height_ratios=(_STRIP_IN, height))
        _draw_context(rows[0].subplots(), explained)
        left, right = rows[1].subfigures(1, 2, width_ratios=(1.5, 1.0))
        _draw_leads(left, explained, panels)
        upper, lower = right.subplots(2, 1, height_ratios=(1.0, 2.6))
        _draw_probabilities(upper, explained)
        _draw_features(lower, explained)
        with writing(f"the picture to {path}", "choose another --out file"):
            drawn.savefig(path, dpi=_DPI, facecolor="white", metadata=_metadata(path))


def _metadata(path: Path) -> dict[str, None]:
    """Leave out what would make the same picture differ from day to day."""
    return {"Date": None} if path.suffix.lower() == ".svg" else {"Software": None}


def _draw_context(axes: Any, explained: ExplainedBeat) -> None:
    """Draw the signal about the beat, with the RR intervals that led up to it."""
    time_s, signal = explained.context()
    axes.plot(time_s, signal, color=_INK, linewidth=0.9)
    known = signal[np.isfinite(signal)]
    low, high = (float(known.min()), float(known.max())) if known.size else (-1.0, 1.0)
    top = high + 0.3 * max(high - low, 0.1)
    axes.axvspan(-_MARKED_S, _MARKED_S, color=_SHADE[1], alpha=0.45, lw=0)
    at = 0.0
    for rr_ms in reversed(explained.rr_ms()):
        before = at - rr_ms / 1000.0
        if before < time_s[0]:
            break
        axes.annotate(
            "", (at, top), (before, top), arrowprops={"arrowstyle": "|-|,widthA=.2,widthB=.2"}
        )
        axes.text((at + before) / 2, top, f"{rr_ms}", ha="center", va="bottom", fontsize=8.5)
        at = before
    axes.set_xlim(time_s[0], time_s[-1])
    axes.set_ylim(low - 0.1 * (top - low), top + 0.25 * (top - low))
    axes.set_xlabel("s from the R peak; RR intervals in ms")
    axes.set_ylabel("mV")


def _draw_leads(part: Any, explained: ExplainedBeat, panels: list[Panel]) -> None:
    from matplotlib.cm import ScalarMappable  # noqa: PLC0415
    from matplotlib.colors import LinearSegmentedColormap  # noqa: PLC0415

    heat = LinearSegmentedColormap.from_list("heat", _HEAT)
    shade = LinearSegmentedColormap.from_list("shade", _SHADE)
    axes = np.atleast_1d(part.subplots(len(panels), 1, sharex=True))
    for own, panel in zip(axes, panels, strict=True):
        _draw_lead(own, explained, panel, heat, shade)
    axes[-1].set_xlabel("ms from the R peak")
    for colours, words in ((heat, "gradient"), (shade, "Grad-CAM")):
        scale = part.colorbar(
            ScalarMappable(cmap=colours),
            ax=axes,
            location="bottom",
            shrink=0.5,
            aspect=45,
            pad=0.015,
        )
        scale.set_ticks([0.0, 1.0], labels=["none", "most"])
        scale.set_label(words, labelpad=-8)
        scale.outline.set_edgecolor(SOFT)


def _draw_lead(axes: Any, explained: ExplainedBeat, panel: Panel, heat: Any, shade: Any) -> None:
    """Draw the beat over the template: its colour is the gradient, the shade Grad-CAM."""
    from matplotlib.collections import LineCollection  # noqa: PLC0415

    time_ms = explained.time_ms
    curves = [panel.beat] if panel.template is None else [panel.beat, panel.template]
    low, high = float(np.min(curves)), float(np.max(curves))
    margin = 0.08 * max(high - low, 1e-3)
    low, high = low - margin, high + 2.0 * margin
    axes.imshow(
        explained.why.grad_cam[None],
        extent=(time_ms[0], time_ms[-1], low, high),
        cmap=shade,
        vmin=0.0,
        vmax=1.0,
        aspect="auto",
        interpolation="bilinear",
    )
    if panel.template is not None:
        axes.plot(
            time_ms, panel.template, color=SOFT, linewidth=1.2, linestyle="--", label="usual beat"
        )
        axes.legend(loc="lower right", bbox_to_anchor=(1.0, 0.99), frameon=False, fontsize=8.5)
    points = np.column_stack([time_ms, panel.beat])
    pieces = np.stack([points[:-1], points[1:]], axis=1)
    line = LineCollection(list(pieces), cmap=heat, linewidths=2.6, capstyle="round")
    line.set_clim(0.0, 1.0)
    line.set_array(np.maximum(panel.saliency[:-1], panel.saliency[1:]))
    axes.add_collection(line)
    for name, span_s in _WAVES:
        from_ms, to_ms = (1000.0 * t for t in span_s)
        middle = (max(from_ms, time_ms[0]) + min(to_ms, time_ms[-1])) / 2
        axes.axvline(from_ms, color=SOFT, linewidth=0.5, linestyle=":")
        axes.text(middle, high, name, ha="center", va="top", fontsize=8.5, color=SOFT)
    axes.set_title(panel.name, fontsize=9.5, loc="left")
    axes.set_xlim(time_ms[0], time_ms[-1])
    axes.set_ylim(low, high)
    axes.set_ylabel("usual QRS amplitudes")


def _draw_probabilities(axes: Any, explained: ExplainedBeat) -> None:
    values = explained.why.probabilities[: len(MODEL_LABELS)]
    at = np.arange(len(MODEL_LABELS))[::-1]
    axes.barh(at, values, color=[CLASS_COLOURS[label] for label in MODEL_LABELS], height=0.66)
    for place, value in zip(at, values, strict=True):
        axes.text(value + 0.015, place, f"{100 * value:.1f} %", va="center", fontsize=9)
    axes.set_yticks(at, [label.value for label in MODEL_LABELS])
    axes.set_xlim(0, 1.2)
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.spines[["bottom", "left"]].set_visible(False)
    axes.set_title("probability", fontsize=9.5, loc="left")


def _draw_features(axes: Any, explained: ExplainedBeat) -> None:
    strongest = explained.strongest(FEATURES)
    added = [one.log_odds for one in strongest]
    at = np.arange(len(added))[::-1]
    axes.barh(at, added, color=[OWN if one >= 0 else MISSED for one in added], height=0.66)
    axes.axvline(0, color=SOFT, linewidth=0.8)
    names = [f"{one.name}  ({one.value})" for one in strongest]
    axes.set_yticks(at, names, fontsize=8.5)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(f"added log-odds of {explained.why.label}")
    axes.set_title("strongest features", fontsize=9.5, loc="left")
