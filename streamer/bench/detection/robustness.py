"""How detection holds when a recording is changed in ways that a user's recording may differ.

The guard against tuning to one database: the same beats under the conditions of
`streamer.bench.detection.changes`, all applied before the first stage.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from streamer.bench.detection.changes import RobustnessConfig, conditions
from streamer.bench.detection.stages import detect
from streamer.bench.detection.tables import NONE, percent, score_json
from streamer.bench.excerpt import Excerpt, labelled, read_excerpt
from streamer.bench.progress import Advance, silent
from streamer.scoring.ec57 import RecordScore, Summary, aggregate, score_record
from streamer.scoring.report import Table

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
    records: Sequence[str],
    *,
    stop: str | None = None,
    config: RobustnessConfig | None = None,
    advance: Advance = silent,
) -> list[ConditionResult]:
    """Detect in every record under every condition.

    Parameters
    ----------
    records : sequence of str
        What `read_excerpt` opens.
    stop : str, optional
        Cut every record there.
    config : RobustnessConfig, optional
        Size of the changes.
    advance : callable
        Told each record that is done.
    """
    return measure_conditions((read_excerpt(name, stop=stop) for name in records), config, advance)


def measure_conditions(
    excerpts: Iterable[Excerpt],
    config: RobustnessConfig | None = None,
    advance: Advance = silent,
) -> list[ConditionResult]:
    """Detect in every excerpt under every condition; the excerpts are taken one by one."""
    chosen = conditions(config)
    scores: dict[str, list[tuple[float, dict[float, RecordScore]]]] = {c.name: [] for c in chosen}
    for excerpt in excerpts:
        for condition in chosen:
            changed = condition.change(excerpt)
            if changed is not None:
                scores[condition.name].append((changed.fs, _scores(changed)))
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


def _scores(excerpt: Excerpt) -> dict[float, RecordScore]:
    found = detect(excerpt.chunks(), fs=excerpt.fs, n_leads=len(excerpt.leads))
    return {
        tolerance: score_record(
            excerpt.beats,
            labelled(found.samples),
            fs=excerpt.fs,
            name=excerpt.name,
            stop=excerpt.n_samples - 1,
            tolerance_ms=tolerance,
        )
        for tolerance in TOLERANCES_MS
    }


def introduction(results: Sequence[ConditionResult]) -> list[str]:
    """Say what was changed and what the table means."""
    names = [score.name for score in results[0].scores[TOLERANCES_MS[0]]]
    return [
        f"Changed copies of {len(names)} records ({' '.join(names)}), scored from 0:00.",
        "errors x: how many times the errors (FN + FP) of the unchanged records.",
    ]


def table(results: Sequence[ConditionResult]) -> Table:
    """Lay out the conditions."""
    wide, tight = TOLERANCES_MS
    base = results[0].summary(wide).gross
    rows = []
    for result in results:
        gross, close = result.summary(wide).gross, result.summary(tight).gross
        worst = result.worst
        errors = gross.fn + gross.fp
        expected = base.fn + base.fp
        rows.append(
            (
                result.name,
                "/".join(f"{fs:g}" for fs in result.fs),
                str(gross.tp + gross.fn),
                str(gross.fn),
                str(gross.fp),
                *(percent(gross.value(name)) for name in ("qrs_se", "qrs_ppv", "qrs_f1")),
                percent(close.value("qrs_f1")),
                f"{errors / expected:.1f}" if expected else NONE,
                NONE if worst is None else f"{worst.name} {worst.fn}/{worst.fp}",
            )
        )
    return Table(
        title=f"QRS detection under changed conditions, within {wide:g} ms, %",
        header=(
            "condition",
            "Hz",
            "beats",
            "FN",
            "FP",
            "Se",
            "+P",
            "F1",
            f"F1 {tight:g} ms",
            "errors x",
            "worst FN/FP",
        ),
        rows=tuple(rows),
    )


def to_json(results: Sequence[ConditionResult]) -> dict[str, Any]:
    """Lay out the conditions for programs: gross and by record, for each tolerance in ms."""
    return {
        "schema": SCHEMA_VERSION,
        "conditions": [
            {
                "name": result.name,
                "fs": list(result.fs),
                "tolerances_ms": {
                    f"{tolerance:g}": {
                        "gross": score_json(result.summary(tolerance).gross),
                        "records": {score.name: score_json(score) for score in scores},
                    }
                    for tolerance, scores in result.scores.items()
                },
            }
            for result in results
        ],
    }
