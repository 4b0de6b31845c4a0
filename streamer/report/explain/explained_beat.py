"""One explained beat, put into the words and rows that the picture and the terminal show."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from classifier.inputs.features import FEATURE_NAMES, GEOMETRY, N_NEXT, SIGNAL_CHANNELS
from classifier.labels import MODEL_LABELS, SYMBOL_TO_LABEL
from replay.player import format_time
from streamer.report.explain.beat_at import AskedBeat

if TYPE_CHECKING:
    from classifier.network.explanation import Explanation

TEMPLATE: Final = "template"
BEAT: Final = "beat"
_FIRST_NEXT: Final = len(FEATURE_NAMES) - N_NEXT
_INTERVALS: Final = 8
REVISION_WORDS: Final = ("provisional", "confirmed")


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureSay:
    """What one feature added."""

    name: str
    value: str
    """In standard deviations from its mean; as it is for what only the next beat tells."""
    log_odds: float
    """Positive speaks for the class explained."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Panel:
    """One lead of the beat with the patient's usual beat, in units of its amplitude."""

    name: str
    beat: NDArray[np.float32]
    usual: NDArray[np.float32] | None
    """None for a signal that has no template."""
    saliency: NDArray[np.float64]
    """From 0 to 1, which is the largest gradient by any lead of the beat."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExplainedBeat:
    """A beat of a record and why it got its label."""

    record: str
    fs: float
    """Of the record, Hz."""
    asked: AskedBeat
    why: "Explanation"
    training_record: bool
    """Whether the model was trained on this record."""

    @property
    def time_ms(self) -> NDArray[np.float64]:
        """Time of each column from the R peak."""
        columns = np.arange(GEOMETRY.window_samples)
        return (columns - GEOMETRY.r_column) / GEOMETRY.fs_hz * 1000.0

    def title(self) -> str:
        """Say which beat this is and what it was called."""
        labelled = self.asked.labelled
        at = format_time(labelled.beat.rpeak.sample, self.fs)
        words = f"{self.record} at {at}: {labelled.label}, {REVISION_WORDS[labelled.revision]}"
        if labelled.reason is not None:
            words += f" ({labelled.reason})"
        symbol = self.asked.symbol
        if symbol is None:
            return f"{words}; no reference"
        return f"{words}; reference {SYMBOL_TO_LABEL[symbol]} (symbol {symbol})"

    def rr_ms(self) -> list[int]:
        """Return the RR intervals up to this beat, the one that ends at it last."""
        return [round(1000 * float(rr)) for rr in self.asked.labelled.beat.rr_s[-_INTERVALS:]]

    def rr_words(self) -> str:
        """Say the RR intervals up to this beat."""
        known = " ".join(map(str, self.rr_ms()))
        return f"RR intervals up to this beat, ms: {known or 'none known'}"

    def context(self) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        """Return time in s from the R peak, and mV, of the signal about the beat."""
        signal = self.asked.context
        first = self.asked.context_start - self.asked.labelled.beat.rpeak.sample
        return (first + np.arange(signal.size)) / self.fs, signal

    def subtitles(self) -> list[str]:
        """Say what is explained, in lines."""
        why = self.why
        probability = why.probabilities[MODEL_LABELS.index(why.label)]
        words = (
            f"why {why.label}: probability {probability:.3f}, log-odds {why.log_odds:+.2f} "
            f"({why.usual_log_odds:+.2f} with usual features)"
        )
        notes = []
        if not why.grad_cam.any():
            notes.append(f"nothing that the last convolution saw speaks for {why.label}")
        if self.training_record:
            notes.append("the model was trained on this record")
        return [words, "; ".join(notes)] if notes else [words]

    def panels(self) -> list[Panel]:
        """Return the leads of the beat, primary first."""
        leads = [n for n, name in enumerate(SIGNAL_CHANNELS) if not name.startswith(TEMPLATE)]
        largest = max(float(self.why.saliency[leads].max()), np.finfo(np.float64).tiny)
        signal = self.asked.question.inputs.signal
        panels = []
        for lead in leads:
            name = SIGNAL_CHANNELS[lead]
            partner = name.replace(BEAT, TEMPLATE)
            usual = signal[SIGNAL_CHANNELS.index(partner)] if partner in SIGNAL_CHANNELS else None
            saliency = self.why.saliency[lead] / largest
            panels.append(Panel(name=name, beat=signal[lead], usual=usual, saliency=saliency))
        return panels

    def strongest(self, count: int) -> list[FeatureSay]:
        """Return the features that said most for or against the class, the strongest first.

        What only the next beat tells is left out while it isn't known.
        """
        order = np.argsort(-np.abs(self.why.say), kind="stable")
        if not self.asked.question.features[-N_NEXT]:
            order = order[order < _FIRST_NEXT]
        return [
            FeatureSay(
                name=FEATURE_NAMES[k],
                value=_value(int(k), float(self.why.deviations[k])),
                log_odds=float(self.why.say[k]),
            )
            for k in order[:count]
        ]


def _value(feature: int, deviations: float) -> str:
    """Write a feature's value; those of the next beat aren't standardised."""
    return f"{deviations:+.1f} sd" if feature < _FIRST_NEXT else f"{deviations:+.2f}"
