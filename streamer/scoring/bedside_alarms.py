"""Real alarms of bedside monitors, judged by experts, and whether the chain raises them too.

The PhysioNet/CinC Challenge 2015 (Clifford et al. 2016, doi:10.1088/0967-3334/37/8/E5): 750 alarms
of intensive care, each at the end of a recording, and whether it was true. What it calls each
arrhythmia: asystole is no QRS for 4 s, extreme bradycardia below 40/min for 5 beats, extreme
tachycardia above 140/min for 17 beats, ventricular tachycardia 5 ventricular beats at more than
100/min, ventricular flutter or fibrillation 4 s of either.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from replay.records import records_of
from streamer.core.errors import ScoringError
from streamer.core.events import Alarm, AlarmState, Event, Rhythm

DATABASE: Final = "cinc2015"
TABLE: Final = "ALARMS"
"""File beside the records: name, kind of alarm, 1 if it was true."""
WINDOW_S: Final = 10.0
"""Seconds before the bedside alarm in which its cause lies, by the challenge's rules."""
MISSED_COST: Final = 5
"""A true alarm that is kept silent counts as much as so many false ones."""
RHYTHMS: Final = {
    "Asystole": Rhythm.ASYSTOLE,
    "Bradycardia": Rhythm.EXTREME_BRADYCARDIA,
    "Tachycardia": Rhythm.EXTREME_TACHYCARDIA,
    "Ventricular_Tachycardia": Rhythm.VENTRICULAR_TACHYCARDIA,
    "Ventricular_Flutter_Fib": Rhythm.VENTRICULAR_FIBRILLATION,
}
"""The challenge's kinds of alarms, and the chain's names for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BedsideAlarm:
    """An alarm at the end of a record."""

    path: str
    """What `replay.records.open_record` takes."""
    rhythm: Rhythm
    is_true: bool


def bedside_alarms(database: str = DATABASE) -> list[BedsideAlarm]:
    """Return the alarms of a database of the challenge's form.

    Raises
    ------
    RecordNotFoundError
        If it is not at hand.
    ScoringError
        If it has no table of alarms, or one that can't be read.
    """
    paths = {Path(path).name: path for path in records_of(database)}
    table = Path(next(iter(paths.values()))).parent / TABLE
    try:
        lines = table.read_text().splitlines()
    except OSError as error:
        raise ScoringError(
            f"{database} has no table of alarms ({table}); take a database of the challenge 2015"
        ) from error
    found = []
    for line in filter(None, lines):
        name, _, rest = line.partition(",")
        kind, _, verdict = rest.partition(",")
        if kind not in RHYTHMS or verdict not in {"0", "1"}:
            raise ScoringError(
                f"{table} says {line!r}; expected a record, one of {', '.join(RHYTHMS)}, and 0 or 1"
            )
        if name in paths:
            alarm = BedsideAlarm(path=paths[name], rhythm=RHYTHMS[kind], is_true=verdict == "1")
            found.append(alarm)
    return found


def is_raised(events: Iterable[Event], rhythm: Rhythm, *, since: float, stop: float) -> bool:
    """Return whether an alarm of that rhythm was raised, or went on, between two samples."""
    begun = None
    for event in events:
        if not isinstance(event, Alarm) or event.rhythm is not rhythm:
            continue
        if event.decided_at >= stop:
            break
        if event.state is AlarmState.OVER:
            begun = None
        if event.decided_at >= since:
            return True
        if event.state is AlarmState.ONGOING:
            begun = event.decided_at
    return begun is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdicts:
    """How many true and false alarms were raised."""

    true_raised: int = 0
    true_silent: int = 0
    false_raised: int = 0
    false_silent: int = 0

    @property
    def kept(self) -> float | None:
        """Share of the true alarms that were raised."""
        return _ratio(self.true_raised, self.true_raised + self.true_silent)

    @property
    def silenced(self) -> float | None:
        """Share of the false ones that were not."""
        return _ratio(self.false_silent, self.false_raised + self.false_silent)

    @property
    def score(self) -> float | None:
        """The challenge's: (TP + TN) / (TP + TN + FP + 5 FN)."""
        right = self.true_raised + self.false_silent
        return _ratio(right, right + self.false_raised + MISSED_COST * self.true_silent)


def count_verdicts(pairs: Sequence[tuple[bool, bool]]) -> Verdicts:
    """Count pairs of whether an alarm was true and whether it was raised."""
    return Verdicts(
        true_raised=pairs.count((True, True)),
        true_silent=pairs.count((True, False)),
        false_raised=pairs.count((False, True)),
        false_silent=pairs.count((False, False)),
    )


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None
