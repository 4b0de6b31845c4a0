"""Patients whose ectopic beats are the rule: a record's own beats in another order.

Nearly all supraventricular ectopic beats of the training records are rare and early. There are
patients in whom they are frequent, or most of all beats, as in sick sinus syndrome: pairs, bigeminy
and long atrial runs, then a pause until the sinus node speaks. Here such rhythms are drawn, with
ectopic beats from 1 to 90 %, and pieces of the record (P wave to the next P wave) are put
together in their order.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

import numpy as np
from numpy.typing import NDArray

from classifier.labels import Label
from replay.record import Reference, require_reference
from replay.simulate.record import SimulatedRecord
from streamer.scoring.ec57 import LABELS, BeatAnnotations

_FEWEST: Final = {Label.N: 100, Label.S: 12}
"""Beats of each class that a record must hold."""
_BEATS: Final = 1200
_BEFORE_S: Final = 0.22
"""A piece begins this long before its R peak, with its P wave."""
_EDGE_S: Final = 0.03
_QRS_END_S: Final = 0.1
_T_END_S: Final = 0.4
_TURN_S: Final = 0.1
"""A piece that is too short is made longer behind its T wave, by turning to and fro there, over at
least this time."""
_SHORTEST_S: Final = 0.28
"""RR interval."""
_CANDIDATES: Final = 6
"""Beats from which the one that fits best is taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EctopicRanges:
    """Ranges from which the rhythm of a patient is drawn, and again each few minutes."""

    share: tuple[float, float] = (0.01, 0.9)
    """Of ectopic beats; drawn so that its logarithm, or that of the rest, is even."""
    stretch_beats: tuple[int, int] = (60, 400)
    """After which the rhythm changes."""
    run_beats: tuple[float, float] = (1.0, 12.0)
    """Mean length of a run."""
    coupling: tuple[float, float] = (0.5, 0.9)
    """First ectopic interval, to the sinus interval."""
    run_interval: tuple[float, float] = (0.5, 1.0)
    """Interval inside runs, to the sinus interval."""
    pause: tuple[float, float] = (1.0, 1.5)
    """Interval after the last ectopic beat, to the sinus interval."""
    long_pause: tuple[float, float] = (1.5, 4.0)
    long_pauses: tuple[float, float] = (0.0, 0.5)
    """Share of the pauses that are long."""
    respiration: tuple[float, float] = (0.0, 0.08)
    """Sinus arrhythmia, of the sinus interval."""
    jitter: tuple[float, float] = (0.005, 0.04)


RANGES: Final = EctopicRanges()


def ectopic_rhythm(
    rng: np.random.Generator, ranges: EctopicRanges = RANGES
) -> Iterator[tuple[bool, float]]:
    """Yield beats for ever: whether it is ectopic, and its RR interval to the sinus interval."""
    slow, phase = 1.0, rng.uniform(0, 2 * np.pi)
    breath = rng.uniform(0.15, 0.35)
    size = rng.uniform(*ranges.respiration)
    while True:
        beats = iter(_stretch(rng, ranges))
        for ectopic, ratio in islice(beats, int(rng.integers(*ranges.stretch_beats))):
            slow *= float(np.exp(rng.normal(0, 0.01) - 0.02 * np.log(slow)))
            phase += 2 * np.pi * breath
            sinus = slow * (1.0 + size * np.sin(phase))
            yield ectopic, ratio * (slow if ectopic else sinus)


def _stretch(rng: np.random.Generator, ranges: EctopicRanges) -> Iterator[tuple[bool, float]]:
    """Yield beats of one rhythm."""
    share = float(np.exp(rng.uniform(np.log(ranges.share[0]), np.log(0.5))))
    if rng.random() < 0.5:
        share = min(1.0 - share, ranges.share[1])
    run = float(np.exp(rng.uniform(*np.log(ranges.run_beats))))
    coupling, within = rng.uniform(*ranges.coupling), rng.uniform(*ranges.run_interval)
    pause, long_share = rng.uniform(*ranges.pause), rng.uniform(*ranges.long_pauses)
    jitter = rng.uniform(*ranges.jitter)
    # A run of `run` beats follows so many sinus beats on average that the share comes out.
    sinus_beats = max(run * (1.0 - share) / share, 1.0)

    def varied(ratio: float) -> float:
        return float(ratio * np.exp(rng.normal(0, jitter)))

    while True:
        for number in range(rng.geometric(1.0 / run)):
            yield True, varied(within if number else coupling)
        long = rng.random() < long_share
        yield False, varied(rng.uniform(*ranges.long_pause) if long else pause)
        for _ in range(rng.geometric(1.0 / sinus_beats) - 1):
            yield False, varied(1.0)


def rearranged(record: SimulatedRecord, rng: np.random.Generator) -> SimulatedRecord | None:
    """Put a record's sinus and supraventricular beats together in a rhythm that is drawn.

    Parameters
    ----------
    record : SimulatedRecord
        With reference annotations.
    rng : numpy.random.Generator

    Returns
    -------
    SimulatedRecord or None
        None if the record has too few beats of either class.
    """
    beats = BeatAnnotations.of_reference(require_reference(record))
    codes, at = beats.codes, beats.samples
    normal, ectopic = (codes == LABELS.index(label) for label in _FEWEST)
    usable = np.zeros(at.size, np.bool_)
    usable[2:-2] = (normal | ectopic)[3:-1]
    early, sinus = np.flatnonzero(ectopic & usable), np.flatnonzero(normal & usable)
    sinus = sinus[normal[sinus - 1]]
    if sinus.size < _FEWEST[Label.N] or early.size < _FEWEST[Label.S]:
        return None
    rr, following = np.diff(at, prepend=at[0]), np.diff(at, append=at[-1])
    usual = float(np.median(rr[sinus])) * rng.uniform(0.95, 1.3)
    unhurried = sinus[np.argsort(following[sinus])[-max(sinus.size // 5, 1) :]]
    cut = _Pieces(record, at)
    parts, places, symbols, length = [], [], [], 0
    drawn = islice(ectopic_rhythm(rng), _BEATS + 1)
    is_ectopic, ratio = next(drawn)
    for next_ectopic, next_ratio in drawn:
        interval = max(round(next_ratio * usual), round(_SHORTEST_S * record.fs))
        pool = early if is_ectopic else sinus
        some = rng.choice(pool, min(_CANDIDATES, pool.size), replace=False)
        # An ectopic beat is one that came about as early, as its P wave lies on the T wave then;
        # any is rather one after which there was as much time.
        misfit = np.maximum(interval - following[some], 0.0)
        if is_ectopic:
            misfit += np.abs(rr[some] - ratio * usual)
        parts.append(cut(int(some[np.argmin(misfit)]), interval, int(rng.choice(unhurried))))
        places.append(length + cut.before)
        symbols.append("S" if is_ectopic else "N")
        length += interval
        is_ectopic, ratio = next_ectopic, next_ratio
    signal = np.zeros((len(record.leads), length + cut.edge), np.float32)
    first = 0
    for part in parts:
        signal[:, first : first + part.shape[1]] += part
        first += part.shape[1] - cut.edge
    annotations = Reference(
        samples=np.array([0, *places], np.int64),
        symbols=("+", *symbols),
        aux=("(N", *("" for _ in symbols)),
    )
    return replace(record, signal=signal, annotations=annotations)


class _Pieces:
    """Cuts pieces of a record, each with a fade at both ends.

    Parameters
    ----------
    record : SimulatedRecord
    at : ndarray of int64
        R peaks.
    """

    def __init__(self, record: SimulatedRecord, at: NDArray[np.int64]) -> None:
        self._signal, self._at = record.signal, at
        self.edge, self.before = (round(s * record.fs) for s in (_EDGE_S, _BEFORE_S))
        self._t_end, self._room = (round(s * record.fs) for s in (_T_END_S, _TURN_S))
        self._qrs_end = round(_QRS_END_S * record.fs)
        rise = 0.5 - 0.5 * np.cos(np.pi * (np.arange(self.edge) + 0.5) / self.edge)
        self._rise = rise.astype(np.float32)

    def __call__(self, beat: int, interval: int, other: int) -> NDArray[np.float32]:
        """Cut the piece of a beat, shape (leads, interval + edge), without its baseline.

        If the next beat came too early, the T wave and what follows are those of another beat.
        """
        index = np.arange(interval + self.edge)
        part = self._piece(beat, index)
        if self._at[beat + 1] - self._at[beat] < interval:
            fade = np.clip((index - self.before - self._qrs_end) / self.edge, 0.0, 1.0)
            part += fade.astype(np.float32) * (self._piece(other, index) - part)
        part[:, : self.edge] *= self._rise
        part[:, -self.edge :] *= self._rise[::-1]
        return part

    def _piece(self, beat: int, index: NDArray[np.int64]) -> NDArray[np.float32]:
        at, following = self._at[beat], self._at[beat + 1]
        own = int(following - at)
        # What is beyond the piece's own end turns back to the T wave's end and comes again.
        turn = min(self._t_end + self.before, own - self._room)
        room = own - turn
        beyond = np.abs(index - turn) % (2 * room)
        folded = turn + np.where(beyond < room, beyond, 2 * room - beyond)
        part = self._signal[:, at - self.before + np.where(index < turn, index, folded)].copy()
        first, last = (
            np.median(end, axis=1) for end in (part[:, : self.edge], part[:, -self.edge :])
        )
        share = np.linspace(0.0, 1.0, part.shape[1], dtype=np.float32)
        part -= np.outer(first, 1.0 - share) + np.outer(last, share)
        return part
