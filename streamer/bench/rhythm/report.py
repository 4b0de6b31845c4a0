"""What `bench rhythm` reports, of records, of simulated onsets and in noise."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from classifier.splits import DS1, DS2
from streamer.bench.report import Report, plain
from streamer.bench.rhythm.measure import RUNS, START, RecordRhythms
from streamer.bench.rhythm.noise import CHOSEN_ON, AlarmNoiseResults, FalseAlarms
from streamer.bench.rhythm.onsets import TimeToAlarm
from streamer.core.events import Rhythm
from streamer.report.table import Column, Table, columns, table
from streamer.scoring.episodes import MARKS, Agreement

SCHEMA_VERSION: Final = 2
NOISE_SCHEMA_VERSION: Final = 1
SHOWN: Final[dict[Rhythm, str]] = {
    Rhythm.ASYSTOLE: "asystole",
    Rhythm.PAUSE: "pause",
    Rhythm.VENTRICULAR_FIBRILLATION: "VF",
    Rhythm.VENTRICULAR_TACHYCARDIA: "VT",
    Rhythm.EXTREME_BRADYCARDIA: "extr. brady",
    Rhythm.EXTREME_TACHYCARDIA: "extr. tachy",
}
"""False alarms in noise with a column of their own, and its title."""
_NOISE_GROUPS: Final = {
    "rhythm": "rhythms that tempt, clean",
    "fault": "sinus rhythm with a fault in every second 20 s",
    "noise": "sinus rhythm in noise",
    "noise alone": "noise without a heart: every alarm is counted",
    "records": "records with noise in every second minute",
}
_SPLITS: Final = (("DS1", DS1), ("DS2", DS2))
_SECONDS: Final = ".2f"
_MISSING: Final = "--"


def rhythm_report(
    results: Sequence[RecordRhythms], onsets: Sequence[TimeToAlarm], start: str = START
) -> Report:
    """Report episodes and alarms of records, and the time to alarm of simulated onsets."""
    hours = sum(result.hours for result in results)
    return Report(
        title="Rhythm and alarms",
        introduction=[
            f"{len(results)} records, {hours:.1f} patient-hours; episodes and durations from "
            f"{start}, alarms from the first sample.",
            "Constants were chosen on DS1. As in epicmp, AF that is named in reference flutter "
            "doesn't count in +P, and [ and ] mark VF; runs are of 3 or more.",
        ],
        tables=[*_record_tables(results), *([_onset_table(onsets)] if onsets else [])],
        figures={
            "schema": SCHEMA_VERSION,
            "records": results,
            "onsets": [
                {**plain(onset), "median_s": onset.median_s, "worst_s": onset.worst_s}
                for onset in onsets
            ],
        },
    )


def _record_tables(results: Sequence[RecordRhythms]) -> list[Table]:
    if not results:
        return []
    found = [_episode_table("all records", results)]
    for split, names in _SPLITS:
        group = [result for result in results if result.name in names]
        if group and len(group) < len(results):
            found.append(_episode_table(split, group))
    found.append(_alarm_table(results))
    if any(result.flutter_delays_s for result in results):
        found.append(_flutter_table(results))
    return found


def _episode_table(group: str, results: Sequence[RecordRhythms]) -> Table:
    rows = []
    for kind in (*MARKS, *RUNS):
        summed = sum((result.episodes[kind] for result in results), Agreement())
        if not (summed.n_reference or summed.n_named):
            continue
        counts = (kind, summed.n_reference, summed.n_named, summed.episode_se, summed.episode_ppv)
        durations = ("", "") if kind in RUNS else (summed.duration_se, summed.duration_ppv)
        rows.append((*counts, *durations))
    return table(
        f"Episodes, %, {group}",
        (
            *columns("Rhythm", "Reference", "Named"),
            *columns("Se", "+P", "Duration Se", "Duration +P", form=".1%"),
        ),
        rows,
        missing=_MISSING,
    )


def _alarm_table(results: Sequence[RecordRhythms]) -> Table:
    hours = sum(result.hours for result in results)
    rows = []
    for rhythm in Rhythm:
        right = sum(result.true_alarms[rhythm] for result in results)
        wrong = sum(result.false_alarms[rhythm] for result in results)
        if right or wrong:
            records = sum(result.false_alarms[rhythm] > 0 for result in results)
            rows.append((rhythm, right, wrong, wrong / hours, records))
    header = columns("Alarm", "True", "False")
    header += (Column("False a patient-hour", ".2f"), Column("In records"))
    return table("Alarms", header, rows)


def _flutter_table(results: Sequence[RecordRhythms]) -> Table:
    return table(
        "Time to alarm in records",
        (Column("Ventricular flutter"), Column("s to alarm", ".1f")),
        [
            (f"{result.name} episode {k}", delay)
            for result in results
            for k, delay in enumerate(result.flutter_delays_s, start=1)
        ],
        missing="missed",
    )


def _onset_table(onsets: Sequence[TimeToAlarm]) -> Table:
    return table(
        "Time to alarm, simulated",
        (
            *columns("Simulated onset", "Trials", "Missed"),
            *columns("Median s", "Worst s", form=_SECONDS),
            Column("Limit s", "g"),
        ),
        [(o.name, o.trials, o.missed, o.median_s, o.worst_s, o.limit_s) for o in onsets],
        missing=_MISSING,
    )


def alarm_noise_report(results: AlarmNoiseResults) -> Report:
    """Report what noise and faults do to alarms."""
    settings = results.settings
    hours = sum(part.hours for part in results.steady)
    unseen = [name for name in settings.noises if name not in CHOSEN_ON]
    tables = [_noisy_onset_table(condition, onsets) for condition, onsets in results.onsets.items()]
    for group, title in _NOISE_GROUPS.items():
        parts = [part for part in results.steady if part.group == group]
        if parts:
            tables.append(_false_table(f"False alarms a patient-hour, {title}", parts))
    return Report(
        title="Alarms in noise",
        introduction=[
            f"Simulated onsets: {settings.trials} of a kind and condition, at "
            f"{' and '.join(f'{fs:g}' for fs in settings.sampling_hz)} Hz.",
            f"False alarms: {hours:.1f} patient-hours, simulated but for the records "
            f"{' '.join(Path(record).name for record in settings.records) or '(none)'}.",
            *([f"Nothing was chosen on {' '.join(unseen)}."] if unseen else []),
        ],
        tables=tables,
        figures=_noise_figures(results),
    )


def _noisy_onset_table(condition: str, onsets: Sequence[TimeToAlarm]) -> Table:
    rows = []
    for onset in onsets:
        late = sum(delay > onset.limit_s for delay in onset.delays_s)
        worst = max(onset.delays_s, default=None)
        counts = (onset.name, onset.trials, onset.missed)
        rows.append((*counts, onset.median_s, worst, late, onset.limit_s))
    header = (
        *columns("Onset", "Trials", "Missed"),
        *columns("Median s", "Worst s", form=_SECONDS),
        *(Column("Late"), Column("Limit s", "g")),
    )
    return table(f"Time to alarm, {condition}", header, rows, missing=_MISSING)


def _false_table(title: str, parts: Sequence[FalseAlarms]) -> Table:
    rows = []
    for part in parts:
        counts = [part.counts[rhythm] for rhythm in SHOWN]
        counts.append(part.counts.total() - sum(counts))
        rows.append((part.name, part.hours, *(count / part.hours for count in counts)))
    header = (Column(""), Column("Hours", ".2f"), *columns(*SHOWN.values(), "others", form=".1f"))
    return table(title, header, rows)


def _noise_figures(results: AlarmNoiseResults) -> dict[str, Any]:
    """Everything for programs."""
    return {
        "schema": NOISE_SCHEMA_VERSION,
        "noises": results.settings.noises,
        "onsets": [
            {"condition": condition, **plain(onset)}
            for condition, onsets in results.onsets.items()
            for onset in onsets
        ],
        "false_alarms": results.steady,
    }
