"""Variants of a recording, so that the peak scorer learns from more than the records alone."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import signal

Samples = NDArray[np.float32]
FS: Final = 360.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Recording:
    """A recording at the chain's rate with its reference beats.

    Attributes
    ----------
    name : str
        Record name.
    samples : ndarray of float32, shape (leads, n)
        mV at 360 Hz.
    beats : ndarray of int64, shape (b,)
        Reference R peaks.
    ignored : tuple of (int, int)
        Segments (ventricular flutter) in which candidates are not learnt from.
    """

    name: str
    samples: Samples
    beats: NDArray[np.int64]
    ignored: tuple[tuple[int, int], ...]


def leads_of(recording: Recording, *order: int, rng: np.random.Generator) -> Recording:
    """Choose and order leads, each with a random sign."""
    signs = rng.choice([-1.0, 1.0], size=(len(order), 1)).astype(np.float32)
    return _with(recording, recording.samples[list(order)] * signs)


def stretched(recording: Recording, factor: float) -> Recording:
    """Play the recording slower by `factor`: wider beats at a slower rate, or the reverse."""
    n = recording.samples.shape[1]
    at = np.arange(0, n - 1, 1.0 / factor)
    index = at.astype(np.int64)
    part = (at - index).astype(np.float32)
    samples = recording.samples[:, index] * (1 - part) + recording.samples[:, index + 1] * part
    return Recording(
        name=recording.name,
        samples=np.ascontiguousarray(samples, np.float32),
        beats=np.round(recording.beats * factor).astype(np.int64),
        ignored=tuple((int(a * factor), int(b * factor)) for a, b in recording.ignored),
    )


def noisy(
    recording: Recording, noise: dict[str, Samples], strength: float, rng: np.random.Generator
) -> Recording:
    """Add baseline wander and muscle noise in segments of 20 s, at several strengths."""
    samples = recording.samples.copy()
    n = samples.shape[1]
    block = round(20 * FS)
    share = {"bw": 2.0, "ma": 0.5}
    for name, source in noise.items():
        offset = int(rng.integers(source.shape[1]))
        for lead in range(samples.shape[0]):
            one = source[rng.integers(source.shape[0])]
            one = np.take(one, np.arange(offset, offset + n), mode="wrap")
            gains = rng.choice([0.0, 0.0, 0.0, 0.2, 0.5, 1.0], size=n // block + 1)
            gain = np.repeat(gains, block)[:n].astype(np.float32)
            scale = strength * share[name] * _beat_size(samples[lead]) / np.std(one)
            samples[lead] += (gain * scale * one).astype(np.float32)
    return _with(recording, samples)


def motion(recording: Recording, rng: np.random.Generator) -> Recording:
    """Add what a moved electrode does: bumps and steps of 20 ms to 1 s, in bouts of 20 s.

    Synthetic, so that the recorded electrode motion `em` stays unseen.
    """
    samples = recording.samples.copy()
    n = samples.shape[1]
    bout = round(20 * FS)
    sizes = [_beat_size(lead) for lead in samples]
    for start in range(0, n - bout, bout):
        if rng.random() < 0.5:
            continue
        rate, strength = rng.uniform(0.5, 4.0), rng.choice([0.2, 0.4, 0.8])
        for _ in range(rng.poisson(rate * bout / FS)):
            at = start + int(rng.integers(bout))
            bump = _bump(rng)[: n - at]
            for lead, size in enumerate(sizes):
                share = strength * size * rng.laplace()
                samples[lead, at : at + bump.size] += (share * bump).astype(np.float32)
    return _with(recording, samples)


def _bump(rng: np.random.Generator) -> NDArray[np.float64]:
    """Return a rise of 10 to 150 ms and a fall of 20 ms to 1 s, of height 1."""
    rise, fall = FS * rng.uniform(0.01, 0.15), FS * np.exp(rng.uniform(np.log(0.02), 0.0))
    t = np.arange(round(rise + 4 * fall))
    shape = np.where(t < rise, 0.5 - 0.5 * np.cos(np.pi * t / rise), np.exp(-(t - rise) / fall))
    return np.asarray(shape, np.float64)


def hum(recording: Recording, rng: np.random.Generator) -> Recording:
    """Add mains hum at 50 or 60 Hz, up to a third of a beat's size."""
    samples = recording.samples.copy()
    t = np.arange(samples.shape[1]) / FS
    for lead in range(samples.shape[0]):
        frequency = rng.choice([50.0, 60.0])
        size = rng.uniform(0.05, 0.33) * _beat_size(samples[lead])
        samples[lead] += (size * np.sin(2 * np.pi * frequency * t)).astype(np.float32)
    return _with(recording, samples)


def band_limited(recording: Recording, rng: np.random.Generator) -> Recording:
    """Pass what a monitor or a slow recorder leaves: 0.5 Hz up to 25 to 50 Hz."""
    sos = signal.butter(2, (0.5, rng.uniform(25, 50)), "bandpass", fs=FS, output="sos")
    start = signal.sosfilt_zi(sos)[:, None, :] * recording.samples[:, :1]
    filtered, _ = signal.sosfilt(sos, recording.samples, axis=1, zi=start)
    return _with(recording, filtered.astype(np.float32))


VENTRICULAR_S: Final = (0.03, 0.12)
ATRIAL_S: Final = (0.12, 0.24)


def paced(
    recording: Recording, before_s: tuple[float, float], rng: np.random.Generator
) -> Recording:
    """Put a pacing spike of 3 to 8 ms before most beats, by about the same time before each."""
    samples = recording.samples.copy()
    lead_time = rng.uniform(*before_s)
    for lead in samples:
        size = rng.choice([-1, 1]) * rng.uniform(0.3, 2.0) * _beat_size(lead)
        for beat in recording.beats:
            at = int(beat - FS * (lead_time + rng.normal(0, 0.003)))
            if 0 < at < lead.size - 4 and rng.random() < 0.9:
                lead[at : at + rng.integers(1, 4)] += size
    return _with(recording, samples)


def interrupted(recording: Recording, rng: np.random.Generator) -> Recording:
    """Replace segments by lead-off, saturation or asystole, with the noise that remains there.

    Every second time only one lead is off, and the beats go on in the other.
    """
    samples = recording.samples.copy()
    n = samples.shape[1]
    keep = np.ones(recording.beats.size, bool)
    at = 0
    while (at := at + round(rng.uniform(15, 60) * FS)) < n - round(15 * FS):
        stop = at + round(rng.uniform(2, 12) * FS)
        leads = range(samples.shape[0])
        if len(leads) > 1 and rng.random() < 0.5:
            leads = range(int(rng.integers(len(leads))), len(leads), len(leads))
        else:
            keep &= (recording.beats < at) | (recording.beats >= stop)
        level = rng.choice([0.0, -5.0, 5.0, np.nan])
        for lead in leads:
            rest = samples[lead, at] if np.isnan(level) else np.float32(level)
            wander = np.cumsum(rng.normal(0, 1.0, stop - at)) * 0.002
            tremor = rng.normal(0, rng.choice([0.0, 0.002, 0.01]), stop - at)
            drifting = wander if np.isnan(level) else 0.0
            samples[lead, at:stop] = rest + (tremor + drifting).astype(np.float32)
        at = stop
    return Recording(
        name=recording.name,
        samples=samples,
        beats=recording.beats[keep],
        ignored=recording.ignored,
    )


def variants(
    recording: Recording, noise: dict[str, Samples], rng: np.random.Generator
) -> Iterator[Recording]:
    """Yield the recording and every kind of variant of it."""
    leads = tuple(range(recording.samples.shape[0]))[:2]

    def mixed() -> Recording:
        return leads_of(recording, *rng.permutation(leads), rng=rng)

    def single() -> Recording:
        return leads_of(recording, int(rng.choice(leads)), rng=rng)

    makers: tuple[Callable[[], Recording], ...] = (
        lambda: recording,
        lambda: leads_of(recording, *leads[::-1], rng=rng),
        *(lambda lead=lead: leads_of(recording, lead, rng=rng) for lead in leads),
        lambda: noisy(mixed(), noise, 0.5, rng),
        lambda: noisy(single(), noise, 0.8, rng),
        lambda: motion(mixed(), rng),
        lambda: motion(single(), rng),
        lambda: stretched(mixed(), rng.uniform(1.3, 1.9)),
        lambda: stretched(single(), rng.uniform(0.6, 0.8)),
        lambda: paced(stretched(mixed(), rng.uniform(1.1, 1.6)), VENTRICULAR_S, rng),
        lambda: paced(mixed(), ATRIAL_S, rng),
        lambda: paced(paced(single(), VENTRICULAR_S, rng), ATRIAL_S, rng),
        lambda: interrupted(mixed(), rng),
        lambda: hum(mixed(), rng),
        lambda: band_limited(single(), rng),
    )
    for make in makers:
        yield make()


def _with(recording: Recording, samples: Samples) -> Recording:
    return Recording(
        name=recording.name,
        samples=np.ascontiguousarray(samples, np.float32),
        beats=recording.beats,
        ignored=recording.ignored,
    )


def _beat_size(lead: Samples) -> float:
    return float(np.percentile(np.abs(lead - np.median(lead)), 99))
