"""Episodes in reference annotations and in the chain's events, and how the two agree.

As EC57's `epicmp` does it: an episode counts as found if any part of it was named, and by
duration the common time is set against the time of either. For fibrillation of the atria the
segments of reference flutter don't count against what was named (`agreement`, `excluded`), and
fibrillation of the ventricles is marked by [ and ]. `epicmp` compares no other rhythm; the rest are
compared in the same way. Runs are compared run by run.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from classifier.labels import Label
from replay.record import Reference
from streamer.core.events import Event, Rhythm, RhythmEvent
from streamer.rhythm.timeline import timeline
from streamer.scoring.ec57 import BeatAnnotations
from streamer.scoring.runs import runs_of

Span = tuple[int, int]
"""First and one past the last sample."""

MARKS: Final[dict[str, tuple[str, ...]]] = {
    "AF": ("(AFIB",),
    "AF or flutter": ("(AFIB", "(AFL"),
    "VF": (),
    "VT": ("(VT",),
    "bigeminy": ("(B",),
    "trigeminy": ("(T",),
    "SVT": ("(SVTA",),
    "idioventricular": ("(IVR",),
}
"""How the auxiliary text of a rhythm change begins. `(BII` is no bigeminy, and `[` and `]` mark
VF: see `spans_of`."""
EXCLUDED: Final[dict[str, tuple[str, ...]]] = {"AF": ("(AFL",)}
"""Marks of what is neither right nor wrong to be named so."""
NAMED: Final[dict[str, frozenset[Rhythm]]] = {
    "AF": frozenset({Rhythm.ATRIAL_FIBRILLATION}),
    "AF or flutter": frozenset({Rhythm.ATRIAL_FIBRILLATION}),
    "VF": frozenset({Rhythm.VENTRICULAR_FIBRILLATION}),
    "VT": frozenset({Rhythm.VENTRICULAR_TACHYCARDIA, Rhythm.VENTRICULAR_FIBRILLATION}),
    "bigeminy": frozenset({Rhythm.BIGEMINY}),
    "trigeminy": frozenset({Rhythm.TRIGEMINY}),
    "SVT": frozenset({Rhythm.SUPRAVENTRICULAR_TACHYCARDIA}),
    "idioventricular": frozenset({Rhythm.IDIOVENTRICULAR}),
}
"""The chain's own names for them."""
EXACT: Final = frozenset({"(B", "(T", "(VT"})
RUN_BEATS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Counts and samples behind Se and +P of one kind of episode; they add up over records."""

    n_reference: int = 0
    n_found: int = 0
    """Reference episodes that were named at least in part."""
    n_named: int = 0
    n_right: int = 0
    """Named episodes that overlap with a reference episode."""
    reference_s: float = 0.0
    named_s: float = 0.0
    common_s: float = 0.0

    def __add__(self, other: "Agreement") -> "Agreement":
        fields = Agreement.__dataclass_fields__
        return Agreement(**{name: getattr(self, name) + getattr(other, name) for name in fields})

    @property
    def episode_se(self) -> float | None:
        """Sensitivity by episode, 0 to 1."""
        return _ratio(self.n_found, self.n_reference)

    @property
    def episode_ppv(self) -> float | None:
        """Positive predictivity by episode."""
        return _ratio(self.n_right, self.n_named)

    @property
    def duration_se(self) -> float | None:
        """Sensitivity by duration."""
        return _ratio(self.common_s, self.reference_s)

    @property
    def duration_ppv(self) -> float | None:
        """Positive predictivity by duration."""
        return _ratio(self.common_s, self.named_s)


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def spans_of(reference: Reference, kind: str, stop: int) -> list[Span]:
    """Return the reference's episodes of one kind, neighbours joined.

    Parameters
    ----------
    reference : Reference
        Annotations with rhythm changes.
    kind : str
        Key of `MARKS`.
    stop : int
        One past the last sample of the record.
    """
    return (
        _bracketed(reference, stop) if kind == "VF" else marked_spans(reference, MARKS[kind], stop)
    )


def excluded_spans(reference: Reference, kind: str, stop: int) -> list[Span]:
    """Return the segments in which it is neither right nor wrong to name that kind."""
    return marked_spans(reference, EXCLUDED.get(kind, ()), stop)


def marked_spans(reference: Reference, marks: Sequence[str], stop: int) -> list[Span]:
    """Return the segments of rhythms whose auxiliary text begins with one of these marks."""
    changes = [
        (int(sample), text.rstrip("\0"))
        for sample, text in zip(reference.samples, reference.aux, strict=True)
        if text.startswith("(")
    ]
    edges = [*changes, (stop, "")]
    found = [
        (start, end)
        for (start, text), (end, _) in pairwise(edges)
        if any(text == mark if mark in EXACT else text.startswith(mark) for mark in marks)
    ]
    return joined(found)


def _bracketed(reference: Reference, stop: int) -> list[Span]:
    """Return the segments of ventricular flutter from [ to ], or to the end."""
    spans, begun = [], None
    for sample, symbol in zip(reference.samples, reference.symbols, strict=True):
        if symbol == "[" and begun is None:
            begun = int(sample)
        elif symbol == "]" and begun is not None:
            spans.append((begun, int(sample)))
            begun = None
    return spans if begun is None else [*spans, (begun, stop)]


def joined(spans: Iterable[Span]) -> list[Span]:
    """Join spans that touch or overlap; they must ascend."""
    result: list[Span] = []
    for start, stop in spans:
        if result and start <= result[-1][1]:
            result[-1] = (result[-1][0], max(stop, result[-1][1]))
        else:
            result.append((start, stop))
    return result


def named_spans(events: Iterable[Event], rhythms: frozenset[Rhythm], stop: int) -> list[Span]:
    """Return the segments that the chain gave one of these names."""
    changes = [(e.onset, e.rhythm) for e in events if isinstance(e, RhythmEvent)]
    edges = [*timeline(changes), (stop, Rhythm.UNKNOWN)]
    spans = [(a, b) for (a, rhythm), (b, _) in pairwise(edges) if rhythm in rhythms and b > a]
    return joined(spans)


def agreement(
    reference: Sequence[Span],
    named: Sequence[Span],
    *,
    excluded: Sequence[Span] = (),
    fs: float,
    start: int = 0,
) -> Agreement:
    """Compare episodes from sample `start` on.

    Parameters
    ----------
    reference, named : sequence of (int, int)
        Episodes of either.
    excluded : sequence of (int, int)
        Segments that lie in no reference episode and don't count for the positive predictivity: a
        named episode within one is ignored, one that begins or ends there is shortened to what is
        outside, and one that goes on on both sides stays one episode of less duration.
        Sensitivity knows no such exclusion.
    fs : float
        Sampling frequency in Hz.
    start : int
        What lies before is not compared.
    """
    ours = [(max(a, start), b) for a, b in named if b > start]
    theirs = [(max(a, start), b) for a, b in reference if b > start]
    common = sum(max(min(b, d) - max(a, c), 0) for a, b in theirs for c, d in ours)
    counted = [left for span in ours if (left := outside(span, excluded))]
    return Agreement(
        n_reference=len(theirs),
        n_found=sum(_meets(span, ours) for span in theirs),
        n_named=len(counted),
        n_right=sum(_meets((left[0][0], left[-1][1]), theirs) for left in counted),
        reference_s=_seconds(theirs, fs),
        named_s=sum(_seconds(left, fs) for left in counted),
        common_s=common / fs,
    )


def outside(span: Span, excluded: Sequence[Span]) -> list[Span]:
    """Return what is left of a span outside of others, which must ascend."""
    left, (begins, ends) = [], span
    for a, b in excluded:
        if begins < min(a, ends):
            left.append((begins, min(a, ends)))
        begins = max(begins, b)
    return [*left, (begins, ends)] if begins < ends else left


def _meets(span: Span, others: Sequence[Span]) -> bool:
    return any(a < span[1] and span[0] < b for a, b in others)


def _seconds(spans: Sequence[Span], fs: float) -> float:
    return sum(b - a for a, b in spans) / fs


def reference_runs(reference: Reference, label: Label, *, least: int = RUN_BEATS) -> list[Span]:
    """Return runs of beats of one class, first to last beat; beats in flutter are left out."""
    beats = BeatAnnotations.of_reference(reference)
    runs = runs_of(beats, [label], left_out=beats.vf)
    return [(run.first, run.last + 1) for run in runs if len(run.beats) >= least]


def flutter_spans(reference: Reference, stop: int) -> list[Span]:
    """Return the segments of ventricular flutter by beat annotations ([ and ]) and rhythm."""
    spans = [*_bracketed(reference, stop), *marked_spans(reference, ("(VF",), stop)]
    return joined(sorted(spans))


def run_agreement(
    reference: Sequence[Span],
    named: Sequence[Span],
    *,
    ignored: Sequence[Span],
    fs: float,
    start: int,
    tolerance: int,
) -> Agreement:
    """Compare run by run: each counts as found if one of the others overlaps within `tolerance`."""
    theirs = [(a - tolerance, b + tolerance) for a, b in reference if a >= start]
    ours = [span for span in named if span[0] >= start and not _meets(span, ignored)]
    return agreement(theirs, ours, fs=fs)
