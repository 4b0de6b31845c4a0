"""Put together what `ecg-stream ward` runs: sources, network, broker, files and summary."""

import asyncio
import contextlib
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from classifier.network.runtime import load_model
from streamer.beats.batched_model import BatchedModel
from streamer.beats.ledger import LedgerConfig
from streamer.core.errors import BrokerError
from streamer.core.text import say
from streamer.messages.guard import Rejection
from streamer.messages.payload import TOPIC_PREFIX, utc_time
from streamer.messages.source_status import FAULT
from streamer.messages.wire import SCHEMA_VERSION, WardStatisticsMessage
from streamer.monitor.terminal import palette
from streamer.monitor.ward.screen import WardScreen
from streamer.mqtt.broker import broker_for
from streamer.patient.patients import WardConfig
from streamer.patient.ward import Ward
from streamer.patient.warm_up import warm_up
from streamer.rhythm.alerting.patients import PatientAlerts
from streamer.runner.calm_memory import calm_memory
from streamer.runner.metrics import WardFigures, serving_metrics, ward_figures
from streamer.runner.options import WardOptions, alarm_limits, file_sinks, publishing
from streamer.runner.run_config import RunnerConfig
from streamer.runner.runner import Runner
from streamer.runner.ward_setup import WardStorage, check_options, make_folder, records_to_loop
from streamer.signal.ring import SampleRing
from streamer.sinks.sink import Sink
from streamer.sources.live import LiveConfig, LiveSource
from streamer.sources.looped import LoopedRecords, LoopedSource, TurnConfig, patient_names
from streamer.sources.streams import STDIN_SOURCE, read_stdin, serve_tcp
from streamer.sources.waiting import WAIT_S, describe_sources

if TYPE_CHECKING:
    from streamer.mqtt.publisher import MqttPublisher

LEDGER: Final = LedgerConfig(beats=12, parts=False)
"""Of each of thousands of patients little is remembered."""
_STATISTICS_EVERY_S: Final = 5.0
_QUANTILES: Final = {"median": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}


class WardRun:
    """One run of a ward, from its options to its exit code.

    Raises
    ------
    ValueError
        If the options make no sense.
    ReplayError
        If a record can't be found or read.
    """

    def __init__(self, options: WardOptions, storage: WardStorage | None = None) -> None:
        check_options(options)
        self._options = options
        self._publishing = publishing(options)
        self._file_sinks = file_sinks(options, append=True)
        self._mqtt: MqttPublisher | None = None
        limits = alarm_limits(options)
        self._alerts = PatientAlerts(limits.alerts)
        self._statistics_due_s = 0.0
        self._leads = tuple(f"lead{number + 1}" for number in range(options.leads))
        self._storage: WardStorage | None = None
        turns = TurnConfig(tick_s=options.tick_ms / 1000.0, is_paced=options.speed is not None)
        self._source: LiveSource | LoopedSource
        # First of all, because what follows takes a while.
        if options.live:
            if options.snapshots is not None and options.mqtt != "off":
                self._storage = storage = storage or WardStorage.alone(options.snapshots)
            self._source = live = LiveSource(
                self._leads,
                seconds=options.seconds,
                config=LiveConfig(turns=turns),
                journal=None if storage is None else storage.journal,
            )
            self._alerts.on_remove = live.remove
        else:
            looped = LoopedRecords(records_to_loop(options), options.leads)
            names = patient_names(looped.names, options.patients or len(looped.names))
            self._source = LoopedSource(
                looped, names, self._leads, seconds=options.seconds, config=turns
            )
        self._model = BatchedModel(load_model())
        self._model.warm_up()
        warm_up(self._model, n_leads=options.leads)
        chain = replace(WardConfig().chain, rhythm=limits.rhythm)
        self._ward = Ward(self._model, n_leads=options.leads, config=WardConfig(chain=chain))
        self._runner: Runner | None = None

    async def run(self) -> int:
        """Run until the end or an interrupt; print a summary.

        Raises
        ------
        StreamerError
            If the broker or a file can't be used.
        """
        if self._options.snapshots is not None:
            make_folder(self._options.snapshots)
        async with broker_for(self._options.mqtt) as url:
            if url is not None:
                kept = self._storage
                self._mqtt = self._publishing.publisher(
                    url,
                    self._options.name,
                    self._notice,
                    alerts=self._alerts,
                    is_ward=True,
                    on_samples=self._receive if self._options.live else None,
                    journal=None if kept is None else kept.journal,
                    client_id=None if kept is None else kept.client_id,
                    permit=None if kept is None else kept.permit,
                )
                say(f"MQTT broker {url}")
            self._runner = runner = self._make_runner()
            await self._recall(runner)
            async with self._other_sources(runner):
                with calm_memory(), serving_metrics(self._options.metrics, self.figures):
                    await runner.run()
        sys.stdout.write("\n".join(self.summary()) + "\n")
        return 0

    def _receive(self, source: str, payload: bytes, now_s: float) -> None:
        if isinstance(self._source, LiveSource):
            self._source.receive(source, payload, now_s)

    def figures(self) -> dict[str, WardFigures]:
        """Return how this process stands, under the ward's name."""
        return {self._options.name: ward_figures(self._runner, self._mqtt)}

    async def _recall(self, runner: Runner) -> None:
        """Go on with the patients that a process before was killed with."""
        if self._storage is None or not isinstance(self._source, LiveSource):
            return
        self._source.begin(runner)
        for source in self._storage.journal.sources():
            self._source.recall(source, runner.recall(source))

    def stop(self) -> None:
        """End the run after the current turn."""
        if self._runner is not None:
            self._runner.stop()

    def _make_runner(self) -> Runner:
        options = self._options
        sinks: list[Sink] = list(self._file_sinks)
        if self._mqtt is not None:
            sinks.append(self._mqtt)
        runner = Runner(
            self._source,
            self._model,
            sinks,
            ward=self._ward,
            config=RunnerConfig(
                budget_ms=options.budget_ms,
                snapshot_every_s=options.snapshot_every_s,
                shows_samples=False,
            ),
            snapshots=options.snapshots,
            memory=self._mqtt,
            journal=None if self._storage is None else self._storage.journal,
            ledger=LEDGER,
            alerts=self._alerts,
            on_failure=self._notice,
            on_turn=self._after_turn,
            on_fault=self._say_fault,
        )
        if options.monitor:
            palette.use(options.theme)
            runner.add_sink(WardScreen(runner.sessions, self._alerts, self._ring_of, runner.stop))
        return runner

    def _ring_of(self, source: str) -> SampleRing | None:
        """Return a patient's last samples."""
        patient = self._ward.patients.get(source)
        return None if patient is None else patient.chain.path.ring

    @contextlib.asynccontextmanager
    async def _other_sources(self, runner: Runner) -> AsyncIterator[None]:
        """Take samples over TCP and from the pipe too, if asked for."""
        options, source = self._options, self._source
        async with contextlib.AsyncExitStack() as stack:
            if isinstance(source, LiveSource):
                waiting = asyncio.create_task(self._say_if_nobody_comes(runner, source))
                stack.push_async_callback(_end, waiting)
                if self._mqtt is not None:
                    say(f"waiting for samples on {TOPIC_PREFIX}/<source>/samples")
                if options.tcp is not None:
                    await stack.enter_async_context(
                        await serve_tcp(options.tcp, source.receive, notice=say)
                    )
                    say(f"waiting for TCP sources on port {options.tcp}")
                if options.stdin is not None:
                    source.trust(STDIN_SOURCE)
                    reading = asyncio.create_task(read_stdin(options.stdin, source.receive))
                    if options.tcp is None and options.mqtt == "off":
                        reading.add_done_callback(lambda _: source.end())
                    stack.push_async_callback(_end, reading)
            yield

    async def _say_if_nobody_comes(self, runner: Runner, source: LiveSource) -> None:
        """Say what is waited for, and who is there, if there is no source after a while."""
        await asyncio.sleep(WAIT_S)
        if runner.sessions.totals.samples:
            return
        said = [f"no samples after {WAIT_S:g} s, still waiting"]
        if self._options.tcp is not None:
            said.append(f"TCP port {self._options.tcp} is open")
        if source.rejected:
            said.append(f"messages turned away: {_counted(source.rejected)}")
        if self._mqtt is not None:
            with contextlib.suppress(BrokerError):  # The publisher says that it is lost.
                said.append(await describe_sources(self._mqtt.url, self._publishing.tls))
        if not runner.sessions.totals.samples:
            self._notice("; ".join(said))

    def summary(self) -> list[str]:
        """Return what happened, in lines for people."""
        if self._runner is None:
            return []
        totals = self._runner.sessions.totals
        lines = [
            f"{totals.beats} beats, {totals.events} events; {totals.late} beats later than "
            f"{self._options.budget_ms:g} ms, "
            f"{totals.unlabelled} of them published without a label first",
        ]
        if totals.added.count:
            quantiles = (f"{k} {totals.added.quantile(q):.1f}" for k, q in _QUANTILES.items())
            lines.append(f"added latency, ms: {', '.join(quantiles)}")
        lines.append(f"{self._source.late_turns} of {self._runner.n_turns} turns began late")
        if isinstance(self._source, LiveSource):
            rejected = self._source.rejected
            why = f": {_counted(rejected)}" if rejected else ""
            lines.append(f"{rejected.total()} messages turned away{why}")
        if self._mqtt is not None:
            mqtt = self._mqtt
            lines.append(f"MQTT: {mqtt.sent} sent, {mqtt.queued} not sent, {mqtt.shed} shed")
        return lines

    def _after_turn(self, now_s: float) -> None:
        """Publish what changed, and statistics now and then."""
        if self._mqtt is None or self._runner is None:
            return
        self._mqtt.tell_active()
        if now_s >= self._statistics_due_s:
            self._statistics_due_s = now_s + _STATISTICS_EVERY_S
            self._mqtt.publish_statistics(self.statistics(self._runner))

    def statistics(self, runner: Runner) -> WardStatisticsMessage:
        """Return the figures of the whole ward, for programs."""
        sessions, source = runner.sessions, self._source
        live = source.patients if isinstance(source, LiveSource) else {}
        rejected = source.rejected if isinstance(source, LiveSource) else {}
        counts = [patient.track.counts for patient in live.values()]
        return WardStatisticsMessage(
            schema=SCHEMA_VERSION,
            source=self._options.name,
            time=utc_time(time.time()),
            patients=len(sessions),
            beats=sessions.totals.beats,
            late=sessions.totals.late,
            unlabelled=sessions.totals.unlabelled,
            budget_ms=self._options.budget_ms,
            added_ms={k: sessions.totals.added.quantile(q) for k, q in _QUANTILES.items()},
            late_ticks=source.late_turns,
            rejected={kind.value: n for kind, n in rejected.items()},
            lost_samples=sum(count.lost_samples for count in counts),
            duplicates=sum(count.duplicates for count in counts),
            reordered=sum(count.reordered for count in counts),
            clock_drift_ppm={name: one.track.drift_ppm for name, one in live.items()},
        )

    def _say_fault(self) -> None:
        """Have the ward's last status say that it didn't end as it was meant to."""
        if self._mqtt is not None:
            self._mqtt.reason = FAULT

    def _notice(self, line: str) -> None:
        """Print a line, unless the table of patients has the screen."""
        if not self._options.monitor:
            say(line)


def _counted(rejected: Counter[Rejection]) -> str:
    return ", ".join(f"{kind} {n}" for kind, n in rejected.most_common())


async def _end(task: "asyncio.Task[None]") -> None:
    """Stop reading; what went wrong in it is raised here."""
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
