"""A request for one beat's label, and how the network's probabilities make it a labelled beat."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from msgspec import Struct

from classifier.inputs.features import Feature, FloatArray
from classifier.inputs.memory import BeatInputs
from classifier.inputs.sequence import LOG_ODDS_STEP
from classifier.labels import MODEL_LABELS, Label
from classifier.network.runtime import BeatModel
from streamer.core.events import Beat, Gap, LabeledBeat, Tick

NOISE: Final = "noise"
"""Why the label is Q where the network, or the detector, takes the beat for noise."""


class LabelRequest(Struct, frozen=True, kw_only=True, eq=False):
    """A beat whose label is to be worked out."""

    beat: Beat
    revision: int
    """0 for the provisional label, 1 for the confirmed one."""
    decided_at: int
    """Sample at which the request became known."""
    reason: str | None = None
    """Why the label will be Q, whatever the network says."""
    inputs: BeatInputs
    """The beat as the network sees it, the same for both of its requests."""
    features: FloatArray
    """Network input, shape (len(FEATURE_NAMES),)."""

    def labeled(self, probabilities: Sequence[float], *, late: bool = False) -> LabeledBeat:
        """Return the beat with the label of the highest probability; Q if it has a reason.

        Where the network says Q, the reason is noise.
        """
        found, reason = tuple(probabilities), self.reason
        best = Label.Q if reason is not None else MODEL_LABELS[found.index(max(found))]
        return LabeledBeat(
            beat=self.beat,
            label=best,
            probabilities=found,
            revision=self.revision,
            decided_at=self.decided_at,
            late=late,
            reason=NOISE if best is Label.Q and reason is None else reason,
            fibrillation_log_odds=self._fibrillation_log_odds,
        )

    def unlabeled(self) -> LabeledBeat:
        """Return the beat without a label: its time is up."""
        return LabeledBeat(
            beat=self.beat,
            label=None,
            probabilities=(),
            revision=self.revision,
            decided_at=self.decided_at,
            late=True,
            reason=self.reason,
            fibrillation_log_odds=self._fibrillation_log_odds,
        )

    @property
    def _fibrillation_log_odds(self) -> float:
        return float(self.features[Feature.SEQUENCE_FIBRILLATION]) * LOG_ODDS_STEP


Step = LabelRequest | Gap | Tick
"""What comes out of a chain before the labels are known."""


def compute_probabilities(model: BeatModel, requests: Sequence[LabelRequest]) -> FloatArray:
    """Have the network work on all requests, of which there is one at least, in one batch.

    It embeds each beat's signal once: the embedding is kept with the beat.

    Returns
    -------
    ndarray of float32, shape (n, classes)
    """
    beats = {id(request.inputs): request.inputs for request in requests}
    new = [inputs for inputs in beats.values() if not inputs.is_embedded]
    if new:
        embedded = model.embed(_joined([inputs.signal for inputs in new]))
        for inputs, embedding in zip(new, embedded, strict=True):
            inputs.set_embedding(embedding.copy())
    return model.decide(
        _joined([request.inputs.embedding for request in requests]),
        _joined([request.features for request in requests]),
    )


def label_beats(model: BeatModel, requests: Sequence[LabelRequest]) -> list[LabeledBeat]:
    """Return the labelled beat of each request, all worked out in one batch."""
    if not requests:
        return []
    rows = compute_probabilities(model, requests).tolist()
    return [request.labeled(row) for request, row in zip(requests, rows, strict=True)]


def _joined(rows: list[FloatArray]) -> FloatArray:
    """Stack arrays of one shape; a copy, quicker than `numpy.stack`."""
    return np.concatenate(rows).reshape(len(rows), *rows[0].shape)
