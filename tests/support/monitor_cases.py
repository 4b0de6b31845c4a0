"""A short made-up stream for the tests of the monitor."""

from types import SimpleNamespace
from typing import Any

import numpy as np
from sample_events import labeled_beat

from classifier.labels import Label
from replay.chunk import Chunk
from streamer.core.events import Event, LabeledBeat, Published, StreamInfo
from streamer.monitor.state import MonitorState
from streamer.scoring.account import Account

FS = 360.0
BEAT_EVERY = 288
"""75 bpm."""


def info(*, training_record: bool = False, n_samples: int | None = 36_000) -> StreamInfo:
    return StreamInfo(
        source="made-up",
        fs=FS,
        leads=("MLII", "V1"),
        first_sample=0,
        n_samples=n_samples,
        training_record=training_record,
        started_at=0.0,
    )


class FedState(MonitorState):
    """A state whose account is kept along, as the runner keeps it."""

    def __init__(
        self,
        info: StreamInfo,
        *,
        budget_ms: float = 500.0,
        reference: Any = None,
        **options: Any,
    ) -> None:
        self.account = Account(info, budget_ms=budget_ms, reference=reference)
        super().__init__(info, self.account, **options)

    def publish(self, message: Published) -> None:
        if isinstance(message.event, LabeledBeat):
            self.account.take(message.event, message.compute_ms, self.now)
        super().publish(message)


def mqtt(**changes: object) -> SimpleNamespace:
    counters = {
        "state": "online",
        "url": "mqtt://127.0.0.1:1883",
        "sent": 42,
        "queued": 0,
        "shed": 0,
    }
    return SimpleNamespace(**counters | changes)


def reference(n_samples: int = 3600) -> SimpleNamespace:
    samples = np.arange(BEAT_EVERY, n_samples, BEAT_EVERY)
    return SimpleNamespace(samples=samples, symbols=("N",) * samples.size)


def signal(start: int, stop: int) -> np.ndarray:
    """Triangular QRS complexes of 1 mV at every multiple of `BEAT_EVERY`, the second lead upside
    down."""
    phase = np.arange(start, stop) % BEAT_EVERY
    distance = np.minimum(phase, BEAT_EVERY - phase)
    lead = np.clip(1.0 - distance / 15.0, 0.0, None)
    return np.stack([lead, -lead]).astype(np.float32)


def observe(state: MonitorState, stop: int, size: int = 36) -> None:
    """Play the made-up signal up to `stop`."""
    while state.now < stop:
        until = min(state.now + size, stop)
        state.observe(Chunk(start=state.now, samples=signal(state.now, until)))


def publish(state: MonitorState, event: Event, compute_ms: float = 1.5) -> None:
    state.publish(Published(seq=0, event=event, compute_ms=compute_ms))


def play(state: MonitorState, stop: int, ventricular: tuple[int, ...] = ()) -> None:
    """Play with beats; those whose number is in `ventricular` are V, the last stays provisional."""
    peaks = list(range(BEAT_EVERY, stop - 127, BEAT_EVERY))
    for number, peak in enumerate(peaks):
        observe(state, peak + 128)
        label = Label.V if number in ventricular else Label.N
        rr_s = (BEAT_EVERY / FS,) if number else ()
        for revision in (0,) if peak == peaks[-1] else (0, 1):
            publish(state, labeled_beat(peak, label, revision=revision, rr_s=rr_s))
    observe(state, stop)
