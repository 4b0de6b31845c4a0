"""Which rhythm there was when, in hindsight."""

from collections.abc import Iterable

from streamer.core.events import Rhythm
from streamer.rhythm.table import EPISODES


def timeline(changes: Iterable[tuple[int, Rhythm]]) -> list[tuple[int, Rhythm]]:
    """Return where each rhythm began, ascending; later knowledge counts.

    An onset may lie before that of the change before it. A background that is dated back takes the
    place of other backgrounds since then, not of the episodes in between: these lie over it.

    Parameters
    ----------
    changes : iterable of (int, Rhythm)
        Onset and rhythm of each `RhythmEvent`, in the order in which they became known.
    """
    edges: list[tuple[int, Rhythm]] = []
    for onset, rhythm in changes:
        since = [edge for edge in edges if edge[0] >= onset]
        edges = [edge for edge in edges if edge[0] < onset]
        edges.append((onset, rhythm))
        if rhythm not in EPISODES:
            edges += [(at, old if old in EPISODES else rhythm) for at, old in since]
    return [edge for k, edge in enumerate(edges) if k == 0 or edge[1] is not edges[k - 1][1]]
