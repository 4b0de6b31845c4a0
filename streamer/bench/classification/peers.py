"""Beat-label figures of other systems on DS2, each with where it comes from."""

from dataclasses import dataclass
from typing import Final

Figures = tuple[float | None, float | None, float | None]
"""Se, +P and F1 in %; None where the source gives none."""


@dataclass(frozen=True, slots=True)
class LabelPeer:
    """Figures of one system."""

    name: str
    v: Figures
    s: Figures
    detector: str
    """Whose R peaks it labels."""
    future: str
    """What it knows from after a beat when it labels it."""
    source: str


_UNKNOWN: Final[Figures] = (None, None, None)
_REFERENCE: Final = "reference R"

PEERS: Final[tuple[LabelPeer, ...]] = (
    LabelPeer(
        "OSEA, C (Hamilton 2002)",
        (94.0, 97.1, 95.5),
        _UNKNOWN,
        "own, causal",
        "617 ms",
        "doi:10.1109/CIC.2002.1166717; measured with bxb",
    ),
    LabelPeer(
        "live_ecg, Rust (MITDB and SVDB)",
        (94.3, 74.8, 83.0),
        (50.3, 48.2, 49.0),
        "own, causal",
        "not said",
        "its own documentation",
    ),
    LabelPeer(
        "de Chazal 2004",
        (77.0, 82.0, 79.0),
        (76.0, 38.0, 51.0),
        _REFERENCE,
        "next RR",
        "doi:10.1109/TBME.2004.827359",
    ),
    LabelPeer(
        "Teijeiro 2018 (Construe)",
        (94.6, 96.8, 95.7),
        (87.2, 83.8, 85.4),
        _REFERENCE,
        "whole record",
        "doi:10.1109/JBHI.2016.2631247",
    ),
    LabelPeer(
        "Mondéjar-Guerra 2019",
        (95.0, 94.0, None),
        (78.0, 50.0, None),
        _REFERENCE,
        "whole record",
        "doi:10.1016/j.bspc.2018.08.007",
    ),
    LabelPeer(
        "Niu 2019",
        (None, None, 89.7),
        (None, None, 76.6),
        _REFERENCE,
        "next RR",
        "doi:10.1109/JBHI.2019.2942938",
    ),
    LabelPeer(
        "Saenz-Cogollo 2020",
        (None, None, 90.9),
        (None, None, 73.1),
        _REFERENCE,
        "next RR",
        "doi:10.3390/a13040075",
    ),
    LabelPeer(
        "Farag 2023",
        (None, None, 95.3),
        (81.6, 82.7, 82.1),
        _REFERENCE,
        "one beat",
        "doi:10.3390/s23031365",
    ),
)
"""Those that keep patients of training and test apart. Random beat splits aren't comparable."""

OSEA_FALSE_V: Final[dict[int | None, int]] = {None: 0, 12: 88, 6: 141, 0: 483}
"""False V labels of OSEA on record 118 by signal-to-noise ratio in dB; None is without noise.
Measured with bxb on the records of the Noise Stress Test Database."""
