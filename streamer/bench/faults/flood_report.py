"""What came of a flood of malformed messages."""

from collections import Counter
from typing import Any

import numpy as np

from streamer.bench.faults.flood import FloodResult
from streamer.bench.faults.good_source import Source
from streamer.bench.report import Report, quantiles
from streamer.report.table import columns, table


def flood_report(result: FloodResult) -> Report:
    """Report what the good sources lost, and by how much they were later."""
    config = result.config
    lost = Counter[str]()
    for source in result.sources:
        lost += counted(source)
    calm, flood = (quantiles(result.delays_ms(in_flood=flag)) for flag in (False, True))
    added_ms = (flood["p99"] or np.inf) - (calm["p99"] or 0.0)
    passed = not lost.total() and added_ms <= config.most_added_ms
    seconds = result.flood_s[1] - result.flood_s[0]
    lines = [
        f"{config.messages} malformed messages in {seconds:.0f} s, {result.n_tcp} of them over TCP "
        f"and the others on topics for samples and acknowledgements; beside them {config.sources} "
        f"good sources in one ward, before that {config.calm_s:g} s of calm",
        f"of {sum(source.beats.total() for source in result.sources)} labels of the good sources: "
        f"{lost['lost']} lost, {lost['foreign']} that their samples don't have, "
        f"{lost['doubled']} doubled",
        f"p99 of the delay {added_ms:+.1f} ms in the flood; bound {config.most_added_ms:g} ms",
        "passed" if passed else "FAILED",
    ]
    rows = [
        (name, result.delays_ms(in_flood=flag).size, *of.values())
        for name, flag, of in (("calm", False, calm), ("flood", True, flood))
    ]
    header = (*columns("", "beats"), *columns(*calm, form=".1f"))
    return Report(
        title="Flood of malformed messages",
        introduction=lines,
        tables=[table("From the sending of samples to the first label, ms", header, rows)],
        figures=_figures(result, lost, calm, flood),
        passed=passed,
    )


def counted(source: Source) -> Counter[str]:
    """Compare what came of a source with what its samples have.

    Returns
    -------
    Counter of str
        Beats of either revision that were lost, that the samples don't have (`foreign`), and
        numbers that came twice (`doubled`). A beat may come once more, when it was late first.
    """
    expected = source.expected()
    return Counter(
        lost=len(expected.keys() - source.beats.keys()),
        foreign=len(source.beats.keys() - expected.keys()),
        doubled=len(source.seqs) - len(set(source.seqs)),
    )


def _figures(
    result: FloodResult,
    lost: Counter[str],
    calm: dict[str, float | None],
    flood: dict[str, float | None],
) -> dict[str, Any]:
    return {
        "messages": result.config.messages,
        "tcp": result.n_tcp,
        "sources": result.config.sources,
        **{name: lost[name] for name in ("lost", "foreign", "doubled")},
        "calm_ms": calm,
        "flood_ms": flood,
    }
