"""The rows of the transition table for alarms of the heart rate, whatever the rhythm is."""

from typing import Final

from streamer.core.events import Priority, Rhythm
from streamer.rhythm import background as b
from streamer.rhythm.rule import Transition, Trigger
from streamer.rhythm.sources import MONITORS, QUIET

RATES: Final = (
    Transition(
        trigger=Trigger.PEAK,
        to=Rhythm.EXTREME_TACHYCARDIA,
        condition=b.extreme_tachycardia,
        rule="above 140/min over 13 beats",
        source=f"{QUIET}; {MONITORS}",
        time_to_alarm="13 beats",
        priority=Priority.HIGH,
    ),
    Transition(
        trigger=Trigger.PEAK,
        to=Rhythm.EXTREME_BRADYCARDIA,
        condition=b.extreme_bradycardia,
        rule="below 40/min over 5 beats",
        source=QUIET,
        time_to_alarm="5 beats",
        priority=Priority.HIGH,
    ),
    Transition(
        trigger=Trigger.PEAK,
        after=frozenset({None, Rhythm.BRADYCARDIA, Rhythm.EXTREME_BRADYCARDIA}),
        to=Rhythm.TACHYCARDIA,
        condition=b.tachycardia,
        rule="115/min or more",
        source=MONITORS,
        time_to_alarm="5 s",
        priority=Priority.MEDIUM,
    ),
    Transition(
        trigger=Trigger.PEAK,
        after=frozenset({None, Rhythm.TACHYCARDIA, Rhythm.EXTREME_TACHYCARDIA}),
        to=Rhythm.BRADYCARDIA,
        condition=b.bradycardia,
        rule="50/min or less",
        source=MONITORS,
        time_to_alarm="5 s",
        priority=Priority.MEDIUM,
    ),
    Transition(
        trigger=Trigger.PEAK,
        to=None,
        condition=b.rate_is_back,
        rule="10/min inside the limits",
    ),
    Transition(
        trigger=Trigger.PEAK,
        after=frozenset({Rhythm.EXTREME_TACHYCARDIA}),
        to=Rhythm.TACHYCARDIA,
        condition=b.no_longer_extreme,
        rule="extreme, then halfway back to 115/min over 13 beats, but not below it",
        source=QUIET,
        time_to_alarm="13 beats",
        priority=Priority.MEDIUM,
    ),
    Transition(
        trigger=Trigger.PEAK,
        after=frozenset({Rhythm.EXTREME_BRADYCARDIA}),
        to=Rhythm.BRADYCARDIA,
        condition=b.no_longer_extreme,
        rule="extreme, then halfway back to 50/min over 5 beats, but not above it",
        source=QUIET,
        time_to_alarm="5 beats",
        priority=Priority.MEDIUM,
    ),
)
