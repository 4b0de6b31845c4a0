"""The transition table as a diagram, so that the picture can't tell another story than the code."""

from typing import Final

from streamer.core.events import Rhythm
from streamer.rhythm.rule import Layer, State, Transition
from streamer.rhythm.table import TABLE

_CALM: Final = {Layer.EPISODE: "no episode", Layer.RATE: "within limits", Layer.TECHNICAL: "usable"}
"""What the absence of a state is called on each layer."""
_TITLES: Final = {
    Layer.EPISODE: "Episodes, over the background",
    Layer.BACKGROUND: "Background rhythm",
    Layer.RATE: "Rate alarms",
    Layer.TECHNICAL: "Technical alarm",
}


def diagram() -> str:
    """Return the table as mermaid text: a state diagram with one region a layer.

    A row that may start from many states is drawn from the region's own start; moments, which
    are no states, stand in a note.
    """
    lines = ["stateDiagram-v2"]
    for layer, title in _TITLES.items():
        lines.append(f'  state "{title}" as {layer.value} {{')
        lines += [f"    {line}" for line in _region(layer)]
        lines.append("  }")
    lines.append(f"  note right of {Layer.EPISODE.value}")
    lines += [f"    {row.to} alarm - {_plain(row.rule)}" for row in TABLE[Layer.MOMENT]]
    lines.append("  end note")
    return "\n".join(lines) + "\n"


def _region(layer: Layer) -> list[str]:
    rows = TABLE[layer]
    states = list(dict.fromkeys(state for row in rows for state in (*_sources(row), row.to)))
    lines = [f'state "{_name(layer, state)}" as {_key(layer, state)}' for state in states]
    start: State = Rhythm.UNKNOWN if layer is Layer.BACKGROUND else None
    lines.append(f"[*] --> {_key(layer, start)}")
    for row in rows:
        lines += _edges(layer, row)
    return lines


def _sources(row: Transition) -> list[State]:
    """States of a row in a fixed order; none where it starts from any."""
    order: list[State] = [None, *Rhythm]
    return [] if row.after is None else sorted(row.after, key=order.index)


def _edges(layer: Layer, row: Transition) -> list[str]:
    label = _plain(row.rule)
    if row.priority is not None:
        label += f" [{row.priority.name}]"
    target = _key(layer, row.to)
    sources = _sources(row)
    if not sources:
        return [f"[*] --> {target} : from any - {label}"]
    first, *others = (_key(layer, state) for state in sources)
    return [f"{first} --> {target} : {label}", *(f"{other} --> {target}" for other in others)]


def _name(layer: Layer, state: State) -> str:
    return _CALM[layer] if state is None else str(state)


def _key(layer: Layer, state: State) -> str:
    return f"{layer.value}_{'calm' if state is None else state.name.lower()}"


def _plain(words: str) -> str:
    """Leave out what mermaid takes for its own."""
    return words.replace(";", ",").replace(":", " -")


def table() -> str:
    """Return the rules as a table in markdown: what, when, by whom, how fast, how urgent."""
    lines = ["| Rhythm | Layer | Rule | Source | Time to alarm | Priority |", "|" + "---|" * 6]
    rules = [(layer, row, row.to) for layer, rows in TABLE.items() for row in rows if row.to]
    for layer, row, rhythm in rules:
        priority = "" if row.priority is None else row.priority.name.lower()
        cells = (rhythm, layer, row.rule, row.source, row.time_to_alarm, priority)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
