import dataclasses

import numpy as np
import pytest

from classifier.inputs.features import FEATURE_NAMES, N_NEXT, Feature
from classifier.labels import Label
from classifier.network.runtime import load_model
from classifier.training.dataset import CLASSES, NOT_SCORED, concatenate
from classifier.training.sequences import outputs_of, sequence_of, with_rhythm
from replay.errors import NoReferenceError
from replay.record import Reference
from replay.records import open_record
from streamer.core.events import LabeledBeat
from streamer.patient.chain import Chain
from streamer.scoring.ec57 import BeatAnnotations
from streamer.training.beat_variants import REARRANGED
from streamer.training.cut_dataset import (
    _SOURCES,
    _source_files,
    cut_hash,
    cut_record,
    cut_records,
    thinned,
)

SECONDS = 60
GATE = 0.2


class Excerpt:
    """The first minute of the simulated record."""

    def __init__(self):
        self._record = open_record("demo")
        self.name, self.database = "demo", None
        self.fs, self.leads = self._record.fs, self._record.leads
        self.n_samples = round(SECONDS * self.fs)

    def chunks(self, start=0, stop=None, size=1):
        return self._record.chunks(start, self.n_samples if stop is None else stop, size)

    def reference(self):
        whole = self._record.reference()
        n = int(np.searchsorted(whole.samples, self.n_samples))
        return Reference(samples=whole.samples[:n], symbols=whole.symbols[:n], aux=whole.aux[:n])


@pytest.fixture(scope="module")
def record():
    return Excerpt()


@pytest.fixture(scope="module")
def dataset(record):
    return cut_record(record, quality_min=GATE)


def test_most_beats_of_the_simulated_record_are_found_and_matched(record, dataset):
    samples = BeatAnnotations.of_reference(record.reference()).samples
    matched = (dataset.reference >= 0).sum()
    assert matched + dataset.missed.sum() == samples.size
    assert matched > 0.9 * samples.size


def test_provisional_inputs_know_nothing_of_the_next_beat(dataset):
    assert not dataset.provisional[:, -N_NEXT:].any()
    assert dataset.confirmed[:-1, -N_NEXT].mean() > 0.9
    assert np.array_equal(dataset.provisional[:, :-N_NEXT], dataset.confirmed[:, :-N_NEXT])


def test_training_inputs_are_what_serving_sees(record):
    model = load_model()
    dataset = cut_record(record, quality_min=model.spec.quality_min)
    sequence = sequence_of(dataset)
    said = outputs_of(model.spec.rhythm, sequence)
    dataset = with_rhythm(dataset, {(sequence.record, sequence.variant): said})
    assert dataset.confirmed[1:-1, Feature.NEXT_SEQUENCE_S].all()
    signals, seen = [], []

    class Spy:
        spec = model.spec

        def embed(self, signal):
            signals.append(signal[0].copy())
            return model.embed(signal)

        def decide(self, embedding, features):
            seen.append(features[0].copy())
            return model.decide(embedding, features)

    chain = Chain(fs=record.fs, n_leads=len(record.leads), model=Spy())
    events = [event for chunk in record.chunks(size=250) for event in chain.push(chunk)]
    beats = [event for event in [*events, *chain.flush()] if isinstance(event, LabeledBeat)]
    known = {sample: row for row, sample in enumerate(dataset.sample.tolist())}
    assert np.array_equal(np.stack(signals), dataset.signal)
    for beat, features in zip(beats, seen, strict=True):
        row = known[beat.beat.rpeak.sample]
        expected = (dataset.provisional, dataset.confirmed)[beat.revision][row]
        assert np.array_equal(features, expected)
        assert (beat.reason is None) == dataset.judgeable[row]
    assert len(seen) == 2 * len(dataset)


def test_the_cache_is_used_until_the_record_changes(record, dataset, tmp_path):
    (first,) = cut_records([record], quality_min=GATE, cache=tmp_path)
    (file,) = tmp_path.iterdir()
    stamp = file.stat().st_mtime_ns
    (second,) = cut_records([record], quality_min=GATE, cache=tmp_path)
    assert file.stat().st_mtime_ns == stamp
    assert np.array_equal(first.signal, second.signal)
    assert np.array_equal(first.signal, dataset.signal)
    shorter = Excerpt()
    shorter.n_samples -= 1000
    assert len({cut_hash(shorter, GATE), cut_hash(record, GATE), cut_hash(record, 0.5)}) == 3


def test_variants_add_beats_and_no_records(record, dataset, tmp_path, monkeypatch):
    noise = np.random.default_rng(0).standard_normal((2, 4000)).astype(np.float32)
    monkeypatch.setattr(
        "streamer.training.cut_dataset.load_noise", lambda: {"bw": noise, "ma": noise}
    )
    parts = list(cut_records([record], quality_min=GATE, variants=2, seed=1, cache=tmp_path))
    whole = concatenate([thinned(part) for part in parts])
    assert [np.unique(part.variant).tolist() for part in parts] == [[0], [1], [2]]
    assert whole.records.tolist() == ["demo"]
    assert whole.missed.tolist() == dataset.missed.tolist()
    assert parts[2].row.tolist() == list(range(len(parts[2])))
    assert (thinned(parts[2]).reference == 0).sum() < 0.5 * (dataset.reference == 0).sum()
    assert (thinned(parts[2]).reference > 0).sum() == (parts[2].reference > 0).sum()
    assert len(list(tmp_path.iterdir())) == 3
    rearranged = dataclasses.replace(dataset, variant=np.full(len(dataset), REARRANGED[0]))
    assert len(thinned(rearranged)) == 0


def test_detections_in_flutter_are_not_scored(record):
    inside = Excerpt()
    samples = BeatAnnotations.of_reference(record.reference()).samples
    ends = np.array([samples[10] - 50, samples[20] + 50])
    kept = np.concatenate([samples[:10], samples[21:]])
    at = np.sort(np.concatenate([kept, ends]))
    symbols = tuple("[" if s == ends[0] else "]" if s == ends[1] else "N" for s in at)
    inside.reference = lambda: Reference(samples=at, symbols=symbols, aux=("",) * at.size)
    found = cut_record(inside, quality_min=GATE)
    flutter = (found.sample >= ends[0]) & (found.sample <= ends[1])
    assert flutter.sum() > 5
    assert (found.reference[flutter] == NOT_SCORED).all()
    assert (found.reference[~flutter] != NOT_SCORED).all()


def test_marks_that_are_no_beats_are_left_out():
    reference = Reference(
        samples=np.array([10, 20, 30, 40]), symbols=("+", "N", "~", "V"), aux=("", "", "", "")
    )
    beats = BeatAnnotations.of_reference(reference)
    assert beats.samples.tolist() == [20, 40]
    assert [CLASSES[index] for index in beats.codes] == [Label.N, Label.V]


def test_a_record_without_reference_is_refused(record, monkeypatch):
    other = Excerpt()
    monkeypatch.setattr(other, "reference", lambda: None)
    with pytest.raises(NoReferenceError, match="no reference annotations"):
        cut_record(other, quality_min=GATE)


def test_inputs_have_the_network_s_shape(dataset):
    assert dataset.signal.shape == (len(dataset), 2, 256)
    assert dataset.confirmed.shape == (len(dataset), len(FEATURE_NAMES))
    assert np.isfinite(dataset.signal).all()
    assert np.isfinite(dataset.confirmed).all()


def test_every_source_of_the_cut_is_in_its_fingerprint():
    found = {"/".join(path.parts[-2:]) for path in _source_files()}
    assert {"inputs/memory.py", "detector/kernel.py", "patient/chain.py"} <= found
    assert len(found) >= sum(map(len, _SOURCES.values()))
