"""What came of a cluster that was resized and killed."""

from typing import Final

import numpy as np

from streamer.bench.cluster.measure import ClusterResult
from streamer.bench.report import Report, quantiles
from streamer.report.table import columns, table

_FLOOR: Final = 1.6
"""Times the patients that two workers must hold."""
_NOISY: Final = 3.0
"""Load of the machine above which times of the clock say little."""


def cluster_report(result: ClusterResult) -> Report:
    """Report loads, moves and recoveries."""
    config, verdict = result.config, result.verdict
    one, two = (load.cpu_share for load in result.loads)
    ratio = 2.0 * one / two
    recoveries = np.array(result.recoveries_s)
    moved = quantiles(np.array(result.move_delays_ms))
    lines = [
        f"{config.patients} patients in real time through a Mosquitto with persistence; snapshots "
        f"every {config.snapshot_every_s:g} s; workers, sources, broker and subscriber on this "
        "machine",
        f"two workers hold {ratio:.2f} times the patients of one, by CPU time for the same "
        f"patients ({one:.2f} s a second with one, {two:.2f} with two); floor {_FLOOR:g}",
        f"{result.moved} of {config.patients} patients moved in {result.move_s:.1f} s, the command "
        f"itself included; delay of labels meanwhile, ms: {_said(moved)}",
    ]
    if recoveries.size:
        lines.append(
            f"{recoveries.size} workers killed with -9: all of their patients labelled again after "
            f"{np.median(recoveries):.1f} s (median), {recoveries.max():.1f} s (worst)"
        )
    if verdict is not None:
        lines.append(
            f"{verdict.beats} labels compared with an undisturbed ward: {verdict.lost} lost, "
            f"{verdict.added} added, {verdict.relabelled} changed; of all events {verdict.doubled} "
            f"doubled, {verdict.reused} numbers used twice, {verdict.disordered} out of order, "
            f"{verdict.holes} missing"
        )
    if result.machine_load > _NOISY:
        lines.append(
            f"load of the machine {result.machine_load:.1f}: times of the clock are noise here"
        )
    passed = verdict is None or verdict.is_perfect
    lines.append("passed" if passed else "FAILED")
    rows = [
        (load.workers, load.cpu_share, load.broker_share, len(load.delays_ms), *delays.values())
        for load in result.loads
        for delays in (quantiles(np.array(load.delays_ms)),)
    ]
    header = (
        *columns("workers"),
        *columns("CPU", "of broker", form=".3f"),
        *columns("labels"),
        *columns(*quantiles(np.array([])), form=".0f"),
    )
    return Report(
        title="Cluster",
        introduction=lines,
        tables=[table("From the sending of samples to the first label, ms", header, rows)],
        figures=result,
        passed=passed,
    )


def _said(values: dict[str, float | None]) -> str:
    return ", ".join(f"{name} {value:.0f}" for name, value in values.items() if value is not None)
