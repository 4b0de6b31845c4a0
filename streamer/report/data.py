"""What a report is made of: collected from a record played through the chain, or its events."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from classifier.network.runtime import load_model
from replay.player import parse_time
from replay.record import BLOCK_SAMPLES, Record, Reference
from streamer.core.errors import StreamerError
from streamer.core.events import Alarm, Event, Gap, LabeledBeat, RhythmEvent
from streamer.patient.chain import Chain

_MS: Final = 1000.0


def _ignore(_part: float) -> None:
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
    training_record: bool = False
    """Whether the shipped model was trained on this record."""
    record: Record | None = None
    """Where the signal is; None if it isn't at hand."""
    reference: Reference | None = None

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return (self.stop - self.first) / self.fs

    def signal(self, start: int, stop: int) -> NDArray[np.float32] | None:
        """Read samples, shape (leads, n); None where there is no signal at hand."""
        if self.record is None:
            return None
        start, stop = max(start, 0), min(stop, self.record.n_samples)
        if stop <= start:
            return None
        blocks = [chunk.samples for chunk in self.record.chunks(start, stop, BLOCK_SAMPLES)]
        return np.concatenate(blocks, axis=1)


def from_record(
    record: Record,
    *,
    start: str | None = None,
    stop: str | None = None,
    on_part: Callable[[float], None] = _ignore,
) -> ReportData:
    """Play a record through the chain as fast as it goes.

    Parameters
    ----------
    record : Record
    start, stop : str, optional
        Times such as 5:00.
    on_part : callable
        Told again and again which part of it is done, 0 to 1.

    Raises
    ------
    ValueError
        If the times are not inside the record.
    """
    first = 0 if start is None else parse_time(start, record.fs)
    last = record.n_samples if stop is None else min(record.n_samples, parse_time(stop, record.fs))
    data = ReportData(
        source=record.name,
        fs=record.fs,
        first=first,
        stop=last,
        leads=tuple(record.leads),
        training_record=record.database == "mitdb"
        and record.name in load_model().spec.training_records,
        record=record,
        reference=record.reference(),
    )
    chain = Chain(fs=record.fs, n_leads=len(record.leads))
    delays: dict[int, float] = {}
    for chunk in record.chunks(first, last, BLOCK_SAMPLES):
        _take_events(data, chain.push(chunk), delays)
        on_part((chunk.stop - first) / max(last - first, 1))
    _take_events(data, chain.flush(), delays)
    data.beats.sort(key=lambda beat: beat.sample)
    return data


def _take_events(data: ReportData, events: list[Event], delays: dict[int, float]) -> None:
    for event in events:
        match event:
            case LabeledBeat(revision=0):
                sample = event.beat.rpeak.sample
                delays[sample] = (event.decided_at - sample) / data.fs * _MS
            case LabeledBeat():
                sample = event.beat.rpeak.sample
                data.beats.append(
                    BeatRow(
                        sample=sample,
                        label=None if event.label is None else event.label.value,
                        quality=event.beat.rpeak.quality,
                        delay_ms=delays.pop(sample, 0.0),
                    )
                )
            case RhythmEvent():
                data.rhythms.append((event.rhythm.value, event.onset))
            case Alarm():
                data.alarms.append(
                    AlarmRow(
                        rhythm=event.rhythm.value,
                        priority=event.priority.name.lower(),
                        onset=event.onset,
                        decided_at=event.decided_at,
                    )
                )
            case Gap(ongoing=False):
                data.gaps.append((event.start, event.stop, event.reason.value))
            case Gap():
                pass


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
    rows = list(_lines(path))
    if not rows:
        raise EventsFileError(f"{path} holds no events; give a file of `replay --events`")
    samples = [int(row["sample"]) for row in rows]
    first, last = min(samples), max(int(row["decided_at"]) for row in rows) + 1
    data = ReportData(
        source=str(rows[0]["source"]),
        fs=float(rows[0]["fs"]),
        first=first if record is None else 0,
        stop=last,
        leads=() if record is None else tuple(record.leads),
        record=record,
        reference=None if record is None else record.reference(),
    )
    delays: dict[int, float] = {}
    for row in rows:
        _take_row(data, row, delays)
    data.beats.sort(key=lambda beat: beat.sample)
    return data


def _lines(path: Path) -> list[dict[str, Any]]:
    rows = []
    try:
        with path.open(encoding="utf-8") as file:
            for number, text in enumerate(file, start=1):
                row = json.loads(text)
                if not isinstance(row, dict):
                    raise EventsFileError(f"{path}, line {number}: no event; expected an object")
                if row.get("type") in {"beat", "rhythm", "alarm", "gap"} and "sample" in row:
                    rows.append(row)
    except (ValueError, OSError) as error:
        raise EventsFileError(
            f"can't read events from {path}: {error}; give a record or a file of `replay --events`"
        ) from None
    return rows


def _take_row(data: ReportData, row: dict[str, Any], delays: dict[int, float]) -> None:
    sample = int(row["sample"])
    match row["type"]:
        case "beat" if row["revision"] == 0:
            delays[sample] = (int(row["decided_at"]) - sample) / data.fs * _MS
        case "beat":
            data.beats.append(
                BeatRow(
                    sample=sample,
                    label=row["label"],
                    quality=float(row["quality"] or 0.0),
                    delay_ms=delays.pop(sample, 0.0),
                )
            )
        case "rhythm":
            data.rhythms.append((str(row["rhythm"]), sample))
        case "alarm":
            data.alarms.append(
                AlarmRow(
                    rhythm=str(row["rhythm"]),
                    priority=str(row["priority"]),
                    onset=sample,
                    decided_at=int(row["decided_at"]),
                )
            )
        case "gap" if not row["ongoing"]:
            data.gaps.append((sample, int(row["stop"]), str(row["reason"])))
