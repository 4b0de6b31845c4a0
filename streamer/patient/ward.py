"""Many patients in one process: one compiled call and one network batch a turn."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from classifier.network.runtime import BeatModel
from replay.chunk import Chunk
from streamer.beats.label_request import LabelRequest, label_beats
from streamer.core.errors import SnapshotError
from streamer.core.events import CHAIN_FS, Tick
from streamer.core.stage import Snapshot
from streamer.patient.chain import Chain
from streamer.patient.patients import Patient, PatientStep, WardConfig, WardEvent, rounds
from streamer.patient.rows import NEVER_DUE, PatientRows
from streamer.signal.detector.qrs_detector import to_event

_FIRST_ROWS: Final = 64


class Ward:
    """The chains of many patients, advanced together.

    Each patient is a `Chain` whose memory is a row of the ward's arrays (`PatientRows`). What
    happens all the time is done for all rows by one compiled call; what happens seldom (a jump in
    a stream, its end, a snapshot) the patient's own chain does in place. Equal to one `Chain` a
    patient; only the network gets all due beats in one batch, so that probabilities may
    differ in the last digits (floating-point sums depend on the batch).

    Parameters
    ----------
    model : BeatModel
        Gets many beats at a time.
    n_leads : int
        Of every patient.
    config : WardConfig, optional

    Attributes
    ----------
    rows : PatientRows
        The memory of all patients.

    Notes
    -----
    `push`, `push_chunks`, `settle` and `finish` return steps: label requests, and the gaps and
    ticks between them. Whoever works out the labels hands them, with the other steps of each
    patient and in the same order, to the patient's `Chain.conclude`; `label` does so for all.
    """

    def __init__(
        self, model: BeatModel, *, n_leads: int = 2, config: WardConfig | None = None
    ) -> None:
        self._model = model
        self._n_leads = n_leads
        self._config = config = config or WardConfig()
        self._poll_every = max(round(config.poll_s * CHAIN_FS), 1)
        self.rows = PatientRows(
            n_leads=n_leads,
            config=config.chain,
            width=config.width,
            measure_every=self._poll_every,
        )
        self._patients: dict[str, Patient] = {}
        self._patient_at: list[Patient | None] = []

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
        row = self._free_row()
        # No block is longer than a turn at the chain's rate, for which the row's ring has room.
        longest = self._config.longest_chunk(fs)
        chain = Chain(
            fs=fs,
            n_leads=self._n_leads,
            model=self._model,
            config=dataclasses.replace(self._config.chain, block_samples=longest),
            memory=self.rows.row(row),
        )
        self.rows.begin(row, is_resampled=fs != CHAIN_FS)
        patient = Patient(source=source, fs=fs, row=row, chain=chain)
        self._patient_at[row] = self._patients[source] = patient
        return patient

    def discharge(self, source: str) -> None:
        """Forget a source; its row, and so its chain, is the next one's from now on."""
        patient = self._patients.pop(source)
        self._patient_at[patient.row] = None
        self.rows.end(patient.row)

    def push(
        self, samples: NDArray[np.float32], counts: NDArray[np.int64] | None = None
    ) -> list[PatientStep]:
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
        rows = len(self._patient_at)
        if samples.shape[:2] != (rows, self._n_leads) or samples.shape[2] > self._config.width:
            raise ValueError(
                f"got samples of shape {samples.shape}, expected "
                f"({rows}, {self._n_leads}, up to {self._config.width})"
            )
        n = np.where(self.rows.runs[:rows], samples.shape[2] if counts is None else counts, 0)
        if n[self.rows.is_resampled[:rows]].any():
            raise ValueError("sources of other sampling frequencies go to push_chunks")
        return self._advance(samples, n)

    def push_chunks(self, chunks: Mapping[str, Sequence[Chunk]]) -> list[PatientStep]:
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
        steps: list[PatientStep] = []
        longest = {
            source: self._config.longest_chunk(self._patients[source].fs) for source in chunks
        }
        for due in rounds(chunks, longest):
            steps += self._push_round(due)
        return steps

    def settle(self, source: str) -> list[PatientStep]:
        """Let a patient's signal and time-outs take effect up to the newest sample."""
        patient = self._patients[source]
        stop = patient.chain.path.ring.stop
        if stop is None or not self.rows.runs[patient.row]:
            return []
        row = np.array([patient.row])
        self.rows.measure(row)
        return [*self._tick(row), (patient, Tick(sample=stop - 1))]

    def finish(self, source: str) -> list[PatientStep]:
        """End a source's stream, all but the rhythm, which `Chain.end` ends."""
        steps = self.settle(source)
        patient = self._patients[source]
        self.rows.end(patient.row)
        return steps + [(patient, step) for step in patient.chain.finish()]

    def label(self, steps: Sequence[PatientStep]) -> list[WardEvent]:
        """Work out all label requests in one batch; return all that the steps make known."""
        requests = [step for _, step in steps if isinstance(step, LabelRequest)]
        labels = iter(label_beats(self._model, requests))
        return [
            WardEvent(patient=patient, event=event)
            for patient, step in steps
            for event in patient.chain.conclude(
                next(labels) if isinstance(step, LabelRequest) else step
            )
        ]

    def snapshot(self, source: str) -> Snapshot:
        """Copy one patient's state: that of a `Chain` of the same configuration.

        The patient must have been settled (`settle`) since the last samples, and everything
        concluded.
        """
        return self._patients[source].chain.snapshot()

    def restore(self, source: str, snapshot: Snapshot) -> None:
        """Continue a patient, who must have been admitted, from a snapshot.

        Raises
        ------
        SnapshotError
            If it is of another kind of chain, or of a stream that had ended; the patient begins
            anew then.
        """
        patient = self._patients[source]
        try:
            patient.chain.restore(snapshot)
            if patient.chain.is_closed:
                raise SnapshotError(f"the stream of {source} had ended; admit it anew instead")
        except SnapshotError:
            patient.chain.reset()
            raise
        self.rows.begin(patient.row, is_resampled=patient.fs != CHAIN_FS)
        self.rows.due[patient.row] = 0

    def _push_round(self, chunks: Mapping[str, Chunk]) -> list[PatientStep]:
        steps: list[PatientStep] = []
        rows = len(self._patient_at)
        samples = np.empty((rows, self._n_leads, self._config.width), np.float32)
        counts = np.zeros(rows, np.int64)
        for source, chunk in chunks.items():
            patient = self._patients[source]
            if chunk.start != patient.chain.next_sample or patient.chain.changes_leads(chunk):
                steps += self._jump(patient, chunk)
                continue
            for resampled in patient.chain.resample(chunk):
                counts[patient.row] = n = resampled.samples.shape[1]
                samples[patient.row, :, :n] = resampled.samples
        return steps + self._advance(samples, counts)

    def _jump(self, patient: Patient, chunk: Chunk) -> list[PatientStep]:
        """Have the patient's own chain take a chunk that doesn't follow the last one."""
        steps = self.settle(patient.source)
        owned = dataclasses.replace(chunk, samples=np.ascontiguousarray(chunk.samples))
        steps += [(patient, step) for step in patient.chain.advance(owned)]
        self._note_due(patient)
        self.rows.may_change[patient.row] = True
        return steps

    def _advance(
        self, samples: NDArray[np.float32], counts: NDArray[np.int64]
    ) -> list[PatientStep]:
        """Run the kernel and let the time-outs fire."""
        steps: list[PatientStep] = []
        blocks = self.rows.run(samples, counts)
        after = self.rows.next_samples[: len(counts)]
        active = np.zeros(len(counts), np.bool_)
        for owners, found in blocks:
            for row, output in zip(owners.tolist(), found.tolist(), strict=True):
                patient = self._patient_at[row]
                if patient is not None:
                    known = patient.chain.path.add_detection(to_event(output))
                    steps += [(patient, step) for step in known]
                    active[row] |= bool(known)
                    self._note_due(patient)
        # A peak alone changes nothing before its window is complete.
        active |= (self.rows.due[: len(counts)] < after) & (counts > 0)
        unmeasured = self.rows.unmeasured(len(counts))
        idle = np.flatnonzero((unmeasured >= self._poll_every) & (counts > 0) & ~active)
        self.rows.measure(idle)
        # Of the others the rhythm trackers get the measurements with the next event.
        urgent = idle[self.rows.may_change[idle] | self.rows.cannot_wait(idle)]
        rows = np.flatnonzero(active)
        self.rows.measure(rows)
        return steps + self._tick(np.concatenate([urgent, rows]))

    def _tick(self, rows: NDArray[np.int64]) -> list[PatientStep]:
        """Hand on what was measured of some patients, and let their time-outs fire."""
        newest = (self.rows.next_samples[rows] - 1).tolist()
        measured = self.rows.take_measurements(rows)
        steps: list[PatientStep] = []
        for row, sample, (first, found) in zip(rows.tolist(), newest, measured, strict=True):
            patient = self._patient_at[row]
            if patient is not None:
                path = patient.chain.path
                path.add_measurements(first, found)
                known = path.tick(sample)
                steps += [(patient, step) for step in known]
                self._note_due(patient)
                # The path ends with the tick itself where it might change something.
                self.rows.may_change[row] = bool(known) and isinstance(known[-1], Tick)
        return steps

    def _note_due(self, patient: Patient) -> None:
        due = patient.chain.path.next_due
        self.rows.due[patient.row] = NEVER_DUE if due is None else due

    def _free_row(self) -> int:
        """Return the first free row; make more if there is none."""
        if None in self._patient_at:
            return self._patient_at.index(None)
        row = len(self._patient_at)
        self._patient_at.append(None)
        if row >= self.rows.n_rows:
            self.rows.grow(max(_FIRST_ROWS, 2 * self.rows.n_rows))
            for patient in self._patients.values():
                patient.chain.move_to(self.rows.row(patient.row))
        return row
