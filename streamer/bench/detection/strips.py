"""Strips of ECG around errors, drawn as SVG: what was there, what was found, what was judged."""

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from replay.player import format_time
from streamer.bench.detection.measure import RecordResult
from streamer.bench.excerpt import Excerpt

STRIP_S: Final = 6.0
STRIPS_PER_RECORD: Final = 6
SIZE: Final = (1080, 252)
"""Width and height in px."""
MARGIN: Final = 46
TOP: Final = 22
BOTTOM: Final = 20
SCORES: Final = 26
"""Height of the row of log-odds below the upper triangles."""
SECOND_SHARE: Final = 0.34
"""Of the height that the second lead gets."""
BIG_SQUARE_S: Final = 0.2
"""Of ECG paper at 25 mm/s."""
LEAST_SPAN_MV: Final = 0.4
OWN, MISSED, FALSE, INK, GRID, SOFT = (
    "#0b6e6e",
    "#c2410c",
    "#7c3aed",
    "#22313d",
    "#f6dede",
    "#8795a3",
)


@dataclass(frozen=True, slots=True)
class Frame:
    """Where a stretch of samples is drawn."""

    start: int
    stop: int
    fs: float

    def x(self, sample: float) -> float:
        """Return the horizontal position of a sample."""
        width = SIZE[0] - 2 * MARGIN
        return MARGIN + width * (sample - self.start) / (self.stop - self.start)

    def inside(self, samples: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return positions in the list of what lies in the stretch."""
        return np.flatnonzero((samples >= self.start) & (samples < self.stop))


def error_windows(result: RecordResult) -> list[tuple[int, int]]:
    """Choose stretches around a record's errors: clusters of them, spread over the record."""
    length = round(STRIP_S * result.fs)
    errors = np.sort(np.concatenate([result.missed, result.false]))
    starts: list[int] = []
    lead_in = length // 4
    for error in errors.tolist():
        if not starts or error >= starts[-1] + length - lead_in // 2:
            starts.append(min(max(0, error - lead_in), max(0, result.n_samples - length)))
    if len(starts) > STRIPS_PER_RECORD:
        chosen = np.linspace(0, len(starts) - 1, STRIPS_PER_RECORD).round().astype(int)
        starts = [starts[number] for number in chosen]
    return [(start, min(start + length, result.n_samples)) for start in starts]


def strip(excerpt: Excerpt, result: RecordResult, start: int, stop: int) -> str:
    """Draw one stretch: leads, reference beats, detected, missed and false ones, candidates."""
    frame = Frame(start, stop, excerpt.fs)
    n_leads = min(len(excerpt.leads), 2)
    height = SIZE[1] - TOP - BOTTOM
    split = TOP + (height * (1 - SECOND_SHARE) if n_leads == 2 else height)
    parts = [_grid(frame), _trace(excerpt, frame, 0, TOP + SCORES, split - 6)]
    if n_leads == 2:
        parts.append(_trace(excerpt, frame, 1, split + 4, SIZE[1] - BOTTOM - 10))
    parts += [*_beats(excerpt, result, frame), *_candidates(result, frame), _axis(frame)]
    title = f"{excerpt.name} at {format_time(start, excerpt.fs)}"
    return (
        f'<svg class="strip" viewBox="0 0 {SIZE[0]} {SIZE[1]}" width="{SIZE[0]}" role="img">'
        f"<title>{html.escape(title)}</title>{''.join(parts)}</svg>"
    )


def _grid(frame: Frame) -> str:
    """Rule the paper: a line every 0.2 s."""
    step = BIG_SQUARE_S * frame.fs
    first = int(np.ceil(frame.start / step))
    lines = "".join(
        f"M{frame.x(number * step):.1f} {TOP}V{SIZE[1] - BOTTOM}"
        for number in range(first, int(frame.stop / step) + 1)
    )
    width, height = SIZE[0] - 2 * MARGIN, SIZE[1] - TOP - BOTTOM
    return (
        f'<rect x="{MARGIN}" y="{TOP}" width="{width}" height="{height}" fill="#fffafa"/>'
        f'<path d="{lines}" stroke="{GRID}" fill="none"/>'
    )


def _trace(excerpt: Excerpt, frame: Frame, lead: int, top: float, bottom: float) -> str:
    """Draw one lead between two heights, broken where samples are invalid."""
    values = excerpt.samples[lead, frame.start : frame.stop].astype(np.float64)
    valid = np.isfinite(values)
    low, high = (values[valid].min(), values[valid].max()) if valid.any() else (0.0, 0.0)
    span = max(high - low, LEAST_SPAN_MV)
    middle = 0.5 * (high + low)
    y = 0.5 * (top + bottom) - (values - middle) / span * (bottom - top)
    points = []
    pen = "M"
    for number, is_valid in enumerate(valid):
        if not is_valid:
            pen = "M"
            continue
        points.append(f"{pen}{frame.x(frame.start + number):.1f} {y[number]:.1f}")
        pen = "L"
    mv = (bottom - top) / span
    label_y = 0.5 * (top + bottom)
    scale = min(1.0, span)
    return (
        f'<path d="{"".join(points)}" stroke="{INK}" stroke-width="1.1" fill="none"/>'
        f'<text x="6" y="{label_y:.0f}" font-size="12" fill="{INK}">'
        f"{html.escape(excerpt.leads[lead])}</text>"
        f'<path d="M{SIZE[0] - MARGIN + 8} {label_y - mv * scale / 2:.1f}v{mv * scale:.1f}" '
        f'stroke="{SOFT}" stroke-width="2"/>'
        f'<text x="{SIZE[0] - MARGIN + 13}" y="{label_y + 4:.0f}" font-size="9" fill="{SOFT}">'
        f"{scale:.1g} mV</text>"
    )


def _beats(excerpt: Excerpt, result: RecordResult, frame: Frame) -> list[str]:
    """Mark reference beats below the top edge and detected beats above the bottom edge."""
    parts = []
    reference = excerpt.beats.samples
    for number in frame.inside(reference):
        at = int(reference[number])
        missed = at in result.missed
        color, text = (MISSED, "missed") if missed else (SOFT, "")
        x = frame.x(at)
        parts.append(f'<path d="M{x - 4:.1f} {TOP}h8l-4 7z" fill="{color}"/>')
        if missed:
            parts.append(_band(x, color, text))
    for number in frame.inside(result.own.samples):
        at = int(result.own.samples[number])
        false = at in result.false
        color = FALSE if false else OWN
        x, y = frame.x(at), SIZE[1] - BOTTOM
        late = (result.own.decided_at[number] - at) * 1000 / result.fs
        back = ", search-back" if result.own.search_back[number] else ""
        hint = f"quality {result.own.quality[number]:.2f}, decided {late:.0f} ms later{back}"
        parts.append(
            f'<path d="M{x - 4:.1f} {y}h8l-4 -7z" fill="{color}"><title>{hint}</title></path>'
        )
        if false:
            parts.append(_band(x, color, "false"))
    return parts


def _band(x: float, color: str, text: str) -> str:
    return (
        f'<rect x="{x - 11:.1f}" y="{TOP}" width="22" height="{SIZE[1] - TOP - BOTTOM}" '
        f'fill="{color}" opacity="0.13"/>'
        f'<text x="{x:.1f}" y="10" font-size="11" font-weight="600" text-anchor="middle" '
        f'fill="{color}">{text}</text>'
    )


def _candidates(result: RecordResult, frame: Frame) -> list[str]:
    """Write each candidate's log-odds where it was judged."""
    parts = []
    for number in frame.inside(result.own.candidates):
        score = result.own.log_odds[number]
        x = frame.x(int(result.own.candidates[number]))
        color = OWN if score > 0 else SOFT
        parts.append(
            f'<text x="{x:.1f}" y="{TOP + SCORES - 6}" font-size="9.5" text-anchor="middle" '
            f'fill="{color}">{score:+.1f}</text>'
        )
    return parts


def _axis(frame: Frame) -> str:
    """Write the time at every second."""
    parts = []
    first = int(np.ceil(frame.start / frame.fs))
    for second in range(first, int(frame.stop / frame.fs) + 1):
        text = format_time(round(second * frame.fs), frame.fs)
        parts.append(
            f'<text x="{frame.x(second * frame.fs):.1f}" y="{SIZE[1] - 5}" font-size="10" '
            f'text-anchor="middle" fill="{SOFT}">{text}</text>'
        )
    return "".join(parts)


LEGEND: Final = (
    "Triangles at the top are the reference's beats, those at the bottom the detector's (hover "
    "over one for its quality and delay). Numbers are the scorer's log-odds of each candidate: "
    "above 0 it is a beat. A vertical line every 0.2 s."
)


def record_strips(excerpt: Excerpt, result: RecordResult) -> Sequence[str]:
    """Draw the chosen stretches of one record."""
    return [strip(excerpt, result, start, stop) for start, stop in error_windows(result)]
