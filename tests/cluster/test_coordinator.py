"""What a coordinator has its workers do, and what it says of patients whom nobody watches."""

import asyncio
import time
from collections.abc import Callable, Collection
from pathlib import Path

import pytest

from streamer.cluster import coordinator
from streamer.cluster.coordinator import Coordinator
from streamer.cluster.presence import ClusterPresence
from streamer.cluster.storage import Plan, read_plan, write_plan
from streamer.cluster.worker import WorkerReport
from streamer.core.errors import OutputError
from streamer.mqtt.publishing import Publishing
from streamer.runner.metrics import WardFigures

WAIT_S = 60.0


class Presence(ClusterPresence):
    """Hears of what the test lets it hear of, and keeps what is said."""

    def __init__(self) -> None:
        super().__init__(Publishing(mqtt="mqtt://nowhere"))
        self.coming: set[str] = set()
        self.unwatched: set[str] = set()
        self.again: set[str] = set()

    async def start(self, name: str) -> None: ...

    async def listen(self, known: Collection[str]) -> set[str]:
        return self.coming - set(known)

    def tell_unwatched(self, sources: Collection[str], reason: str) -> None:
        assert reason == "worker w0 doesn't answer"
        self.unwatched |= set(sources)

    def watched(self, sources: Collection[str]) -> None:
        self.again |= set(sources)

    async def close(self) -> None: ...


class FakeWorker:
    """Notes what it is asked; can be deaf, or fail once."""

    def __init__(self, name: str, steps: list[tuple[str, str, list[str]]]) -> None:
        self.name = name
        self.steps = steps
        self.is_deaf = False
        self.fails: list[str] = []

    async def report(self) -> WorkerReport:
        while self.is_deaf:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        return WorkerReport(
            worker=self.name, node="here", pid=1, figures=WardFigures(), at_s=time.time()
        )

    async def change(self, what: str, sources: Collection[str]) -> None:
        self.steps.append((self.name, what, sorted(sources)))
        if what in self.fails:
            self.fails.remove(what)
            raise OutputError("died")

    async def stop(self) -> None:
        self.steps.append((self.name, "stop", []))

    def renew(self) -> None: ...


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_sources_are_found_moved_and_told_to_be_unwatched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coordinator, "PATIENCE_S", 0.2)
    steps: list[tuple[str, str, list[str]]] = []
    workers = {name: FakeWorker(name, steps) for name in ("w0", "w1")}
    write_plan(tmp_path, Plan(name="east", workers=["w0"]))
    presence = Presence()
    tested = Coordinator(tmp_path, presence, workers.__getitem__)
    running = asyncio.create_task(tested.run())
    presence.coming = {f"bed{n}" for n in range(8)}
    await until(lambda: steps)
    assert steps == [("w0", "watch", sorted(presence.coming))]
    assert (read_plan(tmp_path) or Plan(name="")).of("w0") == presence.coming

    workers["w0"].fails = ["hand_over"]
    steps.clear()
    moved = await tested.resize(2)
    assert 0 < moved < 8
    taken = steps[-1][2]
    # The owner of before died while it handed over: the new one expects them anew, and so on.
    assert steps == [
        *(("w1", "expect", taken), ("w0", "hand_over", taken)) * 2,
        ("w1", "take_over", taken),
    ]
    plan = read_plan(tmp_path)
    assert plan is not None
    assert (plan.of("w1"), plan.moving) == (set(taken), {})

    workers["w0"].is_deaf = True
    await until(lambda: presence.unwatched)
    assert presence.unwatched == plan.of("w0")
    assert (tested.view().missing, tested.view().unwatched) == (["w0"], 8 - moved)
    workers["w0"].is_deaf = False
    await until(lambda: presence.again)
    assert presence.again == plan.of("w0")
    news = tested.news()
    assert f"worker w0 doesn't answer: {8 - moved} patients are unwatched" in news
    assert any(line.startswith("a move from w0 to w1 begins anew") for line in news)

    steps.clear()
    assert await tested.resize(1) == moved
    assert steps[-2:] == [("w0", "take_over", taken), ("w1", "stop", [])]
    await tested.stop()
    async with asyncio.timeout(WAIT_S):
        await running
