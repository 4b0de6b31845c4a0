"""The recipes of docs/architecture.md do what they say."""

import inspect
import re
from collections.abc import AsyncIterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stage_cases import FIRST, N_LEADS, SumModel, chunks, ecg, joined, push_all, same

from replay import Chunk
from streamer import Alarm, Chain, Rhythm, StageClosedError, StreamInfo, Ward
from streamer.rhythm import state_machine
from streamer.rhythm.rule import Layer
from streamer.rhythm.table import TABLE
from streamer.runner.runner import Runner
from streamer.sinks.sink import Sink
from streamer.sources.source import Host, Piece, Turn

FS = 360.0
PAGE = Path(__file__).parents[2] / "docs" / "architecture.md"


@cache
def recipe(title: str) -> dict[str, Any]:
    """Return what the code under a heading defines."""
    text = PAGE.read_text().partition(f"### {title}\n")[2].partition("\n### ")[0]
    names: dict[str, Any] = {"__name__": "recipe"}
    for code in re.findall(r"^```python\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL):
        exec(compile(code, str(PAGE), "exec"), names)
    return names


def baseline_filter() -> Any:
    return recipe("Add a stage")["BaselineFilter"](fs=FS, n_leads=N_LEADS)


def signal() -> Any:
    samples = ecg(2000, FS)
    samples[:, 500:520] = float("nan")
    return samples


def filtered(*cuts: int) -> list[Chunk]:
    stage = baseline_filter()
    return joined(push_all(stage, chunks(signal(), cuts)) + stage.flush())


def test_the_stage_does_not_depend_on_the_cuts() -> None:
    assert same(filtered(), filtered(1, 2, 505, 1500))
    assert same(filtered(), filtered(*range(1, 2000)))


def test_the_stage_continues_from_a_snapshot() -> None:
    first, second = chunks(signal(), [510])
    stage, other = baseline_filter(), baseline_filter()
    stage.push(first)
    other.restore(stage.snapshot())
    expected = stage.push(second)
    assert same(other.push(second), expected)
    other.reset()
    assert same(joined([*other.push(first), *other.push(second)]), filtered())


def test_the_stage_refuses_a_push_after_the_flush() -> None:
    stage = baseline_filter()
    stage.flush()
    with pytest.raises(StageClosedError, match="reset"):
        stage.push(chunks(signal(), ())[0])


def test_the_stage_takes_the_drift_away() -> None:
    drifting = signal()[:, 520:] + 3.0
    start = FIRST
    [out] = baseline_filter().push(Chunk(start=start, samples=drifting))
    assert abs(float(out.samples[0, -360:].mean())) < 0.1


def slow_signal() -> Any:
    """20 s at 75/min, then 20 s of the same beats played at half the pace."""
    return np.concatenate([ecg(7200, FS), ecg(7200, 2 * FS)], axis=1)


def bradycardia_alarms() -> list[Alarm]:
    chain = Chain(fs=FS, n_leads=N_LEADS, model=SumModel())
    events = [*push_all(chain, chunks(slow_signal(), ())), *chain.flush()]
    alarms = [event for event in events if isinstance(event, Alarm) and event.is_raised]
    return [alarm for alarm in alarms if alarm.rhythm is Rhythm.EXTREME_BRADYCARDIA]


def test_the_rule_alarms_at_the_third_long_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    without = bradycardia_alarms()
    row = recipe("Add a rhythm rule")["ROW"]
    moments = (*TABLE[Layer.MOMENT], row)
    monkeypatch.setattr(state_machine, "TABLE", {**TABLE, Layer.MOMENT: moments})
    state_machine.rows.cache_clear()
    try:
        alarms = bradycardia_alarms()
    finally:
        state_machine.rows.cache_clear()
    new = [alarm for alarm in alarms if alarm not in without]
    assert new
    for alarm in new:
        assert len(alarm.beats) == 4
        assert np.all(np.diff(alarm.beats) >= 1.5 * FS)
        assert alarm.beats[1] > FIRST + 7200


class Recorded:
    """A source of one patient that isn't paced."""

    is_paced = False

    def begin(self, host: Host) -> None:
        host.open(
            StreamInfo(
                source="bed-1",
                fs=FS,
                leads=("MLII", "V1"),
                first_sample=FIRST,
                n_samples=None,
                training_record=False,
                started_at=0.0,
            )
        )

    async def turns(self) -> AsyncIterator[Turn]:
        for chunk in chunks(ecg(7200, FS), range(100, 7200, 100)):
            yield Turn(pieces={"bed-1": Piece(chunks=[chunk], due_s=None)})


async def test_the_sink_counts_the_labels_of_a_run() -> None:
    sink = recipe("Add a sink")["CountingSink"]()
    report = await Runner(Recorded(), SumModel(), [sink], ward=Ward(SumModel())).run()
    assert report.failures == ()
    [line] = sink.lines
    assert line.startswith("bed-1: ")
    assert sum(map(int, re.findall(r"(\d+) [NSVFQ]", line))) == report.n_beats > 20


def test_the_sink_keeps_the_protocol() -> None:
    made = recipe("Add a sink")["CountingSink"]
    for name, method in inspect.getmembers(Sink, inspect.isfunction):
        if not name.startswith("_"):
            asked, given = inspect.signature(method), inspect.signature(getattr(made, name))
            assert given.parameters.keys() == asked.parameters.keys()
            is_async = inspect.iscoroutinefunction(method)
            assert inspect.iscoroutinefunction(getattr(made, name)) == is_async
