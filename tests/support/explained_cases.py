"""A made-up explained beat, for the tests of what shows it."""

import dataclasses

import numpy as np
from sample_events import labeled_beat

from classifier.inputs.features import FEATURE_NAMES, N_NEXT
from classifier.inputs.geometry import GEOMETRY, SIGNAL_CHANNELS
from classifier.inputs.kernels import records
from classifier.inputs.memory import BeatInputs
from classifier.inputs.state import OPEN
from classifier.labels import Label
from classifier.network.explanation import Explanation
from streamer.beats.label_request import LabelRequest
from streamer.report.explain.beat import ExplainedBeat, FoundBeat

COLUMNS = GEOMETRY.window_samples


def explained_beat(**changes):
    """A V beat whose gradient and Grad-CAM have one peak each; every feature has its own say."""
    revision = changes.pop("revision", 1)
    time_s = (np.arange(COLUMNS) - GEOMETRY.r_column) / GEOMETRY.fs_hz
    signal = np.zeros((len(SIGNAL_CHANNELS), COLUMNS), np.float32)
    signal[0] = 1.2 * np.exp(-((time_s / 0.04) ** 2))
    signal[1] = np.exp(-((time_s / 0.012) ** 2))
    saliency = np.zeros((len(SIGNAL_CHANNELS), COLUMNS))
    saliency[0, 60] = 2.0
    contributions = np.linspace(-0.1, 0.15, len(FEATURE_NAMES))
    contributions[0], contributions[-1] = -1.0, 1.5
    features = np.zeros(len(FEATURE_NAMES), np.float32)
    features[-N_NEXT] = revision
    inputs = BeatInputs(features, records(OPEN, 1), signal=signal)
    why = Explanation(
        label=Label.V,
        probabilities=np.array([0.08, 0.05, 0.8, 0.05, 0.02]),
        log_odds=1.39,
        saliency=saliency,
        grad_cam=np.exp(-(((np.arange(COLUMNS) - 190) / 20) ** 2)),
        contributions=contributions,
        baseline_log_odds=-2.0,
        deviations=np.arange(len(FEATURE_NAMES), dtype=float),
    )
    blank = labeled_beat(
        sample=3600,
        revision=revision,
        reason=changes.pop("reason", None),
        rr_s=changes.pop("rr_s", (0.8, 0.79, 0.512)),
    )
    found = FoundBeat(
        labelled=blank,
        question=LabelRequest(
            beat=blank.beat,
            revision=revision,
            decided_at=blank.decided_at,
            reason=blank.reason,
            inputs=inputs,
            features=features,
        ),
        symbol=changes.pop("symbol", "F"),
        context=np.sin(np.arange(720) / 20).astype(np.float32),
        context_start=3600 - 540,
    )
    training_record = changes.pop("training_record", False)
    return ExplainedBeat(
        record="208",
        fs=360.0,
        found=found,
        why=dataclasses.replace(why, **changes),
        training_record=training_record,
    )
