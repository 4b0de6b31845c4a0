"""Ask the network later: the beat classifier's work apart from the network's.

The classifier's memory doesn't depend on the network's answers, so a beat's inputs can be made as
soon as the beat is known, and the answer be worked out elsewhere: at once (a record in bulk), by
another thread (in real time), or for many patients together (a ward).
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from classifier.features import FloatArray
from classifier.labels import MODEL_LABELS, Label
from classifier.runtime import BeatModel, ModelSpec
from streamer.events import Gap, LabeledBeat, Tick

NOISE: Final = "noise"
"""Why the label is Q where the network, or the detector, takes the beat for noise."""


def answered(blank: LabeledBeat, probabilities: FloatArray, *, late: bool = False) -> LabeledBeat:
    """Give a beat the label with the highest probability, shape (classes,); Q if it has a reason.

    Where the network answers Q, the reason is noise.
    """
    best = MODEL_LABELS[int(probabilities.argmax())] if blank.reason is None else Label.Q
    return dataclasses.replace(
        blank,
        label=best,
        probabilities=tuple(probabilities.tolist()),
        reason=NOISE if best is Label.Q and blank.reason is None else blank.reason,
        late=late,
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Question:
    """A beat whose label is to be worked out."""

    blank: LabeledBeat
    """The answer, but for `label` and `probabilities`, which mean nothing yet."""
    signal: FloatArray
    """Network input, shape (1, channels, window_samples)."""
    features: FloatArray
    """Network input, shape (1, len(FEATURE_NAMES))."""

    def answer(self, probabilities: FloatArray, *, late: bool = False) -> LabeledBeat:
        """Fill in what the network found, shape (classes,)."""
        return answered(self.blank, probabilities, late=late)

    def unanswered(self) -> LabeledBeat:
        """Return the beat without a label: its time is up."""
        return dataclasses.replace(self.blank, label=None, probabilities=(), late=True)


def answers(model: BeatModel, questions: Sequence[Question]) -> list[LabeledBeat]:
    """Have all questions answered in one batch."""
    if not questions:
        return []
    signal = np.concatenate([question.signal for question in questions])
    features = np.concatenate([question.features for question in questions])
    found = model.predict(signal, features)
    return [question.answer(one) for question, one in zip(questions, found, strict=True)]


Step = Question | Gap | Tick
"""What the beats' way through the chain is made of, before the labels are known."""


class AskingModel:
    """Takes the network's place in a beat classifier and keeps what it is asked."""

    def __init__(self, spec: ModelSpec) -> None:
        self.spec = spec
        self._asked: list[tuple[FloatArray, FloatArray]] = []
        self._nothing = np.zeros((1, len(MODEL_LABELS)), np.float32)

    def predict(self, signal: FloatArray, features: FloatArray) -> FloatArray:
        """Note the question; the answer means nothing."""
        self._asked.append((signal, features))
        return self._nothing

    def questions(self, outputs: list[LabeledBeat | Gap]) -> list[Question | Gap]:
        """Join what a classifier returned with what it asked meanwhile, one for each label."""
        asked, self._asked = iter(self._asked), []
        return [
            Question(blank=output, signal=(both := next(asked))[0], features=both[1])
            if isinstance(output, LabeledBeat)
            else output
            for output in outputs
        ]
