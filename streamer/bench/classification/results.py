"""What `bench classification` found: settings, one record's labels, and all records'."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from classifier.network.spec import ModelSpec
from classifier.splits import DS1, DS2, PACED
from streamer.bench.excerpt import WHOLE
from streamer.report.score import MAJORITY_S_RECORD
from streamer.scoring.ec57 import RecordScore, Summary, aggregate
from streamer.scoring.runs import RunCounts
from streamer.sinks.annotations import Which

SHIPPED: Final = "shipped"
"""What tables call the model that comes with the program."""
SAME_PATIENT: Final[dict[str, str]] = {"202": "201", "201": "202"}
"""Records of the MIT-BIH Arrhythmia Database that are of one person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassificationSettings:
    """What is measured, and how."""

    model: Path | None = None
    """TorchScript file with its sidecar beside it; None for the shipped one."""
    start: str = WHOLE
    """Labels count from there; the chain always starts at 0:00."""
    stop: str | None = None
    """Nobody sees what is after this time; None goes to the end."""

    @property
    def model_name(self) -> str:
        """What tables call it."""
        # Training runs differ by their folder only.
        return SHIPPED if self.model is None else "/".join(self.model.with_suffix("").parts[-2:])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Revision:
    """One of a record's two series of labels against its reference."""

    score: RecordScore
    runs: dict[str, RunCounts]
    """By kind: V, S."""
    delay_ms: NDArray[np.float64]
    """From each R peak found to the sample at which its label was decided."""
    unjudged: Counter[str]
    """Labels Q by their reason."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RecordLabels:
    """How one record was labelled."""

    name: str
    hours: float
    revisions: dict[Which, Revision]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Records that are summed up together."""

    title: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClassificationResults:
    """Every record's result."""

    database: str
    settings: ClassificationSettings
    model: ModelSpec
    records: tuple[RecordLabels, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Records whose labels count, in order: EC57 leaves paced ones out."""
        return tuple(record.name for record in self.records if record.name not in PACED)

    @property
    def trained(self) -> tuple[str, ...]:
        """Those of `names` that the model was trained on; their figures say little."""
        return tuple(name for name in self.names if name in self.model.training_records)

    @property
    def relatives(self) -> dict[str, str]:
        """Records of a person the model was trained on, with that person's training record."""
        trained = self.model.training_records
        return {
            name: other
            for name in self.names
            if (other := SAME_PATIENT.get(name, "")) in trained and name not in trained
        }

    @property
    def is_customary(self) -> bool:
        """Whether this is what others report on: DS2, complete."""
        return set(self.names) == set(DS2) and self.settings.stop is None

    @property
    def groups(self) -> tuple[Group, ...]:
        """What is summed up, the headline first."""
        whole = Group(title=_title(self.database, self.names), names=self.names)
        found = [whole]
        fresh = tuple(name for name in self.names if name not in self.trained)
        if fresh and len(fresh) < len(self.names):
            title = f"{whole.title}, never trained on: {_count(fresh)}"
            found.append(Group(title=title, names=fresh))
        if rest := self.without_majority:
            found.append(Group(title=f"{whole.title} without {MAJORITY_S_RECORD}", names=rest))
        return tuple(found)

    @property
    def without_majority(self) -> tuple[str, ...]:
        """Those of `names` but `MAJORITY_S_RECORD`; empty if that was not or alone among them."""
        rest = tuple(name for name in self.names if name != MAJORITY_S_RECORD)
        return rest if len(rest) < len(self.names) else ()

    def revisions(self, which: Which, names: Sequence[str] | None = None) -> list[Revision]:
        """Return one revision of the records named, or of all that count."""
        wanted = self.names if names is None else names
        return [record.revisions[which] for record in self.records if record.name in wanted]

    def scores(self, which: Which, names: Sequence[str] | None = None) -> list[RecordScore]:
        """Return the beat-by-beat scores of one revision."""
        return [revision.score for revision in self.revisions(which, names)]

    def summary(self, which: Which, names: Sequence[str] | None = None) -> Summary:
        """Sum up the scores of one revision, gross and average."""
        return aggregate(self.scores(which, names))

    def runs(self, which: Which, kind: str, names: Sequence[str] | None = None) -> RunCounts:
        """Sum up the runs of a kind."""
        return sum((r.runs[kind] for r in self.revisions(which, names)), RunCounts())

    def delay_ms(self, which: Which, names: Sequence[str] | None = None) -> NDArray[np.float64]:
        """Return the decision delays."""
        return np.concatenate([np.empty(0), *(r.delay_ms for r in self.revisions(which, names))])

    def unjudged(self, which: Which, names: Sequence[str] | None = None) -> Counter[str]:
        """Count labels Q by reason."""
        return sum((r.unjudged for r in self.revisions(which, names)), Counter())


def _count(names: Sequence[str]) -> str:
    return f"{len(names)} record{'' if len(names) == 1 else 's'}"


def _title(database: str, names: Sequence[str]) -> str:
    for split, members in (("DS1", DS1), ("DS2", DS2)):
        if set(names) <= set(members):
            part = "" if len(names) == len(members) else f" of {len(members)}"
            return f"{split}, {len(names)}{part} records"
    return f"{database}, {_count(names)}"
