"""Other leads in mid-stream: everything begins anew, no beat is lost, none is taken for novel."""

import itertools

import numpy as np
import pytest

from classifier.inputs.memory import PatientMemory
from classifier.inputs.state import OF_RHYTHM, STATE
from replay.chunk import Chunk
from replay.simulate.record import simulate_beats
from streamer.core.events import Gap, GapReason, LabeledBeat
from streamer.patient.chain import Chain
from streamer.patient.ward import Ward

TIMES = np.arange(0.6, 59.0, 0.8)
SYMBOLS = ["V" if k % 9 == 8 else "N" for k in range(TIMES.size)]
CHANGE_S = 30.3


def record(fs):
    """The second half is of other leads: upside down and smaller, as another view of the heart."""
    found = simulate_beats(TIMES.tolist(), SYMBOLS, fs=fs, duration_s=60.0, noise_mv=0.01)
    signal = found.signal.copy()
    change = round(CHANGE_S * fs)
    signal[:, change:] *= np.array([[-0.6], [1.4]], np.float32)
    return signal, change


def chunks(signal, change, size, leads=("V5", "V2")):
    """Cut as a record does: a chunk ends where the leads change."""
    edges = sorted({*range(0, signal.shape[1], size), change, signal.shape[1]})
    for start, stop in itertools.pairwise(edges):
        names = ("II", "V1") if start < change else leads
        yield Chunk(start=start, samples=signal[:, start:stop].copy(), leads=names)


def run(fs, size, **options):
    signal, change = record(fs)
    chain = Chain(fs=fs, n_leads=2)
    events = [e for chunk in chunks(signal, change, size, **options) for e in chain.push(chunk)]
    return events + chain.flush()


def told(events):
    """What can be compared of events that hold arrays."""
    return [
        (e.beat.rpeak.sample, e.label, e.revision, e.decided_at)
        if isinstance(e, LabeledBeat)
        else e
        for e in events
    ]


@pytest.fixture(scope="module", params=[360.0, 500.0])
def changed(request):
    return request.param, run(request.param, 1000)


def test_the_change_is_told_with_the_new_leads(changed):
    fs, events = changed
    (gap,) = [event for event in events if isinstance(event, Gap)]
    assert (gap.reason, gap.leads) == (GapReason.LEADS, ("V5", "V2"))
    assert abs(gap.start - CHANGE_S * fs) <= 2
    assert 0 < gap.stop - gap.start <= 3


def test_every_beat_is_found_and_labelled_as_before(changed):
    fs, events = changed
    beats = {
        e.beat.rpeak.sample / fs: e.label
        for e in events
        if isinstance(e, LabeledBeat) and e.revision == 1
    }
    found = np.array(sorted(beats))
    assert len(found) == TIMES.size
    assert np.abs(found - TIMES).max() < 0.06
    right = [str(beats[at]) == symbol for at, symbol in zip(found, SYMBOLS, strict=True)]
    # The first V beats of each view have few others to be compared with.
    assert np.mean(right) >= 0.95


def test_events_do_not_depend_on_how_the_stream_was_cut(changed):
    fs, events = changed
    assert told(run(fs, 97)) == told(events)


def test_without_another_name_nothing_begins_anew():
    assert not any(isinstance(e, Gap) for e in run(360.0, 1000, leads=("II", "V1")))


def test_a_single_sample_at_a_time_and_a_restored_chain_give_the_same():
    signal, change = record(500.0)
    first, last = change - 300, change + 2000
    pieces = list(chunks(signal[:, first:last], change - first, 1))
    whole, cut = Chain(fs=500.0, n_leads=2), Chain(fs=500.0, n_leads=2)
    expected, found = [], []
    for piece in pieces:
        expected += whole.push(piece)
    for k, piece in enumerate(pieces):
        if k == change - first + 1:  # Between the two samples that are left out.
            snapshot, cut = cut.snapshot(), Chain(fs=500.0, n_leads=2)
            cut.restore(snapshot)
        found += cut.push(piece)
    assert told(found + cut.flush()) == told(expected + whole.flush())
    assert sum(isinstance(event, Gap) for event in expected) == 1


def test_a_ward_gives_the_same(changed):
    fs, events = changed
    signal, change = record(fs)
    chain = Chain(fs=fs, n_leads=2)
    ward = Ward(chain.model, n_leads=2)
    patient = ward.admit("x", fs=fs)
    found = []
    for chunk in chunks(signal, change, 100):
        found += [one.event for one in ward.label(ward.push_chunks({"x": [chunk]}))]
    found += [one.event for one in ward.label(ward.finish("x"))]
    found += patient.chain.end()
    kinds = (LabeledBeat, Gap)
    of_beats = [event for event in events if isinstance(event, kinds)]
    assert told(e for e in found if isinstance(e, kinds)) == told(of_beats)


def test_the_rhythm_is_remembered_where_the_shapes_are_forgotten():
    memory = PatientMemory()
    window = simulate_beats([0.5], fs=360.0, duration_s=1.0).signal[:, 52:308]
    for _ in range(12):
        memory.describe_and_learn(window, 0.8)
    before = memory.state()
    memory.forget_shapes()
    after, empty = memory.state(), PatientMemory().state()
    for name in STATE.names:
        expected = before if name in OF_RHYTHM else empty
        np.testing.assert_array_equal(after[name], expected[name])
    assert not np.array_equal(before["shapes"], after["shapes"])
