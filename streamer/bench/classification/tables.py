"""The tables of `bench classification`."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.bench.classification.noise import NoisyLabels, noise_table
from streamer.bench.classification.peers import PEERS
from streamer.bench.classification.results import ClassificationResults, Group
from streamer.bench.report import OWN, QUANTILES, quantiles
from streamer.report.score import MAJORITY_S_RECORD, matrix_table
from streamer.report.table import NONE, Column, Table, columns, table
from streamer.scoring.bootstrap import BootstrapConfig, Interval, intervals
from streamer.scoring.ec57 import LABELS, Ratio
from streamer.scoring.runs import LENGTHS
from streamer.sinks.annotations import REVISIONS, Which

CLASSES: Final = ("V", "S", "F")
"""What is reported, most urgent first."""
KINDS: Final = {"se": "Se", "ppv": "+P", "fpr": "FPR", "f1": "F1"}
BY_CLASS: Final = {name: tuple(f"{name.lower()}_{kind}" for kind in KINDS) for name in CLASSES}
"""Statistics of each class."""
STATISTICS: Final = tuple(key for keys in BY_CLASS.values() for key in keys)
SHARE: Final = ".2%"
DELAY_LIMIT_MS: Final = 400.0
"""The RR interval of a heart that beats 150 times a minute."""
_Q: Final = LABELS.index("Q")


def tables(
    results: ClassificationResults, config: BootstrapConfig, noisy: Sequence[NoisyLabels] = ()
) -> dict[str, list[Table]]:
    """Lay everything out by topic, what matters most last."""
    return {
        "Record by record, and confusion matrices": [
            *(record_table(results, which) for which in REVISIONS),
            *(
                matrix_table(
                    results.summary(which),
                    f"{which.capitalize()}: reference (rows) and predicted labels",
                )
                for which in REVISIONS
            ),
        ],
        "Runs, delay and what was not judged": [
            _unjudged_table(results),
            _run_table(results),
            _delay_table(results),
        ],
        "In noise": [noise_table(noisy, results)] if noisy else [],
        "Labels": [
            _label_table(results, group, kind, config)
            for group in reversed(results.groups)
            for kind in ("average", "gross")
        ],
        "Beside other systems": [_peer_table(results)] if results.is_customary else [],
    }


@dataclass(frozen=True, slots=True)
class Estimate:
    """A share and its confidence interval; None where one is not defined."""

    value: float | None
    interval: Interval | None

    def __str__(self) -> str:
        share = Column("", SHARE).cell(self.value)
        if self.value is None or self.interval is None:
            return share
        return f"{share} ({100 * self.interval[0]:.1f}-{100 * self.interval[1]:.1f})"


@lru_cache(maxsize=64)
def estimates(
    results: ClassificationResults, which: Which, names: tuple[str, ...], config: BootstrapConfig
) -> dict[str, dict[str, Estimate]]:
    """Return each of `STATISTICS` of one revision of these records, `gross` and `average`."""
    summary = results.summary(which, names)
    spread = intervals(summary.records, STATISTICS, config)
    gross = {key: summary.gross.value(key) for key in STATISTICS}
    return {
        kind: {key: Estimate(values[key], between.get(key)) for key in STATISTICS}
        for kind, values, between in (
            ("gross", gross, spread.gross),
            ("average", summary.average, spread.average),
        )
    }


def _label_table(
    results: ClassificationResults, group: Group, kind: str, config: BootstrapConfig
) -> Table:
    """Lay out Se, +P, FPR and F1 of both revisions: average over the records, or gross."""
    rows = []
    for which in REVISIONS:
        found = estimates(results, which, group.names, config)[kind]
        gross = results.summary(which, group.names).gross
        for name, keys in BY_CLASS.items():
            beats = gross.ratio(keys[0]).denominator
            rows.append((f"{which} {name}", beats, *(found[key] for key in keys)))
    header = columns("label", "beats", *KINDS.values())
    return table(f"Labels, {group.title}, {kind}, %", header, rows)


def record_table(results: ClassificationResults, which: Which) -> Table:
    """Lay out one revision record by record."""
    summary = results.summary(which)
    rows: list[list[object]] = []
    for score in (*summary.records, summary.gross):
        row: list[object] = [f"{score.name}*" if score.name in results.trained else score.name]
        for keys in BY_CLASS.values():
            row += [score.ratio(keys[0]).denominator, *map(score.value, keys)]
        rows.append(row)
    average: list[object] = ["average"]
    for keys in BY_CLASS.values():
        average += ["", *map(summary.average.get, keys)]
    header = columns("record")
    for name in CLASSES:
        header += (Column(name), *columns(*KINDS.values(), form=SHARE))
    mark = ", * trained on" if results.trained else ""
    title = f"{which.capitalize()} labels, record by record, %{mark}"
    return table(title, header, [*rows, average], summary_rows=2)


def _unjudged_table(results: ClassificationResults) -> Table:
    """Lay out what label Q was given to, and what reference Q beats were called."""
    rows = []
    for which in REVISIONS:
        matrix = results.summary(which).gross.matrix
        reasons = results.unjudged(which).most_common()
        named = ", ".join(f"{reason} {count}" for reason, count in reasons)
        rows.append((f"{which}: labelled Q", *_by_label(matrix[:, _Q]), named))
        rows.append((f"{which}: Q in the reference", *_by_label(matrix[_Q]), ""))
    return table(
        "Q: reference classes of what was labelled Q; labels of what the reference calls Q",
        columns("beats", "all", *LABELS, "none", "reasons"),
        rows,
    )


def _by_label(counts: NDArray[np.int64]) -> list[int]:
    """Return the sum, the count of each label, and that of no beat."""
    known, none = counts[: len(LABELS)], counts[len(LABELS) :]
    return [int(counts.sum()), *known.tolist(), int(none.sum())]


def _run_table(results: ClassificationResults) -> Table:
    """Lay out couplets and runs."""
    rows = []
    for kind in CLASSES[:2]:
        for length in LENGTHS:
            counts = [results.runs(which, kind) for which in REVISIONS]
            ratios = [ratio for c in counts for ratio in (c.se(length), c.ppv(length))]
            rows.append((f"{kind} {length}", *map(_counted, ratios)))
    return table(
        "Couplets and runs, run by run, %; S outside atrial fibrillation",
        columns("run", *(f"{which} {kind}" for which in REVISIONS for kind in ("Se", "+P"))),
        rows,
    )


def _counted(ratio: Ratio) -> str:
    """Write a share of a few with the counts it was made of."""
    if ratio.value is None:
        return NONE
    return f"{100 * ratio.value:.1f} ({ratio.numerator}/{ratio.denominator})"


def _delay_table(results: ClassificationResults) -> Table:
    """Lay out how long after its R peak a label was decided."""
    rows = []
    for which in REVISIONS:
        delays = results.delay_ms(which)
        early = float((delays <= DELAY_LIMIT_MS).mean()) if delays.size else None
        rows.append((which, delays.size, *quantiles(delays).values(), early))
    return table(
        "Decision delay of labels after the R peak, ms",
        (
            *columns("label", "beats"),
            *columns(*QUANTILES, form=".0f"),
            Column(f"% in {DELAY_LIMIT_MS:g} ms", SHARE),
        ),
        rows,
    )


def _peer_table(results: ClassificationResults) -> Table:
    """Put this program beside what others published or were measured at."""
    rows: list[tuple[object, ...]] = []
    for which in REVISIONS:
        gross = results.summary(which).gross
        values = [gross.value(f"{name}_{kind}") for name in "vs" for kind in ("se", "ppv", "f1")]
        percent = [None if value is None else 100 * value for value in values]
        delay = quantiles(results.delay_ms(which))["median"]
        future = NONE if delay is None else f"{delay:.0f} ms"
        rows.append((f"{OWN}, {which}", *percent, "own, causal", future, "this command"))
    rows += [(p.name, *p.v, *p.s, p.detector, p.future, p.source) for p in PEERS]
    kinds = (f"{name} {kind}" for name in "VS" for kind in ("Se", "+P", "F1"))
    return table(
        "Beside other systems, DS2, gross, %; as published where not measured",
        (
            Column("system"),
            *columns(*kinds, form=".1f"),
            *columns("detector", "future used", "source"),
        ),
        rows,
    )


def model_table(found: Sequence[ClassificationResults], config: BootstrapConfig) -> Table:
    """Put several models on the same records side by side."""
    rows = []
    for results in found:
        trained = f"{len(results.model.training_records)} ({len(results.trained)} of these)"
        rest = results.without_majority
        for which in REVISIONS:
            gross = estimates(results, which, results.names, config)["gross"]
            cells = [gross[key] for key in ("v_f1", "s_f1", "f_f1")]
            if rest:
                cells.append(estimates(results, which, rest, config)["gross"]["s_f1"])
            rows.append((f"{results.settings.model_name}, {which}", trained, *cells))
    rest_title = [f"S F1 without {MAJORITY_S_RECORD}"] if found[0].without_majority else []
    return table(
        f"Models side by side, {found[0].groups[0].title}, gross, %",
        columns("model", "training records", "V F1", "S F1", "F F1", *rest_title),
        rows,
    )
