"""What came of the fault matrix."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from streamer.bench.faults.consequences import CONSEQUENCES
from streamer.bench.faults.plan import Fault
from streamer.bench.faults.publisher import SAMPLES_APART
from streamer.bench.report import Report, plain
from streamer.report.table import Table, columns, table


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultsResult:
    """What came and what did not."""

    seed: int
    load: int
    faults: Counter[Fault]
    published: int
    """Events that the publisher accepted."""
    received: int
    """Messages of events that came, repeats included."""
    lost: tuple[int, ...]
    doubled: tuple[int, ...]
    """Numbers that stood for two events, or events that came under two numbers."""
    disordered: int
    """Events whose first copy came after that of a later one."""
    malformed: int
    reused: int
    """Numbers that the publisher accepted twice."""
    silences_s: Mapping[Fault, Sequence[float]]
    """From the end of each fault until the subscriber had an event again."""
    seconds: float

    @property
    def repeats(self) -> int:
        """Copies that a subscriber drops by their number."""
        return self.received - (self.published - len(self.lost))

    @property
    def passed(self) -> bool:
        """Whether nothing was lost, doubled, out of order or damaged."""
        return not (self.lost or self.doubled or self.disordered or self.malformed or self.reused)


def judge(
    events: Sequence[tuple[int, int]], published: int
) -> tuple[tuple[int, ...], tuple[int, ...], int]:
    """De-duplicate by number and compare with what was published.

    Parameters
    ----------
    events : sequence of (seq, sample)
        As they came.
    published : int
        Their number; event n is to have sample n * SAMPLES_APART.

    Returns
    -------
    lost, doubled : tuple of int
        Numbers.
    disordered : int
    """
    first: dict[int, int] = {}
    doubled = set()
    disordered, highest = 0, -1
    for seq, sample in events:
        if sample != seq * SAMPLES_APART or not 0 <= seq < published:
            doubled.add(seq)
        if seq not in first:
            first[seq] = sample
            disordered += seq < highest
            highest = max(highest, seq)
    lost = tuple(seq for seq in range(published) if seq not in first)
    return lost, tuple(sorted(doubled)), disordered


def silences(
    mended: Sequence[tuple[Fault, float]], came_s: Sequence[float]
) -> dict[Fault, list[float]]:
    """Return for each fault how long after its end the next event came.

    Parameters
    ----------
    mended : sequence of (Fault, float)
        When each was over, in s of the clock of `came_s`.
    came_s : sequence of float
        When events came, ascending.
    """
    found: dict[Fault, list[float]] = {}
    for fault, over_s in mended:
        at = bisect_left(came_s, over_s)
        if at < len(came_s):
            found.setdefault(fault, []).append(came_s[at] - over_s)
    return found


def faults_report(result: FaultsResult) -> Report:
    """Report what the faults cost."""
    return Report(
        title="Fault matrix",
        introduction=_lines(result),
        tables=[_table(result)],
        figures=_figures(result),
        passed=result.passed,
    )


def _lines(result: FaultsResult) -> list[str]:
    """Say it in words."""
    total = sum(result.faults.values())
    beside = f" beside {result.load} busy processes" if result.load else ""
    said = [f"fault matrix, seed {result.seed}: {total} faults in {result.seconds:.0f} s{beside}"]
    said += [f"  {count:4d}  {fault.value}" for fault, count in sorted(result.faults.items())]
    said += [
        f"{result.published} events published, {result.received} messages received, "
        f"{result.repeats} of them repeats",
        f"after de-duplication by (source, seq): {len(result.lost)} lost, "
        f"{len(result.doubled)} doubled, {result.disordered} out of order, "
        f"{result.malformed} malformed, {result.reused} numbers used twice",
        "passed" if result.passed else "FAILED",
    ]
    return said


def _table(result: FaultsResult) -> Table:
    """For each kind of failure what is seen, and what was measured of it."""
    rows = []
    for kind in CONSEQUENCES:
        silent_s = [s for fault in kind.faults for s in result.silences_s.get(fault, ())]
        measured = (None, None) if not silent_s else (median(silent_s), max(silent_s))
        struck = sum(result.faults[fault] for fault in kind.faults)
        rows.append((kind.failure, kind.subscriber, kind.person, struck or None, *measured))
    header = (
        *columns("failure", "a subscriber sees", "a person sees", "struck"),
        *columns("next event after, s: median", "longest", form=".2f"),
    )
    return table("What each failure looks like", header, rows)


def _figures(result: FaultsResult) -> dict[str, Any]:
    """Every number, for a file."""
    faults = {fault.name.lower(): count for fault, count in sorted(result.faults.items())}
    silences_s = {f.name.lower(): list(s) for f, s in sorted(result.silences_s.items())}
    derived = {"repeats": result.repeats, "passed": result.passed}
    return {**plain(result), **derived, "faults": faults, "silences_s": silences_s}
