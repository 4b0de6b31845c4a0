"""A report's comparison with the annotations that came with a record."""

from collections import defaultdict
from typing import Final

from classifier.labels import SYMBOL_TO_LABEL, Label
from replay.player import format_time
from streamer.report import page
from streamer.report.data import ReportData
from streamer.report.strips import StripConfig, beat_strip
from streamer.report.table import Column, Table, columns, table
from streamer.scoring.ec57 import ROWS, TOLERANCE_MS, BeatAnnotations, RecordScore, score_record
from streamer.scoring.matching import match_beats, tolerance_samples

_CLASSES: Final = tuple(label.value for label in Label)
_NO_BEAT: Final = "no beat"
_MISSED: Final = "missed"
_STRIPS: Final = 6
"""Kinds of disagreement that are shown, the most frequent first."""


def against_reference(data: ReportData, config: StripConfig) -> str:
    """Mark up the comparison; nothing without a reference that has beats."""
    found = data.reference
    if found is None or not any(symbol in SYMBOL_TO_LABEL for symbol in found.symbols):
        return ""
    reference = BeatAnnotations.of_reference(found)
    found_beats = sorted([*data.beats, *data.waves], key=lambda beat: beat.sample)
    labelled = [(beat.sample, Label(beat.label)) for beat in found_beats if beat.label is not None]
    own = BeatAnnotations.of([sample for sample, _ in labelled], [label for _, label in labelled])
    score = score_record(reference, own, fs=data.fs, start=data.first, stop=data.stop)
    tables = page.beside([page.table(_ratios(score)), page.table(_confusion(score))])
    kinds = disagreements(reference, own, data)
    strips = [
        _disagreement(data, kind, samples, config)
        for kind, samples in sorted(kinds.items(), key=lambda item: -len(item[1]))[:_STRIPS]
    ]
    words = (
        "The most frequent disagreements, one beat of each kind; letters are those of the labels."
    )
    return tables + (page.paragraph(words) + page.beside(strips) if any(strips) else "")


def _ratios(score: RecordScore) -> Table:
    rows = (
        (name.upper(), *_ratio(score, name, "se"), *_ratio(score, name, "ppv"))
        for name in ("qrs", *(label.lower() for label in _CLASSES))
    )
    header = (Column(""), Column("Se %", ".2%"), Column(""), Column("+P %", ".2%"), Column(""))
    return table(f"Beats, within {TOLERANCE_MS:g} ms", header, rows, missing="--")


def _ratio(score: RecordScore, name: str, kind: str) -> tuple[float | None, str]:
    ratio = score.ratio(f"{name}_{kind}")
    return ratio.value, f"{ratio.numerator}/{ratio.denominator}"


def _confusion(score: RecordScore) -> Table:
    n = len(_CLASSES)
    named = zip((*ROWS[:n], _NO_BEAT), score.matrix.tolist()[: n + 1], strict=True)
    rows = ((name, *counts[: n + 1]) for name, counts in named)
    return table("Reference (rows) and label (columns)", columns("", *ROWS[:n], _MISSED), rows)


def disagreements(
    reference: BeatAnnotations, own: BeatAnnotations, data: ReportData
) -> dict[tuple[str, str], list[int]]:
    """Return where the two differ, by what the reference and what the label says."""
    tolerance = tolerance_samples(TOLERANCE_MS, data.fs)
    found = match_beats(reference.samples, own.samples, tolerance, start=data.first, stop=data.stop)
    kinds: dict[tuple[str, str], list[int]] = defaultdict(list)
    for theirs, ours in zip(found.pairs_reference, found.pairs_predicted, strict=True):
        said, called = ROWS[reference.codes[theirs]], ROWS[own.codes[ours]]
        if said != called:
            kinds[str(said), str(called)].append(int(reference.samples[theirs]))
    for theirs in found.missed:
        said = ROWS[reference.codes[theirs]]
        kinds[str(said), _MISSED].append(int(reference.samples[theirs]))
    for ours in found.extra:
        at = int(own.samples[ours])
        # The reference marks no beats within fibrillation.
        if not any(first <= at <= last for first, last in reference.vf):
            kinds[_NO_BEAT, str(ROWS[own.codes[ours]])].append(at)
    return kinds


def _disagreement(
    data: ReportData, kind: tuple[str, str], samples: list[int], config: StripConfig
) -> str:
    said, called = kind
    at = samples[len(samples) // 2]
    label = called if called == _MISSED else f"labelled {called}"
    title = f"{said} {label}, {len(samples)} of them, at {format_time(at, data.fs)}"
    return beat_strip(data, at, title, config)
