"""What a report is made of: collected from a record played through the chain, or its events."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from classifier.network.spec import MODEL_NAME, ModelSpec, read_spec
from replay.player import time_range
from replay.record import BLOCK_SAMPLES, Record, Reference, read_samples, recorded_at
from streamer.core.errors import StreamerError
from streamer.core.events import AlarmState, Published, Rhythm, StreamInfo
from streamer.messages.event_lines import read_events
from streamer.messages.payload import to_payload
from streamer.messages.wire import (
    AlarmMessage,
    BeatMessage,
    EventMessage,
    GapMessage,
    RhythmMessage,
)
from streamer.patient.chain import Chain
from streamer.report.particulars import Recorded, when
from streamer.rhythm.timeline import timeline

_MS: Final = 1000.0


def ignore(_part: float) -> None:
    """Show nothing."""


class EventsFileError(StreamerError):
    """A file of events can't be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BeatRow:
    """One beat under its last label."""

    sample: int
    label: str | None
    quality: float
    delay_ms: float
    """Signal time from the R peak until the first label."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmRow:
    """One alarm."""

    rhythm: str
    priority: str
    onset: int
    decided_at: int
    state: str = AlarmState.MOMENT
    """As it was left: ongoing where the recording ends before it."""
    over_at: int | None = None
    """When its end was known."""


@dataclass(slots=True, kw_only=True)
class ReportData:
    """Everything that the report shows, but the signal itself."""

    source: str
    fs: float
    first: int
    stop: int
    """One past the last sample."""
    leads: tuple[str, ...] = ()
    beats: list[BeatRow] = field(default_factory=list)
    alarms: list[AlarmRow] = field(default_factory=list)
    rhythms: list[tuple[str, int]] = field(default_factory=list)
    """Name and onset of each change."""
    gaps: list[tuple[int, int, str]] = field(default_factory=list)
    waves: list[BeatRow] = field(default_factory=list)
    """What was taken for beats in ventricular fibrillation or flutter: not counted as any."""
    training_record: bool = False
    """Whether the shipped model was trained on this record."""
    record: Record | None = None
    """Where the signal is; None if it isn't at hand."""
    reference: Reference | None = None
    recorded: Recorded | None = None
    """When sample 0 was recorded, where that is known."""

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return (self.stop - self.first) / self.fs

    def when(self, seconds: float) -> str:
        """Write a time in the recording, with the time of day where that is known."""
        return when(seconds, self.recorded)

    def segments(self) -> list[tuple[str, int, int]]:
        """Return each segment of a rhythm: its name, its first sample, the one past its last."""
        known = timeline((onset, Rhythm(name)) for name, onset in self.rhythms)
        edges = [*((onset, str(rhythm)) for onset, rhythm in known), (self.stop, "")]
        return [(name, onset, max(end, onset)) for (onset, name), (end, _) in pairwise(edges)]

    def spans(self, rhythm: Rhythm) -> list[tuple[int, int]]:
        """Return first sample and the one past the last of each segment of one rhythm."""
        return [(onset, stop) for name, onset, stop in self.segments() if name == rhythm]

    def signal(self, start: int, stop: int) -> NDArray[np.float32] | None:
        """Read samples, shape (leads, n); None where there is no signal at hand."""
        if self.record is None:
            return None
        start, stop = max(start, 0), min(stop, self.record.n_samples)
        if stop <= start:
            return None
        return read_samples(self.record, start, stop)


def from_record(
    record: Record,
    *,
    start: str | None = None,
    stop: str | None = None,
    on_part: Callable[[float], None] = ignore,
) -> ReportData:
    """Play a record through the chain as fast as it goes.

    Parameters
    ----------
    start, stop : str, optional
        Times such as 5:00.
    on_part : callable
        Told again and again which part of it is done, 0 to 1.

    Raises
    ------
    ValueError
        If the times are not inside the record.
    """
    first, last = time_range(start, stop, fs=record.fs, n_samples=record.n_samples)
    data = ReportData(
        source=record.name,
        fs=record.fs,
        first=first,
        stop=last,
        leads=tuple(record.leads),
        training_record=_may_be_of_training("", record),
        record=record,
        reference=record.reference(),
        recorded=_recorded(record),
    )
    _collect(data, _messages(record, data, on_part))
    return data


def _spec() -> ModelSpec:
    """Read from its sidecar what the shipped model was trained on."""
    sidecar = resources.files("classifier") / "weights" / f"{MODEL_NAME}.json"
    return read_spec(sidecar)


def _may_be_of_training(source: str, record: Record | None) -> bool:
    """Go by the name of the source where the record itself isn't at hand."""
    if record is not None:
        return _spec().is_trained_on(record.database, record.name)
    return source.partition(".")[0] in _spec().training_records


def _recorded(record: Record) -> Recorded | None:
    of_day, day = recorded_at(record)
    return None if of_day is None else Recorded(of_day=of_day, day=day)


def _messages(
    record: Record, data: ReportData, on_part: Callable[[float], None]
) -> Iterator[EventMessage]:
    """Yield what subscribers would get of the record."""
    info = StreamInfo(
        source=record.name,
        fs=record.fs,
        leads=data.leads,
        first_sample=data.first,
        n_samples=data.stop - data.first,
        training_record=data.training_record,
        started_at=0.0,
    )
    chain = Chain(fs=record.fs, n_leads=len(record.leads))
    for chunk in record.chunks(data.first, data.stop, BLOCK_SAMPLES):
        for event in chain.push(chunk):
            yield to_payload(Published(seq=0, event=event, compute_ms=0.0), info)
        on_part((chunk.stop - data.first) / max(data.stop - data.first, 1))
    for event in chain.flush():
        yield to_payload(Published(seq=0, event=event, compute_ms=0.0), info)


def from_events(path: Path, record: Record | None = None) -> ReportData:
    """Read a file of JSON lines as `ecg-stream replay --events` writes it.

    Parameters
    ----------
    path : Path
        The file.
    record : Record, optional
        Where its signal is, for the strips.

    Raises
    ------
    EventsFileError
        If it is no such file, or holds no events.
    """
    messages = _read(path)
    if not messages:
        raise EventsFileError(f"{path} holds no events; give a file of `replay --events`")
    data = ReportData(
        source=messages[0].source,
        fs=messages[0].fs,
        first=min(message.sample for message in messages) if record is None else 0,
        stop=max(message.decided_at for message in messages) + 1,
        leads=() if record is None else tuple(record.leads),
        training_record=_may_be_of_training(messages[0].source, record),
        record=record,
        reference=None if record is None else record.reference(),
        recorded=None if record is None else _recorded(record),
    )
    _collect(data, messages)
    return data


def _read(path: Path) -> list[EventMessage]:
    try:
        with path.open("rb") as file:
            return [found for found in read_events(file) if isinstance(found, EventMessage)]
    except (ValueError, OSError) as error:
        raise EventsFileError(
            f"can't read events from {path}: {error}; give a record or a file of `replay --events`"
        ) from None


def _collect(data: ReportData, messages: Iterable[EventMessage]) -> None:
    """Sort what was found into the rows of the report."""
    delays: dict[int, float] = {}
    for message in messages:
        match message:
            case BeatMessage(revision=0):
                delay = message.decided_at - message.sample
                delays[message.sample] = delay / data.fs * _MS
            case BeatMessage():
                data.beats.append(
                    BeatRow(
                        sample=message.sample,
                        label=message.label,
                        quality=message.quality or 0.0,
                        delay_ms=delays.pop(message.sample, 0.0),
                    )
                )
            case RhythmMessage():
                data.rhythms.append((message.rhythm, message.sample))
            case AlarmMessage():
                _add_alarm(data, message)
            case GapMessage(ongoing=False):
                data.gaps.append((message.sample, message.stop, message.reason))
            case _:
                pass
    _set_waves_aside(data)


def _set_waves_aside(data: ReportData) -> None:
    """Take from the beats what lies in ventricular fibrillation or flutter, and sort both."""
    spans = data.spans(Rhythm.VENTRICULAR_FIBRILLATION)
    found = sorted([*data.beats, *data.waves], key=lambda beat: beat.sample)
    data.beats, data.waves = [], []
    for beat in found:
        is_wave = any(onset <= beat.sample < stop for onset, stop in spans)
        (data.waves if is_wave else data.beats).append(beat)


def _add_alarm(data: ReportData, message: AlarmMessage) -> None:
    """Add an alarm, or the end of one that was added."""
    begun = data.alarms
    if message.state == AlarmState.OVER:
        for k in range(len(begun) - 1, -1, -1):
            if (begun[k].rhythm, begun[k].onset) == (message.rhythm, message.sample):
                begun[k] = replace(begun[k], state=message.state, over_at=message.decided_at)
                return
        return
    begun.append(
        AlarmRow(
            rhythm=message.rhythm,
            priority=message.priority,
            onset=message.sample,
            decided_at=message.decided_at,
            state=message.state,
        )
    )
