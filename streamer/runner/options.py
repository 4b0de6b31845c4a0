"""What `ecg-stream replay` and `ecg-stream ward` were asked for, and what it means for outputs."""

import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from replay.formats.options import FileOptions
from streamer.mqtt.access import tls_files
from streamer.mqtt.publishing import Publishing
from streamer.rhythm.alerting.limits import AlarmLimits, read_alarm_limits
from streamer.sinks.annotations import AnnotationSink
from streamer.sinks.jsonl import STANDARD_OUTPUT, JsonLinesSink
from streamer.sinks.lsl_markers import LslMarkers
from streamer.sinks.sink import Sink
from streamer.sources.lsl.times import StreamTimes


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputOptions:
    """Where the events of one patient or of many go."""

    mqtt: str = "embedded"
    mqtt_version: str = "auto"
    mqtt_ca: Path | None = None
    mqtt_cert: Path | None = None
    mqtt_key: Path | None = None
    outbox: Path | None = None
    """Folder of MQTT messages that wait; None keeps them in memory."""
    outbox_size: int | None = None
    ha_discovery: bool = False
    events: str | None = None
    lsl_markers: str | None = None
    """Name of an LSL stream of markers."""
    annotations: str | None = None
    annotator: str = "pred"
    label: Literal["confirmed", "provisional"] = "confirmed"
    budget_ms: float = 500.0
    alarm_limits: Path | None = None
    """File of alarm limits; None is the defaults."""
    snapshots: Path | None = None
    """Folder of the patients' states, which a new run goes on from."""
    snapshot_every_s: float = 30.0
    monitor: bool | None = None
    """None shows it if standard output is a terminal that nothing else writes to."""
    theme: str = "dark"
    """Of the monitor; see `streamer.monitor.terminal.palette.THEMES`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayOptions(OutputOptions):
    """What was asked for on the command line; times as text, because they need the record's fs."""

    record: str
    speed: float | None = 1.0
    """Factor of real time; None is as fast as possible."""
    start: str | None = None
    stop: str | None = None
    chunk: int | None = None
    """Samples; None is one, or a second's worth when the speed is None."""
    lead: str | None = None
    file: FileOptions = field(default_factory=FileOptions)
    """Which leads, and what the record's file doesn't state."""
    publish_samples: bool = False
    """Also publish the raw samples, for `ecg-stream ward --live`."""
    freeze_format: Literal["svg", "png", "both"] = "svg"
    """What the monitor writes a frozen strip as."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WardOptions(OutputOptions):
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
    lsl: tuple[str, ...] = ()
    """Names of LSL streams."""
    leads: int = 2
    seconds: float | None = None
    speed: float | None = 1.0
    """None is as fast as possible."""
    tick_ms: float = 50.0
    names: Path | None = None
    """File of the patients' names, for the screen."""
    metrics: int | None = None
    """Port on which Prometheus gets figures."""
    name: str = "ward"
    """Of the ward's own status and statistics over MQTT."""


def wants_monitor(options: OutputOptions) -> bool:
    """Whether the monitor is to be shown.

    Raises
    ------
    ValueError
        If it is asked for where it can't be.
    """
    to_output = options.events == STANDARD_OUTPUT
    terminal = sys.stdout.isatty()
    if options.monitor and to_output:
        raise ValueError("--events - needs standard output for itself; add --no-monitor")
    if options.monitor and not terminal:
        raise ValueError("--monitor needs a terminal; leave it out to get plain lines")
    return terminal and not to_output and options.monitor is not False


def file_sinks(
    options: OutputOptions, *, append: bool = False, times: StreamTimes | None = None
) -> list[Sink]:
    """Make the sinks that write files, and the one of LSL markers.

    Raises
    ------
    ValueError
        If an annotator's name is none.
    StreamerError
        If `pylsl` is wanted and not installed.
    """
    sinks: list[Sink] = []
    if options.events is not None:
        sinks.append(JsonLinesSink(options.events, append=append))
    if options.annotations is not None:
        sinks.append(AnnotationSink(options.annotations, options.annotator, options.label))
    if options.lsl_markers is not None:
        sinks.append(LslMarkers(options.lsl_markers, times or StreamTimes()))
    return sinks


def alarm_limits(options: OutputOptions) -> AlarmLimits:
    """Return the limits that are asked for, or the defaults.

    Raises
    ------
    AlarmLimitsError
        If the file can't be used.
    """
    path = options.alarm_limits
    return AlarmLimits() if path is None else read_alarm_limits(path)


def publishing(options: OutputOptions) -> Publishing:
    """Return how to publish.

    Raises
    ------
    ValueError
        If the options contradict each other.
    """
    return Publishing(
        mqtt=options.mqtt,
        version=options.mqtt_version,
        tls=tls_files(asdict(options), options.mqtt),
        outbox=options.outbox,
        outbox_size=options.outbox_size,
        ha_discovery=options.ha_discovery,
    )
