"""A beat of a record, why it got its label, and the words and rows that displays show of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from classifier.inputs.features import FEATURE_NAMES, N_NEXT
from classifier.inputs.geometry import GEOMETRY, SIGNAL_CHANNELS
from classifier.labels import MODEL_LABELS, SYMBOL_TO_LABEL, Label
from classifier.network.runtime import BeatModel, load_model
from replay.player import format_time
from replay.record import BLOCK_SAMPLES, Record, Reference, read_samples
from streamer.beats.label_request import LabelRequest, Step
from streamer.core.events import LabeledBeat
from streamer.patient.chain import Chain
from streamer.scoring.ec57 import TOLERANCE_MS
from streamer.scoring.matching import tolerance_samples

if TYPE_CHECKING:
    from classifier.network.explanation import Explanation

TEMPLATE: Final = "template"
BEAT: Final = "beat"
REVISION_WORDS: Final = ("provisional", "confirmed")
_FIRST_NEXT: Final = len(FEATURE_NAMES) - N_NEXT
_INTERVALS: Final = 8
_BEFORE_S: Final = 5.0
_AFTER_S: Final = 1.5
"""Signal shown about the beat: a few beats before it, and the one that confirms it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FoundBeat:
    """A labelled beat and what the network saw of it."""

    labelled: LabeledBeat
    """Samples count at the record's own sampling frequency."""
    question: LabelRequest
    symbol: str | None
    """WFDB symbol of the reference beat within 150 ms; None without one."""
    context: NDArray[np.float32]
    """Primary lead about the beat in mV, at the record's own sampling frequency."""
    context_start: int
    """Sample of its first value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contribution:
    """What one feature adds to the log-odds."""

    name: str
    value: str
    """In standard deviations from its mean; as it is for what only the next beat tells."""
    log_odds: float
    """Positive speaks for the class explained."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Panel:
    """One lead of the beat with the patient's template, in units of its amplitude."""

    name: str
    beat: NDArray[np.float32]
    template: NDArray[np.float32] | None
    """None for a signal that has no template."""
    saliency: NDArray[np.float64]
    """From 0 to 1, which is the largest gradient by any lead of the beat."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExplainedBeat:
    """A beat of a record and why it got its label."""

    record: str
    fs: float
    """Of the record, Hz."""
    found: FoundBeat
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
        labelled = self.found.labelled
        at = format_time(labelled.beat.rpeak.sample, self.fs)
        words = f"{self.record} at {at}: {labelled.label}, {REVISION_WORDS[labelled.revision]}"
        if labelled.reason is not None:
            words += f" ({labelled.reason})"
        symbol = self.found.symbol
        if symbol is None:
            return f"{words}; no reference"
        return f"{words}; reference {SYMBOL_TO_LABEL[symbol]} (symbol {symbol})"

    def rr_ms(self) -> list[int]:
        """Return the RR intervals up to this beat, the one that ends at it last."""
        return [round(1000 * float(rr)) for rr in self.found.labelled.beat.rr_s[-_INTERVALS:]]

    def rr_words(self) -> str:
        """Say the RR intervals up to this beat."""
        known = " ".join(map(str, self.rr_ms()))
        return f"RR intervals up to this beat, ms: {known or 'none known'}"

    def context(self) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        """Return time in s from the R peak, and mV, of the signal about the beat."""
        signal = self.found.context
        first = self.found.context_start - self.found.labelled.beat.rpeak.sample
        return (first + np.arange(signal.size)) / self.fs, signal

    def subtitles(self) -> list[str]:
        """Say what is explained, in lines."""
        why = self.why
        probability = why.probabilities[MODEL_LABELS.index(why.label)]
        words = (
            f"why {why.label}: probability {probability:.3f}, log-odds {why.log_odds:+.2f} "
            f"({why.baseline_log_odds:+.2f} with usual features)"
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
        signal = self.found.question.inputs.signal
        panels = []
        for lead in leads:
            name = SIGNAL_CHANNELS[lead]
            partner = name.replace(BEAT, TEMPLATE)
            known = partner in SIGNAL_CHANNELS
            template = signal[SIGNAL_CHANNELS.index(partner)] if known else None
            saliency = self.why.saliency[lead] / largest
            panels.append(Panel(name=name, beat=signal[lead], template=template, saliency=saliency))
        return panels

    def strongest(self, count: int) -> list[Contribution]:
        """Return the features that count most for or against the class, the strongest first.

        What only the next beat tells is left out while it isn't known.
        """
        order = np.argsort(-np.abs(self.why.contributions), kind="stable")
        if not self.found.question.features[-N_NEXT]:
            order = order[order < _FIRST_NEXT]
        return [
            Contribution(
                name=FEATURE_NAMES[k],
                value=_value(int(k), float(self.why.deviations[k])),
                log_odds=float(self.why.contributions[k]),
            )
            for k in order[:count]
        ]


def _value(feature: int, deviations: float) -> str:
    """Write a feature's value; those of the next beat aren't standardised."""
    return f"{deviations:+.1f} sd" if feature < _FIRST_NEXT else f"{deviations:+.2f}"


def explain_beat(
    record: Record,
    sample: int,
    *,
    revision: int = 1,
    label: Label | None = None,
    model_file: Path | None = None,
) -> ExplainedBeat:
    """Find the beat nearest to a sample and explain its label.

    Parameters
    ----------
    record, sample, revision
        As `beat_at` takes them, which raises what it raises there.
    label : Label, optional
        Class to explain; the most probable one if None.
    model_file : Path, optional
        A model of `train`; the shipped one if None.

    Raises
    ------
    ModelMismatchError
        If the model's weights can't be explained by the network of this program.
    """
    from classifier.network.explanation import (  # noqa: PLC0415 - imports torch
        explain,
        load_network,
        require_same,
    )

    model = load_model(model_file)
    network = load_network(model_file)
    found = beat_at(record, model, sample, revision)
    question = found.question
    why = explain(network, question.inputs.signal[None], question.features[None], label)
    require_same(why, found.labelled.probabilities)
    return ExplainedBeat(
        record=record.name,
        fs=record.fs,
        found=found,
        why=why,
        training_record=record.name in model.spec.training_records,
    )


def beat_at(record: Record, model: BeatModel, sample: int, revision: int) -> FoundBeat:
    """Push a record through the chain up to a sample and return the beat nearest to it.

    Everything before the beat is pushed, so that the patient's template and rhythm are known as
    in a live stream; what comes after it isn't, but for what a confirmed label waits for.

    Parameters
    ----------
    model : BeatModel
        Asked for that beat only.
    sample : int
        In the record's own sampling frequency.
    revision : int
        Which of the beat's two labels: 0 provisional, 1 confirmed.

    Raises
    ------
    ValueError
        If the sample is outside the record, or there is no beat.
    """
    if not 0 <= sample < record.n_samples:
        end = format_time(record.n_samples, record.fs)
        raise ValueError(
            f"{format_time(sample, record.fs)} is not inside record {record.name}; "
            f"choose a time from 0:00 to {end}"
        )
    chain = Chain(fs=record.fs, n_leads=len(record.leads), model=model)
    nearest: LabelRequest | None = None
    distance = record.n_samples
    for question in _questions(record, chain, revision):
        at = _peak(chain, question)
        if abs(at - sample) < distance:
            nearest, distance = question, abs(at - sample)
        if at >= sample:
            break
    if nearest is None:
        raise ValueError(f"the chain finds no beat in record {record.name}")
    peak = _peak(chain, nearest)
    start = max(peak - round(_BEFORE_S * record.fs), 0)
    stop = min(peak + round(_AFTER_S * record.fs), record.n_samples)
    # Not `ask`, after which the signal, which is to be explained, would be gone.
    embedding = model.embed(nearest.inputs.signal[None])
    answer = nearest.labeled(model.decide(embedding, nearest.features[None])[0].tolist())
    return FoundBeat(
        labelled=chain.at_source(answer),
        question=nearest,
        symbol=_symbol(record.reference(), peak, record.fs),
        context=read_samples(record, start, stop)[0],
        context_start=start,
    )


def _questions(record: Record, chain: Chain, revision: int) -> Iterator[LabelRequest]:
    """Yield the questions of one revision as the samples raise them."""
    for chunk in record.chunks(size=BLOCK_SAMPLES):
        yield from _of_revision(chain.advance(chunk), revision)
    yield from _of_revision(chain.finish(), revision)


def _of_revision(steps: list[Step], revision: int) -> Iterator[LabelRequest]:
    for step in steps:
        if isinstance(step, LabelRequest) and step.revision == revision:
            yield step


def _peak(chain: Chain, question: LabelRequest) -> int:
    """R peak on the record's own sample index."""
    return chain.source_sample(question.beat.rpeak.sample)


def _symbol(reference: Reference | None, sample: int, fs: float) -> str | None:
    """Symbol of the reference beat nearest to a sample, if it is near enough to be that beat."""
    if reference is None:
        return None
    beats = [
        (abs(int(at) - sample), symbol)
        for at, symbol in zip(reference.samples, reference.symbols, strict=True)
        if symbol in SYMBOL_TO_LABEL
    ]
    if not beats:
        return None
    distance, symbol = min(beats)
    return symbol if distance <= tolerance_samples(TOLERANCE_MS, fs) else None
