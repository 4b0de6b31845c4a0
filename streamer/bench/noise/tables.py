"""Lays out what noise does to detection: tables for people, and JSON for programs."""

from collections.abc import Sequence
from typing import Any, Final

from streamer.bench.detection.measure import OWN
from streamer.bench.detection.tables import NONE, score_json
from streamer.bench.noise.measure import THRESHOLDS, NoiseReport
from streamer.scoring.ec57 import TOLERANCE_MS, RecordScore
from streamer.scoring.report import Table

SCHEMA_VERSION: Final = 1
SHOWN: Final = tuple(range(0, len(THRESHOLDS), 2))
"""Every second threshold is enough for a table."""


def introduction(report: NoiseReport) -> list[str]:
    """Say what was measured."""
    lines = [
        f"Noise Stress Test Database: records {' and '.join(report.bases)} with electrode motion, "
        f"noisy stretches only, within {TOLERANCE_MS:g} ms.",
        f"{OWN} uses both leads ({'+'.join(report.results[0].leads[:2])}) and is causal; peers see "
        "the whole first lead at once.",
    ]
    lines += [
        f"Not installed, so not measured: {peer.title}; pip install 'ecg-stream[peers]'."
        for peer in report.missing
    ]
    for result in report.results:
        lines += [
            f"{peer} failed on {result.record.base} at {result.record.snr_db} dB: {reason}"
            for peer, reason in result.failures.items()
        ]
    return lines


def _short(value: float | None) -> str:
    return NONE if value is None else f"{100 * value:.1f}"


def _pair(score: RecordScore) -> str:
    return f"{_short(score.value('qrs_se'))}/{_short(score.value('qrs_ppv'))}"


def _ratio_header(ratios_db: Sequence[int]) -> tuple[str, ...]:
    return tuple(f"{snr_db} dB" for snr_db in ratios_db)


def tables(report: NoiseReport) -> list[Table]:
    """Lay out the whole report."""
    laid_out = [_quality_table(report)]
    if len(report.bases) > 1:
        laid_out += [_detector_table(report, base) for base in report.bases]
    return [*laid_out, _detector_table(report, None), _f1_table(report)]


def _detector_table(report: NoiseReport, base: str | None) -> Table:
    rows = [
        (name, *(_pair(report.score(name, snr_db, base)) for snr_db in report.ratios_db))
        for name in report.detectors
    ]
    which = "all records" if base is None else f"record {base}"
    return Table(
        title=f"Se/+P in noise, {which}, %",
        header=("detector", *_ratio_header(report.ratios_db)),
        rows=tuple(rows),
    )


def _f1_table(report: NoiseReport) -> Table:
    rows = []
    for name in report.detectors:
        scores = [report.score(name, snr_db) for snr_db in report.ratios_db]
        rows.append((name, *(_short(score.value("qrs_f1")) for score in scores)))
    beats = [report.score(OWN, snr_db) for snr_db in report.ratios_db]
    rows.append(("beats", *(str(score.tp + score.fn) for score in beats)))
    return Table(
        title="F1 in noise, all records, %",
        header=("detector", *_ratio_header(report.ratios_db)),
        rows=tuple(rows),
        summary_rows=1,
    )


def _quality_table(report: NoiseReport) -> Table:
    rows = []
    for number in SHOWN:
        scores = [report.kept(number, snr_db) for snr_db in (None, *report.ratios_db)]
        rows.append((f"{THRESHOLDS[number]:.2f}", *(_pair(score) for score in scores)))
    return Table(
        title=f"Trading Se for +P: {OWN}'s Se/+P when beats below a quality are left out, %",
        header=("quality from", "clean", *_ratio_header(report.ratios_db)),
        rows=tuple(rows),
    )


def to_json(report: NoiseReport) -> dict[str, Any]:
    """Lay out the report for programs.

    Returns
    -------
    dict
        `schema`, `detectors` (by name, a list with an entry a record), `quality` (a list with an
        entry a threshold and ratio; `snr_db` null are the clean stretches), `not_installed`.
    """
    return {
        "schema": SCHEMA_VERSION,
        "detectors": {
            name: [
                {
                    "record": result.record.base,
                    "snr_db": result.record.snr_db,
                    **score_json(result.noisy[name]),
                }
                for result in report.results
            ]
            for name in report.detectors
        },
        "quality": [
            {"threshold": threshold, "snr_db": snr_db, **score_json(report.kept(number, snr_db))}
            for number, threshold in enumerate(THRESHOLDS)
            for snr_db in (None, *report.ratios_db)
        ],
        "not_installed": [peer.title for peer in report.missing],
    }
