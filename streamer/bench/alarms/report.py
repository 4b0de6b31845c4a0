"""What `bench alarms` reports: tables with intervals, and a page with strips of what went wrong."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from replay.records import open_record
from streamer.bench.alarms.measure import (
    EPISODE_S,
    LETHAL,
    BedsideResult,
    LethalResult,
    Strip,
    worst,
)
from streamer.bench.report import Report, Section
from streamer.core.events import Rhythm
from streamer.report import page
from streamer.report.strip.paper import Paper, StripMark, StripSpan, describe_strip
from streamer.report.strip.writers import strip_svg
from streamer.report.table import Column, Table, columns, table
from streamer.report.trends import PRIORITY_COLOURS
from streamer.scoring.bedside_alarms import MISSED_COST, WINDOW_S, Verdicts, count_verdicts
from streamer.scoring.bootstrap import BootstrapConfig

SCHEMA_VERSION: Final = 1
TOLD_WITHIN_S: Final = 10.0
"""An episode that is told later counts as missed in the floors."""
_PAPER: Final = Paper(most_mm=40.0)
_DRAWN_HZ: Final = 125.0
_MOST_STRIPS: Final = 12
"""Of each section."""
_COUNTS: Final = ("true_raised", "true_silent", "false_raised", "false_silent")


def alarms_report(
    bedside: Sequence[BedsideResult],
    lethal: Sequence[LethalResult],
    config: BootstrapConfig | None = None,
) -> Report:
    """Report the challenge's table and score, and lethal episodes and false alarms."""
    config = config or BootstrapConfig()
    tables: list[Table] = []
    if lethal:
        tables += [_episode_table(lethal, config), _false_table(lethal, config)]
    if bedside:
        tables.append(_bedside_table(bedside, config))
    return Report(
        title="Alarms",
        introduction=[
            f"{len(bedside)} alarms of bedside monitors; an alarm of the same kind that is raised "
            f"or goes on in the {WINDOW_S:g} s before counts as raised. Score: (TP + TN) / (TP + "
            f"TN + FP + {MISSED_COST} FN).",
            f"{len(lethal)} annotated records, {sum(r.hours for r in lethal):.1f} patient-hours; "
            f"lethal: tachycardia, flutter and fibrillation of the ventricles, asystole; episodes "
            f"of {EPISODE_S:g} s or more, told by any of these alarms.",
            f"In brackets: intervals of {config.confidence:.0%}, by drawing whole records anew.",
        ],
        tables=tables,
        figures=_figures(bedside, lethal),
        sections=[
            *(Section(title=content.title, parts=(content,)) for content in tables),
            *_strip_sections(bedside, lethal),
        ],
    )


def _bedside_table(results: Sequence[BedsideResult], config: BootstrapConfig) -> Table:
    rows = []
    kinds = dict.fromkeys(result.rhythm for result in results)
    for name, chosen in [
        *((str(kind), [r for r in results if r.rhythm is kind]) for kind in sorted(kinds)),
        ("all", list(results)),
    ]:
        found = verdicts(chosen)
        each = np.array([_one_hot(result) for result in chosen])
        rows.append((
            name,
            found.true_raised + found.true_silent,
            _with_interval(found.kept, each, lambda v: v.kept, config),
            found.false_raised + found.false_silent,
            _with_interval(found.silenced, each, lambda v: v.silenced, config),
            _with_interval(found.score, each, lambda v: v.score, config),
        ))  # fmt: skip
    return table(
        "Alarms of bedside monitors, %",
        columns("Alarm", "True", "Raised too", "False", "Silenced", "Score"),
        rows,
        summary_rows=1,
    )


def verdicts(results: Sequence[BedsideResult]) -> Verdicts:
    """Count what was raised and what was not."""
    return count_verdicts([(result.is_true, result.is_raised) for result in results])


def _one_hot(result: BedsideResult) -> list[int]:
    found = verdicts([result])
    return [getattr(found, name) for name in _COUNTS]


def _with_interval(
    value: float | None,
    each: NDArray[np.int64],
    statistic: Callable[[Verdicts], float | None],
    config: BootstrapConfig,
) -> str | None:
    if value is None:
        return None
    drawn = [
        statistic(Verdicts(**dict(zip(_COUNTS, row, strict=True))))
        for row in (_draws(len(each), config) @ each).tolist()
    ]
    low, high = _interval([found for found in drawn if found is not None], config)
    return f"{value:.1%} ({low:.0%}-{high:.0%})".replace("%", "")


def _draws(n: int, config: BootstrapConfig) -> NDArray[np.int64]:
    """Return how often each record is drawn, shape (resamples, n)."""
    random = np.random.default_rng(config.seed)
    return random.multinomial(n, np.full(n, 1.0 / n), size=config.resamples)


def _interval(values: Sequence[float], config: BootstrapConfig) -> tuple[float, float]:
    tail = (1.0 - config.confidence) / 2.0
    low, high = np.quantile(np.array(values), (tail, 1.0 - tail))
    return float(low), float(high)


def _by_database(results: Sequence[LethalResult]) -> list[tuple[str, list[LethalResult]]]:
    names = dict.fromkeys(result.database for result in results)
    return [(name, [r for r in results if r.database == name]) for name in names]


def _episode_table(results: Sequence[LethalResult], config: BootstrapConfig) -> Table:
    rows = []
    for database, chosen in _by_database(results):
        delays = [delay for result in chosen for delay in result.delays_s]
        told = sorted(delay for delay in delays if delay is not None)
        counts = np.array(
            [
                (sum(d is not None and d <= TOLD_WITHIN_S for d in r.delays_s), len(r.delays_s))
                for r in chosen
            ]
        )
        rows.append((
            database,
            len(delays),
            len(told),
            _share(counts, config),
            float(np.median(told)) if told else None,
            told[-1] if told else None,
        ))  # fmt: skip
    header = (
        *columns("Database", "Episodes", "Told", f"Within {TOLD_WITHIN_S:g} s, %"),
        *columns("Median s", "Latest s", form=".1f"),
    )
    return table("Lethal episodes", header, rows)


def _share(counts: NDArray[np.int64], config: BootstrapConfig) -> str | None:
    if not counts[:, 1].sum():
        return None
    part, whole = (_draws(len(counts), config) @ counts).T
    low, high = _interval((part / np.maximum(whole, 1)).tolist(), config)
    value = counts[:, 0].sum() / counts[:, 1].sum()
    return f"{100 * value:.1f} ({100 * low:.0f}-{100 * high:.0f})"


def _false_table(results: Sequence[LethalResult], config: BootstrapConfig) -> Table:
    rows = []
    for database, chosen in _by_database(results):
        for where, counts, hours in (
            ("outside noise", [r.false for r in chosen], [r.hours - r.noise_hours for r in chosen]),
            ("in noise", [r.false_in_noise for r in chosen], [r.noise_hours for r in chosen]),
        ):
            if not sum(hours):
                continue
            total = sum(counts, Counter[Rhythm]())
            rate = _rate([c.total() for c in counts], hours, config)
            each = (total[rhythm] for rhythm in sorted(LETHAL))
            rows.append((f"{database}, {where}", sum(hours), *each, total.total(), rate))
    header = (Column("Segments"), Column("Hours", ".1f"), *columns(*sorted(LETHAL)))
    return table("False lethal alarms", (*header, *columns("All", "An hour")), rows)


def _rate(counts: Sequence[int], hours: Sequence[float], config: BootstrapConfig) -> str:
    drawn = _draws(len(counts), config)
    found, spent = drawn @ np.array(counts), drawn @ np.array(hours)
    low, high = _interval((found[spent > 0] / spent[spent > 0]).tolist(), config)
    return f"{sum(counts) / sum(hours):.2f} ({low:.2f}-{high:.2f})"


def _strip_sections(
    bedside: Sequence[BedsideResult], lethal: Sequence[LethalResult]
) -> list[Section]:
    sections = []
    for kind in dict.fromkeys(result.rhythm for result in bedside):
        wrong = [r for r in bedside if r.rhythm is kind and not r.is_right]
        # A true alarm that is kept silent is the worse of the two.
        wrong.sort(key=lambda result: not result.is_true)
        sections.append((f"{kind}: {len(wrong)} errors", [r.strip for r in wrong]))
    for database, _ in _by_database(lethal):
        found = worst(lethal, database)
        sections.append((f"{database}: {len(found)} errors", found))
    return [
        Section(
            title=title,
            parts=["The bars reach from an alarm's onset until it was known."]
            + [_Drawn(strip) for strip in strips[:_MOST_STRIPS]],
        )
        for title, strips in sections
        if strips
    ]


class _Drawn:
    """A strip that is read and drawn when the page is made."""

    def __init__(self, strip: Strip) -> None:
        self._strip = strip

    def __call__(self) -> str:
        strip, record = self._strip, open_record(self._strip.path)
        chunks = [c.samples for c in record.chunks(strip.start, strip.stop, record.n_samples)]
        step = max(round(record.fs / _DRAWN_HZ), 1)
        picture = describe_strip(
            np.concatenate(chunks, axis=1)[:, ::step],
            fs=record.fs / step,
            start=strip.start // step,
            leads=record.leads,
            marks=[StripMark(sample // step, label) for sample, label in strip.beats],
            spans=[
                StripSpan(onset // step, moment // step + 1, PRIORITY_COLOURS["high"])
                for onset, moment in strip.alarms
            ],
            title=strip.title,
            paper=_PAPER,
        )
        return f'<div class="strip">{page.heading(strip.title)}{strip_svg(picture)}</div>'


def _figures(bedside: Sequence[BedsideResult], lethal: Sequence[LethalResult]) -> dict[str, Any]:
    found = verdicts(bedside)
    return {
        "schema": SCHEMA_VERSION,
        "score": found.score,
        "bedside": [
            {"record": r.name, "alarm": r.rhythm, "true": r.is_true, "raised": r.is_raised}
            for r in bedside
        ],
        "lethal": [
            {
                "record": r.name,
                "database": r.database,
                "hours": r.hours,
                "noise_hours": r.noise_hours,
                "delays_s": r.delays_s,
                "false": r.false,
                "false_in_noise": r.false_in_noise,
            }
            for r in lethal
        ],
    }
