"""Measures QRS detection: this detector beside its peers, on records with reference beats."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from importlib import resources
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from classifier.splits import DS2
from replay.player import parse_time
from streamer.bench.detection.peers import Peer, find_with_peers, select_peers
from streamer.bench.detection.stages import Detected, detect
from streamer.bench.excerpt import WHOLE, Excerpt, as_ms, read_excerpt
from streamer.bench.report import OWN
from streamer.bench.work import Advance, fan_out, silent
from streamer.core.errors import ScoringError
from streamer.scoring.ec57 import TOLERANCE_MS, RecordScore, Summary, aggregate
from streamer.scoring.matching import match_beats, tolerance_samples

WORST: Final = 10
"""Records that are shown as the worst ones."""
CROSS_VALIDATION: Final = "weights/peak_scorer.json"


@dataclass(frozen=True, slots=True)
class ScoringRule:
    """One way to score: from when on, and how close a beat must be."""

    start: str
    tolerance_ms: float

    @property
    def title(self) -> str:
        """Name it for a person."""
        return f"from {self.start}, within {self.tolerance_ms:g} ms"


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionSettings:
    """What is measured, and how."""

    starts: tuple[str, ...] = (WHOLE, "5:00")
    tolerances_ms: tuple[float, ...] = (150.0, 50.0)
    lead: str | None = None
    """Primary lead; None takes MLII where there is one."""
    stop: str | None = None
    """Nobody sees what is after this time; None goes to the end."""
    peers: tuple[str, ...] | None = None
    """Keys of the peers; None for none of them, empty for all."""

    @property
    def rules(self) -> tuple[ScoringRule, ...]:
        """Every combination, the first being the headline."""
        return tuple(
            ScoringRule(start, tolerance)
            for tolerance in self.tolerances_ms
            for start in self.starts
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RecordResult:
    """One record: what was found, by whom, and how it scored."""

    name: str
    source: str
    """What `read_excerpt` opens it by."""
    fs: float
    leads: tuple[str, ...]
    n_samples: int
    own: Detected
    missed: NDArray[np.int64]
    """Reference beats that this detector missed by the first rule."""
    false: NDArray[np.int64]
    """Beats that it invented there."""
    delay_from_reference_ms: NDArray[np.float64]
    """From the reference R peak to the sample at which the beat was decided on, for each beat
    found (whole record)."""
    scores: dict[str, dict[ScoringRule, RecordScore]]
    """By detector's title and rule; rules that start after the end are left out."""
    failures: dict[str, str]
    """What stopped a peer, by its title."""

    @property
    def delay_ms(self) -> NDArray[np.float64]:
        """From each R peak found to the sample at which it was decided on."""
        return as_ms(self.own.decided_at - self.own.samples, self.fs)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DetectionResults:
    """Every record's result, and what to compare it with."""

    database: str
    settings: DetectionSettings
    records: tuple[RecordResult, ...]
    missing: tuple[Peer, ...]
    """Peers that are not installed."""
    cross_validation: dict[str, Any] | None
    """Of the peak scorer on its training records, as shipped with it; None if it has none."""

    @property
    def detectors(self) -> tuple[str, ...]:
        """Titles in the order of the report, this project's first."""
        return tuple(dict.fromkeys(name for result in self.records for name in result.scores))

    @property
    def rules(self) -> tuple[ScoringRule, ...]:
        """The rules by which at least one record could be scored."""
        scored = {rule for result in self.records for rule in result.scores[OWN]}
        return tuple(rule for rule in self.settings.rules if rule in scored)

    @property
    def headline(self) -> ScoringRule:
        """The rule that the worst records are worst by."""
        return self.rules[0]

    @property
    def headline_rules(self) -> tuple[ScoringRule, ...]:
        """The rules that start where the headline does."""
        return tuple(rule for rule in self.rules if rule.start == self.headline.start)

    @property
    def delay_ms(self) -> NDArray[np.float64]:
        """Decision delay of every R peak found, after itself."""
        return np.concatenate([np.empty(0), *(result.delay_ms for result in self.records)])

    @property
    def delay_from_reference_ms(self) -> NDArray[np.float64]:
        """Decision delay of every reference beat found."""
        delays = (result.delay_from_reference_ms for result in self.records)
        return np.concatenate([np.empty(0), *delays])

    def summary(
        self, detector: str, rule: ScoringRule, names: Sequence[str] | None = None
    ) -> Summary:
        """Sum up a detector over all records, or over those named."""
        return aggregate(
            [
                result.scores[detector][rule]
                for result in self.records
                if rule in result.scores[detector] and (names is None or result.name in names)
            ]
        )

    @property
    def ds2(self) -> tuple[str, ...]:
        """The records of DS2 among them."""
        return tuple(result.name for result in self.records if result.name in DS2)

    def worst(self) -> list[RecordResult]:
        """Return the records with the most errors by the headline rule, worst first."""

        def errors(result: RecordResult) -> int:
            score = result.scores[OWN].get(self.headline)
            return 0 if score is None else score.fn + score.fp

        ranked = sorted(self.records, key=errors, reverse=True)
        return [result for result in ranked[:WORST] if errors(result)]


def measure_detection(
    database: str,
    records: Sequence[str],
    settings: DetectionSettings | None = None,
    *,
    jobs: int = 1,
    advance: Advance = silent,
) -> DetectionResults:
    """Run every detector over every record and score them.

    Parameters
    ----------
    database : str
        What to call the records together.
    records : sequence of str
        What `read_excerpt` opens.
    jobs : int
        Processes; with 1 everything happens in this one.
    advance : callable
        Gets the name of each record that is done.

    Raises
    ------
    ScoringError
        If there is no record, or none reaches into a part that is scored.
    ValueError
        If a time or tolerance makes no sense, or a peer is unknown.
    """
    settings = settings or DetectionSettings()
    _, missing = select_peers(settings.peers)
    work = partial(measure_record, settings=settings)
    results = fan_out(work, records, jobs=jobs, advance=advance)
    if not any(result.scores[OWN] for result in results):
        raise ScoringError(
            f"no record to score from {' or '.join(settings.starts)} on; choose longer records, "
            "a later --stop, or an earlier --from"
        )
    return DetectionResults(
        database=database,
        settings=settings,
        records=tuple(results),
        missing=tuple(missing),
        cross_validation=read_cross_validation(),
    )


def measure_record(source: str, settings: DetectionSettings) -> RecordResult:
    """Run every detector over one record, found by name, and score them."""
    excerpt = read_excerpt(source, lead=settings.lead, stop=settings.stop)
    return measure_excerpt(excerpt, settings, source=source)


def measure_excerpt(
    excerpt: Excerpt, settings: DetectionSettings, *, source: str = ""
) -> RecordResult:
    """Run every detector over one record and score them."""
    own = detect(excerpt)
    others, failures = find_with_peers(excerpt, select_peers(settings.peers)[0])
    missed, false = errors_of(excerpt, own.samples, settings.rules[0])
    return RecordResult(
        name=excerpt.name,
        source=source,
        fs=excerpt.fs,
        leads=excerpt.leads,
        n_samples=excerpt.n_samples,
        own=own,
        missed=missed,
        false=false,
        delay_from_reference_ms=_delay_from_reference_ms(excerpt, own),
        scores={
            title: _scores(excerpt, found, settings)
            for title, found in {OWN: own.samples, **others}.items()
        },
        failures=failures,
    )


def _scores(
    excerpt: Excerpt, found: NDArray[np.int64], settings: DetectionSettings
) -> dict[ScoringRule, RecordScore]:
    starts = {rule: parse_time(rule.start, excerpt.fs) for rule in settings.rules}
    return {
        rule: excerpt.score(found, start=start, tolerance_ms=rule.tolerance_ms)
        for rule, start in starts.items()
        if start < excerpt.n_samples
    }


def errors_of(
    excerpt: Excerpt, found: NDArray[np.int64], rule: ScoringRule
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the samples of missed and of false beats, as they are counted."""
    reference = excerpt.beats
    tolerance = tolerance_samples(rule.tolerance_ms, excerpt.fs)
    start = parse_time(rule.start, excerpt.fs)
    matching = match_beats(reference.samples, found, tolerance, start=start)
    false = found[matching.extra]
    for first, last in reference.vf:
        false = false[(false < first) | (false > last)]
    return reference.samples[matching.missed], false


def _delay_from_reference_ms(excerpt: Excerpt, own: Detected) -> NDArray[np.float64]:
    tolerance = tolerance_samples(TOLERANCE_MS, excerpt.fs)
    pairs = match_beats(excerpt.beats.samples, own.samples, tolerance)
    reference = excerpt.beats.samples[pairs.pairs_reference]
    return as_ms(own.decided_at[pairs.pairs_predicted] - reference, excerpt.fs)


def read_cross_validation() -> dict[str, Any] | None:
    """Read the cross-validated errors that the peak scorer shipped with.

    Returns
    -------
    dict or None
        `cross_validation` (record to `fn fp fn_50 fp_50`), `folds`, `records`; None without it.
    """
    path = resources.files("streamer.signal.detector") / CROSS_VALIDATION
    if not path.is_file():
        return None
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content if content.get("cross_validation") else None
