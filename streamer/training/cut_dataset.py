"""Cut the classifier's beat dataset with the chain itself, so that training equals serving.

A recording model takes the network's place in an ordinary chain and writes down what it is asked.
"""

import dataclasses
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from classifier.inputs.features import FEATURE_NAMES, FloatArray
from classifier.inputs.geometry import GEOMETRY, SIGNAL_CHANNELS
from classifier.labels import MODEL_LABELS, Label
from classifier.network.spec import ModelSpec, own_spec
from classifier.training.dataset import (
    AS_RECORDED,
    CLASSES,
    NO_BEAT,
    NOT_SCORED,
    BeatDataset,
    load_dataset,
    save_dataset,
)
from replay.record import BLOCK_SAMPLES, Record, require_reference
from streamer.core.events import LabeledBeat
from streamer.patient.record_events import record_events
from streamer.scoring.ec57 import TOLERANCE_MS, BeatAnnotations, lies_inside
from streamer.scoring.matching import match_beats, tolerance_samples
from streamer.training.beat_variants import REARRANGED, variant_of
from streamer.training.detector import load_noise
from streamer.training.intervals import fibrillation_at

NORMAL_STEP: Final = 3

_SOURCES: Final[dict[str, tuple[str, ...]]] = {
    "classifier": ("compiled.py", "inputs/*.py"),
    "streamer": (
        "beats/*.py",
        "patient/beat_path.py",
        "patient/chain.py",
        "signal/*.py",
        "signal/detector/*.py",
        "signal/detector/weights/*",
        "training/at_chain_rate.py",
        "training/augmentation.py",
        "training/beat_variants.py",
        "training/cut_dataset.py",
        "training/drawn_rhythms.py",
        "training/intervals.py",
        "training/rearranged.py",
    ),
}
"""Files of each package that decide how beats look; a change makes cached cuts stale."""


class RecordingModel:
    """A beat model that keeps its inputs and answers nothing of use."""

    def __init__(self, quality_min: float) -> None:
        self._spec = own_spec(quality_min=quality_min)
        self._signals = [np.zeros((0, len(SIGNAL_CHANNELS), GEOMETRY.window_samples), np.float32)]
        self._features = [np.zeros((0, len(FEATURE_NAMES)), np.float32)]

    @property
    def spec(self) -> ModelSpec:
        """Made for this program's inputs."""
        return self._spec

    def embed(self, signal: FloatArray) -> FloatArray:
        """Keep the signals, which are flattened."""
        self._signals.append(signal.copy())
        return signal.reshape(len(signal), -1)

    def decide(self, embedding: FloatArray, features: FloatArray) -> FloatArray:
        """Keep the features; every class is equally likely."""
        self._features.append(features.copy())
        return np.full((len(embedding), len(MODEL_LABELS)), 1.0 / len(MODEL_LABELS), np.float32)

    def recorded(self) -> tuple[FloatArray, FloatArray]:
        """Return the signal of each beat, and the features of each label, in order."""
        return np.concatenate(self._signals), np.concatenate(self._features)


def cut_records(
    records: Sequence[Record],
    *,
    quality_min: float,
    variants: int = 0,
    seed: int = 0,
    cache: Path | None = None,
) -> Iterator[BeatDataset]:
    """Cut each record's beats, and those of its variants, or read them from the cache folder.

    Parameters
    ----------
    quality_min : float
        The chain's quality gate: R peaks below it are not judgeable.
    variants : int
        How many of `streamer.training.beat_variants.VARIANTS` to add, from the first.
    seed : int
        Of the variants.
    cache : Path, optional
        Folder, made if missing; a cut is used again while record, gate and code are the same.

    Yields
    ------
    BeatDataset
        Of one record, or one variant of it that could be made, at a time.

    Raises
    ------
    DatasetError
        If a cached file is damaged.
    NoReferenceError
        If a record has no reference annotations.
    """
    noise = load_noise() if variants else {}
    for record in records:
        fingerprint = None if cache is None else cut_hash(record, quality_min)
        for number in range(variants + 1):
            path = None
            if cache is not None:
                cache.mkdir(parents=True, exist_ok=True)
                kind = f"-{number}-{seed}" if number else ""
                path = cache / f"{record.name}{kind}-{fingerprint}.npz"
            if path is not None and path.exists():
                yield load_dataset(path)
                continue
            if number == AS_RECORDED:
                dataset = cut_record(record, quality_min=quality_min)
            else:
                varied = variant_of(record, number, noise, seed=seed)
                if varied is None:
                    continue
                dataset = cut_record(varied, quality_min=quality_min, variant=number)
            if path is not None:
                save_dataset(dataset, path)
            yield dataset


def thinned(dataset: BeatDataset) -> BeatDataset:
    """Keep every `NORMAL_STEP`-th of a variant's N beats, of which there are more than enough.

    Of a rearranged record none are kept: only the rhythm model learns from their order. The record
    and what was missed in it are counted with the record itself, which stays whole.
    """
    if not dataset.variant.any():
        return dataset
    normal = dataset.reference == CLASSES.index(Label.N)
    chosen = ~normal | (np.cumsum(normal) % NORMAL_STEP == 0)
    kept = dataset.select(chosen & ~np.isin(dataset.variant, REARRANGED))
    return dataclasses.replace(kept, records=kept.records[:0], missed=kept.missed[:0])


def cut_record(record: Record, *, quality_min: float, variant: int = AS_RECORDED) -> BeatDataset:
    """Push one record through a chain and match its beats with the reference.

    Raises
    ------
    NoReferenceError
        If the record has no reference annotations.
    """
    marks = require_reference(record)
    reference = BeatAnnotations.of_reference(marks)
    classes = reference.codes.astype(np.int64)
    model = RecordingModel(quality_min)
    events = record_events(record, model=model)
    beats = [event for event in events if isinstance(event, LabeledBeat)]
    order: dict[int, list[int]] = {0: [], 1: []}
    for row, beat in enumerate(beats):
        order[beat.revision].append(row)
    first = [beats[row] for row in order[0]]
    found = np.array([beat.beat.rpeak.sample for beat in first], np.int64)
    matching = match_beats(reference.samples, found, tolerance_samples(TOLERANCE_MS, record.fs))
    labels = np.full(found.size, NO_BEAT, np.int64)
    labels[matching.pairs_predicted] = classes[matching.pairs_reference]
    labels[(labels == NO_BEAT) & lies_inside(found, reference.vf)] = NOT_SCORED
    missed = classes[matching.missed]
    signals, inputs = model.recorded()
    return BeatDataset(
        signal=signals,
        provisional=inputs[order[0]],
        confirmed=inputs[order[1]],
        reference=labels,
        sample=found,
        quality=np.array([beat.beat.rpeak.quality for beat in first], np.float32),
        judgeable=np.array([beat.reason is None for beat in first], np.bool_),
        record=np.full(found.size, record.name),
        variant=np.full(found.size, variant, np.int64),
        row=np.arange(found.size),
        fibrillates=fibrillation_at(found, marks),
        records=np.array([record.name]),
        missed=np.bincount(missed, minlength=len(CLASSES))[None],
    )


def cut_hash(record: Record, quality_min: float) -> str:
    """Fingerprint of a record's samples and annotations, and of the code that cuts it."""
    digest = hashlib.sha256(str(quality_min).encode())
    for source in _source_files():
        digest.update(source.read_bytes())
    for chunk in record.chunks(size=BLOCK_SAMPLES):
        digest.update(chunk.samples.tobytes())
    reference = require_reference(record)
    digest.update(reference.samples.tobytes())
    digest.update("".join(reference.symbols).encode())
    return digest.hexdigest()[:16]


def _source_files() -> list[Path]:
    """List what `_SOURCES` names, in a fixed order."""
    root = Path(__file__).parents[2]
    return [
        path
        for package, patterns in _SOURCES.items()
        for pattern in patterns
        for path in sorted((root / package).glob(pattern))
        if path.is_file()
    ]
