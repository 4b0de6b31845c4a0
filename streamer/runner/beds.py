"""The book-keeping of a ward's sources: names, numbers, times and what to publish."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from streamer.beats.label_request import LabelRequest
from streamer.beats.ledger import BeatLedger, LedgerConfig
from streamer.core.errors import SnapshotError
from streamer.core.events import Alarm, Event, Gap, LabeledBeat, Published, RhythmEvent, StreamInfo
from streamer.core.histogram import QuantileHistogram
from streamer.patient.ward_patient import Patient, WardEvent

_MS: Final = 1000.0
_PROVISIONAL: Final = 0
_LEDGER: Final = LedgerConfig(beats=12, parts=False)

Publish = Callable[[StreamInfo, Published], None]


@dataclass(slots=True, kw_only=True)
class Bed:
    """One source of the ward."""

    info: StreamInfo
    began_s: float
    """When `info.first_sample` was or would have been due, on the event loop's clock."""
    seq: int = 0
    """Of the next event."""
    last_sample: int
    """The newest that came."""
    ledger: BeatLedger
    rhythm: RhythmEvent | None = None
    alarm: Alarm | None = None
    gap: Gap | None = None
    unlabelled: set[int] = field(default_factory=set)
    """R peaks of beats that were published without a label and wait for it."""

    def due_s(self, sample: int) -> float:
        """Return when a sample was due."""
        return self.began_s + (sample - self.info.first_sample) / self.info.fs


@dataclass(slots=True)
class WardTotals:
    """What happened in the ward as a whole."""

    beats: int = 0
    late: int = 0
    unlabelled: int = 0
    """Beats published without a label first, because the network would have taken too long."""
    events: int = 0
    added: QuantileHistogram = field(default_factory=QuantileHistogram)
    """Added latency in ms: from when the sample that decided a first label was due until that
    label was published."""


class Beds:
    """Numbers, times and publishes the events of a ward.

    Parameters
    ----------
    publish : callable
        Gets each event with its source.
    budget_ms : float
        From R peak to first label.
    grace_s : float
        A beat that is late already waits this long for its label before it is published without.

    Attributes
    ----------
    totals : WardTotals
    """

    def __init__(
        self, publish: Publish, *, budget_ms: float = 500.0, grace_s: float = 0.02
    ) -> None:
        self.totals = WardTotals()
        self._publish = publish
        self._budget_ms = budget_ms
        self._grace_s = grace_s
        self._beds: dict[str, Bed] = {}

    def __len__(self) -> int:
        """Return how many sources there are."""
        return len(self._beds)

    @property
    def beds(self) -> Mapping[str, Bed]:
        """By source name."""
        return self._beds

    def open(self, info: StreamInfo, began_s: float) -> Bed:
        """Begin with a source."""
        bed = Bed(
            info=info,
            began_s=began_s,
            last_sample=info.first_sample - 1,
            ledger=BeatLedger(fs=info.fs, budget_ms=self._budget_ms, config=_LEDGER),
        )
        self._beds[info.source] = bed
        return bed

    def close(self, source: str) -> None:
        """Forget a source."""
        self._beds.pop(source, None)

    def take(self, events: list[WardEvent], now_s: float, *, is_timed: bool = True) -> None:
        """Publish events at `now_s` of the event loop's clock.

        Parameters
        ----------
        events : list of WardEvent
        now_s : float
        is_timed : bool
            Whether samples come when they are due; if not, nothing is late.
        """
        for ward_event in events:
            bed = self._beds[ward_event.patient.source]
            event = ward_event.event
            added_ms = max(now_s - bed.due_s(event.decided_at), 0.0) * _MS if is_timed else 0.0
            if isinstance(event, LabeledBeat) and event.revision == _PROVISIONAL:
                event = self._count(bed, event, now_s, added_ms, is_timed=is_timed)
            self._follow(bed, event, added_ms)
            self._publish(bed.info, Published(seq=bed.seq, event=event, compute_ms=added_ms))
            bed.seq += 1
            self.totals.events += 1

    def tell_late(
        self, asked: Sequence[tuple[Patient, LabelRequest]], expected_s: float, now_s: float
    ) -> None:
        """Publish without a label, at once, the beats whose labels would come too late.

        Parameters
        ----------
        asked : sequence of (Patient, LabelRequest)
            What the network is about to be asked.
        expected_s : float
            How long it will probably take for all of it.
        now_s : float
        """
        if expected_s <= self._grace_s:
            return
        late: list[WardEvent] = []
        for patient, question in asked:
            if question.draft.revision != _PROVISIONAL:
                continue
            event = patient.chain.at_source(question.unlabeled())
            bed = self._beds[patient.source]
            due_s = bed.due_s(event.beat.rpeak.sample) + self._budget_ms / _MS
            if now_s + expected_s > max(due_s, now_s + self._grace_s):
                late.append(WardEvent(patient=patient, event=event))
        self.take(late, now_s)

    def state(self, source: str) -> dict[str, Any]:
        """Return what a snapshot must hold of a source, beside the patient's own state."""
        bed = self._beds[source]
        info = dataclasses.asdict(bed.info)
        return {"info": {**info, "leads": list(info["leads"])}, "seq": bed.seq}

    def restore(self, state: Mapping[str, Any], began_s: float, started_at: float) -> Bed:
        """Go on with a source; its events are numbered on.

        Raises
        ------
        SnapshotError
            If the state isn't ours.
        """
        try:
            fields = {**state["info"], "leads": tuple(state["info"]["leads"])}
            info = StreamInfo(**{**fields, "started_at": started_at})
            bed = self.open(info, began_s)
            bed.seq = int(state["seq"])
        except (KeyError, TypeError, ValueError) as error:
            raise SnapshotError(f"snapshot has no usable source ({error}); remove it") from error
        return bed

    def _count(
        self, bed: Bed, event: LabeledBeat, now_s: float, added_ms: float, *, is_timed: bool
    ) -> LabeledBeat:
        sample = event.beat.rpeak.sample
        was_told = sample in bed.unlabelled
        bed.unlabelled.discard(sample)
        if not was_told:
            self.totals.beats += 1
            self.totals.late += event.label is None
        if not is_timed:
            return event
        if event.label is None:
            bed.unlabelled.add(sample)
            self.totals.unlabelled += 1
            return event
        self.totals.added.add(added_ms)
        latency_ms = (now_s - bed.due_s(sample)) * _MS
        is_late = latency_ms > self._budget_ms
        self.totals.late += is_late and not was_told
        return dataclasses.replace(event, late=True) if is_late else event

    @staticmethod
    def _follow(bed: Bed, event: Event, added_ms: float) -> None:
        match event:
            case LabeledBeat():
                bed.ledger.take(event, added_ms)
            case RhythmEvent():
                bed.rhythm = event
            case Alarm():
                bed.alarm = event
            case Gap():
                bed.gap = event
