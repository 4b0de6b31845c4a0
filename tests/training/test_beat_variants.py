import dataclasses

import numpy as np
import pytest

from replay.chunk import Chunk
from replay.errors import NoReferenceError
from replay.record import Reference
from streamer.scoring.ec57 import BeatAnnotations
from streamer.training.beat_variants import VARIANTS, variant_of

FS = 180.0
SECONDS = 60
NOISE = {"bw": np.random.default_rng(8).standard_normal((2, 5000)).astype(np.float32)}
NOISY, SWAPPED, BOTH, STRETCHED, ECTOPIC, SINUS = VARIANTS


@dataclasses.dataclass
class TwoLeads:
    """A spike a second in the first lead, a tooth in the second."""

    name: str = "spikes"
    database: str | None = None
    fs: float = FS
    leads: tuple[str, ...] = ("I", "II")
    symbols: str = "N"

    @property
    def n_samples(self):
        return round(SECONDS * FS)

    @property
    def beats(self):
        return np.arange(FS / 2, self.n_samples, FS).astype(np.int64)

    def chunks(self, start=0, stop=None, size=1):
        samples = np.zeros((len(self.leads), self.n_samples), np.float32)
        samples[0, self.beats] = 1.0
        samples[1:, self.beats + 3] = -0.5
        for first in range(0, self.n_samples, size):
            yield Chunk(start=first, samples=samples[:, first : first + size].copy())

    def reference(self):
        n = self.beats.size
        return Reference(samples=self.beats, symbols=(self.symbols,) * n, aux=("",) * n)


def samples_of(record):
    return record.signal


def beats_of(record):
    return BeatAnnotations.of_reference(record.reference()).samples


@pytest.mark.parametrize("number", [NOISY, SWAPPED, BOTH, STRETCHED])
def test_a_variant_is_a_record_at_the_chain_s_rate_and_repeats_from_its_seed(number):
    made = variant_of(TwoLeads(), number, NOISE, seed=3)
    assert (made.fs, made.leads, made.name) == (360.0, ("I", "II"), "spikes")
    assert samples_of(made).shape == (2, made.n_samples)
    assert beats_of(made).size == TwoLeads().beats.size
    again = variant_of(TwoLeads(), number, NOISE, seed=3)
    assert np.array_equal(samples_of(made), samples_of(again))
    if number in (NOISY, BOTH):
        other = variant_of(TwoLeads(), number, NOISE, seed=4)
        assert not np.array_equal(samples_of(made), samples_of(other))


def test_leads_are_swapped_with_any_sign_and_one_lead_stays():
    made = samples_of(variant_of(TwoLeads(), SWAPPED, NOISE, seed=0))
    assert np.abs(made[0]).max() < np.abs(made[1]).max()
    alone = TwoLeads(leads=("I",))
    assert np.abs(samples_of(variant_of(alone, SWAPPED, NOISE, seed=0))).max() > 0.5


def test_a_stretched_record_takes_its_beats_along():
    made = variant_of(TwoLeads(), STRETCHED, NOISE, seed=1)
    interval = np.diff(beats_of(made)).mean() / 360.0
    assert interval == pytest.approx(made.n_samples / 360.0 / SECONDS, rel=0.01)
    assert interval < 0.95 or interval > 1.05
    at = beats_of(made)[10]
    assert samples_of(made)[0, at - 3 : at + 4].max() > 0.2


def test_a_record_without_reference_is_refused(monkeypatch):
    record = TwoLeads()
    monkeypatch.setattr(record, "reference", lambda: None)
    with pytest.raises(NoReferenceError, match="no reference"):
        variant_of(record, NOISY, NOISE, seed=0)


@pytest.mark.parametrize("number", [ECTOPIC, SINUS])
def test_a_record_of_few_beats_has_none_to_put_in_another_order(number):
    assert variant_of(TwoLeads(), number, NOISE, seed=0) is None
