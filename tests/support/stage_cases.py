"""The stages with a stream for each, for the conformance suite.

A new stage needs one line in `CASES`, and a function that cuts its input stream into pushes.
"""

import dataclasses
import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from classifier.inputs.features import FloatArray
from classifier.inputs.memory import BeatInputs
from classifier.labels import MODEL_LABELS
from classifier.network.spec import ModelSpec, own_spec
from replay.chunk import Chunk
from streamer.beats.label_request import LabelRequest, label_beats
from streamer.beats.label_requester import LabelRequester
from streamer.beats.windower import BeatWindower
from streamer.core.events import CHAIN_FS, Beat, Gap, LabeledBeat, RPeak, Tick
from streamer.core.stage import Stage
from streamer.patient.chain import Chain
from streamer.rhythm.tracker import RhythmTracker
from streamer.signal.bandpass import BandPass, FilteredChunk
from streamer.signal.detector.qrs_detector import QRSDetector
from streamer.signal.resample import Resampler

N_LEADS = 2
FIRST = 1000
"""Sample index of the first sample: nothing may rely on a start at 0."""
DURATION_S = 22
Cuts = Sequence[int]


class SumModel:
    """A network that is arithmetic: quick, deterministic, and different for different inputs."""

    @property
    def spec(self) -> ModelSpec:
        return own_spec()

    def embed(self, signal: FloatArray) -> FloatArray:
        return np.nansum(np.abs(signal), axis=(1, 2))[:, None]

    def decide(self, embedding: FloatArray, features: FloatArray) -> FloatArray:
        scores = np.stack(
            [
                embedding[:, 0] + np.nansum(features, axis=1) * (k + 1)
                for k in range(len(MODEL_LABELS))
            ],
            axis=1,
        )
        scores = np.abs(np.sin(scores)) + 0.01
        return (scores / scores.sum(axis=1, keepdims=True)).astype(np.float32)


def ecg(
    n: int, fs: float, *, seed: int = 7, ectopic: Sequence[int] = (6, 11)
) -> NDArray[np.float32]:
    """Beats of three Gaussians (P, QRS, T), early and wide where `ectopic`, with a little noise."""
    rng = np.random.default_rng(seed)
    t = np.arange(n) / fs
    mv = np.zeros(n)
    at, k = 0.4, 0
    while at < t[-1] + 1:
        wide = k in ectopic
        for offset_s, width_s, height in (
            (-0.17, 0.025, 0.0 if wide else 0.12),
            (0.0, 0.030 if wide else 0.010, -1.4 if wide else 1.1),
            (0.26, 0.05, 0.25),
        ):
            mv += height * np.exp(-0.5 * ((t - at - offset_s) / width_s) ** 2)
        k += 1
        at += (0.55 if k in ectopic else 0.8) + 0.05 * rng.standard_normal()
    noise = 0.005 * rng.standard_normal((N_LEADS, n))
    return (np.stack([mv, -0.5 * mv]) + noise).astype(np.float32)


@cache
def signal_at(fs: float) -> NDArray[np.float32]:
    """Return the signal of every case: an invalid stretch at 3 s, a flat one from 14 to 16 s."""
    samples = ecg(round(DURATION_S * fs), fs)
    samples[:, round(3.0 * fs) : round(3.3 * fs)] = np.nan
    samples[:, round(14.0 * fs) : round(16.0 * fs)] = samples[:, [round(14.0 * fs)]]
    samples.setflags(write=False)
    return samples


def chunks(samples: NDArray[np.float32], cuts: Cuts) -> list[Chunk]:
    """Cut a signal that starts at `FIRST`; every chunk owns its samples."""
    edges = [0, *cuts, samples.shape[1]]
    return [
        Chunk(start=FIRST + start, samples=np.ascontiguousarray(samples[:, start:stop]))
        for start, stop in itertools.pairwise(edges)
        if stop > start
    ]


def push_all(stage: Stage[Any, Any], items: Iterable[Any]) -> list[Any]:
    """Push every item and return all outputs, without the flush."""
    return [output for item in items for output in stage.push(item)]


def _filtered(samples: NDArray[np.float32], cuts: Cuts) -> list[FilteredChunk]:
    return push_all(BandPass(n_leads=N_LEADS), chunks(samples, cuts))


@cache
def _found() -> list[RPeak | Gap]:
    return push_all(QRSDetector(n_leads=N_LEADS), _filtered(signal_at(CHAIN_FS), ()))


def _windower_inputs(samples: NDArray[np.float32], cuts: Cuts) -> list[Any]:
    return [
        item
        for chunk in chunks(samples, cuts)
        for item in (chunk, *_block(_found(), chunk), Tick(sample=chunk.stop - 1))
    ]


@cache
def _beats() -> list[Beat | Gap]:
    return push_all(
        BeatWindower(n_leads=N_LEADS), _windower_inputs(signal_at(CHAIN_FS), range(50, 7900, 50))
    )


@cache
def _labeled() -> list[LabeledBeat | Gap]:
    model = SumModel()
    items = _ticked(_beats(), signal_at(CHAIN_FS), range(50, 7900, 50))
    return [
        label_beats(model, [step])[0] if isinstance(step, LabelRequest) else step
        for step in push_all(LabelRequester(model.spec), items)
    ]


def _block(events: Sequence[Any], chunk: Chunk) -> list[Any]:
    return [event for event in events if chunk.start <= event.decided_at < chunk.stop]


def _ticked(events: Sequence[Any], samples: NDArray[np.float32], cuts: Cuts) -> list[Any]:
    """Deal out events with a tick at the end of every chunk, as the chain does."""
    return [
        item
        for chunk in chunks(samples, cuts)
        for item in (*_block(events, chunk), Tick(sample=chunk.stop - 1))
    ]


def _beat_inputs(samples: NDArray[np.float32], cuts: Cuts) -> list[Any]:
    return _ticked(_beats(), samples, cuts)


def _label_inputs(samples: NDArray[np.float32], cuts: Cuts) -> list[Any]:
    """Each chunk's filtered signal comes before what was found in it, as in the chain."""
    return [
        item
        for chunk, filtered in zip(chunks(samples, cuts), _filtered(samples, cuts), strict=True)
        for item in (filtered, *_block(_labeled(), chunk), Tick(sample=chunk.stop - 1))
    ]


@dataclass(frozen=True, kw_only=True)
class Case:
    """One stage under test."""

    name: str
    make: Callable[[], Stage[Any, Any]]
    inputs: Callable[[NDArray[np.float32], Cuts], list[Any]]
    """Turns a signal and the positions at which to cut it into the stage's pushes."""
    fs: float = CHAIN_FS
    takes_samples: bool = True
    """Whether the pushes depend on the signal alone (else on events made beforehand)."""
    max_delay_s: float = 0.0
    """Documented bound of `decided_at` minus the place of an output."""
    emits_samples: bool = False
    """Whether its outputs are chunks (else decisions)."""
    carries_state: bool = True

    @property
    def signal(self) -> NDArray[np.float32]:
        """The samples to stream, shape (leads, n)."""
        return signal_at(self.fs)

    def stream(self, cuts: Cuts = ()) -> list[Any]:
        """Return the pushes for these cuts."""
        return self.inputs(self.signal, cuts)


def _resampler(fs: float) -> Case:
    return Case(
        name=f"Resampler {fs:g} Hz",
        make=lambda: Resampler(fs=fs, n_leads=N_LEADS),
        inputs=chunks,
        fs=fs,
        max_delay_s=0.1,
        emits_samples=True,
        carries_state=fs != CHAIN_FS,
    )


def _chain(fs: float) -> Case:
    return Case(
        name=f"Chain {fs:g} Hz",
        make=lambda: Chain(fs=fs, n_leads=N_LEADS, model=SumModel()),
        inputs=chunks,
        fs=fs,
        max_delay_s=10.0,
    )


CASES = (
    *(_resampler(fs) for fs in (128.0, 250.0, 257.5, 360.0, 500.0, 1000.0)),
    Case(
        name="BandPass",
        make=lambda: BandPass(n_leads=N_LEADS),
        inputs=chunks,
        emits_samples=True,
    ),
    Case(
        name="QRSDetector",
        make=lambda: QRSDetector(n_leads=N_LEADS),
        inputs=_filtered,
        max_delay_s=6.0,
    ),
    Case(
        name="BeatWindower",
        make=lambda: BeatWindower(n_leads=N_LEADS),
        inputs=_windower_inputs,
        takes_samples=False,
        max_delay_s=6.0,
    ),
    Case(
        name="LabelRequester",
        make=lambda: LabelRequester(SumModel().spec),
        inputs=_beat_inputs,
        takes_samples=False,
        max_delay_s=8.0,
    ),
    Case(
        name="RhythmTracker",
        make=RhythmTracker,
        inputs=_label_inputs,
        takes_samples=False,
        max_delay_s=60.0,
    ),
    *(_chain(fs) for fs in (128.0, 360.0)),
)


def same(a: Any, b: Any) -> bool:
    """Structural equality to the last bit: arrays by dtype, shape and content; NaN equals NaN."""
    if type(a) is not type(b):
        return False
    if isinstance(a, BeatInputs | Struct):
        names = a.__slots__ if isinstance(a, BeatInputs) else a.__struct_fields__
        return all(same(getattr(a, name), getattr(b, name)) for name in names)
    if dataclasses.is_dataclass(a):
        return all(same(getattr(a, f.name), getattr(b, f.name)) for f in dataclasses.fields(a))
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    return bool(a == b) or (isinstance(a, float) and math.isnan(a) and math.isnan(b))


def joined(outputs: Iterable[Any]) -> list[Any]:
    """Join chunks that follow each other, because cuts of samples are no part of the result."""
    runs: list[list[Any]] = []
    for output in outputs:
        follows = runs and _is_chunk(output) and _is_chunk(runs[-1][-1])
        if follows and _stop(runs[-1][-1]) == output.start:
            runs[-1].append(output)
        else:
            runs.append([output])
    return [_join(run) if len(run) > 1 else run[0] for run in runs]


def _is_chunk(output: Any) -> bool:
    return isinstance(output, Chunk | FilteredChunk)


def _stop(chunk: Chunk | FilteredChunk) -> int:
    samples = chunk.samples if isinstance(chunk, Chunk) else chunk.raw
    return chunk.start + samples.shape[1]


def _join(run: Sequence[Any]) -> Any:
    names = ("samples",) if isinstance(run[0], Chunk) else ("raw", "filtered")
    arrays = {n: np.concatenate([getattr(chunk, n) for chunk in run], axis=1) for n in names}
    return dataclasses.replace(run[0], **arrays)
