"""Turn the chain's sample indices into the source's own."""

import dataclasses

from streamer.core.events import Alarm, Beat, Event, Gap, LabeledBeat, RhythmEvent
from streamer.signal.resample import Resampler


class SourceIndex:
    """Puts events, made at the chain's rate, on the source's own sample index.

    A position becomes the source sample nearest in time, a `decided_at` the source sample whose
    arrival made the event known. Beat windows stay at the chain's rate.

    Parameters
    ----------
    resampler : Resampler
        Knows both rates.
    """

    def __init__(self, resampler: Resampler) -> None:
        self._position = resampler.to_source
        self._arrival = resampler.arrival

    def __call__(self, event: Event, *, last_sample: int | None = None) -> Event:
        """Convert one event; nothing became known after `last_sample`, where the stream ended."""
        decided_at = self._arrival(event.decided_at)
        if last_sample is not None:
            decided_at = min(decided_at, last_sample)
        match event:
            case LabeledBeat():
                return dataclasses.replace(self.labeled_beat(event), decided_at=decided_at)
            case RhythmEvent() | Alarm():
                return dataclasses.replace(
                    event,
                    onset=self._position(event.onset),
                    decided_at=decided_at,
                    beats=tuple(self._position(sample) for sample in event.beats),
                )
            case Gap():
                start, stop = self._position(event.start), self._position(event.stop)
                return dataclasses.replace(event, start=start, stop=stop, decided_at=decided_at)

    def labeled_beat(self, event: LabeledBeat) -> LabeledBeat:
        """Convert a beat."""
        return dataclasses.replace(
            event, beat=self._beat(event.beat), decided_at=self._arrival(event.decided_at)
        )

    def _beat(self, beat: Beat) -> Beat:
        rpeak = dataclasses.replace(
            beat.rpeak,
            sample=self._position(beat.rpeak.sample),
            decided_at=self._arrival(beat.rpeak.decided_at),
        )
        return dataclasses.replace(
            beat,
            rpeak=rpeak,
            window_start=self._position(beat.window_start),
            decided_at=self._arrival(beat.decided_at),
        )
