"""How many patients one core can follow at real time, and what each costs.

Every tick of a ward is timed by the CPU time of its thread, so that what else the machine does
isn't counted. From these times follows when each tick would end on a core of its own, were the
samples to come at real time: a tick can't begin before its samples are there, nor before the one
before it has ended. The signal is the simulated `demo`, from a different place for each patient.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from classifier.runtime import load_model
from replay.demo import simulate_demo
from streamer.batched_model import BatchedModel
from streamer.calm_memory import calm_memory
from streamer.events import CHAIN_FS, Published, StreamInfo
from streamer.looped import LoopedRecords
from streamer.payload import dumps, to_payload
from streamer.score_report import Table
from streamer.ward import Ward
from streamer.ward_beds import Beds
from streamer.ward_warm_up import warm_up_ward

SCHEMA_VERSION: Final = 1
DSP: Final = "signal"
WARD: Final = "ward"
_MS: Final = 1000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WardThroughputConfig:
    """How much is measured."""

    sizes: tuple[int, ...] = (100, 200, 400, 800, 1600, 3200)
    """Patients, for the whole ward; it ends with the first size that misses the deadline."""
    dsp_sizes: tuple[int, ...] = (1000, 2000, 5000, 10_000)
    """Patients, for the signal path alone."""
    seconds: float = 4.0
    """Signal measured."""
    settle_s: float = 3.0
    """Signal before that: the detectors learn for 1.5 s."""
    tick_s: float = 0.05
    deadline_ms: float = 100.0
    """For the 99th percentile of the added latency."""
    n_leads: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class WardTiming:
    """One number of patients."""

    what: str
    patients: int
    tick_ms: tuple[float, ...]
    """CPU time of each tick."""
    added_ms: tuple[float, ...]
    """From when a sample was due until its tick ended, for the first and last sample of each."""
    events: int
    share: float
    """CPU time over signal time: 1 is a whole core."""
    row_bytes: int
    """State of one patient in the ward's arrays."""

    @property
    def p99_added_ms(self) -> float:
        """99th percentile of the added latency."""
        return float(np.quantile(self.added_ms, 0.99))


@dataclass(frozen=True, slots=True, kw_only=True)
class WardThroughput:
    """Every size that was measured."""

    config: WardThroughputConfig
    timings: tuple[WardTiming, ...]

    def holds(self, timing: WardTiming) -> bool:
        """Whether a size holds the deadline, without falling behind."""
        return timing.p99_added_ms <= self.config.deadline_ms and timing.share < 1.0

    def largest(self, what: str) -> int | None:
        """Largest number of patients measured that holds the deadline."""
        held = [t.patients for t in self.timings if t.what == what and self.holds(t)]
        return max(held, default=None)

    def cost_us(self, what: str) -> tuple[float, float]:
        """Return CPU time in us for a patient's second of signal, and R² of the straight line."""
        those = [t for t in self.timings if t.what == what]
        n = np.array([t.patients for t in those], float)
        cost = np.array([t.share for t in those]) * 1e6
        if len(those) < 2:
            return float((cost / n).mean()), float("nan")
        slope, offset = np.polyfit(n, cost, 1)
        rest = cost - (slope * n + offset)
        return float(slope), float(1.0 - rest.var() / cost.var())


def measure_ward(
    config: WardThroughputConfig | None = None,
    advance: Callable[[str], None] | None = None,
) -> WardThroughput:
    """Measure every size, and look more closely where the deadline is missed."""
    config = config or WardThroughputConfig()
    tell = advance or (lambda line: None)
    source = LoopedRecords([simulate_demo()], config.n_leads)
    model = BatchedModel(load_model())
    model.warm_up()
    warm_up_ward(model, config.n_leads)
    timings = []
    for n in config.dsp_sizes:
        tell(f"signal path, {n} patients")
        timings.append(_measure(DSP, n, source, model, config))
    missed = None
    for n in config.sizes:
        tell(f"ward, {n} patients")
        timings.append(_measure(WARD, n, source, model, config))
        if not _holds(timings[-1], config):
            missed = n
            break
    largest = max((t.patients for t in timings if t.what == WARD and _holds(t, config)), default=0)
    if missed is not None and largest:
        middle = (largest + missed) // 2
        tell(f"ward, {middle} patients")
        timings.append(_measure(WARD, middle, source, model, config))
    return WardThroughput(config=config, timings=tuple(timings))


def _holds(timing: WardTiming, config: WardThroughputConfig) -> bool:
    return WardThroughput(config=config, timings=(timing,)).holds(timing)


def _measure(
    what: str, n: int, source: LoopedRecords, model: BatchedModel, config: WardThroughputConfig
) -> WardTiming:
    ward = Ward(model, n_leads=config.n_leads)
    encoded: list[int] = []

    def encode(info: StreamInfo, message: Published) -> None:
        encoded.append(len(dumps(to_payload(message, info))))

    beds = Beds(encode)
    for k in range(n):
        ward.admit(f"p{k}")
        beds.open(_info(f"p{k}"), began_s=0.0)
    size = round(config.tick_s * CHAIN_FS)
    settle, ticks = (round(s / config.tick_s) for s in (config.settle_s, config.seconds))
    times, n_before = [], 0
    with calm_memory():
        for number in range(settle + ticks):
            samples = source.read(np.full(n, number * size), size)
            n_before = len(encoded) if number == settle else n_before
            began = time.thread_time()
            if what == DSP:
                ward.memory.run(samples, np.full(n, size))
            else:
                beds.take(ward.push(samples), now_s=0.0, is_timed=False)
            times.append(time.thread_time() - began)
    measured = times[settle:]
    return WardTiming(
        what=what,
        patients=n,
        tick_ms=tuple(t * _MS for t in measured),
        added_ms=tuple(added_latencies(np.array(measured), config.tick_s) * _MS),
        events=len(encoded) - n_before,
        share=sum(measured) / (ticks * config.tick_s),
        row_bytes=ward.memory.bytes_per_row,
    )


def added_latencies(durations_s: NDArray[np.float64], tick_s: float) -> NDArray[np.float64]:
    """Return how long after they were due the samples of each tick were dealt with.

    Parameters
    ----------
    durations_s : ndarray
        Of each tick.
    tick_s : float
        Time from one to the next.

    Returns
    -------
    ndarray, twice as long
        For the newest and the oldest sample of each tick.
    """
    ended, found = 0.0, []
    for number, duration in enumerate(durations_s):
        there = (number + 1) * tick_s
        ended = max(ended, there) + duration
        found += [ended - there, ended - there + tick_s]
    return np.array(found)


def _info(source: str) -> StreamInfo:
    return StreamInfo(
        source=source,
        fs=CHAIN_FS,
        leads=("MLII", "V1"),
        first_sample=0,
        n_samples=None,
        training_record=False,
        started_at=0.0,
    )


def introduction(report: WardThroughput) -> list[str]:
    """Say what was measured and what came out."""
    config = report.config
    lines = [
        f"One core; {config.n_leads} leads at {CHAIN_FS:g} Hz, ticks of {config.tick_s * _MS:g} "
        f"ms, {config.seconds:g} s of signal; events encoded as JSON but not sent. Deadline: p99 "
        f"added latency of {config.deadline_ms:g} ms.",
    ]
    for what in (DSP, WARD):
        if not any(t.what == what for t in report.timings):
            continue
        slope, fit = report.cost_us(what)
        lines.append(
            f"{what}: largest that holds the deadline {report.largest(what) or 'none'}; "
            f"{slope:.1f} us CPU for each second of a patient, straight line R² {fit:.4f}"
        )
    return lines


def table(report: WardThroughput) -> Table:
    """Lay out every size."""
    rows = [
        (
            t.what,
            str(t.patients),
            f"{t.share:.3f}",
            f"{t.share / t.patients * 1e6:.1f}",
            f"{np.quantile(t.tick_ms, 0.5):.2f}",
            f"{np.quantile(t.tick_ms, 0.99):.2f}",
            f"{t.p99_added_ms:.1f}",
            "yes" if report.holds(t) else "no",
            f"{t.row_bytes / 1024:.1f}",
        )
        for t in sorted(report.timings, key=lambda t: (t.what, t.patients))
    ]
    header = ("", "patients", "cores", "us/patient s", "tick ms", "p99", "added p99", "holds", "KB")
    return Table(title="Cost of a ward", header=header, rows=tuple(rows))


def plot(report: WardThroughput, path: Path) -> None:
    """Draw cost against the number of patients."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - slow to import

    figure = Figure(figsize=(9, 4), layout="constrained")
    for axes, what in zip(figure.subplots(1, 2), (DSP, WARD), strict=True):
        those = sorted((t for t in report.timings if t.what == what), key=lambda t: t.patients)
        axes.plot([t.patients for t in those], [t.share for t in those], "o-")
        axes.axhline(1.0, color="grey", linestyle=":")
        axes.set(xlabel="patients", ylabel="cores", title=what, xlim=(0, None), ylim=(0, None))
        axes.grid(alpha=0.3)
    figure.savefig(path)


def to_json(report: WardThroughput) -> dict[str, Any]:
    """Lay out every size for programs."""
    timings: Sequence[WardTiming] = report.timings
    return {
        "schema": SCHEMA_VERSION,
        "tick_s": report.config.tick_s,
        "deadline_ms": report.config.deadline_ms,
        "largest": {what: report.largest(what) for what in (DSP, WARD)},
        "timings": [
            {
                "what": t.what,
                "patients": t.patients,
                "cores": t.share,
                "tick_ms": list(t.tick_ms),
                "added_p99_ms": t.p99_added_ms,
                "events": t.events,
                "row_bytes": t.row_bytes,
            }
            for t in timings
        ],
    }
