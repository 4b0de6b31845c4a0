"""AAMI heartbeat classes, WFDB annotation symbols, and how the second maps to the first.

The mapping is that of ANSI/AAMI EC57:2012, table 3, as DESIGN's evaluation rules state it.
"""

from enum import StrEnum
from typing import Final


class Label(StrEnum):
    """AAMI heartbeat class."""

    N = "N"
    """Any beat not in S, V, F or Q: normal, bundle branch block, atrial and nodal escape."""
    S = "S"
    """Supraventricular ectopic beat."""
    V = "V"
    """Ventricular ectopic beat."""
    F = "F"
    """Fusion of ventricular and normal beat."""
    Q = "Q"
    """Paced, unclassifiable, or (as our own output) noise or a beat that can't be judged."""


SYMBOL_TO_LABEL: Final[dict[str, Label]] = {
    **dict.fromkeys("NLRejBn", Label.N),
    **dict.fromkeys("AaJS", Label.S),
    **dict.fromkeys("VEr", Label.V),
    "F": Label.F,
    **dict.fromkeys("/fQ?", Label.Q),
}
"""Every WFDB beat symbol with its AAMI class; a symbol that is not a key is no beat."""

SCORED_LABELS: Final[tuple[Label, ...]] = (Label.N, Label.S, Label.V, Label.F)
"""Classes for which figures are given."""

MODEL_LABELS: Final[tuple[Label, ...]] = (*SCORED_LABELS, Label.Q)
"""Classes of the network's outputs, in their order; Q is noise that was taken for a beat."""
