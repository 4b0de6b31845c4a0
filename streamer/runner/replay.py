"""Put together what `ecg-stream replay` plays, and with what: record, chain, broker and sinks."""

import signal
import sys
import time
from dataclasses import asdict, astuple, replace
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.text import Text

from classifier.network.runtime import load_model
from replay.lead_following import open_two_leads
from replay.player import Player, parse_time
from replay.record import Record, offered_leads
from streamer.core.events import StreamInfo
from streamer.core.exit_codes import EXIT_ERROR, EXIT_SIGNAL
from streamer.core.text import say
from streamer.messages.payload import source_name
from streamer.monitor.sink import MonitorSink
from streamer.monitor.summary import SummarySink
from streamer.monitor.summary_view import render_summary
from streamer.monitor.terminal import palette
from streamer.mqtt.access import tls_files
from streamer.mqtt.broker import broker_for
from streamer.mqtt.samples import SamplesSink
from streamer.patient.patients import WardConfig
from streamer.patient.ward import Ward
from streamer.patient.warm_up import warm_up
from streamer.rhythm.alerting.patients import PatientAlerts
from streamer.runner.options import (
    ReplayOptions,
    alarm_limits,
    file_sinks,
    publishing,
    wants_monitor,
)
from streamer.runner.outputs import Announcement
from streamer.runner.process import calm_memory
from streamer.runner.run_config import RunnerConfig, RunReport
from streamer.runner.runner import Runner
from streamer.scoring.account import Account
from streamer.sinks.jsonl import STANDARD_OUTPUT
from streamer.sinks.lines import LinesSink
from streamer.sinks.sink import Sink
from streamer.sinks.statistics import StatisticsSink
from streamer.sources.live_feed import Feed, LiveFeed
from streamer.sources.lsl.description import SCHEME as LSL_SCHEME
from streamer.sources.lsl.feed import LslFeed
from streamer.sources.paced import PacedSource
from streamer.sources.source import Source
from streamer.sources.transport import Transport

if TYPE_CHECKING:
    from streamer.mqtt.publisher import MqttPublisher

START_LEAD_S: Final = 0.25
"""From the announcement of a run to its first sample: time for the sinks to connect. The wall time
of every sample is so known beforehand."""


class Replay:
    """One replay, from its options to its exit code.

    Parameters
    ----------
    options : ReplayOptions
    feed : Feed, optional
        A live source that has begun, in place of the record.

    Raises
    ------
    ValueError
        If the options make no sense, by themselves or for this record.
    ReplayError
        If the record can't be found or opened.
    """

    def __init__(self, options: ReplayOptions, feed: Feed | None = None) -> None:
        self._options = options
        self._monitor = wants_monitor(options)
        self._was_quit = False
        self._publishing = publishing(options)
        self._file_sinks = file_sinks(options, times=None if feed is None else feed.times)
        self._feed = feed
        self._record: Record | None = None
        self._transport: Transport | None = None
        if feed is None:
            self._record = open_two_leads(options.record, lead=options.lead, options=options.file)
            self._player = _player(self._record, options)
            # With keys to change the pace, the schedule is the transport's.
            if self._monitor:
                self._transport = _transport(self._player, self._record.fs)
        self._accounts: dict[str, Account] = {}
        self._limits = alarm_limits(options)
        self._alerts = PatientAlerts(self._limits.alerts)
        self._runner: Runner | None = None
        palette.use(options.theme)
        self._model = load_model()

    async def run(self) -> int:
        """Play to the end or to an interrupt, print a summary, and return the exit code.

        Raises
        ------
        StreamerError
            If a sink or the broker can't start.
        ReplayError
            If the record turns out to be damaged.
        """
        source_of = self._record or self._feed
        if source_of is None:
            raise RuntimeError("there is neither a record nor a live source")
        n_leads = len(source_of.leads)
        warm_up(self._model, n_leads=n_leads, fs=source_of.fs)
        async with broker_for(self._options.mqtt) as url:
            mqtt = None
            if url is not None:
                name = source_name(source_of.name)
                mqtt = self._publishing.publisher(url, name, self._notice, alerts=self._alerts)
            summary = SummarySink(self._accounts, mqtt=mqtt)
            runner = Runner(
                self._source(),
                self._model,
                self._sinks(mqtt, summary),
                ward=Ward(self._model, n_leads=n_leads, config=self._ward_config()),
                config=RunnerConfig(
                    budget_ms=self._options.budget_ms,
                    snapshot_every_s=self._options.snapshot_every_s,
                ),
                snapshots=self._options.snapshots,
                memory=mqtt,
                accounts=self._accounts,
                alerts=self._alerts,
                on_failure=self._notice,
            )
            self._runner = runner
            with calm_memory():
                report = await runner.run()
        self._print(render_summary(summary.summary))
        return self._conclude(report, mqtt)

    def _ward_config(self) -> WardConfig:
        """Return that of a single patient, whose tracker hears of each sample as it comes."""
        chain = replace(WardConfig().chain, rhythm=self._limits.rhythm)
        return WardConfig(poll_s=0.0, chain=chain)

    def _listen(self, url: str) -> str:
        """Return the command that follows us; it finds an embedded broker by itself."""
        command = "ecg-stream listen"
        return command if self._publishing.is_embedded else f"{command} {url}"

    def _source(self) -> Source:
        """Return what is played, on its schedule."""
        if self._feed is not None:
            return self._feed
        record, player = self._record, self._player
        if record is None:
            raise RuntimeError("there is neither a record nor a live source")
        is_real_time = self._options.speed == 1.0
        if self._options.speed is not None:
            (self._transport or player).begin_at = time.monotonic() + START_LEAD_S
        trained_on = self._model.spec.is_trained_on(record.database, record.name)
        info = StreamInfo(
            source=source_name(record.name),
            fs=record.fs,
            leads=record.leads,
            first_sample=player.start,
            n_samples=player.n_samples,
            training_record=trained_on,
            started_at=time.time() + START_LEAD_S,
            n_offered=len(offered_leads(record)),
        )
        return PacedSource(
            self._transport or player,
            info,
            is_real_time=is_real_time,
            reference=record.reference(),
            go_on=lambda sample: setattr(player, "start", sample),
        )

    def _sinks(self, mqtt: "MqttPublisher | None", summary: SummarySink) -> list[Sink]:
        """Return all sinks; files come first, so that one that can't be written stops the start."""
        sinks: list[Sink] = [*self._file_sinks, summary]
        if mqtt is not None:
            # Before the sink that it publishes through, so that it is closed before.
            follow = f"to follow in a second terminal: {self._listen(mqtt.url)}"
            reached = Announcement(f"MQTT broker {mqtt.url}; {follow}")
            sinks += [StatisticsSink(mqtt, self._accounts), mqtt, reached]
            if self._options.publish_samples and self._record is not None:
                # A name of its own: the ward labels it on topics of its own.
                sinks.append(SamplesSink(mqtt.url, name=f"{source_name(self._record.name)}.live"))
        return [*sinks, *self._display(mqtt)]

    def _display(self, mqtt: "MqttPublisher | None") -> list[Sink]:
        """Return the monitor or plain lines; nothing where JSON lines have standard output."""
        options = self._options
        if not self._monitor:
            to_output = options.events == STANDARD_OUTPUT
            return [] if to_output else [LinesSink(sys.stdout, self._accounts)]
        return [
            MonitorSink(
                accounts=self._accounts,
                alerts=self._alerts,
                mqtt=mqtt,
                speed=options.speed,
                transport=self._transport,
                freeze_format=options.freeze_format,
                on_quit=self._quit,
            )
        ]

    def _quit(self) -> None:
        self._was_quit = True  # as asked for on screen: no failure, unlike a signal
        if self._runner is not None:
            self._runner.stop()

    def _notice(self, line: str) -> None:
        """Print a line while playing, unless the monitor has the screen."""
        if not self._monitor:
            say(line)

    def _print(self, text: Text) -> None:
        """Print on standard output, or beside it where JSON lines have that for themselves."""
        Console(stderr=self._options.events == STANDARD_OUTPUT).print(text)

    def _conclude(self, report: RunReport, mqtt: "MqttPublisher | None") -> int:
        lost = 0 if mqtt is None else mqtt.shed
        if mqtt is not None and mqtt.undelivered and mqtt.is_durable:
            say(
                f"{mqtt.undelivered} MQTT messages wait in {self._options.outbox}; they go out "
                "when this source is played again"
            )
        elif mqtt is not None:
            lost += mqtt.undelivered
        if lost:
            say(f"{lost} MQTT messages could not be delivered: the broker was away or too slow")
        if report.n_given_up:
            say(
                f"{report.n_given_up} labels were not worked out: the network took too long; "
                "their beats came all the same"
            )
        if self._monitor:
            for failure in report.failures:
                say(failure)
        if report.failures or lost:
            return EXIT_ERROR
        if report.interrupted and not self._was_quit:
            return EXIT_SIGNAL + (report.signal or signal.SIGINT)
        return 0


async def play_live(options: ReplayOptions) -> int:
    """Play a live source, once it has begun, to its end or an interrupt; return the exit code.

    Raises
    ------
    ValueError
        If the options make no sense for a live source.
    StreamerError
        If its broker can't be reached, or as `Replay.run` raises it.
    """
    chosen = (options.start, options.stop, options.chunk, options.lead, *astuple(options.file))
    if options.speed != 1.0 or any(chosen):
        raise ValueError(
            "a live source comes at its own pace; "
            "leave --speed, --start, --stop, --chunk, --lead, --leads, --fs and --units out"
        )
    feed: Feed
    if options.record.startswith(LSL_SCHEME):
        feed = LslFeed(options.record, on_notice=say)
    else:
        tls = tls_files(asdict(options), options.record)
        if not options.mqtt.startswith("mqtts://"):
            # They are for the source's broker alone.
            options = replace(options, mqtt_ca=None, mqtt_cert=None, mqtt_key=None)
        feed = LiveFeed(options.record, on_notice=say, tls=tls)
    try:
        await feed.connect()
        return await Replay(options, feed).run()
    finally:
        await feed.close()


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
