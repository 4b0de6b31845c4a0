"""Plots for reports, as SVG to be put into a page. Needs matplotlib, which is imported late."""

import io
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

OWN: Final = "#0b6e6e"
MISSED: Final = "#c2410c"
FALSE: Final = "#7c3aed"
SOFT: Final = "#8795a3"
GRID: Final = "#e6ebef"
PEERS: Final = ("#8c6d31", "#3b6fb6", "#b5527a", "#6b8e23", "#d08c2b", "#7a7a7a", "#9467bd")
CLASS_COLOURS: Final[dict[str, str]] = {
    "N": OWN,
    "S": "#b7791f",
    "V": MISSED,
    "F": FALSE,
    "Q": "#7a7a7a",
}
_SETTINGS: Final[Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "ecg-stream",
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": SOFT,
    "axes.labelcolor": "#1b2733",
    "xtick.color": "#5b6b7b",
    "ytick.color": "#5b6b7b",
    "legend.frameon": False,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A curve in a plot."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    is_own: bool = False


@contextmanager
def figure(
    width: float, height: float, columns: int = 1, *, rows: int = 1, **subplots: Any
) -> Iterator[tuple[Any, Any, list[str]]]:
    """Draw on a figure with its axes; its SVG is in the list once the block is left."""
    import matplotlib as mpl  # noqa: PLC0415 - slow to import
    from matplotlib.figure import Figure  # noqa: PLC0415

    with mpl.rc_context(_SETTINGS):
        drawn = Figure(figsize=(width, height), layout="constrained")
        axes = drawn.subplots(rows, columns, **subplots)
        svg: list[str] = []
        yield drawn, axes, svg
        buffer = io.StringIO()
        drawn.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    text = buffer.getvalue()
    svg.append(_own_ids(text[text.index("<svg") :]))


def _own_ids(svg: str) -> str:
    """Make ids unique among several figures of a page."""
    salt = f"{zlib.crc32(svg.encode()):08x}"
    svg = re.sub(r'\bid="([^"]+)"', rf'id="f{salt}-\1"', svg)
    svg = re.sub(r"url\(#([^)]+)\)", rf"url(#f{salt}-\1)", svg)
    return re.sub(r'xlink:href="#([^"]+)"', rf'xlink:href="#f{salt}-\1"', svg)


def error_bars(
    names: Sequence[str], missed: Sequence[int], false: Sequence[int], title: str = ""
) -> str:
    """Draw each record's missed beats upwards and false ones downwards."""
    at = np.arange(len(names))
    with figure(max(6.0, 0.235 * len(names)), 3.0) as (_, axes, svg):
        axes.bar(at, missed, color=MISSED, width=0.72, label="missed (FN)")
        axes.bar(at, [-count for count in false], color=FALSE, width=0.72, label="false (FP)")
        axes.axhline(0, color=SOFT, linewidth=0.8)
        axes.set_title(title, fontsize=10, loc="left")
        axes.set_xticks(at, names, rotation=90, fontsize=8)
        axes.set_xlim(-0.7, len(names) - 0.3)
        axes.yaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")
        axes.set_ylabel("beats")
        axes.grid(axis="y", color=GRID, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.legend(ncols=2, loc="lower right", bbox_to_anchor=(1.0, 1.0))
    return svg[0]


def detector_bars(
    names: Sequence[str],
    errors: Sequence[tuple[int, int]],
    tight: Sequence[int],
    titles: tuple[str, str],
) -> str:
    """Draw every detector's missed and false beats, and its errors at a tighter tolerance."""
    at = np.arange(len(names))[::-1]
    with figure(9.5, 0.8 + 0.34 * len(names), 2) as (drawn, (left, right), svg):
        left.barh(at, [fn for fn, _ in errors], color=MISSED, height=0.66, label="missed")
        left.barh(
            at,
            [fp for _, fp in errors],
            left=[fn for fn, _ in errors],
            color=FALSE,
            height=0.66,
            label="false",
        )
        right.barh(at, tight, color=[OWN] + [SOFT] * (len(names) - 1), height=0.66)
        left.set_title(f"errors {titles[0]}", fontsize=10, loc="left")
        right.set_title(f"errors {titles[1]}", fontsize=10, loc="left")
        left.set_yticks(at, names)
        right.set_yticks([])
        for axes, totals in ((left, [sum(pair) for pair in errors]), (right, tight)):
            for position, total in zip(at, totals, strict=True):
                axes.text(total, position, f" {total:,}", va="center", fontsize=8.5)
            axes.set_xlim(0, 1.15 * max([*totals, 1]))
            axes.set_xticks([])
            axes.spines[["bottom", "left"]].set_visible(False)
            axes.tick_params(length=0)
        drawn.legend(loc="outside lower left", fontsize=8.5, ncols=2)
    return svg[0]


def delay_histogram(delays_ms: NDArray[np.float64], marks_ms: dict[str, float]) -> str:
    """Draw the distribution of decision delays: counts, and the share that is later."""
    with figure(9.5, 3.1, 2) as (_, (left, right), svg):
        top = max(float(delays_ms.max(initial=0.0)), 1.0)
        left.hist(delays_ms, bins=np.linspace(0, top, 121).tolist(), color=OWN, log=True)
        ordered = np.sort(delays_ms)
        later = 100 * (1 - np.arange(ordered.size) / max(ordered.size, 1))
        right.semilogy(ordered, later, color=OWN, linewidth=1.6)
        for style, (name, value) in zip(("-", "--", ":"), marks_ms.items(), strict=False):
            for axes in (left, right):
                label = f"{name} {value:.0f} ms"
                axes.axvline(value, color=MISSED, linewidth=1.1, linestyle=style, label=label)
        right.legend(fontsize=8.5)
        left.set_ylabel("beats")
        right.set_ylabel("% of beats decided later")
        for axes in (left, right):
            axes.set_xlabel("decision delay after the R peak, ms")
            axes.set_xlim(0, 1.02 * top)
    return svg[0]


def fiducial_histogram(errors_ms: dict[str, NDArray[np.float64]], own: str) -> str:
    """Draw the distribution of fiducial errors, this detector's filled."""
    bins = np.arange(-150.0, 151.0, 4.0)
    with figure(9.5, 3.1) as (_, axes, svg):
        for color, (name, values) in zip((OWN, *PEERS), errors_ms.items(), strict=False):
            style: dict[str, Any] = {"histtype": "stepfilled", "alpha": 0.85, "color": OWN}
            if name != own:
                style = {"histtype": "step", "linewidth": 1.1, "color": color}
            axes.hist(values, bins=bins.tolist(), log=True, label=name, **style)
        axes.axvline(0, color=SOFT, linewidth=0.8)
        axes.set_xlim(bins[0], bins[-1])
        axes.set_xlabel("detected minus reference R peak, ms")
        axes.set_ylabel("beats")
        axes.legend(fontsize=8, ncols=1, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return svg[0]


def curves(
    panels: Sequence[tuple[str, Sequence[Line]]],
    *,
    x_label: str,
    y_label: str,
    x_ticks: Sequence[float] | None = None,
) -> str:
    """Draw curves in panels side by side, with one legend."""
    with figure(10.5, 3.7, len(panels)) as (_, drawn, svg):
        for axes, (title, lines) in zip(np.atleast_1d(drawn), panels, strict=True):
            peers = iter(PEERS * len(lines))
            for line in lines:
                style: dict[str, Any] = {"color": next(peers), "linewidth": 1.1, "markersize": 3}
                if line.is_own:
                    style = {"color": OWN, "linewidth": 2.4, "zorder": 5, "markersize": 5}
                axes.plot(line.x, line.y, "o-", label=line.name, **style)
            axes.set_title(title, fontsize=10, loc="left")
            axes.set_xlabel(x_label)
            axes.grid(color=GRID, linewidth=0.8)
            if x_ticks is not None:
                axes.set_xticks(x_ticks)
                axes.set_xlim(max(x_ticks) + 1, min(x_ticks) - 1)
        first, last = np.atleast_1d(drawn)[[0, -1]]
        first.set_ylabel(y_label)
        last.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return svg[0]
