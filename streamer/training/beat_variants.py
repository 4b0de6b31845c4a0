"""Variants of records for training the beat classifier: noise, other leads, rates and rhythms.

They are records at the chain's rate, so that the chain cuts their beats like those of any other.
"""

import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

import numpy as np

from classifier.training.dataset import AS_RECORDED
from replay.record import Record, require_reference
from replay.simulate.record import SimulatedRecord
from streamer.training import augmentation
from streamer.training.at_chain_rate import at_chain_rate
from streamer.training.augmentation import Recording, Samples
from streamer.training.rearranged import with_ectopic_beats, with_sinus_beats

_NOISE: Final = 0.5
"""Strength of recorded noise, on top of movement; 1 is as much as the beats themselves."""
_MORE_NOISE: Final = 0.7
_STRETCH: Final = ((0.7, 0.9), (1.1, 1.4))
"""Factors by which a recording is played slower: wider beats at a lower rate, or the reverse."""

Noise = Mapping[str, Samples]
Change = Callable[[Recording, Noise, np.random.Generator], Recording]
Make = Callable[[SimulatedRecord, Noise, np.random.Generator], SimulatedRecord | None]


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


def _changed(change: Change) -> Make:
    """Change the samples of a record, and perhaps the times of its beats."""

    def make(
        record: SimulatedRecord, noise: Noise, rng: np.random.Generator
    ) -> SimulatedRecord | None:
        reference = require_reference(record)
        whole = Recording(
            name=record.name, samples=record.signal, beats=reference.samples, ignored=()
        )
        made = change(whole, noise, rng)
        annotations = replace(reference, samples=made.beats)
        return replace(record, signal=made.samples, annotations=annotations)

    return make


REARRANGED: Final = (AS_RECORDED + 5, AS_RECORDED + 6)
VARIANTS: Final[Mapping[int, Make]] = {
    AS_RECORDED + 1: _changed(_noisy),
    AS_RECORDED + 2: _changed(_swapped),
    AS_RECORDED + 3: _changed(_noisy_swapped),
    AS_RECORDED + 4: _changed(_stretched),
    REARRANGED[0]: lambda record, _, rng: with_ectopic_beats(record, rng),
    REARRANGED[1]: lambda record, _, rng: with_sinus_beats(record, rng),
}
"""How each variant is made, by the number that `BeatDataset.variant` gives it."""


def variant_of(record: Record, number: int, noise: Noise, *, seed: int) -> SimulatedRecord | None:
    """Make a variant of a record, the same one whenever the seed is the same.

    Parameters
    ----------
    record : Record
        With reference annotations.
    number : int
        Key of `VARIANTS`.
    noise : mapping of str to ndarray, shape (leads, n)
        Recorded noise at the chain's rate: `bw` and `ma` of the MIT-BIH Noise Stress Test Database.

    Returns
    -------
    SimulatedRecord or None
        None if the record lacks the beats of which the variant is made.

    Raises
    ------
    NoReferenceError
        If the record has no reference annotations.
    """
    rng = np.random.default_rng([seed, number, zlib.crc32(record.name.encode())])
    return VARIANTS[number](at_chain_rate(record), noise, rng)
