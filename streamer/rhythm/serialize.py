"""The context of the rhythm rules as plain values and back, for snapshots."""

import dataclasses
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from typing import Any, Final

from classifier.labels import Label
from streamer.core.events import GapReason, Rhythm
from streamer.rhythm.atria.measures import Atria
from streamer.rhythm.config import RhythmConfig
from streamer.rhythm.context import RhythmContext
from streamer.rhythm.runs import PastBeat, Runs
from streamer.rhythm.waveform.measures import Measurement

_RUNS: Final = tuple(name for name in Runs.__dataclass_fields__ if name != "config")


def serialize(context: RhythmContext) -> dict[str, Any]:
    """Return every field but the configuration as plain values."""
    names = (name for name in RhythmContext.__dataclass_fields__ if name != "config")
    return {name: plain(getattr(context, name)) for name in names}


def plain(value: Any) -> Any:
    """Turn a field into plain values."""
    if isinstance(value, Atria):
        return value.state()
    if isinstance(value, Runs):
        return {name: plain(getattr(value, name)) for name in _RUNS}
    if isinstance(value, PastBeat):
        value = dataclasses.astuple(value)
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, deque | list | tuple):
        return [plain(item) for item in value]
    return value


def deserialize(config: RhythmConfig, state: dict[str, Any]) -> RhythmContext:
    """Make a context from what `serialize` returned."""
    context = RhythmContext(config)
    context.atria.restore(state["atria"])
    restore_fields(context.runs, state["runs"])
    restore_fields(context, {k: v for k, v in state.items() if k not in {"atria", "runs"}})
    context.limit_lengths()
    return context


def restore_fields(part: RhythmContext | Runs, state: dict[str, Any]) -> None:
    """Take over fields that `plain` has turned into plain values."""
    for name, value in state.items():
        kind = type(getattr(part, name))
        restored = value if value is None else _RESTORED.get(name, _unchanged)(value)
        setattr(part, name, kind(restored) if kind in {deque, list, tuple} else restored)


def deserialize_beats(values: Iterable[Sequence[Any]]) -> list[PastBeat]:
    """Turn the plain values of beats back."""
    return [PastBeat(sample, Label(label), *rest) for sample, label, *rest in values]


def deserialize_measurements(values: Iterable[Sequence[Any]]) -> list[Measurement]:
    """Turn the plain values of measurements back."""
    return [Measurement._make([*rest, tuple(deflection)]) for *rest, deflection in values]


def _unchanged(value: Any) -> Any:
    return value


_RESTORED: Final[dict[str, Callable[[Any], Any]]] = {
    **dict.fromkeys(
        ("beats", "v_streak", "v_ended", "s_streak", "s_ended", "steady"), deserialize_beats
    ),
    "measurements": deserialize_measurements,
    "deflections": lambda values: map(tuple, values),
    "last_interval": tuple,
    "gap": GapReason,
    "background": Rhythm,
    "episode": Rhythm,
}
"""How the fields are turned back that aren't plain by themselves."""
