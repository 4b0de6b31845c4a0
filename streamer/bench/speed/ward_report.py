"""The report of `bench throughput --stage ward`: cost and largest ward that holds the deadline."""

from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from streamer.bench.report import Report
from streamer.bench.speed.throughput_ward import DSP, MS, WARD, WardThroughput, WardTiming
from streamer.core.events import CHAIN_FS
from streamer.report.table import Column, Table, columns, table

SCHEMA_VERSION: Final = 2


def ward_report(results: WardThroughput) -> Report:
    """Report what a ward of every size costs, and which size holds the deadline."""
    config = results.config
    lines = [
        f"One core; {config.n_leads} leads at {CHAIN_FS:g} Hz, ticks of "
        f"{config.turns.tick_s * MS:g} ms in {config.turns.groups} turns, {config.seconds:g} s of "
        f"signal; events encoded as JSON "
        f"{'and sent to Mosquitto' if results.is_sent else 'but not sent'}. Deadline: p99 added "
        f"latency of {config.deadline_ms:g} ms.",
        "Times are CPU time of the whole process, labels on their own thread included and the "
        "broker not: all of it is counted as the work of one core.",
    ]
    for what in dict.fromkeys(t.what for t in results.timings):
        slope, fit = results.cost_us(what)
        lines.append(
            f"{what}: largest that holds the deadline {results.largest(what) or 'none'}; "
            f"{slope:.1f} us CPU for each second of a patient, straight line R² {fit:.4f}"
        )
    return Report(
        title="Throughput of a ward",
        introduction=lines,
        tables=[_table(results)],
        figures={
            "schema": SCHEMA_VERSION,
            "tick_s": config.turns.tick_s,
            "turns": config.turns.groups,
            "sent": results.is_sent,
            "deadline_ms": config.deadline_ms,
            "largest": {what: results.largest(what) for what in (DSP, WARD)},
            "timings": [_figures(t) for t in results.timings],
        },
        plot=partial(_plot, results),
    )


def _table(results: WardThroughput) -> Table:
    rows = [
        (
            *(t.what, t.patients, t.share, t.share / t.patients * 1e6),
            *(np.quantile(t.turn_ms, 0.5), np.quantile(t.turn_ms, 0.99), t.p99_added_ms),
            *("yes" if t.holds(results.config.deadline_ms) else "no", t.row_bytes / 1024),
        )
        for t in sorted(results.timings, key=lambda t: (t.what, t.patients))
    ]
    header = (
        *(Column(""), Column("patients"), Column("cores", ".3f"), Column("us/patient s", ".1f")),
        *columns("turn ms", "p99", form=".2f"),
        *(Column("added p99", ".1f"), Column("holds"), Column("KB", ".1f")),
    )
    return table("Cost of a ward", header, rows)


def _figures(timing: WardTiming) -> dict[str, Any]:
    return {
        "what": timing.what,
        "patients": timing.patients,
        "cores": timing.share,
        "turn_ms": timing.turn_ms,
        "added_p99_ms": timing.p99_added_ms,
        "events": timing.events,
        "row_bytes": timing.row_bytes,
    }


def _plot(results: WardThroughput, path: Path) -> None:
    """Draw cost against the number of patients."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - slow to import

    figure = Figure(figsize=(9, 4), layout="constrained")
    for axes, what in zip(figure.subplots(1, 2), (DSP, WARD), strict=True):
        timings = sorted((t for t in results.timings if t.what == what), key=lambda t: t.patients)
        axes.plot([t.patients for t in timings], [t.share for t in timings], "o-")
        axes.axhline(1.0, color="grey", linestyle=":")
        axes.set(xlabel="patients", ylabel="cores", title=what, xlim=(0, None), ylim=(0, None))
        axes.grid(alpha=0.3)
    figure.savefig(path)
