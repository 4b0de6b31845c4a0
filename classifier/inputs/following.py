"""Compiled: complete the measures of a beat with what the next one shows."""

from typing import Any

from classifier.compiled import inlined
from classifier.inputs.alignment import align
from classifier.inputs.features import Feature
from classifier.inputs.kernels import FloatArray, log_ratio
from classifier.inputs.rhythm import deviation
from classifier.inputs.sequence import N_CLASSES, log_odds
from classifier.inputs.state import DescribedBeat


@inlined
def describe_next(
    waiting: Any, beat: DescribedBeat, following: FloatArray, c: Any, features: FloatArray
) -> None:
    """Complete the features of the beat before with what this one, `following`, shows."""
    rr_s, next_rr_s, median_s = waiting.rr_s, beat.rr_s, waiting.median_rr_s
    _, similarity = align(beat.window, beat.energies, waiting.qrs, c.qrs[0], c.max_shift)
    early = log_ratio(next_rr_s, median_s)
    # After a ventricular beat the pause compensates: both intervals together are two regular ones.
    mean_rr_s = (rr_s + next_rr_s) / 2.0 if rr_s > 0.0 else 0.0
    features[Feature.NEXT_KNOWN] = 1.0
    features[Feature.NEXT_RR_TO_MEDIAN_40] = early
    features[Feature.NEXT_RR_TO_RR] = log_ratio(next_rr_s, rr_s)
    features[Feature.TWO_RR_TO_MEDIAN_40] = log_ratio(mean_rr_s, median_s)
    features[Feature.NEXT_QRS_SIMILARITY] = following[Feature.QRS_SIMILARITY]
    features[Feature.NEXT_QRS_SIMILARITY_TO_THIS] = similarity
    features[Feature.NEXT_RR_DEVIATION] = deviation(early, features[Feature.IRREGULARITY_10])
    features[Feature.NEXT_BEST_SIMILARITY] = following[Feature.BEST_SIMILARITY]
    features[Feature.NEXT_IS_NEW_SHAPE] = 1.0 if beat.shape < 0 else 0.0
    features[Feature.NEXT_QRS_WIDTH_RATIO] = following[Feature.QRS_WIDTH_RATIO]
    features[Feature.NEXT_P_DIFFERENCE] = following[Feature.P_DIFFERENCE]
    features[Feature.TWO_RR_TO_LONG_RUN] = log_ratio(mean_rr_s, waiting.long_run_rr_s)
    for label in range(1, N_CLASSES):
        features[Feature.NEXT_SEQUENCE_S + label - 1] = log_odds(beat.outputs, N_CLASSES, label)
