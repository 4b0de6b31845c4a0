"""The picture of a ward: records of MIT-BIH played through the real chain, on its screen."""

import asyncio
import io
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from terminal_svg import export_svg

from classifier.network.runtime import load_model
from replay.records import open_record
from streamer.beats.batched_model import BatchedModel
from streamer.monitor.ward.names import names_of_looped
from streamer.monitor.ward.screen import WardScreen
from streamer.patient.ward import Ward
from streamer.runner.run_config import RunnerConfig
from streamer.runner.runner import Runner
from streamer.sources.looped import LoopedRecords, LoopedSource, TurnConfig

RECORDS: Final = "100 105 106 119 200 201 203 208 215 219 228 232".split()
SIZE: Final = (150, 46)
_PLAYED_S: Final = 75.0


class _Still(WardScreen):
    """A screen that takes no terminal."""

    async def start(self) -> None:
        """Draw nothing by itself."""


def station(path: Path) -> None:
    """Write the ward's screen as an SVG picture.

    Raises
    ------
    OSError
        If the file can't be written.
    """
    asyncio.run(_play(path))


async def _play(path: Path) -> None:
    records = LoopedRecords([open_record(name) for name in RECORDS])
    unpaced = TurnConfig(is_paced=False)
    source = LoopedSource(records, records.names, seconds=_PLAYED_S + 5.0, config=unpaced)
    model = BatchedModel(load_model())
    ward = Ward(model)
    console = Console(file=io.StringIO(), width=SIZE[0], height=SIZE[1], force_terminal=True)
    drawn = []

    def draw(now_s: float) -> None:
        if drawn or runner.sessions[RECORDS[0]].last_sample < _PLAYED_S * 360.0:
            return
        _finish(screen.roster.sort())
        drawn.append(_finish(screen.frame()))

    runner = Runner(source, model, [], ward=ward, config=RunnerConfig(), on_turn=draw)
    screen = _Still(
        runner.sessions,
        runner.sessions.alerts,
        lambda name: ward.patients[name].chain.path.ring,
        lambda: None,
        console=console,
        names=names_of_looped(records.names),
    )
    runner.add_sink(screen)
    await runner.run()
    export_svg(drawn[0], path, *SIZE, title="ecg-stream ward")


def _finish(work: Coroutine[Any, Any, Any]) -> Any:
    """Run what only gives way now and then to its end."""
    while True:
        try:
            work.send(None)
        except StopIteration as done:
            return done.value
