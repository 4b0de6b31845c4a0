"""Beats of the atria, small beside the waves about them, refute fibrillation."""

import numpy as np
import pytest
from rhythm_cases import Item, alarms, items, labeled, run, sine, spikes, steady, with_signal

from streamer.core.events import LabeledBeat, Rhythm, Tick

WINDOW = np.random.default_rng(1).standard_normal((1, 256)).astype(np.float32)


def in_waves(p_ventricular: float, quality: float = 0.6) -> list[Item]:
    """Good beats, then waves in which doubtful ones are found at 150 a minute."""
    before = steady(12, 300)
    small = steady(50, 144, start=before[-1][0] + 300, label="Q")
    n = small[-1][0] + 200
    events: list[Item] = []
    for item in items([*before, *small], end=n - 1):
        if isinstance(item, LabeledBeat):
            is_small = item.beat.rpeak.sample >= small[0][0]
            odds = (0.1, 0.0, p_ventricular, 0.0, 0.9 - p_ventricular)
            beat = (item.beat.rpeak.sample, "Q" if is_small else "N", item.revision)
            events.append(
                labeled(
                    *beat,
                    item.decided_at,
                    quality=quality if is_small else 1.0,
                    window=WINDOW,
                    probabilities=odds if is_small else (1.0, 0.0, 0.0, 0.0, 0.0),
                )
            )
        elif not isinstance(item, Tick):
            events.append(item)
    signal = spikes(before, n) + sine(before[-1][0] + 150, n, n, hz=7.0)
    return list(with_signal(events, signal))


@pytest.mark.parametrize(
    ("p_ventricular", "quality", "is_told"),
    [(0.01, 0.6, False), (0.3, 0.6, True), (0.01, 0.3, True)],
)
def test_many_beats_that_are_not_ventricular_are_no_fibrillation(
    p_ventricular: float, quality: float, *, is_told: bool
) -> None:
    found = [alarm[0] for alarm in alarms(run(in_waves(p_ventricular, quality)))]
    assert (Rhythm.VENTRICULAR_FIBRILLATION in found) is is_told
