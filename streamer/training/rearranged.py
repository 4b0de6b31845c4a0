"""Patients whose ectopic beats are the rule, and others without any: a record's beats rearranged.

Pieces of the record, from P wave to next P wave, are put together in the order and at the times
of a rhythm that `streamer.training.drawn_rhythms` draws.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Final

import numpy as np
from numpy.typing import NDArray

from classifier.labels import Label
from replay.record import Reference, require_reference
from replay.simulate.record import SimulatedRecord
from streamer.scoring.ec57 import LABELS, BeatAnnotations
from streamer.training.drawn_rhythms import DrawnBeat, ectopic_rhythm, sinus_rhythm

_FEWEST: Final = {Label.N: 100, Label.S: 12}
"""Beats of each class that a record must hold."""
_BEATS: Final = 1200
_BEFORE_S: Final = 0.22
"""A piece begins this long before its R peak, with its P wave."""
_EDGE_S: Final = 0.03
_PR_END_S: Final = 0.05
"""Between the end of a P wave that is taken alone and its R peak."""
_QRS_END_S: Final = 0.1
_T_END_S: Final = 0.4
_TURN_S: Final = 0.1
"""A piece that is too short is made longer behind its T wave, by turning to and fro there, over at
least this time."""
_SLOWER: Final = (0.95, 1.3)
"""The drawn sinus interval, to the record's own."""
_SHORTEST_S: Final = 0.28
"""RR interval."""
_CANDIDATES: Final = 6
"""Beats from which the one that fits best is taken."""


def with_ectopic_beats(record: SimulatedRecord, rng: np.random.Generator) -> SimulatedRecord | None:
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
    return _rearranged(record, rng, ectopic_rhythm(rng), _FEWEST)


def with_sinus_beats(record: SimulatedRecord, rng: np.random.Generator) -> SimulatedRecord | None:
    """Put a record's sinus beats together in an irregular rhythm; see `with_ectopic_beats`."""
    return _rearranged(record, rng, sinus_rhythm(rng), _FEWEST | {Label.S: 0})


def _rearranged(
    record: SimulatedRecord,
    rng: np.random.Generator,
    rhythm: Iterator[DrawnBeat],
    fewest: Mapping[Label, int],
) -> SimulatedRecord | None:
    beats = BeatAnnotations.of_reference(require_reference(record))
    codes, at = beats.codes, beats.samples
    normal, ectopic = (codes == LABELS.index(label) for label in fewest)
    usable = np.zeros(at.size, np.bool_)
    usable[2:-2] = (normal | ectopic)[3:-1]
    early, sinus = np.flatnonzero(ectopic & usable), np.flatnonzero(normal & usable)
    sinus = sinus[normal[sinus - 1]]
    if sinus.size < fewest[Label.N] or early.size < fewest[Label.S]:
        return None
    rr, following = np.diff(at, prepend=at[0]), np.diff(at, append=at[-1])
    usual = float(np.median(rr[sinus])) * rng.uniform(*_SLOWER)
    unhurried = sinus[np.argsort(following[sinus])[-max(sinus.size // 5, 1) :]]
    cut = _Pieces(record, at)
    parts, places, symbols, length = [], [], [], 0
    beat = next(rhythm)
    for coming in islice(rhythm, _BEATS):
        interval = max(round(coming.ratio * usual), round(_SHORTEST_S * record.fs))
        pool = early if beat.is_ectopic else sinus
        some = rng.choice(pool, min(_CANDIDATES, pool.size), replace=False)
        # An ectopic beat is one that came about as early, as its P wave lies on the T wave then;
        # any is rather one after which there was as much time.
        misfit = np.maximum(interval - following[some], 0.0)
        if beat.is_ectopic:
            misfit += np.abs(rr[some] - beat.ratio * usual)
        chosen, other = int(some[np.argmin(misfit)]), int(rng.choice(unhurried))
        parts.append(cut(chosen, interval, other))
        for number in range(coming.blocked):
            cut.add_p_wave(parts[-1], other, interval * (number + 1) // (coming.blocked + 1))
        places.append(length + cut.before)
        symbols.append("S" if beat.is_ectopic else "N")
        length += interval
        beat = coming
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
        self._qrs_end, self._pr_end = (round(s * record.fs) for s in (_QRS_END_S, _PR_END_S))
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

    def add_p_wave(self, part: NDArray[np.float32], beat: int, at: int) -> None:
        """Add the P wave of a beat, as if that beat were due at a place behind the R peak."""
        n = self.before - self._pr_end
        wave = self._signal[:, self._at[beat] - self.before :][:, :n].copy()
        wave -= np.linspace(wave[:, 0], wave[:, -1], n, axis=1)
        room = part[:, at : at + n]
        room += wave[:, : room.shape[1]]
