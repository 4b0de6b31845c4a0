"""Strips of ECG around errors: what was there, what was found, what was judged."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from replay.player import format_time
from streamer.bench.detection.measure import RecordResult
from streamer.bench.excerpt import Excerpt
from streamer.report import page
from streamer.report.plots import FALSE, MISSED, OWN, SOFT
from streamer.report.strip.paper import Paper, StripSpan, Word, describe_strip
from streamer.report.strip.writers import strip_svg
from streamer.report.table import Column, columns, table

STRIP_S: Final = 6.0
STRIPS_PER_RECORD: Final = 6
REFERENCE: Final = "\N{BLACK DOWN-POINTING TRIANGLE}"
FOUND: Final = "\N{BLACK UP-POINTING TRIANGLE}"
LEGEND: Final = (
    f"{REFERENCE} are the reference's beats, {FOUND} the detector's. Numbers are the scorer's "
    "log-odds of each candidate: above 0 it is a beat."
)
_PAPER: Final = Paper(head_mm=16.5, most_mm=40.0)
_MISSED_MM, _REFERENCE_MM, _FOUND_MM, _FALSE_MM, _SCORE_MM = 3.2, 6.2, 9.0, 12.2, 14.6
"""From the top to each row of signs above the signal."""
_NAME_SIZE_MM, _SIGN_SIZE_MM, _SCORE_SIZE_MM = 3.2, 2.6, 1.9
_ERROR_S: Final = 0.1
"""Half the width of the bar at an error."""


def error_windows(result: RecordResult) -> list[tuple[int, int]]:
    """Choose segments around a record's errors: clusters of them, spread over the record."""
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


def record_strips(excerpt: Excerpt, result: RecordResult) -> str:
    """Draw the chosen segments of one record, and list the beats found in them."""
    windows = error_windows(result)
    drawn = "".join(_strip(excerpt, result, *window) for window in windows)
    return drawn + page.folded(
        "Quality and delay of the beats found there", _found(result, windows)
    )


def _strip(excerpt: Excerpt, result: RecordResult, start: int, stop: int) -> str:
    """Draw both leads, with rows of signs above them."""
    half = round(_ERROR_S * excerpt.fs)
    errors = ((result.missed, MISSED), (result.false, FALSE))
    picture = describe_strip(
        excerpt.samples[:2, start:stop],
        fs=excerpt.fs,
        start=start,
        leads=excerpt.leads[:2],
        spans=[
            StripSpan(at - half, at + half, colour)
            for samples, colour in errors
            for at in samples[_inside(samples, start, stop)].tolist()
        ],
        title=f"{excerpt.name} at {format_time(start, excerpt.fs)}",
        paper=_PAPER,
    )
    words = (*picture.words, *_signs(excerpt, result, start, stop))
    return f'<div class="strip">{strip_svg(replace(picture, words=words))}</div>'


def _signs(excerpt: Excerpt, result: RecordResult, start: int, stop: int) -> Iterator[Word]:
    """Mark reference beats, detected beats and candidates in a row each, and name the errors."""

    def word(at: int, y_mm: float, text: str, size_mm: float, colour: str) -> Word:
        x_mm = _PAPER.gutter_mm + (at - start) / excerpt.fs * _PAPER.mm_per_s
        return Word(
            x_mm=x_mm, y_mm=y_mm, text=text, size_mm=size_mm, colour=colour, anchor="middle"
        )

    rows = (
        (excerpt.beats.samples, _REFERENCE_MM, REFERENCE, SOFT, result.missed),
        (result.own.samples, _FOUND_MM, FOUND, OWN, result.false),
    )
    names = (("missed", _MISSED_MM, MISSED), ("false", _FALSE_MM, FALSE))
    for (beats, y_mm, sign, normal, errors), (name, name_mm, colour) in zip(
        rows, names, strict=True
    ):
        for at in beats[_inside(beats, start, stop)].tolist():
            yield word(at, y_mm, sign, _SIGN_SIZE_MM, colour if at in errors else normal)
        for at in errors[_inside(errors, start, stop)].tolist():
            yield word(at, name_mm, name, _NAME_SIZE_MM, colour)
    for k in _inside(result.own.candidates, start, stop):
        at, score = int(result.own.candidates[k]), float(result.own.log_odds[k])
        yield word(at, _SCORE_MM, f"{score:+.1f}", _SCORE_SIZE_MM, OWN if score > 0 else SOFT)


def _inside(samples: NDArray[np.int64], start: int, stop: int) -> NDArray[np.int64]:
    """Return positions in the list of what lies in the segment."""
    return np.flatnonzero((samples >= start) & (samples < stop))


def _found(result: RecordResult, windows: list[tuple[int, int]]) -> str:
    own = result.own
    header = (*columns("at", "false"), Column("quality", ".2f"), Column("decided after, ms", ".0f"))
    rows = [
        (
            format_time(int(own.samples[k]), result.fs),
            "false" if own.samples[k] in result.false else "",
            own.quality[k],
            result.delay_ms[k],
            "yes" if own.search_back[k] else "",
        )
        for window in windows
        for k in _inside(own.samples, *window)
    ]
    return page.table(table("Beats found", (*header, Column("search-back")), rows))
