"""How fast the detection stages are, on one core, as a ratio to `scipy.signal.sosfilt`.

Absolute times depend on the machine and on what else it does; the ratio to a well-known filter
over the same samples in the same round does so far less. Both are medians over several rounds, of
the thread's own CPU time: waiting for a busy core isn't counted.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from replay.chunk import Chunk
from replay.noise import at_rate
from replay.simulate.demo import simulate_demo
from streamer.bench.detection.stages import DetectionStages
from streamer.bench.report import Report
from streamer.core.events import CHAIN_FS
from streamer.report.table import Column, columns, table
from streamer.signal.bandpass import BandPass
from streamer.signal.detector.qrs_detector import QRSDetector
from streamer.signal.resample import Resampler

Samples = NDArray[np.float32]
Task = Callable[[], None]

SCHEMA_VERSION: Final = 1
LEAD_COUNTS: Final = (1, 2)
OTHER_FS: Final = 250.0
"""A sampling frequency that needs the resampler."""
QUARTILES: Final = (25, 50, 75)


@dataclass(frozen=True, slots=True, kw_only=True)
class ThroughputConfig:
    """How much is measured."""

    seconds: float = 600.0
    """Signal pushed in bulk."""
    single_seconds: float = 30.0
    """Signal pushed one sample at a time."""
    rounds: int = 7
    """Every task runs once a round, so that what else the machine does hits all alike."""
    block_samples: int = 1024
    """Chunk length in bulk: the chain's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """One task's time a sample, where a sample is one moment of all leads."""

    task: str
    fs: float
    leads: int
    rounds_ns: tuple[float, ...]
    """ns a source sample, by round."""
    ratios: tuple[float, ...]
    """The same over `sosfilt`'s in the same round."""
    is_single: bool = False
    """Whether samples were pushed one by one."""

    @property
    def ns(self) -> float:
        """Median time."""
        return float(np.median(self.rounds_ns))

    @property
    def ratio(self) -> float:
        """Median ratio to `sosfilt`."""
        return float(np.median(self.ratios))


def measure_throughput(config: ThroughputConfig | None = None) -> list[Timing]:
    """Time every task for one and two leads, with and without the resampler.

    The signal is the simulated `demo`, repeated; the stages' time depends little on what it shows.
    """
    config = config or ThroughputConfig()
    timings = []
    for leads in LEAD_COUNTS:
        for fs in (CHAIN_FS, OTHER_FS):
            timings += _measure(fs, leads, config, is_single=False)
            timings += _measure(fs, leads, config, is_single=True)
    return timings


def demo_signal(fs: float, leads: int, seconds: float) -> Samples:
    """Return the demo's signal at a sampling frequency, repeated as often as needed."""
    demo = simulate_demo()
    samples = at_rate(demo.signal[:leads], demo.fs, fs)
    n = round(seconds * fs)
    repeated = np.tile(samples, (1, n // samples.shape[1] + 1))[:, :n]
    return np.ascontiguousarray(repeated, np.float32)


def _chunks(samples: Samples, size: int) -> list[Chunk]:
    return [
        Chunk(start=start, samples=np.ascontiguousarray(samples[:, start : start + size]))
        for start in range(0, samples.shape[1], size)
    ]


def _measure(fs: float, leads: int, config: ThroughputConfig, *, is_single: bool) -> list[Timing]:
    """Time the tasks on the same samples, in bulk, or all stages with each sample by itself."""
    seconds, size = config.seconds, config.block_samples
    if is_single:
        seconds, size = config.single_seconds, 1
    samples = demo_signal(fs, leads, seconds)
    chunks = _chunks(samples, size)
    tasks = {
        "sosfilt": _sosfilt(samples),
        **({} if is_single else _stage_tasks(fs, leads, chunks)),
        "all three": _through_all(fs, leads, chunks),
    }
    times = _rounds(tasks, samples.shape[1], config.rounds)
    return [
        Timing(
            task=task,
            fs=fs,
            leads=leads,
            rounds_ns=times[task],
            ratios=tuple(a / b for a, b in zip(times[task], times["sosfilt"], strict=True)),
            is_single=is_single,
        )
        for task in times
        if not is_single or task == "all three"
    ]


def _sosfilt(samples: Samples) -> Task:
    from scipy import signal  # noqa: PLC0415

    sos = BandPass(n_leads=samples.shape[0]).sos

    def task() -> None:
        signal.sosfilt(sos, samples, axis=1)

    return task


def _stage_tasks(fs: float, leads: int, chunks: Sequence[Chunk]) -> dict[str, Task]:
    """Make a task of each stage by itself, with what the one before it made."""
    resampler, bandpass = Resampler(fs=fs, n_leads=leads), BandPass(n_leads=leads)
    resampled = [c for chunk in chunks for c in resampler.push(chunk) if isinstance(c, Chunk)]
    filtered = [item for chunk in resampled for item in bandpass.push(chunk)]
    return {
        "resampler": _push_all(Resampler(fs=fs, n_leads=leads), chunks),
        "band-pass": _push_all(BandPass(n_leads=leads), resampled),
        "detector": _push_all(QRSDetector(n_leads=leads), filtered),
    }


def _push_all(stage: Any, items: Sequence[Any]) -> Task:
    """Make a task that pushes every item through the stage, from its beginning."""

    def task() -> None:
        stage.reset()
        push = stage.push
        for item in items:
            push(item)

    return task


def _through_all(fs: float, leads: int, chunks: Sequence[Chunk]) -> Task:
    """Make a task that pushes every chunk through all detection stages."""

    def task() -> None:
        push = DetectionStages(fs=fs, n_leads=leads).push
        for chunk in chunks:
            push(chunk)

    return task


def _rounds(tasks: dict[str, Task], n_samples: int, rounds: int) -> dict[str, tuple[float, ...]]:
    """Run the tasks in turn; return ns a sample by round, without the first, which compiles."""
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for number in range(rounds + 1):
        for name, task in tasks.items():
            began = time.thread_time_ns()
            task()
            taken = time.thread_time_ns() - began
            if number:
                times[name].append(taken / n_samples)
    return {name: tuple(found) for name, found in times.items()}


def throughput_report(timings: Sequence[Timing], config: ThroughputConfig) -> Report:
    """Report every task's time a sample, in bulk and sample by sample."""
    head = columns("task", "Hz", "leads", "x sosfilt")
    last = (Column("x real time", ",.0f"),)
    return Report(
        title="Throughput of the detection stages",
        introduction=[
            f"One core, one patient, CPU time; {config.seconds:g} s of signal in chunks of "
            f"{config.block_samples}, {config.single_seconds:g} s sample by sample; medians "
            f"of {config.rounds} rounds, quartiles in brackets.",
            "x sosfilt: time over that of scipy.signal.sosfilt (the same band-pass, one call over "
            "all samples and leads) in the same round; compare this across machines.",
            "ns: per source sample, one moment of all leads. At 250 Hz filter and detector work on "
            "1.44 chain samples for each.",
        ],
        tables=[
            table(
                "In bulk",
                (*head, Column("ns a sample"), *last),
                [_row(timing, 1.0) for timing in timings if not timing.is_single],
            ),
            table(
                "One sample at a time",
                (*head, Column("us a call"), *last),
                [_row(timing, 1e-3) for timing in timings if timing.is_single],
            ),
        ],
        figures={
            "schema": SCHEMA_VERSION,
            "seconds": config.seconds,
            "single_seconds": config.single_seconds,
            "block_samples": config.block_samples,
            "timings": [_figures(timing) for timing in timings],
        },
    )


def _row(timing: Timing, scale: float) -> tuple[object, ...]:
    return (
        timing.task,
        f"{timing.fs:g}",
        timing.leads,
        _spread(timing.ratios, 1.0),
        _spread(timing.rounds_ns, scale),
        1e9 / timing.ns / timing.fs,
    )


def _spread(values: Sequence[float], scale: float) -> str:
    low, middle, high = np.percentile(values, QUARTILES) * scale
    return f"{middle:.2f} [{low:.2f}-{high:.2f}]"


def _figures(timing: Timing) -> dict[str, Any]:
    return {
        "task": timing.task,
        "fs": timing.fs,
        "leads": timing.leads,
        "one_by_one": timing.is_single,
        "ns": timing.ns,
        "x_sosfilt": timing.ratio,
        "rounds_ns": timing.rounds_ns,
    }
