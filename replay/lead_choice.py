"""Which two of a record's many leads are used: those whose beats stand out of the noise.

Detector and classifier take two leads. Where a record has more, each lead's quality is how far its
QRS complexes rise above what lies between them; of leads that are good enough, the ones that the
classifier has learned from come first.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadChoiceConfig:
    """How leads are compared; a choice of judgement, held by tests with noise on single leads."""

    look_s: float = 30.0
    """How much of the beginning is looked at: some twenty beats and more."""
    slope_s: float = 0.008
    """Step over which the slope is taken, as the detector does at 360 Hz."""
    window_s: float = 0.083
    """Moving average of the slope: a QRS complex, as in the detector."""
    segment_s: float = 1.5
    """In which a beat is expected, at 40 a minute and more."""
    good_enough: float = 0.5
    """A preferred lead is taken if it has this share of the best lead's quality."""
    check_s: float = 5.0
    """How often the leads are compared as the record goes on."""
    follow_s: float = 10.0
    """How much of the signal each comparison looks at."""
    patience: int = 4
    """Comparisons in a row, so some half a minute, in which a lead must be bad to be replaced: a
    patient who turns over is quiet again by then."""
    bad: float = 0.35
    """A lead with less than this share of another one's quality is bad: less than `good_enough`, so
    that leads don't take turns."""
    clear: float = 1.5
    """Least quality of the other one: QRS complexes 4.5 times as steep as what lies between."""
    primary: tuple[str, ...] = ("MLII", "II")
    """Preferred to analyse: upright QRS, and what the classifier has learned from."""
    second: tuple[str, ...] = ("V1", "MLV1", "V5", "V2", "V4")
    """Preferred beside it, as in the classifier's records: across the chest, so that an electrode
    that comes off a limb doesn't take both."""


def lead_quality(
    samples: NDArray[np.float32], fs: float, config: LeadChoiceConfig | None = None
) -> NDArray[np.float64]:
    """Return how far the QRS complexes of each lead rise above what lies between them.

    Parameters
    ----------
    samples : ndarray of float32, shape (leads, n)
        mV; NaN is invalid.
    fs : float
        Hz.

    Returns
    -------
    ndarray of float64, shape (leads,)
        Logarithm of the ratio, times the share of segments with a signal; 0 for a lead that is
        flat, invalid or all noise.
    """
    config = config or LeadChoiceConfig()
    step = max(round(config.slope_s * fs), 1)
    width = max(round(config.window_s * fs), 1)
    slope = np.abs(samples[:, step:].astype(np.float64) - samples[:, :-step])
    if slope.shape[1] < width:
        return np.zeros(len(samples))
    total = np.concatenate([np.zeros((len(slope), 1)), np.cumsum(np.nan_to_num(slope), axis=1)], 1)
    envelope = (total[:, width:] - total[:, :-width]) / width
    size = min(max(round(config.segment_s * fs), 1), envelope.shape[1])
    n = envelope.shape[1] // size
    segments = envelope[:, : n * size].reshape(len(envelope), n, size)
    peaks, between = segments.max(axis=2), np.median(segments, axis=2)
    valid = np.isfinite(slope[:, : n * size]).reshape(segments.shape).all(axis=2)
    alive = valid & (peaks > 0.0)
    # A noise-free lead would have an endless ratio; below a hundredth nothing can be told apart.
    ratio = np.log(np.where(alive, peaks, 1.0) / np.maximum(between, 0.01 * peaks + 1e-12))
    middle = np.array(
        [np.median(r[a]) if a.any() else 0.0 for r, a in zip(ratio, alive, strict=True)]
    )
    found: NDArray[np.float64] = np.maximum(middle, 0.0) * alive.mean(axis=1)
    return found


def choose(
    leads: Sequence[str],
    quality: NDArray[np.float64],
    lead: str | None = None,
    config: LeadChoiceConfig | None = None,
) -> tuple[int, ...]:
    """Return the rows of the two leads to use, primary first.

    Parameters
    ----------
    leads : sequence of str
        Names.
    quality : ndarray of float64, shape (leads,)
        As `lead_quality` returns it.
    lead : str, optional
        Primary lead that was asked for; it is one of `leads`.
    """
    config = config or LeadChoiceConfig()
    names = [name.casefold() for name in leads]
    if lead is None:
        first = _preferred(names, quality, config.primary, config.good_enough)
    else:
        first = names.index(lead.strip().casefold())
    rest = quality.copy()
    rest[first] = -1.0
    return first, _preferred(names, rest, config.second, config.good_enough)


def _preferred(
    names: Sequence[str], quality: NDArray[np.float64], wanted: Sequence[str], share: float
) -> int:
    """Return the first wanted lead that is good enough, else the best."""
    best = int(np.argmax(quality))
    for name in (word.casefold() for word in wanted):
        if name in names:
            row = names.index(name)
            if quality[row] >= 0.0 and quality[row] >= share * quality[best]:
                return row
    return best


def replacement(
    leads: Sequence[str],
    quality: NDArray[np.float64],
    rows: Sequence[int],
    place: int,
    config: LeadChoiceConfig,
) -> int:
    """Return the row of the lead to use in place of one of those that are used."""
    names = [name.casefold() for name in leads]
    others = quality.copy()
    others[list(rows)] = -1.0
    wanted = config.second if place else config.primary
    return _preferred(names, others, wanted, config.good_enough)
