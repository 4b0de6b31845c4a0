"""Run a ward for a long time: its memory should stay flat, and it should keep time.

Patients play looped records at real time through a Mosquitto of the benchmark's own. Every few
seconds the process notes its resident memory and how far the ward is behind the clock.
"""

import asyncio
import os
import resource
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from classifier.network.runtime import load_model
from replay.records import open_record
from streamer.beats.batched_model import BatchedModel
from streamer.bench.report import Report
from streamer.bench.speed.mosquitto import broker
from streamer.core.events import CHAIN_FS
from streamer.mqtt.publisher import WARD, MqttPublisher
from streamer.patient.ward import Ward
from streamer.patient.warm_up import warm_up
from streamer.report.table import Column, Table, columns, table
from streamer.runner.process import calm_memory
from streamer.runner.run_config import RunnerConfig
from streamer.runner.runner import Runner
from streamer.runner.ward import LEDGER
from streamer.sources.looped import LoopedRecords, LoopedSource, patient_names

SCHEMA_VERSION: Final = 1
_MB: Final = 1024.0 * 1024.0
_STATM: Final = Path("/proc/self/statm")
_SETTLED: Final = 0.25
"""Share of the run after which memory should have stopped growing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SoakConfig:
    """What runs, and what counts as flat."""

    minutes: float = 60.0
    patients: int = 48
    records: tuple[str, ...] = ("demo", "demo:2", "demo:3")
    every_s: float = 5.0
    """From one reading to the next."""
    most_growth_mb: float = 8.0
    """Growth of memory after the first quarter that is still called flat: an allocator's play."""
    most_behind_s: float = 1.0
    """How far behind the clock the ward may be at the end."""
    mqtt: str | None = None
    """A broker that runs already; None starts Mosquitto."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The process at one moment."""

    at_s: float
    memory_mb: float
    behind_s: float
    """How much signal should have been taken in already."""
    late: int
    queued: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SoakResults:
    """All readings."""

    config: SoakConfig
    readings: tuple[Reading, ...]
    beats: int
    late: int
    sent: int
    shed: int
    not_sent: int

    @property
    def settled(self) -> Sequence[Reading]:
        """Readings after the first quarter."""
        return self.readings[int(len(self.readings) * _SETTLED) :]

    @property
    def growth_mb(self) -> float:
        """How much memory grew after the first quarter, along a straight line."""
        times = np.array([reading.at_s for reading in self.settled])
        memory = np.array([reading.memory_mb for reading in self.settled])
        if len(times) < 2:
            return 0.0
        return float(np.polyfit(times, memory, 1)[0] * (times[-1] - times[0]))

    @property
    def behind_s(self) -> float:
        """How far behind the clock the ward was at the end."""
        return self.readings[-1].behind_s

    @property
    def passed(self) -> bool:
        """Whether memory was flat, time was kept and nothing was lost."""
        flat = self.growth_mb <= self.config.most_growth_mb
        punctual = self.behind_s <= self.config.most_behind_s
        return flat and punctual and self.shed + self.not_sent == 0


def memory_mb() -> float:
    """Return the resident memory of this process; its peak where the system reports no more."""
    if _STATM.exists():
        return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / _MB
    unit = 1.0 if sys.platform == "darwin" else 1024.0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / _MB


def measure_soak(config: SoakConfig | None = None) -> SoakResults:
    """Run the ward for so many minutes.

    Raises
    ------
    BrokerError
        If there is no Mosquitto.
    """
    config = config or SoakConfig()
    with broker(config.mqtt) as url:
        return asyncio.run(_soak(config, url))


async def _soak(config: SoakConfig, url: str) -> SoakResults:
    model = BatchedModel(load_model())
    model.warm_up()
    warm_up(model, n_leads=2)
    records = LoopedRecords([open_record(name) for name in config.records])
    publisher = MqttPublisher(url, ward=WARD)
    names = patient_names(records.names, config.patients)
    source = LoopedSource(records, names, seconds=config.minutes * 60.0)
    ward = Ward(model)
    readings: list[Reading] = []
    began_s = asyncio.get_running_loop().time()

    def read(now_s: float) -> None:
        publisher.tell_active()
        elapsed_s = now_s - began_s
        if readings and elapsed_s - readings[-1].at_s < config.every_s:
            return
        taken_s = float(ward.rows.next_samples[0]) / CHAIN_FS
        readings.append(
            Reading(
                at_s=elapsed_s,
                memory_mb=memory_mb(),
                behind_s=elapsed_s - taken_s,
                late=runner.sessions.totals.late,
                queued=publisher.queued,
            )
        )

    runner = Runner(
        source,
        model,
        [publisher],
        ward=ward,
        config=RunnerConfig(shows_samples=False),
        ledger=LEDGER,
        on_turn=read,
    )
    with calm_memory():
        await runner.run()
    totals = runner.sessions.totals
    return SoakResults(
        config=config,
        readings=tuple(readings),
        beats=totals.beats,
        late=totals.late,
        sent=publisher.sent,
        shed=publisher.shed,
        not_sent=publisher.queued,
    )


def soak_report(results: SoakResults) -> Report:
    """Report whether memory was flat, time was kept and nothing was lost."""
    config = results.config
    return Report(
        title="Soak",
        introduction=[
            f"{config.patients} patients for {config.minutes:g} minutes at real time; "
            f"{results.beats} beats, {results.late} late; {results.sent} MQTT messages sent, "
            f"{results.shed} shed, {results.not_sent} not sent.",
            f"Memory grew by {results.growth_mb:.2f} MB after the first quarter (flat: up to "
            f"{config.most_growth_mb:g}); {results.behind_s:.3f} s behind the clock at the end "
            f"(up to {config.most_behind_s:g}): {'passed' if results.passed else 'failed'}.",
        ],
        tables=[_table(results.readings)],
        figures={
            "schema": SCHEMA_VERSION,
            "minutes": config.minutes,
            "patients": config.patients,
            "passed": results.passed,
            "growth_mb": results.growth_mb,
            "readings": results.readings,
        },
        passed=results.passed,
    )


def _table(readings: Sequence[Reading]) -> Table:
    """Lay out ten readings, evenly spread."""
    chosen = np.unique(np.linspace(0, len(readings) - 1, 10).astype(int))
    return table(
        "Soak",
        (
            *columns("minute", "memory MB", form=".1f"),
            *(Column("behind ms", ".0f"), Column("late"), Column("queued")),
        ),
        [
            (r.at_s / 60.0, r.memory_mb, r.behind_s * 1000.0, r.late, r.queued)
            for r in (readings[k] for k in chosen)
        ],
    )
