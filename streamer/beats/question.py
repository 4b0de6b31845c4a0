"""A beat's question to the network, and what its answer makes of the beat."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from classifier.inputs.features import FloatArray
from classifier.inputs.memory import BeatInputs
from classifier.labels import MODEL_LABELS, Label
from classifier.network.runtime import BeatModel
from streamer.core.events import Gap, LabeledBeat, Tick

NOISE: Final = "noise"
"""Why the label is Q where the network, or the detector, takes the beat for noise."""


def answered(
    blank: LabeledBeat, probabilities: tuple[float, ...], *, late: bool = False
) -> LabeledBeat:
    """Give a beat the label with the highest probability; Q if it has a reason.

    Where the network answers Q, the reason is noise.
    """
    reason = blank.reason
    best = Label.Q if reason is not None else MODEL_LABELS[probabilities.index(max(probabilities))]
    return LabeledBeat(
        beat=blank.beat,
        label=best,
        probabilities=probabilities,
        revision=blank.revision,
        decided_at=blank.decided_at,
        late=late,
        reason=NOISE if best is Label.Q and reason is None else reason,
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Question:
    """A beat whose label is to be worked out."""

    blank: LabeledBeat
    """The answer, but for `label` and `probabilities`, which mean nothing yet."""
    inputs: BeatInputs
    """The beat, the same for both of its questions."""
    features: FloatArray
    """Network input, shape (len(FEATURE_NAMES),)."""

    def answer(self, probabilities: FloatArray, *, late: bool = False) -> LabeledBeat:
        """Fill in what the network found, shape (classes,)."""
        return answered(self.blank, tuple(probabilities.tolist()), late=late)

    def unanswered(self) -> LabeledBeat:
        """Return the beat without a label: its time is up."""
        return dataclasses.replace(self.blank, label=None, probabilities=(), late=True)


def ask(model: BeatModel, questions: Sequence[Question]) -> FloatArray:
    """Have all questions, of which there is one at least, worked out in one batch.

    The network looks at each beat's signal once: what it makes of it is kept with the beat.

    Returns
    -------
    ndarray of float32, shape (n, classes)
    """
    beats = {id(question.inputs): question.inputs for question in questions}
    unseen = [inputs for inputs in beats.values() if not inputs.is_embedded]
    if unseen:
        embedded = model.embed(_joined([inputs.signal for inputs in unseen]))
        for inputs, embedding in zip(unseen, embedded, strict=True):
            inputs.set_embedding(embedding.copy())
    return model.decide(
        _joined([question.inputs.embedding for question in questions]),
        _joined([question.features for question in questions]),
    )


def _joined(rows: list[FloatArray]) -> FloatArray:
    """Stack arrays of one shape; a copy, quicker than `numpy.stack`."""
    return np.concatenate(rows).reshape(len(rows), *rows[0].shape)


def answers(model: BeatModel, questions: Sequence[Question]) -> list[LabeledBeat]:
    """Have all questions answered in one batch."""
    if not questions:
        return []
    found = ask(model, questions).tolist()
    return [
        answered(question.blank, tuple(one)) for question, one in zip(questions, found, strict=True)
    ]


Step = Question | Gap | Tick
"""What the beats' way through the chain is made of, before the labels are known."""
