"""The measures of one beat that the network sees, by name: what each is, its unit and its place.

A beat is described against the patient's own template (the mean beat that
`classifier.inputs.memory` keeps) and against the patient's own recent RR intervals, so that
neither the absolute amplitude nor the absolute heart rate decides. The RR ratios are the causal
form of those of de Chazal et al. 2004 (doi:10.1109/TBME.2004.827359): running medians in place of
whole-record means.
"""

import hashlib
import json
from dataclasses import asdict
from enum import IntEnum, StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from classifier.inputs.geometry import GEOMETRY, SIGNAL_CHANNELS

FloatArray = NDArray[np.float32]


class Source(StrEnum):
    """What a measure is taken from."""

    RHYTHM = "rhythm"
    """The RR interval that ends at this beat against those before it."""
    SHAPE = "shape"
    """The beat's shape against the template."""
    CONTEXT = "context"
    """How common the shape is, what the last beats were like, and how much noise there is."""
    SECOND_LEAD = "second lead"
    """The shape in the second lead; all zero without one."""
    SEQUENCE = "sequence"
    """What the rhythm model makes of this beat and all before it (`classifier.inputs.sequence`)."""
    NEXT_BEAT = "next beat"
    """Known only to a confirmed label; all zero in a provisional one."""


FLAG: Final = "0 or 1"
SHARE: Final = "share"
LOG_RATIO: Final = "ln of a ratio"
CORRELATION: Final = "correlation"
RATIO: Final = "ratio"
LOG: Final = "ln"
LOG_ODDS: Final = "4 log-odds"


class Feature(IntEnum):
    """A measure of a beat; its value is the position in the vector that the network takes.

    Kernels write `features[Feature.RR_KNOWN]`; numba makes a constant of it. Names and order are
    part of every trained model, so that a change raises `FEATURES_VERSION`. A number at the end
    says how many beats are looked back on; `USUAL` is the template.

    Attributes
    ----------
    unit : str
    source : Source
    """

    unit: str
    source: Source

    def __new__(cls, unit: str, source: Source) -> "Feature":
        """Give each member the next position."""
        position = len(cls.__members__)
        member = int.__new__(cls, position)
        member._value_ = position
        member.unit, member.source = unit, source
        return member

    RR_KNOWN = FLAG, Source.RHYTHM
    RR_TO_MEAN_10 = LOG_RATIO, Source.RHYTHM
    RR_TO_MEDIAN_40 = LOG_RATIO, Source.RHYTHM
    RR_TO_LONG_RUN = LOG_RATIO, Source.RHYTHM
    RR_TO_PREVIOUS = LOG_RATIO, Source.RHYTHM
    PREVIOUS_RR_TO_MEDIAN_40 = LOG_RATIO, Source.RHYTHM
    RR_TO_SHORTEST_10 = LOG_RATIO, Source.RHYTHM
    RR_SECONDS = "ln of 0.8 s", Source.RHYTHM
    IRREGULARITY_10 = LOG, Source.RHYTHM
    PREMATURE_SHARE_10 = SHARE, Source.RHYTHM
    RR_DEVIATION = RATIO, Source.RHYTHM
    RR_RANK_40 = SHARE, Source.RHYTHM
    RR_TO_QUARTER_40 = LOG_RATIO, Source.RHYTHM
    RR_TO_THREE_QUARTERS_40 = LOG_RATIO, Source.RHYTHM
    RR_TO_LONGEST_10 = LOG_RATIO, Source.RHYTHM
    SECOND_LAST_RR_TO_MEDIAN_40 = LOG_RATIO, Source.RHYTHM
    THIRD_LAST_RR_TO_MEDIAN_40 = LOG_RATIO, Source.RHYTHM
    FOURTH_LAST_RR_TO_MEDIAN_40 = LOG_RATIO, Source.RHYTHM
    FIFTH_LAST_RR_TO_MEDIAN_40 = LOG_RATIO, Source.RHYTHM
    SIXTH_LAST_RR_TO_MEDIAN_40 = LOG_RATIO, Source.RHYTHM
    IRREGULARITY_40 = LOG, Source.RHYTHM
    JUMP_SHARE_40 = SHARE, Source.RHYTHM
    ENTROPY_24 = "nats", Source.RHYTHM
    PREMATURE_SHARE_40 = SHARE, Source.RHYTHM
    LONG_RUN_TO_MEDIAN_40 = LOG_RATIO, Source.RHYTHM
    MEDIAN_SECONDS = "ln of 0.8 s", Source.RHYTHM
    SPREAD_40 = LOG_RATIO, Source.RHYTHM

    QRS_SIMILARITY = "similarity", Source.SHAPE
    QRS_CORRELATION = CORRELATION, Source.SHAPE
    P_CORRELATION = CORRELATION, Source.SHAPE
    T_CORRELATION = CORRELATION, Source.SHAPE
    QRS_AMPLITUDE_RATIO = LOG_RATIO, Source.SHAPE
    QRS_WIDTH_RATIO = LOG_RATIO, Source.SHAPE
    QRS_WIDTH = "0.1 s", Source.SHAPE
    P_AMPLITUDE_RATIO = LOG_RATIO, Source.SHAPE
    P_DIFFERENCE = LOG_RATIO, Source.SHAPE
    QRS_DIFFERENCE = LOG_RATIO, Source.SHAPE
    T_DIFFERENCE = LOG_RATIO, Source.SHAPE
    P_AMPLITUDE = "QRS amplitudes", Source.SHAPE
    USUAL_P_AMPLITUDE = "QRS amplitudes", Source.SHAPE
    SHARPNESS = "QRS amplitudes in 5.6 ms", Source.SHAPE
    SHARPNESS_RATIO = LOG_RATIO, Source.SHAPE
    T_AREA = "QRS amplitudes", Source.SHAPE
    USUAL_T_AREA = "QRS amplitudes", Source.SHAPE
    POLARITY = RATIO, Source.SHAPE
    USUAL_POLARITY = RATIO, Source.SHAPE
    P_MATCH = CORRELATION, Source.SHAPE
    P_MATCH_LAG = "50 ms", Source.SHAPE

    SHAPE_SHARE = SHARE, Source.CONTEXT
    SHAPE_ON_TIME_SHARE = SHARE, Source.CONTEXT
    MATURITY = SHARE, Source.CONTEXT
    BEST_SIMILARITY = "similarity", Source.CONTEXT
    HAS_USUAL_SHAPE = FLAG, Source.CONTEXT
    SHAPE_RR_RATIO = LOG_RATIO, Source.CONTEXT
    SHAPE_TO_USUAL = "similarity", Source.CONTEXT
    USUAL_SHARE = SHARE, Source.CONTEXT
    PREVIOUS_QRS_SIMILARITY = "similarity", Source.CONTEXT
    SECOND_LAST_QRS_SIMILARITY = "similarity", Source.CONTEXT
    THIRD_LAST_QRS_SIMILARITY = "similarity", Source.CONTEXT
    NOVELTY_10 = SHARE, Source.CONTEXT
    NOVELTY_40 = SHARE, Source.CONTEXT
    UNLIKE_SHARE_40 = SHARE, Source.CONTEXT
    RESIDUAL = LOG_RATIO, Source.CONTEXT
    RESIDUAL_10 = LOG_RATIO, Source.CONTEXT
    RESIDUAL_40 = LOG_RATIO, Source.CONTEXT
    ROUGHNESS = LOG_RATIO, Source.CONTEXT
    ROUGHNESS_10 = LOG_RATIO, Source.CONTEXT
    QUALITY = SHARE, Source.CONTEXT
    QUALITY_10 = SHARE, Source.CONTEXT
    ENTROPY_50 = "nats", Source.CONTEXT

    SECOND_KNOWN = FLAG, Source.SECOND_LEAD
    SECOND_SIMILARITY = "similarity", Source.SECOND_LEAD
    SECOND_QRS_CORRELATION = CORRELATION, Source.SECOND_LEAD
    SECOND_QRS_AMPLITUDE_RATIO = LOG_RATIO, Source.SECOND_LEAD
    SECOND_QRS_WIDTH_RATIO = LOG_RATIO, Source.SECOND_LEAD
    SECOND_QRS_WIDTH = "0.1 s", Source.SECOND_LEAD
    SECOND_P_CORRELATION = CORRELATION, Source.SECOND_LEAD
    SECOND_P_DIFFERENCE = LOG_RATIO, Source.SECOND_LEAD
    SECOND_QRS_DIFFERENCE = LOG_RATIO, Source.SECOND_LEAD
    SECOND_T_DIFFERENCE = LOG_RATIO, Source.SECOND_LEAD
    SECOND_P_AMPLITUDE = "QRS amplitudes", Source.SECOND_LEAD
    SECOND_T_CORRELATION = CORRELATION, Source.SECOND_LEAD

    SEQUENCE_S = LOG_ODDS, Source.SEQUENCE
    SEQUENCE_V = LOG_ODDS, Source.SEQUENCE
    SEQUENCE_F = LOG_ODDS, Source.SEQUENCE
    SEQUENCE_Q = LOG_ODDS, Source.SEQUENCE
    SEQUENCE_FIBRILLATION = LOG_ODDS, Source.SEQUENCE

    NEXT_KNOWN = FLAG, Source.NEXT_BEAT
    NEXT_RR_TO_MEDIAN_40 = LOG_RATIO, Source.NEXT_BEAT
    NEXT_RR_TO_RR = LOG_RATIO, Source.NEXT_BEAT
    TWO_RR_TO_MEDIAN_40 = LOG_RATIO, Source.NEXT_BEAT
    NEXT_QRS_SIMILARITY = "similarity", Source.NEXT_BEAT
    NEXT_QRS_SIMILARITY_TO_THIS = "similarity", Source.NEXT_BEAT
    NEXT_RR_DEVIATION = RATIO, Source.NEXT_BEAT
    NEXT_BEST_SIMILARITY = "similarity", Source.NEXT_BEAT
    NEXT_IS_NEW_SHAPE = FLAG, Source.NEXT_BEAT
    NEXT_QRS_WIDTH_RATIO = LOG_RATIO, Source.NEXT_BEAT
    NEXT_P_DIFFERENCE = LOG_RATIO, Source.NEXT_BEAT
    TWO_RR_TO_LONG_RUN = LOG_RATIO, Source.NEXT_BEAT
    NEXT_SEQUENCE_S = LOG_ODDS, Source.NEXT_BEAT
    NEXT_SEQUENCE_V = LOG_ODDS, Source.NEXT_BEAT
    NEXT_SEQUENCE_F = LOG_ODDS, Source.NEXT_BEAT
    NEXT_SEQUENCE_Q = LOG_ODDS, Source.NEXT_BEAT


def columns_of(source: Source) -> slice:
    """Return where the measures of one source lie: side by side."""
    own = [feature.value for feature in Feature if feature.source is source]
    return slice(own[0], own[-1] + 1)


FEATURE_NAMES: Final = tuple(feature.name.lower() for feature in Feature)
"""As sidecars of models name them."""
SECOND_LEAD: Final = columns_of(Source.SECOND_LEAD)
NEXT_BEAT: Final = columns_of(Source.NEXT_BEAT)
N_NEXT: Final = NEXT_BEAT.stop - NEXT_BEAT.start
"""Measures of the next beat, which come last."""

FEATURES_VERSION: Final = 4
"""Raised whenever the meaning of an input changes, so that an older model is refused."""


def inputs_hash() -> str:
    """Fingerprint of what the inputs mean; part of a model's sidecar."""
    meaning = {
        "version": FEATURES_VERSION,
        "geometry": asdict(GEOMETRY),
        "channels": SIGNAL_CHANNELS,
        "features": FEATURE_NAMES,
    }
    return hashlib.sha256(json.dumps(meaning, sort_keys=True).encode()).hexdigest()[:16]
