"""Many patients in one process: one compiled call and one network batch a tick."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from classifier.network.runtime import BeatModel
from replay.chunk import Chunk
from streamer.beats.question import Question, Step, answers
from streamer.core.errors import SnapshotError
from streamer.core.events import CHAIN_FS, Gap, LabeledBeat, Tick
from streamer.core.stage import Snapshot
from streamer.patient.beat_path import BeatPath
from streamer.patient.chain import Chain
from streamer.patient.memory import WardMemory
from streamer.patient.ward_patient import Patient, WardConfig, WardEvent, rounds
from streamer.rhythm.tracker import RhythmTracker
from streamer.signal.detector.qrs_detector import to_event
from streamer.signal.resample import Resampler
from streamer.signal.source_index import SourceIndex

_NEVER: Final = np.iinfo(np.int64).max
_FIRST_ROWS: Final = 64


class Ward:
    """The signal paths of many patients, advanced together.

    Equal to one `Chain` a patient: the same kernels and stages work on the same numbers. Only the
    network is asked for all due beats in one batch, so that probabilities may differ in the last
    digits (floating-point sums depend on the batch).

    Parameters
    ----------
    model : BeatModel
        Asked with many beats at a time.
    n_leads : int
        Of every patient.
    config : WardConfig, optional

    Notes
    -----
    Who watches the clock may set `on_asking`: it gets the questions of all patients just before the
    network does, which may take a while.

    Each patient has a row in the arrays of `WardMemory`, and a `BeatPath`. What happens seldom (a
    jump in a stream, its end) is done by an ordinary `Chain`, restored from the patient's snapshot.
    """

    def __init__(
        self, model: BeatModel, *, n_leads: int = 2, config: WardConfig | None = None
    ) -> None:
        self.on_asking: Callable[[Sequence[tuple[Patient, Question]]], None] = lambda asked: None
        self._model = model
        self._n_leads = n_leads
        self._config = config = config or WardConfig()
        self._poll_every = max(round(config.poll_s * CHAIN_FS), 1)
        tracker = RhythmTracker(config.chain.rhythm)
        self._min_vf_log_odds = tracker.min_vf_log_odds
        self.memory = WardMemory(
            n_leads=n_leads,
            kept_samples=config.chain.windower.kept_samples,
            width=config.width,
            seen_every=self._poll_every,
            signal=config.chain.rhythm.signal,
            patience=round(tracker.max_wait_s * CHAIN_FS),
        )
        self._patients: dict[str, Patient] = {}
        self._rows: list[Patient | None] = []
        self._due = np.full(0, _NEVER, np.int64)
        self._attentive = np.full(0, fill_value=True)
        self._occupied = np.full(0, fill_value=True)
        self._n_resampled = 0

    @property
    def patients(self) -> Mapping[str, Patient]:
        """By source name."""
        return self._patients

    def admit(self, source: str, *, fs: float = CHAIN_FS) -> Patient:
        """Take in a new source.

        Raises
        ------
        ValueError
            If the name is taken or `fs` out of range.
        """
        if source in self._patients:
            raise ValueError(f"source {source} is in the ward already; discharge it first")
        resampler = None if fs == CHAIN_FS else Resampler(fs=fs, n_leads=self._n_leads)
        row = self._free_row()
        self.memory.clear(row)
        self._attentive[row] = self._occupied[row] = True
        self._n_resampled += resampler is not None
        patient = Patient(
            source=source,
            fs=fs,
            row=row,
            path=self._path(row),
            resampler=resampler,
            at_source=None if resampler is None else SourceIndex(resampler),
        )
        self._rows[row] = self._patients[source] = patient
        return patient

    def discharge(self, source: str) -> list[WardEvent]:
        """End one source's stream and forget it; return its last events."""
        events = self.settle(source)
        patient = self._patients.pop(source)
        rest = self._as_chain(patient).flush()
        self._rows[patient.row] = None
        self._occupied[patient.row] = False
        self._n_resampled -= patient.resampler is not None
        self._due[patient.row] = _NEVER
        return [*events, *(WardEvent(patient=patient, event=event) for event in rest)]

    def settle(self, source: str) -> list[WardEvent]:
        """Let a patient's signal and time-outs take effect up to the newest sample."""
        patient = self._patients[source]
        if self._next_sample(patient) is None:
            return []
        row = np.array([patient.row])
        self.memory.measure(row)
        self._show(row)
        newest = Tick(sample=int(self.memory.states["n"][patient.row]) - 1)
        return self._conclude([*self._tick(row), (patient, newest)])

    def push(
        self, samples: NDArray[np.float32], counts: NDArray[np.int64] | None = None
    ) -> list[WardEvent]:
        """Take the next samples at the chain's rate.

        Parameters
        ----------
        samples : ndarray of float32, shape (rows, leads, n)
            Row i is that of the patient whose `row` is i; rows without a patient are ignored. mV.
        counts : ndarray of int64, shape (rows,), optional
            How many of them each patient takes; all by default.

        Raises
        ------
        ValueError
            If the shape is wrong or a patient has another sampling frequency.
        """
        expected = (len(self._rows), self._n_leads)
        if samples.shape[:2] != expected or samples.shape[2] > self._config.width:
            raise ValueError(
                f"got samples of shape {samples.shape}, expected "
                f"({expected[0]}, {expected[1]}, up to {self._config.width})"
            )
        if self._n_resampled:
            raise ValueError("sources of other sampling frequencies go to push_chunks")
        n = samples.shape[2] if counts is None else counts
        return self._advance(samples, np.where(self._occupied, n, 0), [])

    def push_chunks(self, chunks: Mapping[str, Sequence[Chunk]]) -> list[WardEvent]:
        """Take chunks of some sources, each at its own rate and in order.

        Raises
        ------
        KeyError
            If a source isn't in the ward.
        OverlapError
            If a chunk starts before the end of the one before it.
        ValueError
            If a chunk has another number of leads.
        """
        events: list[WardEvent] = []
        for due in rounds(chunks, {source: self._piece(source) for source in chunks}):
            events += self._push_round(due)
        return events

    def snapshot(self, source: str) -> Snapshot:
        """Copy one patient's state: that of a `Chain` of the same configuration.

        The patient must have been settled (`settle`) since the last samples.
        """
        return self._snapshot(self._patients[source])

    def restore(self, source: str, snapshot: Snapshot) -> None:
        """Continue a patient, who must have been admitted, from a snapshot.

        Raises
        ------
        SnapshotError
            If it is of another kind of chain.
        """
        patient = self._patients[source]
        chain = self._new_chain(patient.fs)
        chain.restore(snapshot)
        self._take_over(patient, chain.snapshot())

    def _take_over(self, patient: Patient, snapshot: Snapshot) -> None:
        resampler, band, qrs, path = snapshot.state["stages"]
        if snapshot.state["closed"]:
            raise SnapshotError(f"the stream of {patient.source} had ended; admit it anew instead")
        if patient.resampler is not None:
            patient.resampler.restore(resampler)
            patient.next_sample = resampler.state["next"]
        self.memory.restore(patient.row, [band, qrs])
        patient.path.restore(path)
        self._due[patient.row] = 0
        self._attentive[patient.row] = True
        self.memory.begin(patient.row, self.memory.states["n"][patient.row])

    def _snapshot(self, patient: Patient) -> Snapshot:
        resampler = patient.resampler or Resampler(fs=CHAIN_FS, n_leads=self._n_leads)
        following = self._next_sample(patient)
        position = resampler.snapshot()
        stages = [
            dataclasses.replace(position, state={**position.state, "next": following}),
            *self.memory.snapshots(patient.row),
            patient.path.snapshot(),
        ]
        frame = self._new_chain(patient.fs).snapshot()
        last_sample = 0 if following is None else following - 1
        state = {**frame.state, "stages": stages, "last_sample": last_sample}
        return dataclasses.replace(frame, state=state)

    def _next_sample(self, patient: Patient) -> int | None:
        if patient.resampler is not None:
            return patient.next_sample
        return self.memory.ring(patient.row).stop

    def _piece(self, source: str) -> int:
        """Return how many samples of a source fit into one round."""
        fs = self._patients[source].fs
        return max(int((self._config.width - 1) * fs / CHAIN_FS), 1)

    def _push_round(self, chunks: Mapping[str, Chunk]) -> list[WardEvent]:
        steps: list[tuple[Patient, Step]] = []
        events: list[WardEvent] = []
        rows = len(self._rows)
        samples = np.empty((rows, self._n_leads, self._config.width), np.float32)
        counts = np.zeros(rows, np.int64)
        for source, chunk in chunks.items():
            patient = self._patients[source]
            expected = self._next_sample(patient)
            if expected is not None and chunk.start != expected:
                events += self.settle(source)
                steps += self._jump(patient, chunk)
                continue
            for resampled in self._resample(patient, chunk):
                if expected is None:
                    self.memory.states["n"][patient.row] = resampled.start
                    self.memory.begin(patient.row, resampled.start)
                counts[patient.row] = n = resampled.samples.shape[1]
                samples[patient.row, :, :n] = resampled.samples
        return events + self._advance(samples, counts, steps)

    def _resample(self, patient: Patient, chunk: Chunk) -> list[Chunk]:
        """Bring a chunk that follows the last one to the chain's rate."""
        if chunk.samples.shape[0] != self._n_leads:
            raise ValueError(
                f"got {chunk.samples.shape[0]} leads from {patient.source}, "
                f"expected {self._n_leads}"
            )
        if patient.resampler is None:
            return [chunk]
        patient.next_sample = chunk.stop
        return [item for item in patient.resampler.push(chunk) if isinstance(item, Chunk)]

    def _jump(self, patient: Patient, chunk: Chunk) -> list[tuple[Patient, Step]]:
        """Let a chain take a chunk that doesn't follow the last one."""
        chain = self._as_chain(patient)
        owned = Chunk(start=chunk.start, samples=np.ascontiguousarray(chunk.samples))
        steps = chain.advance(owned)
        self._take_over(patient, chain.snapshot())
        return [(patient, step) for step in steps]

    def _advance(
        self,
        samples: NDArray[np.float32],
        counts: NDArray[np.int64],
        steps: list[tuple[Patient, Step]],
    ) -> list[WardEvent]:
        """Run the kernel, let the time-outs fire, and answer all questions together."""
        blocks = self.memory.run(samples, counts)
        after = self.memory.states["n"][: len(counts)]
        active = np.zeros(len(counts), np.bool_)
        for patient, _ in steps:
            active[patient.row] = True
        for owners, found in blocks:
            for row, output in zip(owners.tolist(), found.tolist(), strict=True):
                owner = self._rows[row]
                if owner is not None:
                    taken = owner.path.take(to_event(output))
                    steps += [(owner, step) for step in taken]
                    active[row] |= bool(taken)
                    self._note_due(owner)
        # A peak alone changes nothing before its window is complete.
        active |= (self._due < after) & (counts > 0)
        unseen = after - self.memory.seen[: len(counts)]
        events = self._poll(np.flatnonzero((unseen >= self._poll_every) & (counts > 0) & ~active))
        rows = np.flatnonzero(active)
        self.memory.measure(rows)
        self._show(rows)
        return events + self._conclude(steps + self._tick(rows))

    def _poll(self, rows: NDArray[np.int64]) -> list[WardEvent]:
        """Measure the signal of patients of whom nothing else is known or due.

        Their trackers are told only where that might change something; the others hear of it with
        the next event.
        """
        self.memory.measure(rows)
        telling = self._attentive[rows] | self.memory.cannot_wait(rows, self._min_vf_log_odds)
        events: list[WardEvent] = []
        for patient, newest in self._show(rows[telling]):
            if newest is not None:
                events += self._events(patient, Tick(sample=newest))
                self._attentive[patient.row] = patient.path.is_attentive(newest)
        return events

    def _show(self, rows: NDArray[np.int64]) -> list[tuple[Patient, int | None]]:
        """Show the rhythm trackers the measured signal; return each one's newest measurement."""
        shown = []
        for row in rows.tolist():
            patient = self._rows[row]
            if patient is not None:
                start, found = self.memory.take(row)
                patient.path.see_measured(start, found)
                shown.append((patient, found[-1].sample if found else None))
        return shown

    def _tick(self, rows: NDArray[np.int64]) -> list[tuple[Patient, Step]]:
        """Let the time-outs of some patients fire, and note when they are due next."""
        newest = (self.memory.states["n"][rows] - 1).tolist()
        steps: list[tuple[Patient, Step]] = []
        for row, sample in zip(rows.tolist(), newest, strict=True):
            patient = self._rows[row]
            if patient is not None:
                steps += [(patient, step) for step in patient.path.tick(sample)]
                self._note_due(patient)
                self._attentive[row] = patient.path.is_attentive(sample)
        return steps

    def _note_due(self, patient: Patient) -> None:
        due = patient.path.next_due
        self._due[patient.row] = _NEVER if due is None else due

    def _conclude(self, steps: Sequence[tuple[Patient, Step]]) -> list[WardEvent]:
        asked = [(patient, step) for patient, step in steps if isinstance(step, Question)]
        if asked:
            self.on_asking(asked)
        found = iter(answers(self._model, [question for _, question in asked]))
        events: list[WardEvent] = []
        for patient, step in steps:
            events += self._events(patient, next(found) if isinstance(step, Question) else step)
        return events

    @staticmethod
    def _events(patient: Patient, item: LabeledBeat | Gap | Tick) -> list[WardEvent]:
        """Return what follows from an answer, a gap or the time."""
        return [
            WardEvent(patient=patient, event=patient.outward(event))
            for event in patient.path.follow(item)
        ]

    def _free_row(self) -> int:
        if None in self._rows:
            return self._rows.index(None)
        row = len(self._rows)
        self._rows.append(None)
        if row >= self.memory.n_rows:
            n = max(_FIRST_ROWS, 2 * self.memory.n_rows)
            self.memory.grow(n)
        self._due = np.append(self._due, _NEVER)
        self._attentive = np.append(self._attentive, values=True)
        self._occupied = np.append(self._occupied, values=True)
        return row

    def _path(self, row: int) -> BeatPath:
        chain = self._config.chain
        return BeatPath(
            n_leads=self._n_leads,
            spec=self._model.spec,
            windower=chain.windower,
            classifier=chain.classifier,
            rhythm=chain.rhythm,
            samples=self.memory.ring(row),
            watch=self.memory.watch(row),
        )

    def _new_chain(self, fs: float) -> Chain:
        return Chain(fs=fs, n_leads=self._n_leads, model=self._model, config=self._config.chain)

    def _as_chain(self, patient: Patient) -> Chain:
        """Return a chain that goes on where the patient is."""
        chain = self._new_chain(patient.fs)
        chain.restore(self._snapshot(patient))
        return chain
