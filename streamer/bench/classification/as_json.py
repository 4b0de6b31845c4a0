"""Lays out how beats were labelled, for programs."""

from collections.abc import Sequence
from typing import Any, Final

from streamer.bench.classification.measure import RUN_LABELS
from streamer.bench.classification.noise import NoisyLabels, noise_json
from streamer.bench.classification.report import (
    ClassificationReport,
    Group,
    RecordLabels,
    Revision,
)
from streamer.bench.classification.tables import STATISTICS
from streamer.bench.detection.tables import quantiles_ms
from streamer.scoring.bootstrap import BootstrapConfig, intervals
from streamer.scoring.ec57 import Ratio, RecordScore
from streamer.scoring.runs import LENGTHS, RunCounts
from streamer.sinks.annotations import REVISIONS, Which

SCHEMA_VERSION: Final = 1


def to_json(
    measured: Sequence[tuple[ClassificationReport, Sequence[NoisyLabels]]],
    config: BootstrapConfig,
) -> dict[str, Any]:
    """Lay out the reports of all models.

    Returns
    -------
    dict
        `schema` (1), `resamples`, `seed`, `confidence`, and `models`, a list. An entry has
        `settings`, `model` (`name`, `sha256`, `training_records`), `groups`, `records` and `noise`
        (see `noise_json`; empty if not measured). A group has `title`, `records`, `trained_on`
        and, by `provisional` and `confirmed`, `gross` and `average`: each statistic (`v_se`,
        `s_f1` ...) with `value` (0 to 1 or null) and `interval` (or null); `matrix` (rows
        reference, columns predicted, both N S V F Q O X); `runs`; `delay_ms`; `unjudged` (labels
        Q by reason). A record has `name`, `hours`, `counts` (false if paced), `trained_on`, and
        the same by revision, without intervals.
    """
    return {
        "schema": SCHEMA_VERSION,
        "resamples": config.resamples,
        "seed": config.seed,
        "confidence": config.confidence,
        "models": [
            {**_report(report, config), "noise": noise_json(noisy)} for report, noisy in measured
        ],
    }


def _report(report: ClassificationReport, config: BootstrapConfig) -> dict[str, Any]:
    settings = report.settings
    return {
        "settings": {
            "database": report.database,
            "model": None if settings.model is None else str(settings.model),
            "start": settings.start,
            "stop": settings.stop,
        },
        "model": {
            "name": report.model.name,
            "sha256": report.model.sha256,
            "training_records": list(report.model.training_records),
        },
        "groups": [_group(report, group, config) for group in report.groups],
        "records": [_record(report, record) for record in report.records],
    }


def _group(report: ClassificationReport, group: Group, config: BootstrapConfig) -> dict[str, Any]:
    return {
        "title": group.title,
        "records": list(group.names),
        "trained_on": [name for name in group.names if name in report.trained],
        **{which: _summed(report, group, which, config) for which in REVISIONS},
    }


def _summed(
    report: ClassificationReport, group: Group, which: Which, config: BootstrapConfig
) -> dict[str, Any]:
    summary = report.summary(which, group.names)
    spread = intervals(summary.records, STATISTICS, config)
    return {
        "gross": {
            name: {"value": summary.gross.value(name), "interval": spread.gross.get(name)}
            for name in STATISTICS
        },
        "average": {
            name: {"value": summary.average[name], "interval": spread.average.get(name)}
            for name in STATISTICS
        },
        "matrix": summary.gross.matrix.tolist(),
        "runs": {kind: _runs(report.runs(which, kind, group.names)) for kind in RUN_LABELS},
        "delay_ms": quantiles_ms(report.delay_ms(which, group.names)),
        "unjudged": dict(report.unjudged(which, group.names)),
    }


def _record(report: ClassificationReport, record: RecordLabels) -> dict[str, Any]:
    return {
        "name": record.name,
        "hours": record.hours,
        "counts": record.name in report.names,
        "trained_on": record.name in report.trained,
        **{which: _revision(revision) for which, revision in record.revisions.items()},
    }


def _revision(revision: Revision) -> dict[str, Any]:
    return {
        **_score(revision.score),
        "runs": {kind: _runs(counts) for kind, counts in revision.runs.items()},
        "delay_ms": quantiles_ms(revision.delay_ms),
        "unjudged": dict(revision.unjudged),
    }


def _score(score: RecordScore) -> dict[str, Any]:
    return {
        "statistics": {name: _ratio(score.ratio(name)) for name in STATISTICS},
        "matrix": score.matrix.tolist(),
    }


def _ratio(ratio: Ratio) -> list[float | int | None]:
    return [ratio.value, ratio.numerator, ratio.denominator]


def _runs(counts: RunCounts) -> dict[str, Any]:
    return {
        "by_reference": counts.by_reference.tolist(),
        "by_predicted": counts.by_predicted.tolist(),
        **{
            length: {"se": _ratio(counts.se(length)), "ppv": _ratio(counts.ppv(length))}
            for length in LENGTHS
        },
    }
