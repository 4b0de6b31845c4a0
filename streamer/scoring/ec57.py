"""EC57 beat-by-beat scores of one record, and of many.

ANSI/AAMI EC57:2012, section 4.3, with WFDB's `bxb` as its reference implementation. What differs
from `bxb`, and why: escape beats (`e j n`) count as N, as EC57:2012 and the classification
literature have it, where `bxb` counts them as supraventricular ectopic (no QRS figure depends on
it); a shutdown lasts until the next annotation that is no shutdown mark, so the one-mark notation
of the AHA database isn't widened to the neighbouring beats; extra beats are left out in every
reference VF episode, where `bxb` remembers the last two.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from classifier.labels import SYMBOL_TO_LABEL, Label
from replay.record import Reference
from streamer.scoring.matching import match_beats, tolerance_samples

TOLERANCE_MS: Final = 150.0
"""Match window of ANSI/AAMI EC57."""

LABELS: Final[tuple[Label, ...]] = (Label.N, Label.S, Label.V, Label.F, Label.Q)
"""Classes in the order of the confusion matrix."""
ROWS: Final[tuple[str, ...]] = (*LABELS, "O", "X")
"""Rows (reference) and columns (predicted): O no beat there, X no beat and that side shut down."""

_CODE: Final[dict[Label, int]] = {label: code for code, label in enumerate(LABELS)}
_N, _S, _V, _F, _Q, _O, _X = range(len(ROWS))
NO_BEAT: Final = _O
_BEATS: Final = slice(_N, _O)
_NONE: Final = slice(_O, None)

_UNREADABLE: Final = 0x30
"""Bits of a `~` annotation's subtype that say that both signals are unreadable."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BeatAnnotations:
    """The beats of one annotation file, and what else the comparison needs of it."""

    samples: NDArray[np.int64]
    """Where the beats are, ascending; beats inside a VF episode are left out."""
    codes: NDArray[np.int8]
    """Class of each beat, as position in `LABELS`."""
    vf: tuple[tuple[int, int], ...] = ()
    """Episodes of ventricular flutter or fibrillation: samples of `[` and `]`."""
    shutdowns: tuple[tuple[int, int], ...] = ()
    """Segments without a readable signal: first and last sample."""

    @classmethod
    def of(cls, samples: ArrayLike, labels: Iterable[Label]) -> Self:
        """Make annotations of beats alone."""
        codes = np.array([_CODE[label] for label in labels], dtype=np.int8)
        return cls(samples=np.asarray(samples, dtype=np.int64), codes=codes)

    @classmethod
    def of_reference(cls, reference: Reference) -> Self:
        """Pick the beats and VF episodes out of a record's own annotations."""
        return cls.from_symbols(reference.samples, reference.symbols)

    @classmethod
    def from_symbols(
        cls, samples: ArrayLike, symbols: Sequence[str], subtypes: ArrayLike | None = None
    ) -> Self:
        """Pick the beats, VF episodes and shutdowns out of WFDB annotations.

        Parameters
        ----------
        samples : array_like of int, shape (n,)
            Sample index of each annotation, ascending.
        symbols : sequence of str, length n
            WFDB annotation symbols; one that is no beat and no `[ ] ~` is passed over.
        subtypes : array_like of int, shape (n,), optional
            Only those of `~` matter; without them nothing is a shutdown.
        """
        times = np.asarray(samples, dtype=np.int64)
        marks = np.zeros(len(symbols), np.int64) if subtypes is None else np.asarray(subtypes)
        vf = _segments(times, [symbol == "[" for symbol in symbols], [s == "]" for s in symbols])
        off = [
            s == "~" and int(m) & _UNREADABLE == _UNREADABLE
            for s, m in zip(symbols, marks, strict=True)
        ]
        shutdowns = _segments(times, off, [not mark for mark in off])
        inside = lies_inside(times, vf)
        keep = [k for k, s in enumerate(symbols) if s in SYMBOL_TO_LABEL and not inside[k]]
        return cls(
            samples=times[keep],
            codes=np.array([_CODE[SYMBOL_TO_LABEL[symbols[k]]] for k in keep], dtype=np.int8),
            vf=vf,
            shutdowns=shutdowns,
        )


def _segments(
    times: NDArray[np.int64], begins: Sequence[bool], ends: Sequence[bool]
) -> tuple[tuple[int, int], ...]:
    """Pair each beginning with the next end; the last one may go on for ever."""
    found: list[tuple[int, int]] = []
    since: int | None = None
    for time, begin, end in zip(times.tolist(), begins, ends, strict=True):
        if since is None and begin:
            since = time
        elif since is not None and end:
            found.append((since, time))
            since = None
    if since is not None:
        found.append((since, int(np.iinfo(np.int64).max)))
    return tuple(found)


def lies_inside(
    samples: NDArray[np.int64], segments: tuple[tuple[int, int], ...]
) -> NDArray[np.bool_]:
    """Say of each sample whether it lies in one of the segments, ends included."""
    inside = np.zeros(samples.shape, dtype=np.bool_)
    for begin, end in segments:
        inside |= (samples >= begin) & (samples <= end)
    return inside


@dataclass(frozen=True, slots=True)
class Ratio:
    """A score with the counts it was made of."""

    numerator: int
    denominator: int

    @property
    def value(self) -> float | None:
        """The score, 0 to 1; None where there was nothing to score."""
        return self.numerator / self.denominator if self.denominator else None


Matrix = NDArray[np.int64]
"""Confusion matrix in the order of `ROWS`, shape (7, 7): rows reference, columns predicted."""


def _label_statistics(code: int, forgiven: tuple[int, ...]) -> dict[str, Callable[[Matrix], Ratio]]:
    """Se, +P, FPR and F1 of one class; references of a `forgiven` class called it are no error."""
    counted = [row for row in range(len(ROWS)) if row != code and row not in forgiven]
    others = [row for row in range(len(ROWS)) if row != code]
    not_called = [column for column in range(_O) if column != code]

    def false(matrix: Matrix) -> int:
        return int(matrix[counted, code].sum())

    def se(matrix: Matrix) -> Ratio:
        return Ratio(int(matrix[code, code]), int(matrix[code].sum()))

    def ppv(matrix: Matrix) -> Ratio:
        return Ratio(int(matrix[code, code]), int(matrix[code, code]) + false(matrix))

    def fpr(matrix: Matrix) -> Ratio:
        right = int(matrix[np.ix_(others, not_called)].sum())
        return Ratio(false(matrix), right + false(matrix))

    def f1(matrix: Matrix) -> Ratio:
        found = int(matrix[code, code])
        return Ratio(2 * found, int(matrix[code].sum()) + found + false(matrix))

    name = ROWS[code].lower()
    return {f"{name}_se": se, f"{name}_ppv": ppv, f"{name}_fpr": fpr, f"{name}_f1": f1}


def _tp(matrix: Matrix) -> int:
    return int(matrix[_BEATS, _BEATS].sum())


def _fn(matrix: Matrix) -> int:
    return int(matrix[_BEATS, _NONE].sum())


def _fp(matrix: Matrix) -> int:
    return int(matrix[_NONE, _BEATS].sum())


STATISTICS: Final[dict[str, Callable[[Matrix], Ratio]]] = {
    "qrs_se": lambda matrix: Ratio(_tp(matrix), _tp(matrix) + _fn(matrix)),
    "qrs_ppv": lambda matrix: Ratio(_tp(matrix), _tp(matrix) + _fp(matrix)),
    "qrs_f1": lambda matrix: Ratio(2 * _tp(matrix), 2 * _tp(matrix) + _fn(matrix) + _fp(matrix)),
    **_label_statistics(_N, forgiven=()),
    **_label_statistics(_S, forgiven=(_Q,)),
    **_label_statistics(_V, forgiven=(_F, _Q)),
    **_label_statistics(_F, forgiven=()),
    **_label_statistics(_Q, forgiven=()),
}
"""Every score by name; a reference F or Q called V is no false V, a reference Q called S no false
S (EC57). The FPR's denominator holds every other decision that was not that class, as `bxb`'s."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RecordScore:
    """Scores of one record, or the gross of several."""

    name: str
    matrix: Matrix
    errors_ms: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    """Predicted minus reference position of each pair, in ms, in order of time."""

    @property
    def tp(self) -> int:
        """Reference beats found."""
        return _tp(self.matrix)

    @property
    def fn(self) -> int:
        """Reference beats missed."""
        return _fn(self.matrix)

    @property
    def fp(self) -> int:
        """Predicted beats that are none."""
        return _fp(self.matrix)

    def ratio(self, statistic: str) -> Ratio:
        """Return one of `STATISTICS` with its counts."""
        return STATISTICS[statistic](self.matrix)

    def value(self, statistic: str) -> float | None:
        """Return one of `STATISTICS`, 0 to 1; None where there was nothing to score."""
        return self.ratio(statistic).value

    def error_ms(self, quantile: float) -> float | None:
        """Return a quantile of the fiducial error's absolute value; None without a pair."""
        return float(np.quantile(np.abs(self.errors_ms), quantile)) if self.errors_ms.size else None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Summary:
    """Scores of several records: gross weighs beats alike, average weighs records alike."""

    name: str
    records: tuple[RecordScore, ...]
    gross: RecordScore
    average: dict[str, float | None]
    """Mean of each of `STATISTICS` over the records that define it; None where none does."""


def score_record(
    reference: BeatAnnotations,
    predicted: BeatAnnotations,
    *,
    fs: float,
    name: str = "",
    start: int = 0,
    stop: int | None = None,
    tolerance_ms: float = TOLERANCE_MS,
) -> RecordScore:
    """Compare one record beat by beat.

    Parameters
    ----------
    reference, predicted : BeatAnnotations
        Both counted at `fs`.
    fs : float
        Sampling frequency, Hz.
    name : str
        Record name.
    start, stop : int, int or None
        First and last sample of the test period; EC57's starts after 5 minutes.
    tolerance_ms : float
        Match window.
    """
    tolerance = tolerance_samples(tolerance_ms, fs)
    found = match_beats(reference.samples, predicted.samples, tolerance, start=start, stop=stop)
    extra = found.extra[~lies_inside(predicted.samples[found.extra], reference.vf)]
    matrix = np.zeros((len(ROWS), len(ROWS)), dtype=np.int64)
    np.add.at(
        matrix,
        (reference.codes[found.pairs_reference], predicted.codes[found.pairs_predicted]),
        1,
    )
    lost = lies_inside(reference.samples[found.missed], predicted.shutdowns)
    np.add.at(matrix, (reference.codes[found.missed], np.where(lost, _X, _O)), 1)
    unseen = lies_inside(predicted.samples[extra], reference.shutdowns)
    np.add.at(matrix, (np.where(unseen, _X, _O), predicted.codes[extra]), 1)
    errors = predicted.samples[found.pairs_predicted] - reference.samples[found.pairs_reference]
    return RecordScore(
        name=name, matrix=matrix, errors_ms=errors.astype(np.float64) * (1000.0 / fs)
    )


def aggregate(scores: Sequence[RecordScore], *, name: str = "all") -> Summary:
    """Sum up several records, gross and average."""
    matrix = np.zeros((len(ROWS), len(ROWS)), dtype=np.int64)
    for score in scores:
        matrix += score.matrix
    errors = np.concatenate([np.empty(0), *(score.errors_ms for score in scores)])
    average: dict[str, float | None] = {}
    for statistic in STATISTICS:
        values = [v for score in scores if (v := score.value(statistic)) is not None]
        average[statistic] = sum(values) / len(values) if values else None
    gross = RecordScore(name="gross", matrix=matrix, errors_ms=errors)
    return Summary(name=name, records=tuple(scores), gross=gross, average=average)
