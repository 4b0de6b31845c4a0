"""Put together what `ecg-stream ward` runs: sources, network, broker, files and summary."""

import asyncio
import contextlib
import dataclasses
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

from classifier.network.runtime import load_model
from replay.record import Record
from replay.records import open_record, records_of
from streamer.beats.batched_model import BatchedModel
from streamer.core.errors import OutputError
from streamer.core.events import Published, StreamInfo
from streamer.core.text import say
from streamer.messages.payload import TOPIC_PREFIX, check_source, to_payload, utc_time
from streamer.messages.wire import SCHEMA_VERSION, WardStatisticsMessage, dumps
from streamer.monitor.terminal import palette
from streamer.monitor.ward.screen import WardScreen
from streamer.mqtt.broker import EMBEDDED, broker_for, check_option
from streamer.mqtt.options import tls_files
from streamer.mqtt.protocol import AUTO, Version
from streamer.mqtt.publisher import WARD, MqttPublisher
from streamer.patient.ward import Ward
from streamer.patient.warm_up import warm_up
from streamer.runner.beds import Beds
from streamer.runner.ward_run import WardRun, WardRunConfig
from streamer.sources.looped import LoopedRecords
from streamer.sources.streams import STDIN_SOURCE, read_stdin, serve_tcp

_STATS_EVERY_S: Final = 5.0
_QUANTILES: Final = {"median": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class WardOptions:
    """What was asked for on the command line."""

    records: tuple[str, ...] = ()
    """Looped; mitdb's if empty."""
    patients: int | None = None
    """None: one a record."""
    live: bool = False
    """Label what comes on `ecg/<source>/samples` instead."""
    tcp: int | None = None
    """Port on which live sources may connect."""
    stdin: str | None = None
    """`frames`, or the sampling frequency of text."""
    leads: int = 2
    seconds: float | None = None
    speed: float | None = 1.0
    """None is as fast as possible."""
    tick_ms: float = 50.0
    budget_ms: float = 500.0
    mqtt: str = "embedded"
    name: str = WARD
    """Of the ward's own status and statistics over MQTT."""
    mqtt_ca: Path | None = None
    mqtt_cert: Path | None = None
    mqtt_key: Path | None = None
    events: Path | None = None
    snapshots: Path | None = None
    snapshot_every_s: float = 30.0
    monitor: bool = False
    theme: str = "dark"
    """Of the monitor; see `streamer.monitor.terminal.palette.THEMES`."""


class WardPlaying:
    """One run of a ward, from its options to its exit code.

    Raises
    ------
    ValueError
        If the options make no sense.
    ReplayError
        If a record can't be found or read.
    """

    def __init__(self, options: WardOptions) -> None:
        others = options.tcp is not None or options.stdin is not None
        if others and not options.live:
            raise ValueError("--tcp and --stdin are live sources; add --live")
        if options.live and options.mqtt == "off" and not others:
            raise ValueError("--live takes its samples from MQTT; leave out --mqtt off")
        if options.live and options.speed is None:
            raise ValueError("--live comes at its own pace; leave out --speed max")
        check_option(options.mqtt)
        check_source(options.name)
        self._tls = tls_files(dataclasses.asdict(options), options.mqtt)
        self._options = options
        self._publisher: MqttPublisher | None = None
        self._file: TextIO | None = None
        self._stats_due_s = 0.0
        self._began_s = time.monotonic()
        # First of all, because what follows takes a while.
        self._looped = None if options.live else LoopedRecords(_records(options), options.leads)
        model = BatchedModel(load_model())
        model.warm_up()
        warm_up(model, n_leads=options.leads)
        self._ward = Ward(model, n_leads=options.leads)
        self._beds = Beds(self._publish, budget_ms=options.budget_ms)
        self._run: WardRun | None = None

    async def run(self) -> int:
        """Run until the end or an interrupt; print a summary.

        Raises
        ------
        StreamerError
            If the broker or a file can't be used.
        """
        options = self._options
        if options.snapshots is not None:
            _make_folder(options.snapshots)
        self._file = _open(options.events)
        try:
            async with broker_for(options.mqtt) as url:
                await self._run_with(url)
        finally:
            if self._file is not None:
                self._file.close()
        sys.stdout.write("\n".join(self.summary()) + "\n")
        return 0

    def stop(self) -> None:
        """End the run after the current tick."""
        if self._run is not None:
            self._run.stop()

    async def _run_with(self, url: str | None) -> None:
        options, looped = self._options, self._looped
        if url is not None:
            self._publisher = MqttPublisher(
                url,
                ward=options.name,
                # What the embedded broker speaks is known; another one is asked.
                version=Version.V311.value if options.mqtt.startswith(EMBEDDED) else AUTO,
                on_samples=self._receive if looped is None else None,
                on_notice=self._notice,
                tls=self._tls,
            )
        self._run = run = WardRun(
            self._ward,
            self._beds,
            n_leads=options.leads,
            config=WardRunConfig(
                tick_s=options.tick_ms / 1000.0,
                snapshot_every_s=options.snapshot_every_s,
                paced=options.speed is not None,
            ),
            snapshots=options.snapshots,
            on_source=self._announce,
            on_tick=self._tick,
            memory=self._publisher,
        )
        if self._publisher is not None:
            await self._publisher.start()
            say(f"MQTT broker {url}")
        screen = None
        if options.monitor:
            palette.use(options.theme)
            screen = asyncio.create_task(WardScreen(self._ward, self._beds, run.stop).run())
        try:
            if looped is None:
                await self._run_live(run)
            else:
                n = options.patients or len(looped.names)
                await run.run_looped(looped, bed_names(looped.names, n), options.seconds)
        finally:
            if screen is not None:
                await _end(screen)
            if self._publisher is not None:
                await self._publisher.close()

    def _receive(self, source: str, payload: bytes, now_s: float) -> None:
        if self._run is not None:
            self._run.receive(source, payload, now_s)

    async def _run_live(self, run: WardRun) -> None:
        options = self._options
        async with contextlib.AsyncExitStack() as stack:
            if self._publisher is not None:
                say(f"waiting for samples on {TOPIC_PREFIX}/<source>/samples")
            if options.tcp is not None:
                await stack.enter_async_context(
                    await serve_tcp(options.tcp, run.receive, notice=say)
                )
                say(f"waiting for TCP sources on port {options.tcp}")
            if options.stdin is not None:
                run.intake.trust(STDIN_SOURCE)
                reading = asyncio.create_task(read_stdin(options.stdin, run.receive))
                if options.tcp is None and options.mqtt == "off":
                    reading.add_done_callback(lambda _: run.stop())
                stack.push_async_callback(_end, reading)
            await run.run_live(options.seconds)

    def summary(self) -> list[str]:
        """Say what the run came to."""
        totals = self._beds.totals
        lines = [
            f"{totals.beats} beats, {totals.events} events; {totals.late} beats later than "
            f"{self._options.budget_ms:g} ms, "
            f"{totals.unlabelled} of them published without a label first",
        ]
        if totals.added.count:
            quantiles = (f"{k} {totals.added.quantile(q):.1f}" for k, q in _QUANTILES.items())
            lines.append(f"added latency, ms: {', '.join(quantiles)}")
        if self._run is not None:
            lines.append(f"{self._run.late_ticks} of {self._run.ticks} ticks began late")
            if self._options.live:
                rejected = self._run.intake.rejected
                why = ", ".join(f"{kind} {n}" for kind, n in rejected.most_common())
                lines.append(f"{rejected.total()} messages turned away{f': {why}' if why else ''}")
        if self._publisher is not None:
            mqtt = self._publisher
            lines.append(f"MQTT: {mqtt.sent} sent, {mqtt.queued} not sent, {mqtt.shed} shed")
        return lines

    def _publish(self, info: StreamInfo, message: Published) -> None:
        if self._publisher is None and self._file is None:
            return
        if self._publisher is not None:
            self._publisher.publish(info, message)
        if self._file is not None:
            self._file.write(dumps(to_payload(message, info)).decode() + "\n")

    def _announce(self, info: StreamInfo, came: bool) -> None:
        """Publish that a source has come or left."""
        if self._publisher is None:
            return
        if came:
            self._publisher.open(info, first_seq=self._beds.beds[info.source].seq)
        else:
            self._publisher.close_source(info.source)

    def _tick(self, now_s: float) -> None:
        """Write what the file has, and publish what changed; statistics now and then."""
        if self._file is not None:
            self._file.flush()
        if self._publisher is None:
            return
        self._publisher.tell_active()
        if now_s >= self._stats_due_s:
            self._stats_due_s = now_s + _STATS_EVERY_S
            self._publisher.publish_statistics(self.statistics())

    def _notice(self, line: str) -> None:
        """Say something, unless the table of patients has the screen."""
        if not self._options.monitor:
            say(line)

    def statistics(self) -> WardStatisticsMessage:
        """Return the figures of the whole ward, for programs."""
        totals, run = self._beds.totals, self._run
        live = {} if run is None else run.intake.sources
        counts = [source.track.counts for source in live.values()]
        return WardStatisticsMessage(
            schema=SCHEMA_VERSION,
            source=self._options.name,
            time=utc_time(time.time()),
            patients=len(self._beds),
            beats=totals.beats,
            late=totals.late,
            unlabelled=totals.unlabelled,
            budget_ms=self._options.budget_ms,
            added_ms={name: totals.added.quantile(q) for name, q in _QUANTILES.items()},
            late_ticks=0 if run is None else run.late_ticks,
            rejected={} if run is None else {k.value: n for k, n in run.intake.rejected.items()},
            lost_samples=sum(count.lost_samples for count in counts),
            duplicates=sum(count.duplicates for count in counts),
            reordered=sum(count.reordered for count in counts),
            clock_drift_ppm={name: source.track.drift_ppm for name, source in live.items()},
        )


def bed_names(records: tuple[str, ...], n: int) -> list[str]:
    """Name n patients after the records they play: `208`, `208.2`, ..."""
    names = []
    for k in range(n):
        lap, record = divmod(k, len(records))
        names.append(records[record] if lap == 0 else f"{records[record]}.{lap + 1}")
    return names


def _records(options: WardOptions) -> list[Record]:
    names = list(options.records) or records_of("mitdb")
    return [open_record(name) for name in names]


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"can't make snapshot folder {path}: {error.strerror}") from error


def _open(path: Path | None) -> TextIO | None:
    if path is None:
        return None
    try:
        return path.open("a")
    except OSError as error:
        raise OutputError(f"can't write events to {path}: {error.strerror}") from error


async def _end(task: "asyncio.Task[None]") -> None:
    """Stop reading; what went wrong in it is raised here."""
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
