"""The report of `bench latency`: every distribution, and whether the aims are met."""

from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.bench.report import Report
from streamer.bench.speed.latency import LEARN_S, LatencyResults
from streamer.report.table import columns, table

SCHEMA_VERSION: Final = 1
QUANTILES: Final = {"median": 0.5, "p95": 0.95, "p99": 0.99, "p99.9": 0.999, "max": 1.0}
COMPUTE_AIM_MS: Final = 3.0
"""Aim for the 99th percentile of the compute latency."""
EXCESS_AIM_MS: Final = 25.0
"""Aim for the 99th percentile of what end-to-end latency adds to the decision delay."""


def quantiles(values: NDArray[np.float64]) -> dict[str, float]:
    """Return the quantiles that are reported (nearest rank); NaN without values."""
    if not values.size:
        return dict.fromkeys(QUANTILES, float("nan"))
    found = np.quantile(values, list(QUANTILES.values()), method="inverted_cdf")
    return dict(zip(QUANTILES, found.tolist(), strict=True))


def latency_report(results: LatencyResults) -> Report:
    """Report every distribution, and whether the aims are met."""
    settings, run = results.settings, results.run
    measures = {
        "decision delay (signal time)": results.decision_delay,
        "compute latency": results.compute,
        "end-to-end latency": results.end_to_end,
        "end-to-end minus decision delay": results.excess,
        "samples behind schedule": results.sampling,
        "end-to-end, confirmed label": results.confirmed,
    }
    found = {name: quantiles(values) for name, values in measures.items()}
    return Report(
        title=f"Latency of record {settings.record}",
        introduction=[
            f"Record {settings.record}, {run.n_samples} samples at real time, one at a time; "
            f"{results.end_to_end.size} beats through {settings.mqtt or 'Mosquitto'} to a "
            f"subscriber process; {results.n_lost} messages lost.",
            f"Budget {settings.budget_ms:g} ms: {run.n_late - results.n_late_at_start} of "
            f"{run.n_beats} beats late, and {results.n_late_at_start} of the first {LEARN_S:g} s, "
            "which the detector learns from; "
            f"{run.n_not_shown} samples not drawn for lack of time.",
            _aims(quantiles(results.compute)["p99"], quantiles(results.excess)["p99"]),
        ],
        tables=[
            table(
                "Latency, ms",
                (*columns("", "n"), *columns(*QUANTILES, form=".2f")),
                [(name, measures[name].size, *values.values()) for name, values in found.items()],
            )
        ],
        figures={
            "schema": SCHEMA_VERSION,
            "record": settings.record,
            "seconds": settings.seconds,
            "budget_ms": settings.budget_ms,
            "n_beats": run.n_beats,
            "n_late": run.n_late,
            "n_late_at_start": results.n_late_at_start,
            "n_lost": results.n_lost,
            "quantiles_ms": found,
            "beats_ms": {
                "decision_delay": results.decision_delay,
                "compute": results.compute,
                "end_to_end": results.end_to_end,
            },
        },
        plot=partial(_plot, results),
    )


def _aims(compute_ms: float, excess_ms: float) -> str:
    def verdict(is_met: bool) -> str:
        return "met" if is_met else "missed"

    return (
        f"Compute p99 {compute_ms:.2f} ms (aim {COMPUTE_AIM_MS:g}): "
        f"{verdict(compute_ms <= COMPUTE_AIM_MS)}. End-to-end p99 {excess_ms:.2f} ms above the "
        f"decision delay (aim {EXCESS_AIM_MS:g}): {verdict(excess_ms <= EXCESS_AIM_MS)}."
    )


def _plot(results: LatencyResults, path: Path) -> None:
    """Draw the cumulative distributions, the tail enlarged, into a PNG, SVG or PDF file."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - slow to import

    figure = Figure(figsize=(9, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for axes, chosen in (
        (left, {"decision delay": results.decision_delay, "end to end": results.end_to_end}),
        (right, {"compute": results.compute, "end to end minus decision delay": results.excess}),
    ):
        for name, values in chosen.items():
            ordered = np.sort(values)
            above = 1.0 - np.arange(ordered.size) / ordered.size
            axes.step(ordered, above, where="post", label=name)
        axes.set(xlabel="ms", ylabel="share of beats that took longer", yscale="log")
        axes.grid(alpha=0.3)
        axes.legend()
    left.axvline(results.settings.budget_ms, color="grey", linestyle=":")
    right.set_xscale("log")
    figure.suptitle(f"Latency of {results.settings.record}, {results.end_to_end.size} beats")
    figure.savefig(path)
