"""The technical alarm of a signal that moves as beats do where no good beat is found."""

from collections.abc import Sequence

import numpy as np
import pytest
from rhythm_cases import Item, alarms, ends, items, labeled, run, sine, spikes, steady, with_signal

from streamer.core.events import Alarm, LabeledBeat, Priority, Rhythm, Tick
from streamer.rhythm.tracker import RhythmConfig

FS = 360


def found_in(
    signal: np.ndarray, found: Sequence[tuple[int, str]], quality: float = 1.0
) -> list[Item]:
    """Mix a signal with the beats that were found in it, all of one quality."""
    events: list[Item] = []
    for item in items(found, end=signal.size - 1):
        if isinstance(item, LabeledBeat):
            sample, label = item.beat.rpeak.sample, str(item.label)
            events.append(labeled(sample, label, item.revision, item.decided_at, quality=quality))
        elif not isinstance(item, Tick):
            events.append(item)
    return list(with_signal(events, signal))


def kinds(items: Sequence[Item], config: RhythmConfig | None = None) -> list[Rhythm]:
    return [alarm[0] for alarm in alarms(run(items, config))]


def test_lost_beats_are_a_technical_alarm_and_no_bradycardia() -> None:
    beats = steady(60, 240)
    found = beats[:10] + beats[10::2]
    lost = found_in(spikes(beats, beats[-1][0] + 100), found)
    slow = [(1000 + 480 * k, "N") for k in range(30)]
    outputs = run(lost, RhythmConfig(bradycardia_alarm_bpm=50.0))
    raised = [o for o in outputs if isinstance(o, Alarm) and o.is_raised]
    assert [(o.rhythm, o.priority) for o in raised] == [(Rhythm.UNUSABLE, Priority.MEDIUM)]
    first_lost = beats[11][0]
    assert first_lost - FS < raised[0].onset < first_lost + FS
    assert raised[0].decided_at - first_lost < 11 * FS
    assert Rhythm.BRADYCARDIA in kinds(found_in(spikes(slow, slow[-1][0]), slow))
    never = RhythmConfig(disputed_share=1.0, unusable_least_s=11.0)
    assert Rhythm.BRADYCARDIA in kinds(lost, never)


def test_every_beat_that_is_found_and_good_explains_the_signal() -> None:
    beats = steady(60, 240)
    signal = spikes(beats, beats[-1][0] + 100)
    assert Rhythm.UNUSABLE not in kinds(found_in(signal, beats))
    assert Rhythm.UNUSABLE in kinds(found_in(signal, beats, quality=0.3))


def test_it_is_over_when_the_beats_are_found_again() -> None:
    beats = steady(120, 240)
    found = beats[:10] + beats[10:60:2] + beats[60:]
    outputs = run(found_in(spikes(beats, beats[-1][0] + 100), found))
    over = [end for end in ends(outputs) if end[0] is Rhythm.UNUSABLE]
    assert len(over) == 1
    assert beats[60][0] < over[0][2] < beats[60][0] + 12 * FS


@pytest.mark.parametrize("hz", [4.0, 5.0])
def test_fibrillation_needs_no_other_name(hz: float) -> None:
    beats = steady(10, 300)
    last = beats[-1][0]
    n = last + 20 * FS
    signal = spikes(beats, n) + 2.0 * sine(last + 100, n, n, hz)
    found = kinds(found_in(signal, beats))
    assert Rhythm.VENTRICULAR_FIBRILLATION in found
    assert Rhythm.UNUSABLE not in found
