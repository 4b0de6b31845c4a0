"""Fusion beats made of a patient's own: a sinus and a ventricular beat that come together.

A fusion beat is what two waves through the ventricles add up to, one from the sinus node and one
from an ectopic focus, so that it looks like a mixture of both and comes about when the sinus beat
is due. Real ones are rare: one training record holds nearly all of them.
"""

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from classifier.labels import SYMBOL_TO_LABEL, Label
from replay.record import require_reference
from replay.simulate.record import SimulatedRecord
from streamer.scoring.ec57 import LABELS, BeatAnnotations

IntArray = NDArray[np.int64]

_FEWEST: Final = {Label.N: 100, Label.V: 8}
"""Beats of each class that a record must hold."""
_MOST: Final = 150
_SHARE: Final = 0.08
"""Of the sinus beats that lie among sinus beats."""
_BEFORE_S: Final = 0.14
_AFTER_S: Final = 0.5
"""What of a beat is mixed: QRS complex and T wave, but not the P wave before most of it."""
_AFTER_RR: Final = 0.7
"""At most this part of the usual RR interval after the R peak, so that the next beat stays whole.
"""
_EDGE_S: Final = 0.04
_WEIGHT: Final = (0.25, 0.75)
"""Share of the ventricular beat."""
_SHIFT_S: Final = (-0.03, 0.03)
"""By which the ventricular wave comes later than the sinus one."""
_DUE: Final = (0.8, 1.2)
"""RR interval to the patient's median, before and after a beat that can be replaced."""


def with_fused_beats(record: SimulatedRecord, rng: np.random.Generator) -> SimulatedRecord | None:
    """Replace some sinus beats by mixtures of themselves and a ventricular beat.

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
    reference = require_reference(record)
    beats = BeatAnnotations.of_reference(reference)
    codes, at = beats.codes, beats.samples
    normal, ventricular = (codes == LABELS.index(label) for label in _FEWEST)
    if normal.sum() < _FEWEST[Label.N] or ventricular.sum() < _FEWEST[Label.V]:
        return None
    usual = float(np.median(np.diff(at)[normal[1:] & normal[:-1]]))
    before = round(_BEFORE_S * record.fs)
    after = round(min(_AFTER_S * record.fs, _AFTER_RR * usual))
    room = (at > 2 * before + after) & (at < record.n_samples - 2 * after)
    places = np.flatnonzero(_due(at, normal, usual) & room)
    donors = at[ventricular & room]
    n = min(_MOST, round(_SHARE * places.size))
    if n == 0 or donors.size == 0:
        return None
    signal = record.signal.copy()
    chosen = at[np.sort(rng.choice(places, n, replace=False))]
    window = _window(before + after, round(_EDGE_S * record.fs))
    for place in chosen:
        # One of the nearest few, so that both were recorded under much the same conditions.
        near = donors[np.argsort(np.abs(donors - place))[:12]]
        donor = rng.choice(near) - round(rng.uniform(*_SHIFT_S) * record.fs)
        own, other = (_cut(record.signal, middle, before, after) for middle in (place, donor))
        part = slice(place - before, place + after)
        signal[:, part] += (rng.uniform(*_WEIGHT) * window * (other - own)).astype(np.float32)
    fused = set(chosen.tolist())
    symbols = tuple(
        "F" if at in fused and SYMBOL_TO_LABEL.get(symbol) is Label.N else symbol
        for at, symbol in zip(reference.samples.tolist(), reference.symbols, strict=True)
    )
    return replace(record, signal=signal, annotations=replace(reference, symbols=symbols))


def _due(at: IntArray, normal: NDArray[np.bool_], usual: float) -> NDArray[np.bool_]:
    """Tell which sinus beats came when they were due, with sinus beats around them."""
    rr = np.diff(at)
    steady = (rr > _DUE[0] * usual) & (rr < _DUE[1] * usual)
    found = np.zeros(at.size, np.bool_)
    found[1:-1] = normal[1:-1] & normal[:-2] & normal[2:] & steady[:-1] & steady[1:]
    return found


def _cut(signal: NDArray[np.float32], at: int, before: int, after: int) -> NDArray[np.float64]:
    """Cut a beat, the line between its ends taken away, shape (leads, before + after)."""
    part = signal[:, at - before : at + after].astype(np.float64)
    edge = before // 4
    first, last = part[:, :edge].mean(axis=1), part[:, -edge:].mean(axis=1)
    share = np.linspace(0.0, 1.0, before + after)
    return np.asarray(part - first[:, None] * (1 - share) - last[:, None] * share)


def _window(n: int, edge: int) -> NDArray[np.float64]:
    """Return ones that rise from 0, and fall to 0, as half a cosine."""
    window = np.ones(n)
    rise = 0.5 - 0.5 * np.cos(np.pi * (np.arange(edge) + 0.5) / edge)
    window[:edge], window[-edge:] = rise, rise[::-1]
    return window
