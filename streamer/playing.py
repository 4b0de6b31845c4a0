"""Put together what `ecg-stream replay` plays, and with what: record, chain, broker and sinks."""

import re
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal

from rich.console import Console
from rich.text import Text

from classifier.runtime import load_model
from replay.player import Player, parse_time
from replay.record import Record
from replay.records import open_record
from streamer import palette
from streamer.broker import broker_for
from streamer.calm_memory import calm_memory
from streamer.chain import Chain
from streamer.cli import EXIT_ERROR, EXIT_INTERRUPTED
from streamer.engine import Engine, EngineConfig, RunReport
from streamer.events import StreamInfo
from streamer.mqtt_options import tls_files
from streamer.publishing import Publishing
from streamer.sinks.annotations import AnnotationSink
from streamer.sinks.base import Sink
from streamer.sinks.jsonl import STANDARD_OUTPUT, JsonLinesSink
from streamer.sinks.lines import LinesSink
from streamer.sinks.monitor import MonitorSink
from streamer.sinks.mqtt import MqttSink
from streamer.sinks.samples import SamplesSink
from streamer.sinks.statistics import StatisticsSink
from streamer.sinks.summary import SummarySink
from streamer.summary import render_summary
from streamer.transport import Transport
from streamer.warm_up import notice_if_slow, warm_up

START_LEAD_S: Final = 0.25
"""From the announcement of a run to its first sample: time for the sinks to connect. The wall time
of every sample is so known beforehand."""
_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9._-]+")
_MAX_NAME: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayOptions:
    """What was asked for on the command line; times as text, because they need the record's fs."""

    record: str
    speed: float | None = 1.0
    """Factor of real time; None is as fast as possible."""
    start: str | None = None
    stop: str | None = None
    chunk: int | None = None
    """Samples; None is one, or a second's worth when the speed is None."""
    lead: str | None = None
    mqtt: str = "embedded"
    monitor: bool | None = None
    """None shows it if standard output is a terminal that nothing else writes to."""
    events: str | None = None
    annotations: str | None = None
    annotator: str = "pred"
    label: Literal["confirmed", "provisional"] = "confirmed"
    budget_ms: float = 500.0
    publish_samples: bool = False
    """Also publish the raw samples, for `ecg-stream ward --live`."""
    outbox: Path | None = None
    """Folder of MQTT messages that wait; None keeps them in memory."""
    outbox_size: int | None = None
    mqtt_version: str = "auto"
    mqtt_ca: Path | None = None
    mqtt_cert: Path | None = None
    mqtt_key: Path | None = None
    ha_discovery: bool = False
    theme: str = "dark"
    """Of the monitor; see `streamer.palette.THEMES`."""


class Playing:
    """One replay, from its options to its exit code.

    Raises
    ------
    ValueError
        If the options make no sense, by themselves or for this record.
    ReplayError
        If the record can't be found or opened.
    """

    def __init__(self, options: ReplayOptions) -> None:
        self._options = options
        self._monitor = _wants_monitor(options)
        self._was_quit = False
        self._publishing = _publishing(options)
        self._file_sinks = _file_sinks(options)
        self._record = open_record(options.record, lead=options.lead)
        self._player = _player(self._record, options)
        # With keys to change the pace, the schedule is the transport's.
        self._transport = _transport(self._player, self._record.fs) if self._monitor else None
        self._engine_to_stop: Engine | None = None
        palette.use(options.theme)
        self._reference = self._record.reference()
        self._model = load_model()

    async def run(self) -> int:
        """Play to the end or to an interrupt, say what came of it, and return the exit code.

        Raises
        ------
        StreamerError
            If a sink or the broker can't start.
        ReplayError
            If the record turns out to be damaged.
        """
        record = self._record
        with notice_if_slow(_say_compiling):
            warm_up(record.fs, len(record.leads), self._model)
        async with broker_for(self._options.mqtt) as url:
            mqtt = None
            if url is not None:
                mqtt = self._publishing.sink(url, source_name(record.name), self._notice)
                _say(f"MQTT broker {url}; to follow in a second terminal: {self._listen(url)}")
            summary = SummarySink(
                budget_ms=self._options.budget_ms, mqtt=mqtt, reference=self._reference
            )
            with calm_memory():
                report = await self._engine(mqtt, summary).run()
        self._print(render_summary(summary.summary))
        return self._conclude(report, mqtt)

    def _listen(self, url: str) -> str:
        """Return the command that follows us; it finds an embedded broker by itself."""
        command = "ecg-stream listen"
        return command if self._publishing.is_embedded else f"{command} {url}"

    def _engine(self, mqtt: MqttSink | None, summary: SummarySink) -> Engine:
        """Join everything; files come first, so that one that can't be written stops the start."""
        sinks: list[Sink] = [*self._file_sinks, summary]
        if mqtt is not None:
            # Before the sink that it publishes through, so that it is closed before.
            sinks += [StatisticsSink(mqtt, budget_ms=self._options.budget_ms), mqtt]
            if self._options.publish_samples:
                # A name of its own: the ward labels it on topics of its own.
                sinks.append(SamplesSink(mqtt.url, name=f"{self._info().source}.live"))
        sinks += self._display(mqtt)
        source = self._transport or self._player
        engine = Engine(
            source,
            Chain(fs=self._record.fs, n_leads=len(self._record.leads), model=self._model),
            sinks,
            self._info(),
            paced=self._options.speed == 1.0,
            schedule=source.due if self._options.speed == 1.0 else None,
            config=EngineConfig(budget_ms=self._options.budget_ms),
            on_failure=self._notice,
            first_seq=0 if mqtt is None else mqtt.first_seq,
        )
        self._engine_to_stop = engine
        return engine

    def _quit(self) -> None:
        self._was_quit = True  # as asked for on screen: no failure, unlike a signal
        if self._engine_to_stop is not None:
            self._engine_to_stop.stop()

    def _display(self, mqtt: MqttSink | None) -> list[Sink]:
        """Return the monitor or plain lines; nothing where JSON lines have standard output."""
        if self._monitor:
            options = self._options
            return [
                MonitorSink(
                    budget_ms=options.budget_ms,
                    mqtt=mqtt,
                    reference=self._reference,
                    speed=options.speed,
                    transport=self._transport,
                    on_quit=self._quit,
                )
            ]
        return [] if self._options.events == STANDARD_OUTPUT else [LinesSink(sys.stdout)]

    def _info(self) -> StreamInfo:
        record, player = self._record, self._player
        if self._options.speed is not None:
            begin_at = time.monotonic() + START_LEAD_S
            if self._transport is None:
                player.begin_at = begin_at
            else:
                self._transport.begin_at = begin_at
        trained_on = record.database == "mitdb" and record.name in self._model.spec.training_records
        return StreamInfo(
            source=source_name(record.name),
            fs=record.fs,
            leads=record.leads,
            first_sample=player.start,
            n_samples=player.n_samples,
            training_record=trained_on,
            started_at=time.time() + START_LEAD_S,
        )

    def _notice(self, line: str) -> None:
        """Say something while playing, unless the monitor has the screen."""
        if not self._monitor:
            _say(line)

    def _print(self, text: Text) -> None:
        """Print on standard output, or beside it where JSON lines have that for themselves."""
        Console(stderr=self._options.events == STANDARD_OUTPUT).print(text)

    def _conclude(self, report: RunReport, mqtt: MqttSink | None) -> int:
        lost = 0 if mqtt is None else mqtt.shed
        if mqtt is not None and mqtt.undelivered and mqtt.is_durable:
            _say(
                f"{mqtt.undelivered} MQTT messages wait in {self._options.outbox}; they go out "
                "when this source is played again"
            )
        elif mqtt is not None:
            lost += mqtt.undelivered
        if lost:
            _say(f"{lost} MQTT messages could not be delivered: the broker was away or too slow")
        if self._monitor:
            for failure in report.failures:
                _say(failure)
        if report.failures or lost:
            return EXIT_ERROR
        return EXIT_INTERRUPTED if report.interrupted and not self._was_quit else 0


def source_name(record: str) -> str:
    """Make a record's name fit for a topic: letters, digits, '.', '_' and '-' only."""
    return _NOT_IN_NAMES.sub("-", record).lstrip("._-")[:_MAX_NAME] or "record"


def _wants_monitor(options: ReplayOptions) -> bool:
    to_output = options.events == STANDARD_OUTPUT
    terminal = sys.stdout.isatty()
    if options.monitor and to_output:
        raise ValueError("--events - needs standard output for itself; add --no-monitor")
    if options.monitor and not terminal:
        raise ValueError("--monitor needs a terminal; leave it out to get plain lines")
    return terminal and not to_output and options.monitor is not False


def _file_sinks(options: ReplayOptions) -> list[Sink]:
    sinks: list[Sink] = []
    if options.events is not None:
        sinks.append(JsonLinesSink(options.events))
    if options.annotations is not None:
        sinks.append(AnnotationSink(options.annotations, options.annotator, options.label))
    return sinks


def _publishing(options: ReplayOptions) -> Publishing:
    return Publishing(
        mqtt=options.mqtt,
        version=options.mqtt_version,
        tls=tls_files(asdict(options), options.mqtt),
        outbox=options.outbox,
        outbox_size=options.outbox_size,
        ha_discovery=options.ha_discovery,
    )


def _player(record: Record, options: ReplayOptions) -> Player:
    fast = options.speed is None
    return Player(
        record,
        start=0 if options.start is None else parse_time(options.start, record.fs),
        stop=None if options.stop is None else parse_time(options.stop, record.fs),
        chunk=options.chunk or (round(record.fs) if fast else 1),
        speed=options.speed,
    )


def _transport(player: Player, fs: float) -> Transport:
    """Take the pace over from the player."""
    transport = Transport(player, fs=fs, speed=player.speed)
    player.speed = None
    return transport


def _say(line: str) -> None:
    """Tell the person at the keyboard; standard output is for results."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _say_compiling() -> None:
    if sys.stderr.isatty():
        _say("compiling the signal path (first run only) ...")
