"""Beats, gaps and signals placed by hand, as the stages before the rhythm tracker yield them."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from classifier.labels import Label
from streamer.core.events import Alarm, Beat, Gap, LabeledBeat, Rhythm, RhythmEvent, RPeak, Tick
from streamer.rhythm.tracker import RhythmConfig, RhythmTracker
from streamer.signal.bandpass import FilteredChunk

DELAY = 127
"""Samples from an R peak to its beat, as the windower has it."""
CONFIRM = 720
"""Samples after which a label is confirmed without a next beat, as the classifier has it."""

HOP = 90
"""Samples from one measurement of the signal to the next."""

Item = FilteredChunk | LabeledBeat | Gap | Tick
Output = RhythmEvent | Alarm


def labeled(
    sample: int,
    label: str,
    revision: int,
    decided_at: int,
    quality: float = 1.0,
    window: np.ndarray | None = None,
    probabilities: tuple[float, ...] = (),
) -> LabeledBeat:
    rpeak = RPeak(
        sample=sample, amplitude_mv=1.0, decided_at=sample + 40, search_back=False, quality=quality
    )
    beat = Beat(
        rpeak=rpeak,
        window_start=sample - 128,
        window=np.zeros((1, 256), np.float32) if window is None else window,
        rr_s=np.zeros(0, np.float32),
        decided_at=sample + DELAY,
    )
    return LabeledBeat(
        beat=beat,
        label=Label(label),
        probabilities=probabilities,
        revision=revision,
        decided_at=decided_at,
    )


def items(beats: Sequence[tuple[int, str]], end: int | None = None) -> Iterator[Item]:
    """Yield what the classifier yields for these beats, then the time at the end."""
    for k, (sample, label) in enumerate(beats):
        if k:
            before, before_label = beats[k - 1]
            decided_at = min(sample + DELAY, before + CONFIRM)
            yield labeled(before, before_label, 1, decided_at)
        yield labeled(sample, label, 0, sample + DELAY)
    if end is not None:
        if end >= beats[-1][0] + CONFIRM:
            yield labeled(*beats[-1], 1, beats[-1][0] + CONFIRM)
        yield Tick(sample=end)


def steady(count: int, rr: int, start: int = 1000, label: str = "N") -> list[tuple[int, str]]:
    return [(start + k * rr, label) for k in range(count)]


def labels(text: str, rr: int = 300, start: int = 1000) -> list[tuple[int, str]]:
    return [(start + k * rr, label) for k, label in enumerate(text)]


def run(
    inputs: Iterator[Item] | Sequence[Item], config: RhythmConfig | None = None
) -> list[Output]:
    tracker = RhythmTracker(config)
    outputs = [output for item in inputs for output in tracker.push(item)]
    outputs += tracker.flush()
    assert [o.decided_at for o in outputs] == sorted(o.decided_at for o in outputs)
    return outputs


def rhythms(outputs: Sequence[Output]) -> list[tuple[Rhythm, int, int]]:
    return [(o.rhythm, o.onset, o.decided_at) for o in outputs if isinstance(o, RhythmEvent)]


def alarms(outputs: Sequence[Output]) -> list[tuple[Rhythm, int, int]]:
    """Return the alarms that were raised."""
    raised = [o for o in outputs if isinstance(o, Alarm) and o.is_raised]
    return [(o.rhythm, o.onset, o.decided_at) for o in raised]


def ends(outputs: Sequence[Output]) -> list[tuple[Rhythm, int, int]]:
    """Return the alarms that were told to be over."""
    over = [o for o in outputs if isinstance(o, Alarm) and not o.is_raised]
    return [(o.rhythm, o.onset, o.decided_at) for o in over]


def with_signal(
    events: Iterator[Item] | Sequence[Item], signal: np.ndarray, cuts: Sequence[int] = ()
) -> Iterator[Item]:
    """Mix the events with the signal they were found in, as the chain does."""
    waiting = [event for event in events if not isinstance(event, Tick)]
    edges = [0, *cuts, signal.size]
    for start, stop in pairwise(edges):
        part = np.ascontiguousarray(signal[None, start:stop], np.float32)
        yield FilteredChunk(start=start, raw=part, filtered=part)
        while waiting and waiting[0].decided_at < stop:
            yield waiting.pop(0)
        yield Tick(sample=stop - 1)


def spikes(beats: Sequence[tuple[int, str]], n: int, noise: float = 0.01) -> np.ndarray:
    """Make a signal with a narrow wave at each beat over a little noise."""
    t = np.arange(n)
    signal = noise * np.random.default_rng(1).standard_normal(n)
    for sample, _ in beats:
        signal += np.exp(-0.5 * ((t - sample) / 5.0) ** 2)
    return signal


def sine(start: int, stop: int, n: int, hz: float = 5.0) -> np.ndarray:
    """Make flutter of 1 mV from `start` to `stop`."""
    t = np.arange(n)
    return np.where((t >= start) & (t < stop), 0.5 * np.sin(2 * np.pi * hz * (t - start) / 360), 0)
