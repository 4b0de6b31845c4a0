"""How beats were labelled, as a page."""

from collections.abc import Sequence
from typing import Final

from streamer.bench.classification.report import ClassificationReport
from streamer.bench.classification.tables import percent
from streamer.report import page
from streamer.scoring.bootstrap import BootstrapConfig, intervals
from streamer.scoring.report import Table

_TILES: Final = (("v", "V"), ("s", "S"), ("f", "F"))


def classification_page(
    report: ClassificationReport,
    config: BootstrapConfig,
    lines: Sequence[str],
    laid_out: Sequence[Table],
) -> str:
    """Make the page from a report, its introduction and its tables."""
    parts = {
        "Labels": ("Models", "Labels,"),
        "In noise": ("Labels in noise",),
        "Runs, delay and what was not judged": ("Couplets", "Decision", "Q:"),
        "Beside other systems": ("Beside",),
        "Record by record, and confusion matrices": ("Provisional", "Confirmed"),
    }
    found = {title: [t for t in laid_out if t.title.startswith(b)] for title, b in parts.items()}
    return page.page(
        f"Beat labels: {report.groups[0].title}",
        lines,
        _tiles(report, config),
        [page.Section(title=title, body=_tables(part)) for title, part in found.items() if part],
    )


def _tables(found: Sequence[Table]) -> str:
    """Mark up tables, the most important first."""
    return "".join(page.table(table) for table in reversed(found))


def _tiles(report: ClassificationReport, config: BootstrapConfig) -> str:
    gross = report.summary("confirmed").gross
    keys = [f"{letter}_f1" for letter, _ in _TILES]
    spread = intervals(report.scores("confirmed"), keys, config).gross
    values = []
    for key, (_, name) in zip(keys, _TILES, strict=True):
        between = spread.get(key)
        ends = "" if between is None else f", {100 * between[0]:.1f} to {100 * between[1]:.1f} %"
        values.append((f"{percent(gross.value(key))} %", f"{name} F1, confirmed, gross{ends}"))
    return page.tiles(values)
