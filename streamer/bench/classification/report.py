"""What `bench classification` reports: introduction, figures for programs, and its page."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from streamer.bench.classification.measure import RUN_LABELS
from streamer.bench.classification.noise import NoisyLabels, noise_line, record_figures
from streamer.bench.classification.results import (
    ClassificationResults,
    Group,
    Revision,
)
from streamer.bench.classification.tables import (
    CLASSES,
    SHARE,
    STATISTICS,
    estimates,
    model_table,
    tables,
)
from streamer.bench.report import Report, Section, quantiles
from streamer.report.table import Column
from streamer.scoring.bootstrap import BootstrapConfig
from streamer.scoring.ec57 import LABELS, TOLERANCE_MS, Ratio
from streamer.scoring.runs import LENGTHS, RunCounts
from streamer.sinks.annotations import REVISIONS, Which

SCHEMA_VERSION: Final = 1
_LISTED: Final = 12
"""Records that a line names; it counts the rest."""
_SECTIONS: Final = (
    "Labels",
    "In noise",
    "Runs, delay and what was not judged",
    "Beside other systems",
    "Record by record, and confusion matrices",
)
"""Topics in the order of the page."""

Measured = tuple[ClassificationResults, Sequence[NoisyLabels]]
"""A model's labels, and those in noise if they were measured."""


def classification_report(measured: Sequence[Measured], config: BootstrapConfig) -> Report:
    """Report one model after the other, and all side by side.

    The page is about the first model. The figures for programs are `schema`, `resamples`, `seed`,
    `confidence` and `models`, each of which has `settings`, `model` (`name`, `sha256`,
    `training_records`), `groups`, `records` and `noise`.
    """
    topics = [tables(results, config, noisy) for results, noisy in measured]
    first, *others = [
        Report(
            title=f"Beat labels: {results.groups[0].title}",
            introduction=_introduction(results, config, is_noisy=bool(noisy)),
            tables=[content for topic in laid_out.values() for content in topic],
        )
        for (results, noisy), laid_out in zip(measured, topics, strict=True)
    ]
    if len(measured) > 1:
        side_by_side = model_table([results for results, _ in measured], config)
        others.append(Report(title=side_by_side.title, tables=[side_by_side]))
        topics[0]["Labels"].append(side_by_side)
    return replace(
        first,
        figures={
            "schema": SCHEMA_VERSION,
            "resamples": config.resamples,
            "seed": config.seed,
            "confidence": config.confidence,
            "models": [
                {**_figures(results, config), "noise": list(map(record_figures, noisy))}
                for results, noisy in measured
            ],
        },
        tiles=_tiles(measured[0][0], config),
        sections=[
            Section(title=title, parts=topics[0][title][::-1])
            for title in _SECTIONS
            if topics[0][title]
        ],
        others=others,
    )


def _introduction(
    results: ClassificationResults, config: BootstrapConfig, *, is_noisy: bool
) -> list[str]:
    """Describe in a few lines what was measured on what, and what to be wary of."""
    model = results.model
    hours = sum(record.hours for record in results.records if record.name in results.names)
    beats = sum(int(s.matrix[: len(LABELS)].sum()) for s in results.scores("confirmed"))
    lines = [
        f"{results.groups[0].title}, {hours:.2f} h, {beats:,} reference beats from "
        f"{results.settings.start}; own detector, causal chain.",
        f"Beats are paired one to one within {TOLERANCE_MS:g} ms as WFDB's bxb does (EC57); missed "
        "and false detections count.",
        "provisional: known from a beat's own window; confirmed: when the next R peak, or 2 s, has "
        "come.",
        f"In brackets: {100 * config.confidence:g} % intervals, {config.resamples} draws of whole "
        f"records (seed {config.seed}).",
        f"Model {results.settings.model_name} ({model.name}, sha256 {model.sha256[:12]}), trained "
        f"on {len(model.training_records)} records.",
        _trained_line(results),
    ]
    lines += [
        f"Record {name} is of the same patient as {other}, which the model was trained on."
        for name, other in results.relatives.items()
    ]
    paced = [record.name for record in results.records if record.name not in results.names]
    if paced:
        lines.append(f"Left out, because paced (EC57): {', '.join(paced)}.")
    if results.settings.stop is not None:
        lines.append(f"Only what is before {results.settings.stop} was seen and scored.")
    return [*lines, noise_line(results)] if is_noisy else lines


def _trained_line(results: ClassificationResults) -> str:
    trained = results.trained
    if not trained:
        return "The model was trained on none of these records."
    rest = len(trained) - _LISTED
    named = ", ".join(trained[:_LISTED]) + (f" and {rest} more" if rest > 0 else "")
    return (
        f"CAUTION: the model was trained on {len(trained)} of these {len(results.names)} records "
        f"({named}); figures on them say nothing about new patients."
    )


def _tiles(results: ClassificationResults, config: BootstrapConfig) -> list[tuple[str, str]]:
    gross = estimates(results, "confirmed", results.names, config)["gross"]
    tiles = []
    for name in CLASSES:
        found, ends = gross[f"{name.lower()}_f1"], ""
        if found.interval is not None:
            ends = f", {100 * found.interval[0]:.1f} to {100 * found.interval[1]:.1f} %"
        value = Column("", SHARE).cell(found.value)
        tiles.append((f"{value} %", f"{name} F1, confirmed, gross{ends}"))
    return tiles


def _figures(results: ClassificationResults, config: BootstrapConfig) -> dict[str, Any]:
    """Everything of one model for programs.

    A group has, by `provisional` and `confirmed`, `gross` and `average`: each statistic (`v_se`,
    `s_f1` ...) with `value` (0 to 1 or null) and `interval` (or null); `matrix` (rows reference,
    columns predicted, both N S V F Q O X); `runs`; `delay_ms`; `unjudged` (labels Q by reason).
    A record has the same by revision, its statistics with counts in place of intervals.
    """
    settings, model = results.settings, results.model
    return {
        "settings": {
            "database": results.database,
            "model": settings.model,
            "start": settings.start,
            "stop": settings.stop,
        },
        "model": {
            "name": model.name,
            "sha256": model.sha256,
            "training_records": model.training_records,
        },
        "groups": [
            {
                "title": group.title,
                "records": group.names,
                "trained_on": [name for name in group.names if name in results.trained],
                **{which: _summed(results, group, which, config) for which in REVISIONS},
            }
            for group in results.groups
        ],
        "records": [
            {
                "name": record.name,
                "hours": record.hours,
                "counts": record.name in results.names,
                "trained_on": record.name in results.trained,
                **{which: _revision(found) for which, found in record.revisions.items()},
            }
            for record in results.records
        ],
    }


def _summed(
    results: ClassificationResults, group: Group, which: Which, config: BootstrapConfig
) -> dict[str, Any]:
    return {
        **estimates(results, which, group.names, config),
        "matrix": results.summary(which, group.names).gross.matrix,
        "runs": {kind: _runs(results.runs(which, kind, group.names)) for kind in RUN_LABELS},
        "delay_ms": quantiles(results.delay_ms(which, group.names)),
        "unjudged": results.unjudged(which, group.names),
    }


def _revision(revision: Revision) -> dict[str, Any]:
    return {
        "statistics": {name: _ratio(revision.score.ratio(name)) for name in STATISTICS},
        "matrix": revision.score.matrix,
        "runs": {kind: _runs(counts) for kind, counts in revision.runs.items()},
        "delay_ms": quantiles(revision.delay_ms),
        "unjudged": revision.unjudged,
    }


def _ratio(ratio: Ratio) -> list[float | int | None]:
    return [ratio.value, ratio.numerator, ratio.denominator]


def _runs(counts: RunCounts) -> dict[str, Any]:
    return {
        "by_reference": counts.by_reference,
        "by_predicted": counts.by_predicted,
        **{
            length: {"se": _ratio(counts.se(length)), "ppv": _ratio(counts.ppv(length))}
            for length in LENGTHS
        },
    }
