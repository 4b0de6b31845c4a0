"""Detection in noise: the MIT-BIH Noise Stress Test Database, and what its quality index is worth.

Moody, Muldrow & Mark 1984 (Computers in Cardiology 11:381-384): records 118 and 119 with electrode
motion added at six signal-to-noise ratios, in two minutes of every four after the first five.
Only the noisy segments count for the scores; the clean ones show what a quality threshold costs.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from replay.noise import NoiseConfig, noise_segments
from replay.records import records_of
from streamer.bench.detection.peers import Peer, find_with_peers, select_peers
from streamer.bench.detection.stages import detect
from streamer.bench.excerpt import Excerpt, read_excerpt
from streamer.bench.report import OWN
from streamer.bench.work import Advance, fan_out, silent
from streamer.core.errors import ScoringError
from streamer.scoring.ec57 import RecordScore, aggregate

DATABASE: Final = "nstdb"
THRESHOLDS: Final = tuple(round(0.05 * step, 2) for step in range(20))
"""Quality below which a consumer may leave beats out."""
_NAME: Final = re.compile(r"(?P<base>\w+)e(?P<snr>_?\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseRecord:
    """A record of the database: whose heart, how much noise."""

    source: str
    """What `read_excerpt` opens it by."""
    base: str
    snr_db: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NoiseResult:
    """How one record was detected."""

    name: str
    record: NoiseRecord
    leads: tuple[str, ...]
    noisy: dict[str, RecordScore]
    """Scores of the noisy segments by detector."""
    kept_noisy: tuple[RecordScore, ...]
    """This detector's scores there when only beats of a quality are kept, by `THRESHOLDS`."""
    kept_clean: tuple[RecordScore, ...]
    """The same for the clean segments."""
    failures: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NoiseResults:
    """Every record's result."""

    results: tuple[NoiseResult, ...]
    missing: tuple[Peer, ...]
    """Peers that are not installed."""

    @property
    def detectors(self) -> tuple[str, ...]:
        """Titles, this project's first."""
        return tuple(dict.fromkeys(name for result in self.results for name in result.noisy))

    @property
    def ratios_db(self) -> tuple[int, ...]:
        """Signal-to-noise ratios, cleanest first."""
        return tuple(sorted({result.record.snr_db for result in self.results}, reverse=True))

    @property
    def bases(self) -> tuple[str, ...]:
        """Whose hearts there are."""
        return tuple(sorted({result.record.base for result in self.results}))

    def score(self, detector: str, snr_db: int, base: str | None = None) -> RecordScore:
        """Sum up the noisy segments at a ratio, of one heart or of all."""
        return aggregate(
            [
                result.noisy[detector]
                for result in self.results
                if result.record.snr_db == snr_db and base in {None, result.record.base}
            ]
        ).gross

    def kept(self, threshold: int, snr_db: int | None) -> RecordScore:
        """Sum up what is kept at the threshold of this number; the clean segments for None."""
        return aggregate(
            [
                result.kept_clean[threshold] if snr_db is None else result.kept_noisy[threshold]
                for result in self.results
                if snr_db in {None, result.record.snr_db}
            ]
        ).gross


def noise_records(wanted: Sequence[str] | None = None) -> list[NoiseRecord]:
    """Find the database's records, or those wanted (names or paths).

    Raises
    ------
    RecordNotFoundError
        If the database is not at hand.
    ScoringError
        If a name doesn't hold its signal-to-noise ratio as `118e06` does.
    """
    at_hand = {Path(path).name: path for path in records_of(DATABASE)} if wanted is None else {}
    names = wanted or [name for name in at_hand if _NAME.fullmatch(name)]
    return [_noise_record(at_hand.get(name, name)) for name in names]


def _noise_record(source: str) -> NoiseRecord:
    match = _NAME.fullmatch(source.rpartition("/")[2])
    if match is None:
        raise ScoringError(
            f"{source} is no record with noise; choose from those of {DATABASE}, 118e24 to 119e_6"
        )
    snr_db = int(match["snr"].replace("_", "-"))
    source = source if "/" in source else f"{DATABASE}/{source}"
    return NoiseRecord(source=source, base=match["base"], snr_db=snr_db)


def measure_noise(
    records: Sequence[NoiseRecord],
    *,
    peers: Sequence[str] | None = None,
    stop: str | None = None,
    advance: Advance = silent,
) -> NoiseResults:
    """Detect in every record and score its noisy segments.

    Parameters
    ----------
    peers : sequence of str, optional
        Keys of the peers; None for none of them, empty for all.
    stop : str, optional
        Cut every record there; noise begins at 5:00.
    advance : callable
        Gets the name of each record that is done.

    Raises
    ------
    ScoringError
        If no record reaches into its noise.
    """
    installed, missing = select_peers(peers)

    def measure(record: NoiseRecord) -> NoiseResult:
        return measure_noisy(read_excerpt(record.source, stop=stop), record, installed)

    results = fan_out(measure, records, advance=advance)
    if not any(sum(result.noisy[OWN].matrix.flat) for result in results):
        raise ScoringError("nothing to score: the noise begins at 5:00; give a later --stop")
    return NoiseResults(results=tuple(results), missing=tuple(missing))


def measure_noisy(
    excerpt: Excerpt,
    record: NoiseRecord,
    peers: Sequence[Peer] = (),
    config: NoiseConfig | None = None,
) -> NoiseResult:
    """Detect in one record with noise in the segments of the protocol."""
    own = detect(excerpt)
    others, failures = find_with_peers(excerpt, peers)
    kept = [own.samples[own.quality >= threshold] for threshold in THRESHOLDS]

    def score(found: NDArray[np.int64], *, noisy: bool = True) -> RecordScore:
        return score_segments(excerpt, found, config, noisy=noisy)

    return NoiseResult(
        name=excerpt.name,
        record=record,
        leads=excerpt.leads,
        noisy={title: score(found) for title, found in {OWN: own.samples, **others}.items()},
        kept_noisy=tuple(score(found) for found in kept),
        kept_clean=tuple(score(found, noisy=False) for found in kept),
        failures=failures,
    )


def score_segments(
    excerpt: Excerpt, found: NDArray[np.int64], config: NoiseConfig | None, *, noisy: bool
) -> RecordScore:
    """Score the noisy or the clean segments of a record together."""
    return aggregate(
        [
            excerpt.score(found, start=start, stop=stop)
            for start, stop, is_noisy in noise_segments(excerpt.n_samples, excerpt.fs, config)
            if is_noisy is noisy
        ]
    ).gross
