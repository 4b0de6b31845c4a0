"""Put together what `ecg-stream ward` runs: sources, network, broker, files and summary."""

import contextlib
import sys
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from classifier.network.runtime import load_model
from streamer.beats.batched_model import BatchedModel
from streamer.beats.ledger import LedgerConfig
from streamer.core.text import say
from streamer.messages.payload import utc_time
from streamer.messages.source_status import FAULT
from streamer.messages.wire import SCHEMA_VERSION, WardStatisticsMessage
from streamer.monitor.terminal import palette
from streamer.monitor.ward.names import names_of_looped, read_names
from streamer.monitor.ward.screen import WardScreen
from streamer.mqtt.broker import broker_for
from streamer.patient.patients import WardConfig
from streamer.patient.snapshot_file import make_folder
from streamer.patient.ward import Ward
from streamer.patient.warm_up import warm_up
from streamer.rhythm.alerting.patients import PatientAlerts
from streamer.runner.metrics import WardFigures, serving_metrics, ward_figures
from streamer.runner.options import WardOptions, alarm_limits, file_sinks, publishing
from streamer.runner.outputs import Announcement
from streamer.runner.process import calm_memory
from streamer.runner.run_config import RunnerConfig
from streamer.runner.runner import Runner
from streamer.runner.ward_setup import (
    WardStorage,
    check_options,
    records_to_loop,
    sample_of_snapshot,
)
from streamer.signal.ring import SampleRing
from streamer.sinks.sink import Sink
from streamer.sources.live import LiveConfig, LiveSource
from streamer.sources.live_inputs import LiveInputs, counted
from streamer.sources.looped import LoopedRecords, LoopedSource, TurnConfig, patient_names
from streamer.sources.lsl.times import StreamTimes
from streamer.sources.receipts import Receipts

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
        self._times = StreamTimes()
        self._file_sinks = file_sinks(options, append=True, times=self._times)
        self._mqtt: MqttPublisher | None = None
        self._limits = limits = alarm_limits(options)
        self._names = {} if options.names is None else dict(read_names(options.names))
        self._alerts = PatientAlerts(limits.alerts)
        self._statistics_due_s = 0.0
        self._storage: WardStorage | None = None
        turns = TurnConfig(tick_s=options.tick_ms / 1000.0, is_paced=options.speed is not None)
        self._source: LiveSource | LoopedSource
        self._receipts: Receipts | None = None
        # First of all, because what follows takes a while.
        if options.live:
            if options.snapshots is not None and options.mqtt != "off":
                self._storage = storage = storage or WardStorage.alone(options.snapshots)
            self._source = live = LiveSource(
                tuple(f"lead{number + 1}" for number in range(options.leads)),
                seconds=options.seconds,
                config=LiveConfig(turns=turns),
                journal=None if storage is None else storage.journal,
            )
            self._alerts.on_remove = live.remove
            self._receipts = Receipts(live, partial(sample_of_snapshot, options.snapshots))
        else:
            looped = LoopedRecords(records_to_loop(options), options.leads)
            names = patient_names(looped.names, options.patients or len(looped.names))
            self._names = {**names_of_looped(names), **self._names}
            self._source = LoopedSource(looped, names, seconds=options.seconds, config=turns)
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
            self._runner = runner = self._make_runner()
            await self._recall(runner)
            async with contextlib.AsyncExitStack() as stack:
                if isinstance(self._source, LiveSource):
                    await stack.enter_async_context(self._inputs(self._source, runner))
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
            sinks += [self._mqtt, Announcement(f"MQTT broker {self._mqtt.url}")]
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
            on_saved=self._receipts.saved if self._receipts is not None else lambda *_: None,
            on_fault=self._say_fault,
        )
        if options.monitor:
            palette.use(options.theme)
            runner.add_sink(
                WardScreen(
                    runner.sessions,
                    self._alerts,
                    self._ring_of,
                    runner.stop,
                    limits=self._limits,
                    names=self._names,
                )
            )
        return runner

    def _ring_of(self, source: str) -> SampleRing | None:
        """Return a patient's last samples."""
        patient = self._ward.patients.get(source)
        return None if patient is None else patient.chain.path.ring

    def _inputs(self, live: LiveSource, runner: Runner) -> LiveInputs:
        options, mqtt = self._options, self._mqtt
        return LiveInputs(
            live,
            tcp=options.tcp,
            receipts=self._receipts,
            stdin=options.stdin,
            lsl=options.lsl,
            times=self._times,
            broker=None if mqtt is None else mqtt.url,
            tls=self._publishing.tls,
            notice=self._notice,
            has_samples=lambda: runner.sessions.totals.samples > 0,
        )

    def summary(self) -> list[str]:
        """Return what happened, in lines for people."""
        if self._runner is None:
            return []
        totals = self._runner.sessions.totals
        lines = [
            f"{totals.beats} beats, {totals.events} events; {totals.late} beats later than "
            f"{self._options.budget_ms:g} ms, and {totals.late_at_start} at a stream's start; "
            f"{totals.unlabelled} of them published without a label first",
        ]
        if totals.added.count:
            quantiles = (f"{k} {totals.added.quantile(q):.1f}" for k, q in _QUANTILES.items())
            lines.append(f"added latency, ms: {', '.join(quantiles)}")
        lines.append(f"{self._source.late_turns} of {self._runner.n_turns} turns began late")
        if isinstance(self._source, LiveSource):
            rejected = self._source.rejected
            why = f": {counted(rejected)}" if rejected else ""
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
