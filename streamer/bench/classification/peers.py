"""Beat-label figures of other systems on DS2, each with where it comes from."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelPeer:
    """Figures of one system in %; None where it gives none."""

    name: str
    v_se: float | None = None
    v_ppv: float | None = None
    v_f1: float | None = None
    s_se: float | None = None
    s_ppv: float | None = None
    s_f1: float | None = None
    detector: str
    """Whose R peaks it labels."""
    future: str
    """What it knows from after a beat when it labels it."""
    source: str


_REFERENCE: Final = "reference R"
_MEASURED: Final = "measured with bxb"

PEERS: Final[tuple[LabelPeer, ...]] = (
    LabelPeer(
        name="OSEA, C (Hamilton 2002)",
        v_se=94.0,
        v_ppv=97.1,
        v_f1=95.5,
        detector="own, causal",
        future="617 ms",
        source=f"doi:10.1109/CIC.2002.1166717; {_MEASURED}",
    ),
    LabelPeer(
        name="live_ecg, Rust (MITDB and SVDB)",
        v_se=94.3,
        v_ppv=74.8,
        v_f1=83.0,
        s_se=50.3,
        s_ppv=48.2,
        s_f1=49.0,
        detector="own, causal",
        future="not said",
        source="its own documentation",
    ),
    LabelPeer(
        name="de Chazal 2004",
        v_se=77.0,
        v_ppv=82.0,
        v_f1=79.0,
        s_se=76.0,
        s_ppv=38.0,
        s_f1=51.0,
        detector=_REFERENCE,
        future="next RR",
        source="doi:10.1109/TBME.2004.827359",
    ),
    LabelPeer(
        name="Teijeiro 2018 (Construe)",
        v_se=94.6,
        v_ppv=96.8,
        v_f1=95.7,
        s_se=87.2,
        s_ppv=83.8,
        s_f1=85.4,
        detector=_REFERENCE,
        future="whole record",
        source="doi:10.1109/JBHI.2016.2631247",
    ),
    LabelPeer(
        name="Mondéjar-Guerra 2019",
        v_se=95.0,
        v_ppv=94.0,
        s_se=78.0,
        s_ppv=50.0,
        detector=_REFERENCE,
        future="whole record",
        source="doi:10.1016/j.bspc.2018.08.007",
    ),
    LabelPeer(
        name="Niu 2019",
        v_f1=89.7,
        s_f1=76.6,
        detector=_REFERENCE,
        future="next RR",
        source="doi:10.1109/JBHI.2019.2942938",
    ),
    LabelPeer(
        name="Saenz-Cogollo 2020",
        v_f1=90.9,
        s_f1=73.1,
        detector=_REFERENCE,
        future="next RR",
        source="doi:10.3390/a13040075",
    ),
    LabelPeer(
        name="Farag 2023",
        v_f1=95.3,
        s_se=81.6,
        s_ppv=82.7,
        s_f1=82.1,
        detector=_REFERENCE,
        future="one beat",
        source="doi:10.3390/s23031365",
    ),
)
"""Those that keep patients of training and test apart. Random beat splits aren't comparable."""

OSEA_FALSE_V: Final[dict[int | None, int]] = {None: 0, 12: 88, 6: 141, 0: 483}
"""False V labels of OSEA on record 118 by signal-to-noise ratio in dB; None is without noise.
Measured with bxb on the records of the Noise Stress Test Database."""
