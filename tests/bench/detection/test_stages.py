import numpy as np
import pytest
from bench_cases import short_excerpt

from classifier.network.runtime import load_model
from replay.errors import NoReferenceError
from replay.record import Reference
from replay.simulate.record import SimulatedRecord, simulate_beats
from streamer.bench.detection.changes import resampled
from streamer.bench.detection.stages import detect
from streamer.bench.excerpt import annotated_beats, choose_records, excerpt_of, read_excerpt
from streamer.core.events import LabeledBeat
from streamer.patient.chain import Chain


@pytest.mark.parametrize("fs", [360.0, 250.0])
def test_finds_what_the_chain_finds_at_the_same_time(fs):
    excerpt = resampled(short_excerpt(), fs)
    chain = Chain(fs=fs, n_leads=2, model=load_model())
    events = [event for chunk in excerpt.chunks(1000) for event in chain.push(chunk)]
    events += chain.flush()
    peaks = [e.beat.rpeak for e in events if isinstance(e, LabeledBeat) and e.revision == 0]
    found = detect(excerpt)
    assert found.samples.size > 20
    assert found.samples.tolist() == [peak.sample for peak in peaks]
    assert found.quality.tolist() == [peak.quality for peak in peaks]
    last = excerpt.n_samples - 1
    assert np.minimum(found.decided_at, last).tolist() == [min(p.decided_at, last) for p in peaks]


def test_result_does_not_depend_on_the_cut():
    excerpt = short_excerpt()
    whole = detect(excerpt, 10**6)
    cut = detect(excerpt, 77)
    assert whole.samples.tolist() == cut.samples.tolist()
    assert whole.candidates.tolist() == cut.candidates.tolist()
    assert whole.log_odds.tolist() == cut.log_odds.tolist()


def test_every_beat_was_a_candidate():
    found = detect(short_excerpt())
    assert set(found.samples.tolist()) <= set(found.candidates.tolist())
    assert found.log_odds.size == found.candidates.size


def test_nothing_is_decided_after_the_end():
    excerpt = resampled(short_excerpt(3.0), 250.0)
    found = detect(excerpt)
    assert found.decided_at.max() <= excerpt.n_samples - 1
    assert (found.decided_at >= found.samples).all()


def test_flat_record_has_a_gap_and_no_beats():
    record = simulate_beats([], duration_s=5.0)
    found = detect(excerpt_of(record), 500)
    assert found.samples.size == 0
    assert found.gaps[-1][1] == record.n_samples


def test_excerpt_ends_where_it_is_told():
    record = simulate_beats([1.0, 2.0, 3.0, 4.0], duration_s=5.0)
    excerpt = excerpt_of(record, "2.5")
    assert excerpt.n_samples == 900
    assert excerpt.beats.samples.tolist() == [360, 720]
    assert excerpt_of(record).n_samples == 1800


def test_flutter_is_cut_with_the_rest():
    marks = Reference(
        samples=np.array([10, 20, 90, 95]), symbols=("N", "[", "]", "N"), aux=("",) * 4
    )
    assert annotated_beats(marks, 50).vf == ((20, 49),)
    assert annotated_beats(marks, 50).samples.tolist() == [10]
    assert annotated_beats(marks, 15).vf == ()


def test_record_without_reference_is_refused():
    bare = SimulatedRecord(name="bare", fs=360.0, leads=("I",), signal=np.zeros((1, 9), np.float32))
    with pytest.raises(NoReferenceError, match="record bare has no reference annotations"):
        excerpt_of(bare)


def test_names_that_are_in_no_database_stand_for_themselves(tmp_path):
    assert choose_records(str(tmp_path), ["demo", "demo:2", "demo"]) == ["demo", "demo:2"]
    assert read_excerpt("demo", stop="0:02").n_samples == 720


@pytest.mark.database
def test_records_of_a_database_are_found_by_name_and_group(mitdb):
    assert choose_records(str(mitdb), ["100"]) == [str(mitdb / "100")]
    assert len(choose_records(str(mitdb), ["DS2"])) == 22
    assert len(choose_records(str(mitdb), None)) == 48
    assert read_excerpt(str(mitdb / "114"), stop="0:01").leads == ("MLII", "V5")
