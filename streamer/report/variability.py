"""The section on heart-rate variability: windows, the whole recording, day and night."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.core.clock_format import clock
from streamer.report import page
from streamer.report.counts import rr_intervals, sinus_intervals
from streamer.report.data import ReportData
from streamer.report.hrv import Spectrum, Variability, spectrum, variability
from streamer.report.particulars import Recorded
from streamer.report.table import Column, Table, columns, table
from streamer.report.trends import variability_chart
from streamer.report.trust import doubts_of_sdnn

DAY_HOURS: Final = (6, 22)
"""From when until when it is day, o'clock; the rest is night."""
_WORDS: Final = (
    "Intervals between normal beats; those in atrial fibrillation are left out. LF (0.04 to 0.15 "
    "Hz) and HF (0.15 to 0.4 Hz) are of windows that are nearly filled with them, for the whole "
    "recording their mean."
)
_NO_CLOCK: Final = (
    "Day and night are not told apart: the time of day of the recording is unknown; "
    "give it with --recorded."
)

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Variability of a part of a recording."""

    start_s: float
    time: Variability
    spectrum: Spectrum | None


def windows_of(data: ReportData, window_s: float) -> list[Window]:
    """Measure each window that has intervals enough."""
    intervals, ends = sinus_intervals(data)
    found = []
    for start in np.arange(data.first / data.fs, data.stop / data.fs, window_s).tolist():
        inside = (ends >= start) & (ends < start + window_s)
        own = intervals[inside], ends[inside]
        measured = variability(*own)
        if measured is not None:
            power = spectrum(*own, window_s)
            found.append(Window(start_s=start, time=measured, spectrum=power))
    return found


def mean_spectrum(windows: Sequence[Window]) -> Spectrum | None:
    """Average the windows that have a spectrum."""
    known = [window.spectrum for window in windows if window.spectrum is not None]
    if not known:
        return None
    return Spectrum(
        lf_ms2=float(np.mean([one.lf_ms2 for one in known])),
        hf_ms2=float(np.mean([one.hf_ms2 for one in known])),
    )


def variability_section(
    data: ReportData, whole: Variability | None, *, window_s: float, most_rows: int
) -> str:
    """Mark up the section; `whole` is the variability of the whole recording."""
    if whole is None:
        return page.paragraph("There are too few intervals between normal beats.")
    windows = windows_of(data, window_s)
    several = windows if len(windows) > 1 else []
    pairs = [(window.start_s, window.time) for window in several]
    chart = variability_chart(data, pairs, window_s) if several else ""
    last = ("all", whole, mean_spectrum(windows))
    named = [(data.when(one.start_s), one.time, one.spectrum) for one in several]
    content = page.table(_table([*named, last]))
    if len(named) > most_rows:
        content = page.table(_table([last])) + page.folded("Every window", content)
    body = page.paragraph(_WORDS)
    if doubts := doubts_of_sdnn(data):
        body += page.caution(f"SDNN: {'; '.join(doubts)}.")
    return body + chart + content + _day_and_night(data)


def _table(rows: Sequence[tuple[str, Variability, Spectrum | None]]) -> Table:
    header = (
        *columns("From", "NN intervals"),
        Column("Mean NN ms", ".0f"),
        *columns("SDNN ms", "SDANN ms", "RMSSD ms", "pNN50 %", form=".1f"),
        *columns("LF ms²", "HF ms²", form=".0f"),
        Column("LF/HF", ".2f"),
    )
    cells = (
        (
            *(name, v.n_intervals, v.mean_nn_ms, v.sdnn_ms, v.sdann_ms, v.rmssd_ms, v.pnn50),
            *_power(power),
        )
        for name, v, power in rows
    )
    title = "Variability of the NN intervals (neurokit2)"
    return table(title, header, cells, summary_rows=1, missing="--")


def _power(found: Spectrum | None) -> tuple[float | None, float | None, float | None]:
    if found is None:
        return None, None, None
    ratio = found.lf_ms2 / found.hf_ms2 if found.hf_ms2 else None
    return found.lf_ms2, found.hf_ms2, ratio


def _day_and_night(data: ReportData) -> str:
    """Put day beside night, where the time of day is known."""
    if data.recorded is None:
        return page.paragraph(_NO_CLOCK)
    nn, nn_ends = sinus_intervals(data)
    every = rr_intervals(data)
    beats = np.array([beat.sample for beat in data.beats], np.float64) / data.fs
    labels = np.array([beat.label or "" for beat in data.beats])
    in_day, is_day_nn, is_day_rr = (
        is_day(times, data.recorded) for times in (beats, nn_ends, every.ends_s)
    )
    rows = []
    for name, is_wanted in (("day", True), ("night", False)):
        chosen, lengths = in_day == is_wanted, every.lengths_s[is_day_rr == is_wanted]
        found = variability(nn[is_day_nn == is_wanted], nn_ends[is_day_nn == is_wanted])
        rows.append(
            (
                name,
                clock(float(lengths.sum())),
                int(chosen.sum()),
                60.0 / float(lengths.mean()) if lengths.size else None,
                *(int((labels[chosen] == label).sum()) for label in "VS"),
                *((None, None) if found is None else (found.sdnn_ms, found.rmssd_ms)),
            )
        )
    header = (
        *columns("", "Time", "Beats"),
        Column("Rate /min", ".0f"),
        *columns("V", "S"),
        *columns("SDNN ms", "RMSSD ms", form=".1f"),
    )
    title = f"Day, from {DAY_HOURS[0]} to {DAY_HOURS[1]} o'clock, and night"
    return page.table(table(title, header, rows, missing="--"))


def is_day(times_s: Floats, recorded: Recorded) -> NDArray[np.bool_]:
    """Tell which times in a recording are by day."""
    began = recorded.at(0.0)
    hours = (began.hour + (began.minute * 60 + began.second + times_s) / 3600.0) % 24.0
    return (hours >= DAY_HOURS[0]) & (hours < DAY_HOURS[1])
