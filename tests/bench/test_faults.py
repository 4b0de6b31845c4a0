"""The fault matrix in its short form, and proof that its judge can find fault."""

import json
from collections import Counter
from pathlib import Path

import pytest

from streamer.bench.faults.consequences import CONSEQUENCES
from streamer.bench.faults.matrix import measure_faults
from streamer.bench.faults.parts import busy
from streamer.bench.faults.plan import Fault, FaultsConfig, plan
from streamer.bench.faults.publisher import SAMPLES_APART
from streamer.bench.faults.report import faults_report, judge, silences
from streamer.report.table import NONE


def events(*seqs: int) -> list[tuple[int, int]]:
    return [(seq, seq * SAMPLES_APART) for seq in seqs]


def test_repeats_are_fine() -> None:
    assert judge(events(0, 1, 0, 1, 2, 1), 3) == ((), (), 0)


def test_what_never_came_is_lost() -> None:
    assert judge(events(0, 2), 5) == ((1, 3, 4), (), 0)


def test_one_number_for_two_events_is_a_double() -> None:
    assert judge([*events(0, 1), (1, 2 * SAMPLES_APART)], 2) == ((), (1,), 0)
    assert judge(events(0, 1, 2), 2) == ((), (2,), 0), "an event that was never published"


def test_a_first_copy_that_comes_too_late_is_out_of_order() -> None:
    assert judge(events(0, 2, 1, 3), 4) == ((), (), 1)


def test_every_kind_of_fault_is_drawn_equally_often_and_by_the_seed() -> None:
    drawn = plan(FaultsConfig(faults=100, seed=3))
    assert set(Counter(drawn).values()) == {10}
    assert set(drawn) == set(Fault)
    assert drawn == plan(FaultsConfig(faults=100, seed=3)) != plan(FaultsConfig(faults=100, seed=4))


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="must be above 0"):
        FaultsConfig(faults=0)
    with pytest.raises(ValueError, match="--load is -1"):
        FaultsConfig(load=-1)


async def test_load_is_processes_that_are_busy_for_as_long_as_it_is_held() -> None:
    def children() -> set[int]:
        tasks = Path("/proc/self/task").iterdir()
        return {int(pid) for task in tasks for pid in (task / "children").read_text().split()}

    before = children()
    async with busy(2):
        assert len(children() - before) == 2
    assert children() == before


def test_a_fault_is_over_when_the_next_event_comes() -> None:
    mended = [(Fault.LINK_CUT, 1.0), (Fault.BROKER_KILL, 2.5), (Fault.LINK_CUT, 4.0)]
    found = silences(mended, [0.5, 1.0, 3.0, 3.5])
    assert found == {Fault.LINK_CUT: [0.0], Fault.BROKER_KILL: [0.5]}


def test_each_fault_is_of_one_kind_of_failure() -> None:
    assert sorted(fault for kind in CONSEQUENCES for fault in kind.faults) == sorted(Fault)


@pytest.mark.mosquitto
async def test_nothing_is_lost_or_doubled_whatever_breaks(mosquitto: str) -> None:
    """One of each fault; `ecg-stream bench faults` does two hundred."""
    config = FaultsConfig(faults=len(Fault), seed=7, calm_s=(0.02, 0.1), length_s=(0.02, 0.4))
    result = await measure_faults(config)
    report = faults_report(result)
    text = "\n".join(report.introduction)
    assert report.passed, text
    assert set(result.faults) == set(Fault)
    assert result.published >= 50
    assert result.repeats > 0, "with these faults some messages must come again"
    assert json.loads(json.dumps(report.figures))["lost"] == []
    assert "0 lost, 0 doubled, 0 out of order" in text
    measured = [row for row in report.tables[0].rows if row[3] != NONE]
    assert len(measured) == sum(bool(kind.faults) for kind in CONSEQUENCES)
    assert all(float(row[4]) >= 0.0 for row in measured if row[4] != NONE)
