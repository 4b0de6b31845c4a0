"""The tables of `bench rhythm --noise`, and the same for programs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from streamer.bench.rhythm.noise import CHOSEN_ON, FalseAlarms, NoiseReport, NoisyOnsets
from streamer.core.events import Rhythm
from streamer.scoring.report import Table

SCHEMA_VERSION: Final = 1
SHOWN: Final[dict[Rhythm, str]] = {
    Rhythm.ASYSTOLE: "asystole",
    Rhythm.PAUSE: "pause",
    Rhythm.VENTRICULAR_FIBRILLATION: "VF",
    Rhythm.VENTRICULAR_TACHYCARDIA: "VT",
    Rhythm.EXTREME_BRADYCARDIA: "extr. brady",
    Rhythm.EXTREME_TACHYCARDIA: "extr. tachy",
}
"""Alarms with a column of their own, and its title."""
_TITLES: Final = {
    "rhythm": "rhythms that tempt, clean",
    "fault": "sinus rhythm with a fault in every second 20 s",
    "noise": "sinus rhythm in noise",
    "noise alone": "noise without a heart: every alarm is counted",
    "records": "records with noise in every second minute",
}


def introduction(report: NoiseReport) -> list[str]:
    """Say what was measured."""
    settings = report.settings
    hours = sum(part.hours for part in report.steady)
    unseen = [name for name in settings.noises if name not in CHOSEN_ON]
    lines = [
        f"Simulated onsets: {settings.trials} of a kind and condition, at "
        f"{' and '.join(f'{fs:g}' for fs in settings.sampling_hz)} Hz.",
        f"False alarms: {hours:.1f} patient-hours, simulated but for the records "
        f"{' '.join(Path(record).name for record in settings.records) or '(none)'}.",
    ]
    if unseen:
        lines.append(f"Nothing was chosen on {' '.join(unseen)}.")
    return lines


def tables(report: NoiseReport) -> list[Table]:
    """Lay out everything."""
    found = [_onset_table(onsets) for onsets in report.onsets]
    for group, title in _TITLES.items():
        parts = [part for part in report.steady if part.group == group]
        if parts:
            found.append(_false_table(f"False alarms a patient-hour, {title}", parts))
    return found


def _onset_table(found: NoisyOnsets) -> Table:
    rows = [
        (
            onset.name,
            str(len(onset.delays_s) + onset.missed),
            str(onset.missed),
            _seconds(onset.median_s),
            _seconds(max(onset.delays_s, default=None)),
            str(sum(delay > onset.limit_s for delay in onset.delays_s)),
            f"{onset.limit_s:g}",
        )
        for onset in found.onsets
    ]
    header = ("Onset", "Trials", "Missed", "Median s", "Worst s", "Late", "Limit s")
    return Table(title=f"Time to alarm, {found.condition}", header=header, rows=tuple(rows))


def _seconds(value: float | None) -> str:
    return "--" if value is None else f"{value:.2f}"


def _false_table(title: str, parts: Sequence[FalseAlarms]) -> Table:
    rows = [
        (
            part.name,
            f"{part.hours:.2f}",
            *(f"{part.counts[rhythm] / part.hours:.1f}" for rhythm in SHOWN),
            f"{_others(part) / part.hours:.1f}",
        )
        for part in parts
    ]
    header = ("", "Hours", *SHOWN.values(), "others")
    return Table(title=title, header=header, rows=tuple(rows))


def _others(part: FalseAlarms) -> int:
    return sum(count for rhythm, count in part.counts.items() if rhythm not in SHOWN)


def to_json(report: NoiseReport) -> dict[str, Any]:
    """Everything for programs."""
    return {
        "schema": SCHEMA_VERSION,
        "noises": list(report.settings.noises),
        "onsets": [
            {
                "condition": found.condition,
                "name": onset.name,
                "limit_s": onset.limit_s,
                "missed": onset.missed,
                "delays_s": list(onset.delays_s),
            }
            for found in report.onsets
            for onset in found.onsets
        ],
        "false_alarms": [
            {
                "group": part.group,
                "name": part.name,
                "hours": part.hours,
                "counts": {str(rhythm): count for rhythm, count in part.counts.items()},
            }
            for part in report.steady
        ],
    }
