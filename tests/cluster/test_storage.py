"""What a cluster keeps of itself, and who may go on with it."""

import os
from pathlib import Path

import pytest

from streamer.cluster.storage import Plan, read_plan, take_over, write_plan
from streamer.core.errors import OutputError, SnapshotError
from streamer.runner.ward_setup import WardStorage


def test_a_plan_comes_back_from_its_file(tmp_path: Path) -> None:
    assert read_plan(tmp_path) is None
    plan = Plan(name="east", owners={"a": "w0", "b": "w1"}, moving={"a": "w1"}, workers=["w0"])
    write_plan(tmp_path / "new", plan)
    assert read_plan(tmp_path / "new") == plan
    assert (plan.of("w0"), plan.awaited_by("w1"), plan.awaited_by("w0")) == ({"a"}, {"a"}, set())


def test_a_damaged_plan_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "cluster.json").write_bytes(b"nonsense")
    with pytest.raises(SnapshotError, match="no usable plan of a cluster"):
        read_plan(tmp_path)


class EndedError(Exception):
    """Stands in for the end of the process."""


def test_who_was_the_worker_before_ends_before_it_connects_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(pid: int, number: int) -> None:
        raise EndedError(pid, number)

    monkeypatch.setattr(os, "kill", end)
    plan = Plan(name="east")
    before = take_over(tmp_path, plan, "w0")
    other = take_over(tmp_path, plan, "w1")
    assert before.permit is not None
    before.permit()
    after = take_over(tmp_path, plan, "w0")
    assert after.client_id == before.client_id != other.client_id
    with pytest.raises(EndedError, match="SIGKILL"):
        before.permit()
    assert other.permit is not None
    other.permit()


def test_a_worker_of_an_older_start_may_not_go_on(tmp_path: Path) -> None:
    plan = Plan(name="east", epoch=1)
    newer = Plan(name="east", epoch=2)
    take_over(tmp_path, newer, "w0")
    with pytest.raises(OutputError, match="a newer cluster uses"):
        take_over(tmp_path, plan, "w0")


def test_two_wards_with_one_folder_are_refused(tmp_path: Path) -> None:
    first = WardStorage.alone(tmp_path)
    with pytest.raises(OutputError, match=r"another ward uses .*; give each ward --snapshots"):
        WardStorage.alone(tmp_path)
    assert first.client_id.startswith("ecg-stream-ward-")
