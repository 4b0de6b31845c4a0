"""The facts of the rhythm tracker as plain values and back, for its snapshots."""

import dataclasses
from collections import deque
from collections.abc import Iterator
from typing import Any, Final

from classifier.labels import Label
from streamer.core.events import GapReason, Rhythm
from streamer.rhythm.config import RhythmConfig
from streamer.rhythm.facts import Facts
from streamer.rhythm.runs import PastBeat, Runs
from streamer.rhythm.waveform.measures import Measurement

_ENUMS: Final[dict[str, type[GapReason] | type[Rhythm]]] = {
    "gap": GapReason,
    "background": Rhythm,
    "episode": Rhythm,
}
_RUNS: Final = tuple(name for name in Runs.__dataclass_fields__ if name != "config")
_BEATS: Final = frozenset({"beats", "streak", "ended", "s_streak", "s_ended", "steady"})


def packed(facts: Facts) -> Iterator[tuple[str, Any]]:
    """Yield every field but the configuration as plain values, for a snapshot."""
    for name in Facts.__dataclass_fields__:
        if name == "atria":
            yield name, facts.atria.state()
        elif name == "runs":
            yield name, {inner: plain(getattr(facts.runs, inner)) for inner in _RUNS}
        elif name != "config":
            yield name, plain(getattr(facts, name))


def plain(value: Any) -> Any:
    """Turn a field into plain values."""
    if isinstance(value, PastBeat):
        return [value.sample, value.label.value, *dataclasses.astuple(value)[2:]]
    if isinstance(value, Measurement):
        return [*value[:-1], list(value.deflection_mv)]
    if isinstance(value, GapReason | Rhythm):
        return value.value
    if isinstance(value, deque | list | tuple):
        return [plain(item) for item in value]
    return value


def unpacked(config: RhythmConfig, state: dict[str, Any]) -> Facts:
    """Make facts from what `packed` yielded."""
    facts = Facts(config)
    facts.atria.restore(state["atria"])
    _restore(facts.runs, state["runs"])
    _restore(facts, {name: state[name] for name in state if name not in {"atria", "runs"}})
    facts.bound()
    return facts


def _restore(part: Facts | Runs, state: dict[str, Any]) -> None:
    for name, value in state.items():
        kind = type(getattr(part, name))
        whole = _whole(name, value)
        setattr(part, name, kind(whole) if kind in {deque, list} else whole)


def _whole(name: str, value: Any) -> Any:
    """Turn one field's plain value back."""
    if value is None:
        return None
    if name in _BEATS:
        return [_beat(*item) for item in value]
    if name == "measured":
        return [unpacked_measurement(item) for item in value]
    if name == "levels":
        return [tuple(item) for item in value]
    if name in {"interval", "level"}:
        return tuple(value)
    return _ENUMS[name](value) if name in _ENUMS else value


def _beat(sample: int, label: str, *rest: Any) -> PastBeat:
    return PastBeat(sample, Label(label), *rest)


def unpacked_measurement(values: list[Any]) -> Measurement:
    """Turn a measurement's plain values back."""
    return Measurement._make([*values[:-1], tuple(values[-1])])
