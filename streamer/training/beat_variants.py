"""Variants of records for training the beat classifier: noise, other leads, other rates.

They are those of `streamer.training.augmentation`, offered as records at the chain's rate, so that
the chain cuts their beats like those of any other record.
"""

import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from classifier.training.dataset import AS_RECORDED
from replay.chunk import Chunk
from replay.record import Record, Reference, check_range
from streamer.core.events import CHAIN_FS
from streamer.training import augmentation
from streamer.training.augmentation import Recording, Samples
from streamer.training.detector import samples_of

_NOISE: Final = 0.5
"""Strength of recorded noise, on top of movement; 1 is as much as the beats themselves."""
_MORE_NOISE: Final = 0.7
_STRETCH: Final = ((0.7, 0.9), (1.1, 1.4))
"""Factors by which a recording is played slower: wider beats at a lower rate, or the reverse."""

Make = Callable[[Recording, Mapping[str, Samples], np.random.Generator], Recording]


def _noisy(
    recording: Recording, noise: Mapping[str, Samples], rng: np.random.Generator
) -> Recording:
    moved = augmentation.motion(recording, rng)
    return augmentation.noisy(moved, dict(noise), _NOISE, rng)


def _swapped(
    recording: Recording, noise: Mapping[str, Samples], rng: np.random.Generator
) -> Recording:
    if len(recording.samples) < 2:
        return recording
    return augmentation.leads_of(recording, 1, 0, rng=rng)


def _noisy_swapped(
    recording: Recording, noise: Mapping[str, Samples], rng: np.random.Generator
) -> Recording:
    moved = augmentation.motion(_swapped(recording, noise, rng), rng)
    return augmentation.noisy(moved, dict(noise), _MORE_NOISE, rng)


def _stretched(
    recording: Recording, noise: Mapping[str, Samples], rng: np.random.Generator
) -> Recording:
    low, high = _STRETCH[int(rng.integers(len(_STRETCH)))]
    return augmentation.stretched(recording, float(rng.uniform(low, high)))


VARIANTS: Final[Mapping[int, Make]] = {
    AS_RECORDED + 1: _noisy,
    AS_RECORDED + 2: _swapped,
    AS_RECORDED + 3: _noisy_swapped,
    AS_RECORDED + 4: _stretched,
}
"""How each variant is made, by the number that `BeatDataset.variant` gives it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VariantRecord:
    """A variant of a record, in memory, at the chain's rate; a `replay.record.Record`."""

    name: str
    leads: tuple[str, ...]
    recording: Recording
    annotations: Reference
    database: str | None = None
    fs: float = CHAIN_FS

    @property
    def n_samples(self) -> int:
        """Length of every lead."""
        return int(self.recording.samples.shape[1])

    def chunks(self, start: int = 0, stop: int | None = None, size: int = 1) -> Iterator[Chunk]:
        """Yield samples in chunks; see `Record.chunks`."""
        stop = check_range(start, stop, size, self.n_samples)
        for first in range(start, stop, size):
            part = self.recording.samples[:, first : min(first + size, stop)]
            yield Chunk(start=first, samples=part.copy())

    def reference(self) -> Reference:
        """Return the reference annotations."""
        return self.annotations


def variant_of(
    record: Record, number: int, noise: Mapping[str, Samples], *, seed: int
) -> VariantRecord:
    """Make a variant of a record, the same one whenever the seed is the same.

    Parameters
    ----------
    record : Record
        With reference annotations.
    number : int
        Key of `VARIANTS`.
    noise : mapping of str to ndarray, shape (leads, n)
        Recorded noise at the chain's rate: `bw` and `ma` of the MIT-BIH Noise Stress Test Database.
    seed : int

    Raises
    ------
    ValueError
        If the record has no reference annotations.
    """
    reference = record.reference()
    if reference is None:
        raise ValueError(f"record {record.name} has no reference annotations")
    at = np.round(reference.samples * (CHAIN_FS / record.fs)).astype(np.int64)
    whole = Recording(name=record.name, samples=samples_of(record), beats=at, ignored=())
    rng = np.random.default_rng([seed, number, zlib.crc32(record.name.encode())])
    made = VARIANTS[number](whole, noise, rng)
    return VariantRecord(
        name=record.name,
        leads=record.leads,
        recording=made,
        annotations=Reference(samples=made.beats, symbols=reference.symbols, aux=reference.aux),
    )
