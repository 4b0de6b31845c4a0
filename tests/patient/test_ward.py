"""A ward gives each patient what a chain of its own would give."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from stage_cases import N_LEADS, SumModel, ecg, same

from classifier.network.runtime import BeatModel, load_model
from replay.chunk import Chunk
from streamer.beats.batched_model import BatchedModel
from streamer.core.errors import OverlapError, SnapshotError, StageClosedError
from streamer.core.events import Event, Gap, GapReason, LabeledBeat
from streamer.patient.chain import Chain
from streamer.patient.patients import WardEvent
from streamer.patient.ward import Ward

FS = 360.0
SECONDS = 16
N = 5


def signals(fs: float = FS, n: int = N) -> list[NDArray[np.float32]]:
    """Different patients: ectopic beats, an invalid stretch, a flat line, saturation, quiet."""
    found = [ecg(round(SECONDS * fs), fs, seed=k, ectopic=(4 + k, 9)) for k in range(n)]
    found[1][:, round(5 * fs) : round(5.4 * fs)] = np.nan
    found[2][:, round(6 * fs) : round(9 * fs)] = 0.1
    found[3][:, round(10 * fs) :] *= 0.05
    return found


def alone(
    samples: NDArray[np.float32], *, fs: float = FS, model: BeatModel | None = None
) -> list[Event]:
    chain = Chain(fs=fs, n_leads=N_LEADS, model=model or SumModel())
    return chain.push(Chunk(start=0, samples=samples)) + chain.flush()


def of(events: Sequence[WardEvent], source: str) -> list[Event]:
    return [event.event for event in events if event.patient.source == source]


def end(ward: Ward, source: str) -> list[WardEvent]:
    """End a patient's stream; return its last events."""
    patient = ward.patients[source]
    events = ward.label(ward.finish(source))
    events += [WardEvent(patient=patient, event=event) for event in patient.chain.end()]
    ward.discharge(source)
    return events


def together(ward: Ward, samples: list[NDArray[np.float32]], step: int) -> list[WardEvent]:
    for k in range(len(samples)):
        ward.admit(f"bed{k}")
    stacked = np.stack(samples)
    events: list[WardEvent] = []
    for start in range(0, stacked.shape[2], step):
        events += ward.label(ward.push(np.ascontiguousarray(stacked[:, :, start : start + step])))
    for k in range(len(samples)):
        events += end(ward, f"bed{k}")
    return events


@pytest.mark.parametrize("step", [18, 180])
def test_each_patient_of_a_ward_gets_what_a_chain_alone_gives(step: int) -> None:
    samples = signals()
    events = together(Ward(SumModel(), n_leads=N_LEADS), samples, step)
    for k, signal in enumerate(samples):
        assert same(of(events, f"bed{k}"), alone(signal))


def without_probabilities(event: Event) -> Event:
    if isinstance(event, LabeledBeat):
        return dataclasses.replace(event, probabilities=())
    return event


def test_with_the_shipped_network_only_the_last_digits_of_probabilities_differ() -> None:
    samples = signals()
    model = load_model()
    events = together(Ward(BatchedModel(model), n_leads=N_LEADS), samples, 36)
    for k, signal in enumerate(samples):
        expected, found = alone(signal, model=model), of(events, f"bed{k}")
        assert same(
            [without_probabilities(e) for e in found], [without_probabilities(e) for e in expected]
        )
        for one, other in zip(found, expected, strict=True):
            if isinstance(one, LabeledBeat) and isinstance(other, LabeledBeat):
                np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-5)


def ragged(samples: NDArray[np.float32], rng: np.random.Generator) -> list[Chunk]:
    chunks, start = [], 0
    while start < samples.shape[1]:
        stop = start + int(rng.integers(1, 400))
        chunks.append(Chunk(start=start, samples=samples[:, start:stop]))
        start = chunks[-1].stop
    return chunks


@pytest.mark.parametrize("fs", [360.0, 250.0])
def test_sources_of_any_rate_may_come_in_uneven_pieces(fs: float) -> None:
    samples = signals(fs, 4)
    ward = Ward(SumModel(), n_leads=N_LEADS)
    rng = np.random.default_rng(1)
    queues = {f"bed{k}": ragged(signal, rng) for k, signal in enumerate(samples)}
    for source in queues:
        ward.admit(source, fs=fs)
    events: list[WardEvent] = []
    while any(queues.values()):
        due = {source: [queue.pop(0)] for source, queue in queues.items() if queue}
        events += ward.label(ward.push_chunks(due))
    for k, signal in enumerate(samples):
        events += end(ward, f"bed{k}")
        assert same(of(events, f"bed{k}"), alone(signal, fs=fs))


@pytest.mark.parametrize("lost", [60, 600, 2600])
def test_lost_samples_are_a_gap_as_in_a_chain(lost: int) -> None:
    signal = signals()[0]
    first = 2500 + lost
    pieces = [
        Chunk(start=0, samples=signal[:, :2500]),
        Chunk(start=first, samples=signal[:, first:]),
    ]
    chain = Chain(fs=FS, n_leads=N_LEADS, model=SumModel())
    expected = [event for piece in pieces for event in chain.push(_owned(piece))] + chain.flush()
    ward = Ward(SumModel(), n_leads=N_LEADS)
    ward.admit("bed")
    events = ward.label(ward.push_chunks({"bed": pieces})) + end(ward, "bed")
    assert any(isinstance(e, Gap) and e.reason is GapReason.LOST for e in of(events, "bed"))
    assert same(of(events, "bed"), expected)


def _owned(chunk: Chunk) -> Chunk:
    return Chunk(start=chunk.start, samples=np.ascontiguousarray(chunk.samples))


def test_sources_come_and_go_without_touching_the_others() -> None:
    samples = signals()
    ward = Ward(SumModel(), n_leads=N_LEADS)
    ward.admit("stays")
    events: list[WardEvent] = []
    guests = 0
    for start in range(0, samples[0].shape[1], 180):
        if start % 720 == 0:
            if guests:
                events += end(ward, f"guest{guests}")
            guests += 1
            ward.admit(f"guest{guests}")
        due = {
            "stays": [Chunk(start=start, samples=samples[0][:, start : start + 180])],
            f"guest{guests}": [Chunk(start=start, samples=samples[1][:, start : start + 180])],
        }
        events += ward.label(ward.push_chunks(due))
    events += end(ward, "stays")
    assert same(of(events, "stays"), alone(samples[0]))
    assert set(ward.patients) == {f"guest{guests}"}


def test_the_arrays_may_grow_while_patients_are_in() -> None:
    samples = signals()
    ward = Ward(SumModel(), n_leads=N_LEADS)
    ward.admit("first")
    events: list[WardEvent] = []
    for number, start in enumerate(range(0, samples[0].shape[1], 180)):
        for k in range(6):
            ward.admit(f"more{number}-{k}")
        due = {"first": [Chunk(start=start, samples=samples[0][:, start : start + 180])]}
        events += ward.label(ward.push_chunks(due))
    events += end(ward, "first")
    assert ward.rows.n_rows > 64
    assert same(of(events, "first"), alone(samples[0]))


def test_a_patient_moves_from_ward_to_ward_by_snapshot() -> None:
    signal = signals()[1]
    first, second = Ward(SumModel(), n_leads=N_LEADS), Ward(SumModel(), n_leads=N_LEADS)
    first.admit("other")
    first.admit("bed")
    second.admit("bed")
    half = 2611
    steps = first.push_chunks({"bed": [Chunk(start=0, samples=signal[:, :half])]})
    events = first.label(steps + first.settle("bed"))
    second.restore("bed", first.snapshot("bed"))
    events += second.label(
        second.push_chunks({"bed": [Chunk(start=half, samples=signal[:, half:])]})
    )
    events += end(second, "bed")
    assert same(of(events, "bed"), alone(signal))


def test_own_rate_in_an_array_and_other_rates_in_chunks_share_a_ward() -> None:
    own, other = signals()[0], signals(250.0)[0]
    ward = Ward(SumModel(), n_leads=N_LEADS)
    ward.admit("own")
    ward.admit("other", fs=250.0)
    events: list[WardEvent] = []
    for k in range(SECONDS * 2):
        samples = np.zeros((2, N_LEADS, 180), np.float32)
        samples[0] = own[:, 180 * k : 180 * (k + 1)]
        piece = Chunk(start=125 * k, samples=other[:, 125 * k : 125 * (k + 1)])
        events += ward.label(
            ward.push(samples, np.array([180, 0])) + ward.push_chunks({"other": [piece]})
        )
    with pytest.raises(ValueError, match="go to push_chunks"):
        ward.push(np.zeros((2, N_LEADS, 10), np.float32))
    events += end(ward, "own") + end(ward, "other")
    assert same(of(events, "own"), alone(own))
    assert same(of(events, "other"), alone(other, fs=250.0))


def test_a_stream_that_has_ended_takes_no_more_until_it_is_admitted_anew() -> None:
    ward = Ward(SumModel(), n_leads=N_LEADS)
    patient = ward.admit("bed")
    chunk = Chunk(start=0, samples=np.ascontiguousarray(signals()[0][:, :1000]))
    ward.label(ward.push_chunks({"bed": [chunk]}) + ward.finish("bed"))
    ended = ward.snapshot("bed")
    assert ward.settle("bed") == []
    assert ward.push(np.zeros((1, N_LEADS, 10), np.float32)) == []
    with pytest.raises(StageClosedError, match="reset"):
        ward.push_chunks({"bed": [Chunk(start=1000, samples=chunk.samples)]})
    ward.discharge("bed")
    assert ward.admit("bed").row == patient.row
    with pytest.raises(SnapshotError, match="had ended"):
        ward.restore("bed", ended)
    assert of(ward.label(ward.push_chunks({"bed": [chunk]})), "bed"), "it began anew"


def test_errors_say_what_is_wrong() -> None:
    ward = Ward(SumModel(), n_leads=N_LEADS)
    ward.admit("bed")
    with pytest.raises(ValueError, match="is in the ward already"):
        ward.admit("bed")
    with pytest.raises(ValueError, match="got samples of shape"):
        ward.push(np.zeros((1, 3, 10), np.float32))
    piece = Chunk(start=100, samples=np.zeros((N_LEADS, 50), np.float32))
    ward.push_chunks({"bed": [piece]})
    with pytest.raises(OverlapError, match="149"):
        ward.push_chunks({"bed": [piece]})
    chain = Chain(fs=FS, n_leads=N_LEADS, model=SumModel())
    with pytest.raises(SnapshotError):
        ward.restore("bed", chain.snapshot())
