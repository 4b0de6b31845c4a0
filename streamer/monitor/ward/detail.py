"""One patient of the ward on the whole screen: every lead, numbers, alarms."""

from dataclasses import replace
from typing import Final

from classifier.labels import Label
from streamer.monitor.shown_alerts import time_of_day
from streamer.monitor.terminal import palette
from streamer.monitor.terminal.screen_lines import Line, Part, beside, block, rule, single_cells
from streamer.monitor.ward.history import history_header, history_lines
from streamer.monitor.ward.patient_line import PatientLine
from streamer.monitor.ward.patients import PatientState, Ring
from streamer.monitor.ward.trace import WardTraces
from streamer.monitor.ward.words import age_words, fitting, mark_of, rate_words, state_words
from streamer.rhythm.alerting.patients import PatientAlerts

_NUMBERS: Final = 8
"""Rows below the waveforms, at least."""
_NAME_CELLS: Final = 8
_LEFT_CELLS: Final = 37
"""Of the numbers, at least."""


def detail(
    one: PatientLine,
    patient: PatientState,
    ring: Ring | None,
    traces: WardTraces,
    alerts: PatientAlerts,
    *,
    limits: str,
    width: int,
    height: int,
) -> list[Line]:
    """Draw one patient on `height` lines of `width` cells.

    Parameters
    ----------
    one : PatientLine
        How the patient is, in words.
    patient : PatientState
    ring : Ring, optional
        The last samples.
    traces : WardTraces
    alerts : PatientAlerts
        With the alarms so far.
    limits : str
        Heart rates without an alarm.
    """
    leads = patient.info.leads
    each = max((height - _NUMBERS - 1) // max(len(leads), 1) - 1, 3)
    now = 0 if ring is None else ring.stop or 0
    lines = []
    for number, lead in enumerate(leads):
        curve = traces.lines(patient, ring, now, width, each, lead=number)
        lines += [rule([(1, f"{one.name}  {lead}")], width), *curve]
    left = max(width * 2 // 5, _LEFT_CELLS)
    rows = max(height - len(lines) - 1, 1)
    numbers = block(_numbers(one, patient, limits, left), left, rows)
    header = history_header(width - left, source=one.source)
    past = [header, *history_lines(alerts, width - left, rows - 1, source=one.source)]
    past += block([], width - left, rows - len(past))
    lines += [rule([(1, "NOW"), (left + 1, "ALARMS")], width), *beside([numbers, past[:rows]])]
    return lines[:height]


def _numbers(one: PatientLine, patient: PatientState, limits: str, width: int) -> list[list[Part]]:
    ledger, info = patient.account.ledger, patient.info
    counts = " ".join(f"{label.value} {ledger.counts[label]}" for label in Label)
    latency = ledger.latency.quantile(0.5)
    median = "--" if latency is None else f"{latency:.0f}"
    quality = "--" if one.quality is None else f"{100 * one.quality:.0f} %"
    since = "" if one.since_s is None else f" for {age_words(one)}"
    mark, style = mark_of(one)
    room = width - _NAME_CELLS - 2
    words = state_words(replace(one, changed=()), room - len(mark) - len(since) - 1)
    rows = [
        ("rate", f"{rate_words(one)} /min, limits {limits}", palette.RATE),
        ("now", f"{mark} {words}{since}".strip(), style),
        ("lately", fitting(one.changed, room) or "no change", palette.PLAIN),
        ("beats", counts, palette.PLAIN),
        ("quality", quality, palette.PLAIN),
        ("labels", f"{median} ms, {ledger.n_late} late", palette.PLAIN),
        ("stream", f"{single_cells(one.source)}, {info.fs:g} Hz", palette.PLAIN),
        ("since", time_of_day(info.started_at), palette.PLAIN),
    ]
    return [
        [(f" {name:<{_NAME_CELLS}}", palette.FAINT), (words, style)] for name, words, style in rows
    ]
