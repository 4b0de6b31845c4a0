"""Find the beat of a record nearest to a moment, with all that the chain knew of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from classifier.labels import SYMBOL_TO_LABEL
from classifier.network.runtime import BeatModel
from replay.player import format_time
from replay.record import BLOCK_SAMPLES, Record, Reference
from streamer.beats.question import Question, Step
from streamer.core.events import LabeledBeat
from streamer.patient.chain import Chain
from streamer.scoring.ec57 import TOLERANCE_MS
from streamer.scoring.matching import tolerance_samples

_BEFORE_S: Final = 5.0
_AFTER_S: Final = 1.5
"""Signal shown about the beat: a few beats before it, and the one that confirms it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AskedBeat:
    """A labelled beat and what the network saw of it."""

    labelled: LabeledBeat
    """Samples count at the record's own sampling frequency."""
    question: Question
    symbol: str | None
    """WFDB symbol of the reference beat within 150 ms; None without one."""
    context: NDArray[np.float32]
    """Primary lead about the beat in mV, at the record's own sampling frequency."""
    context_start: int
    """Sample of its first value."""


def beat_at(record: Record, model: BeatModel, sample: int, revision: int) -> AskedBeat:
    """Push a record through the chain up to a sample and return the beat nearest to it.

    Everything before the beat is pushed, so that the patient's usual beat and rhythm are known as
    in a live stream; what comes after it isn't, but for what a confirmed label waits for.

    Parameters
    ----------
    record : Record
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
    nearest: Question | None = None
    distance = record.n_samples
    for question in _questions(record, chain, revision):
        at = _place(chain, question)
        if abs(at - sample) < distance:
            nearest, distance = question, abs(at - sample)
        if at >= sample:
            break
    if nearest is None:
        raise ValueError(f"the chain finds no beat in record {record.name}")
    peak = _place(chain, nearest)
    start = max(peak - round(_BEFORE_S * record.fs), 0)
    stop = min(peak + round(_AFTER_S * record.fs), record.n_samples)
    # Not `ask`, after which the signal, which is to be explained, would be gone.
    embedding = model.embed(nearest.inputs.signal[None])
    answer = nearest.answer(model.decide(embedding, nearest.features[None])[0])
    return AskedBeat(
        labelled=chain.at_source(answer),
        question=nearest,
        symbol=_symbol(record.reference(), peak, record.fs),
        context=next(record.chunks(start, stop, size=stop - start)).samples[0],
        context_start=start,
    )


def _questions(record: Record, chain: Chain, revision: int) -> Iterator[Question]:
    """Yield the questions of one revision as the samples raise them."""
    for steps in _steps(record, chain):
        for step in steps:
            if isinstance(step, Question) and step.blank.revision == revision:
                yield step


def _steps(record: Record, chain: Chain) -> Iterator[list[Step]]:
    for chunk in record.chunks(size=BLOCK_SAMPLES):
        yield chain.advance(chunk)
    yield chain.finish()


def _place(chain: Chain, question: Question) -> int:
    """R peak on the record's own sample index."""
    return chain.at_source(question.blank).beat.rpeak.sample


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
