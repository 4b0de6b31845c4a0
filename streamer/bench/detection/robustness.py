"""How detection holds when a recording is changed in ways that a user's recording may differ.

The guard against tuning to one database: the same beats under the conditions of
`streamer.bench.detection.changes`, all applied before the first stage.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from streamer.bench.detection.changes import RobustnessConfig, conditions
from streamer.bench.detection.report import score_figures
from streamer.bench.detection.stages import detect
from streamer.bench.detection.tables import SHARE, rates
from streamer.bench.excerpt import Excerpt
from streamer.bench.report import Report
from streamer.bench.work import Advance, silent
from streamer.report.table import Column, Table, columns, table
from streamer.scoring.ec57 import RecordScore, Summary, aggregate

DEFAULT_RECORDS: Final = tuple("100 105 111 117 200 210 221 228 231 233".split())
"""Ten of DS2: clean and noisy, upright and inverted, narrow and wide beats, regular and not."""
TOLERANCES_MS: Final = (150.0, 50.0)
SCHEMA_VERSION: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ConditionResult:
    """How detection did under one condition."""

    name: str
    fs: tuple[float, ...]
    """Sampling frequencies that the changed records have."""
    scores: dict[float, tuple[RecordScore, ...]]
    """A score a record, by tolerance in ms."""

    def summary(self, tolerance_ms: float) -> Summary:
        """Sum up the records."""
        return aggregate(self.scores[tolerance_ms], name=self.name)

    @property
    def worst(self) -> RecordScore | None:
        """The record with the most errors; None without errors."""
        scores = self.scores[TOLERANCES_MS[0]]
        worst = max(scores, key=lambda score: score.fn + score.fp, default=None)
        return None if worst is None or not worst.fn + worst.fp else worst


def measure_robustness(
    excerpts: Iterable[Excerpt],
    config: RobustnessConfig | None = None,
    *,
    advance: Advance = silent,
) -> list[ConditionResult]:
    """Detect in every excerpt under every condition; the excerpts are taken one by one."""
    chosen = conditions(config)
    scores: dict[str, list[tuple[float, dict[float, RecordScore]]]] = {name: [] for name in chosen}
    for excerpt in excerpts:
        for name, change in chosen.items():
            changed = change(excerpt)
            if changed is not None:
                found = detect(changed).samples
                by_tolerance = {t: changed.score(found, tolerance_ms=t) for t in TOLERANCES_MS}
                scores[name].append((changed.fs, by_tolerance))
        advance(excerpt.name)
    return [
        ConditionResult(
            name=name,
            fs=tuple(sorted({fs for fs, _ in found})),
            scores={t: tuple(by_tolerance[t] for _, by_tolerance in found) for t in TOLERANCES_MS},
        )
        for name, found in scores.items()
        if found
    ]


def robustness_report(results: Sequence[ConditionResult]) -> Report:
    """Report every condition beside the unchanged records, which come first."""
    names = [score.name for score in results[0].scores[TOLERANCES_MS[0]]]
    return Report(
        title="QRS detection under changed conditions",
        introduction=[
            f"Changed copies of {len(names)} records ({' '.join(names)}), scored from 0:00.",
            "errors x: how many times the errors (FN + FP) of the unchanged records.",
        ],
        tables=[_table(results)],
        figures={"schema": SCHEMA_VERSION, "conditions": [_figures(r) for r in results]},
    )


def _table(results: Sequence[ConditionResult]) -> Table:
    wide, tight = TOLERANCES_MS
    base = results[0].summary(wide).gross
    header = (
        *columns("condition", "Hz", "beats", "FN", "FP"),
        *columns("Se", "+P", "F1", f"F1 {tight:g} ms", form=SHARE),
        *(Column("errors x", ".1f"), Column("worst FN/FP")),
    )
    rows = []
    for result in results:
        gross, close, worst = result.summary(wide).gross, result.summary(tight).gross, result.worst
        expected = base.fn + base.fp
        rows.append(
            (
                result.name,
                "/".join(f"{fs:g}" for fs in result.fs),
                *(gross.tp + gross.fn, gross.fn, gross.fp),
                *(*rates(gross), close.value("qrs_f1")),
                (gross.fn + gross.fp) / expected if expected else None,
                None if worst is None else f"{worst.name} {worst.fn}/{worst.fp}",
            )
        )
    return table(f"QRS detection under changed conditions, within {wide:g} ms, %", header, rows)


def _figures(result: ConditionResult) -> dict[str, Any]:
    """Gross and by record, for each tolerance in ms."""
    return {
        "name": result.name,
        "fs": result.fs,
        "tolerances_ms": {
            f"{tolerance:g}": {
                "gross": score_figures(result.summary(tolerance).gross),
                "records": {score.name: score_figures(score) for score in scores},
            }
            for tolerance, scores in result.scores.items()
        },
    }
