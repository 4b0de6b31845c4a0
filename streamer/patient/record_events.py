"""Everything that the chain makes of a record, as fast as it goes."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from classifier.network.runtime import BeatModel
from replay.record import BLOCK_SAMPLES, Record
from streamer.core.events import Event, Gap
from streamer.patient.chain import Chain


def record_events(
    record: Record,
    start: int = 0,
    stop: int | None = None,
    model: BeatModel | None = None,
    on_part: Callable[[float], None] | None = None,
) -> Iterator[Event]:
    """Yield every event of a record's samples `start` to `stop`, then of the end of the stream.

    `on_part` is called with the part of the record that is done.
    """
    chain = Chain(fs=record.fs, n_leads=len(record.leads), model=model)
    for chunk in record.chunks(start, stop, BLOCK_SAMPLES):
        yield from chain.push(chunk)
        if on_part is not None:
            on_part(chunk.stop / record.n_samples)
    yield from chain.flush()


def why_no_beats(gaps: Sequence[Gap], n_samples: int, fs: float) -> str:
    """Return what a person is told of a record in which no beat was found."""
    if n_samples == 0:
        return "no beats: it holds no samples"
    lost: Counter[str] = Counter()
    for gap in gaps:
        lost[str(gap.reason)] += gap.stop - gap.start
    if not lost:
        return f"no beats found in {n_samples / fs:.1f} s of signal; is it an ECG, and in mV?"
    words = ", ".join(f"{reason} for {n / fs:.1f} s" for reason, n in lost.most_common())
    return f"no beats: of {n_samples / fs:.1f} s the signal was of no use, {words}"
