"""Beats as the known small projects prepare them, from the raw records.

Unlike everything that serves, these preparations look at the whole record and at the future (a
zero-phase filter, ten-second windows, reference annotations): they follow other people's
protocols, so that figures compare. Nothing else in the program uses them.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import signal as filters

from classifier.labels import SYMBOL_TO_LABEL
from classifier.recipes.beats import FloatArray, IntArray, RecipeBeats
from classifier.recipes.recipe import KACHUEE, SIX_TYPES, Recipe
from replay.record import PREFERRED_LEAD, Record, read_samples, require_reference
from replay.simulate.record import SimulatedRecord
from streamer.signal.filters import design_bandpass
from streamer.training.at_chain_rate import resampled

BAND_HZ: Final = (0.5, 40.0)
"""Pass band of `six-types`."""
BAND_ORDER: Final = 2
"""Run forwards and backwards, which doubles it and leaves no delay."""

NORMALISING_WINDOW_S: Final = 10.0
PART_OF_PERIOD: Final = 1.2
"""Length of a beat in nominal heartbeat periods."""

_FLAT: Final = 1e-6
"""Ranges (mV) below this are a flat line."""


def prepare(record: Record, recipe: Recipe) -> RecipeBeats:
    """Cut one record's beats as a recipe says.

    Parameters
    ----------
    record : Record
        Its first lead is used; `six-types` leaves out a record without MLII.

    Returns
    -------
    RecipeBeats
        Empty where nothing fits the recipe.

    Raises
    ------
    NoReferenceError
        If the record has no reference annotations.
    """
    reference = require_reference(record)
    symbols = np.array(reference.symbols)
    is_beat = np.isin(symbols, list(SYMBOL_TO_LABEL))
    symbols, samples = symbols[is_beat], reference.samples[is_beat]
    cut = _PREPARATIONS[recipe.name](record, recipe, samples)
    kept = np.isin(symbols, list(recipe.symbols)) & np.isfinite(cut).all(axis=1)
    index = [recipe.classes.index(recipe.symbols[symbol]) for symbol in symbols[kept].tolist()]
    return RecipeBeats(
        signal=cut[kept],
        target=np.array(index, np.int64),
        record=np.full(int(kept.sum()), record.name),
    )


def cut_six_types(record: Record, recipe: Recipe, samples: IntArray) -> FloatArray:
    """Cut beats from MLII, 0.5 to 40 Hz, with the R peak in the middle.

    Parameters
    ----------
    samples : ndarray of int64, shape (n,)
        Annotated beats, in the record's sampling frequency.

    Returns
    -------
    ndarray of float32, shape (n, window_samples)
        Each beat with mean 0 and standard deviation 1; NaN where the window leaves the record,
        and everywhere if there is no MLII.
    """
    if record.leads[0] != PREFERRED_LEAD:
        return np.full((samples.size, recipe.window_samples), np.nan, np.float32)
    band = design_bandpass(BAND_HZ, record.fs, BAND_ORDER)
    lead, columns = _resampled(
        record, recipe.fs_hz, samples, lambda lead: filters.sosfiltfilt(band, lead)
    )
    beats = _windows(lead, columns - recipe.window_samples // 2, recipe.window_samples)
    beats -= beats.mean(axis=1, keepdims=True)
    return np.asarray(beats / np.maximum(beats.std(axis=1, keepdims=True), _FLAT), np.float32)


def cut_kachuee(record: Record, recipe: Recipe, samples: IntArray) -> FloatArray:
    """Cut beats as Kachuee, Fazeli & Sarrafzadeh 2018 do (doi:10.1109/ICHI.2018.00092, II-B).

    Their steps: resample lead II to 125 Hz; split it into windows of 10 s; scale each window's
    amplitude to 0..1; take local maxima (zero crossings of the first derivative) above 0.9 as
    R peaks; call the median RR interval of the window T; from each R peak on cut 1.2 T; pad with
    zeros to a fixed length (187).

    What is followed here is the form in which their data are published and used: its 109,446
    beats are as many as the 109,494 *annotated* ones of all 48 records, less one a record. So R
    peaks come from the annotations, with the annotation's class, and not from the threshold,
    which finds few beats beside a tall ectopic one; T is the median interval between the
    annotated beats of the window. All other steps are theirs; a part of more than 187 samples
    (T above 1.25 s) is cut off. Records without lead II (102, 104) give their first lead.

    Parameters
    ----------
    samples : ndarray of int64, shape (n,)
        Annotated beats, in the record's sampling frequency.

    Returns
    -------
    ndarray of float32, shape (n, window_samples)
        From 0 to 1, the R peak in column 0; NaN where the part runs past the record's end.
    """
    lead, columns = _resampled(record, recipe.fs_hz, samples)
    length = min(round(NORMALISING_WINDOW_S * recipe.fs_hz), lead.size)
    beats = np.full((columns.size, recipe.window_samples), np.nan, np.float32)
    median_period = float(np.median(np.diff(columns))) if columns.size > 1 else length
    for first in range(0, lead.size, length):
        # The rest of the record is less than a window; its beats share the last full one.
        start = min(first, lead.size - length)
        window = lead[start : start + length]
        low, high = float(window.min()), float(window.max())
        inside = (columns >= start) & (columns < start + length)
        period = float(np.median(np.diff(columns[inside]))) if inside.sum() > 1 else median_period
        part = min(round(PART_OF_PERIOD * period), recipe.window_samples)
        own = np.flatnonzero((columns >= first) & (columns < first + length))
        cut = (_windows(lead, columns[own], part) - low) / max(high - low, _FLAT)
        beats[own, :part] = cut.clip(0.0, 1.0)
        beats[own, part:] = 0.0
    return beats


_PREPARATIONS: Final[dict[str, Callable[[Record, Recipe, IntArray], FloatArray]]] = {
    SIX_TYPES.name: cut_six_types,
    KACHUEE.name: cut_kachuee,
}


def _resampled(
    record: Record,
    fs: float,
    samples: IntArray,
    change: Callable[[FloatArray], NDArray[np.floating]] = np.asarray,
) -> tuple[FloatArray, IntArray]:
    """Bring the first lead, changed, to another rate with the chain's resampler, and its beats.

    Missing samples are interpolated before.
    """
    lead = read_samples(record)[0]
    good = np.isfinite(lead)
    if good.any() and not good.all():
        rows = np.arange(lead.size)
        lead = np.interp(rows, rows[good], lead[good]).astype(np.float32)
    changed = SimulatedRecord(
        name=record.name,
        fs=record.fs,
        leads=record.leads[:1],
        signal=change(lead)[None].astype(np.float32),
    )
    return resampled(changed, fs)[0], np.rint(samples * (fs / record.fs)).astype(np.int64)


def _windows(lead: FloatArray, starts: IntArray, length: int) -> FloatArray:
    """Cut segments of `length`; rows of NaN where one leaves the lead."""
    inside = (starts >= 0) & (starts + length <= lead.size)
    rows = np.where(inside, starts, 0)[:, None] + np.arange(length)
    # A lead shorter than a segment has no full row to take.
    cut = lead[np.minimum(rows, lead.size - 1)].astype(np.float32)
    cut[~inside] = np.nan
    return cut
