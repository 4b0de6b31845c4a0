"""The recipes of docs/architecture.md do what they say."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from stage_cases import FIRST, N_LEADS, chunks, ecg, joined, push_all, same

from replay import Chunk
from streamer import StageClosedError

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
