"""The transition table of the rhythm tracker: the one place where rhythm rules live.

Layers: the *background* is what the heart does between episodes; an *episode* lies over it at once
and gives it back; *rate* alarms hold whatever the rhythm is; a *moment* is over as soon as it is
known; a *technical* alarm says that the signal can't be judged. For every layer the first row that
applies is taken.
"""

from collections.abc import Mapping
from typing import Final

from streamer.core.events import Priority, Rhythm
from streamer.rhythm import background as b
from streamer.rhythm import conditions as c
from streamer.rhythm.rate_rows import RATES
from streamer.rhythm.rule import Layer, State, Transition, Trigger
from streamer.rhythm.sources import EC57, ESC_VA, HRS, QUIET, TECHNICAL

_CALM: Final[frozenset[State]] = frozenset({None})
_S_RUNS: Final[frozenset[State]] = frozenset({Rhythm.SUPRAVENTRICULAR_TACHYCARDIA, Rhythm.S_RUN})
_SLOW_RUNS: Final = _S_RUNS | {Rhythm.IDIOVENTRICULAR}
_RUNS: Final = _SLOW_RUNS | {Rhythm.VENTRICULAR_TACHYCARDIA}
_SILENT: Final[frozenset[State]] = frozenset({Rhythm.PAUSE, Rhythm.ASYSTOLE})
_OFF: Final[frozenset[State]] = frozenset({Rhythm.LEAD_OFF})

_EPISODES: Final = (
    Transition(
        trigger=Trigger.SIGNAL,
        after=_CALM | _RUNS | _SILENT,
        to=Rhythm.VENTRICULAR_FIBRILLATION,
        condition=c.fibrillation,
        rule="waves of 150 to 600/min whose odds add up, no good N beats, nor many beats that "
        "can't be ventricular",
        source=f"{QUIET}; Figuera et al. 2016, doi:10.1371/journal.pone.0159654",
        time_to_alarm="3 to 5 s",
        priority=Priority.HIGH,
    ),
    Transition(
        trigger=Trigger.SIGNAL,
        after=frozenset({Rhythm.VENTRICULAR_FIBRILLATION}),
        to=None,
        condition=c.fibrillation_over,
        rule="1.5 s without such waves",
    ),
    Transition(
        trigger=Trigger.SIGNAL,
        after=_CALM | _RUNS | _OFF | {Rhythm.PAUSE, Rhythm.VENTRICULAR_FIBRILLATION},
        to=Rhythm.ASYSTOLE,
        condition=c.asystole,
        rule="no beat for 4.4 s and a quiet signal; through a lead-off that began later",
        source=QUIET,
        time_to_alarm="4.4 to 4.7 s after the last beat",
        priority=Priority.HIGH,
    ),
    Transition(
        trigger=Trigger.SIGNAL,
        after=_CALM | _RUNS,
        to=Rhythm.PAUSE,
        condition=c.pause,
        rule="no beat for 3.1 s and a quiet signal",
        source=HRS,
        time_to_alarm="3.1 to 3.4 s after the last beat",
        priority=Priority.MEDIUM,
    ),
    Transition(trigger=Trigger.PEAK, after=_SILENT, to=None, condition=c.beat_again, rule="a beat"),
    Transition(
        trigger=Trigger.GAP,
        after=_CALM | _RUNS | {Rhythm.PAUSE, Rhythm.VENTRICULAR_FIBRILLATION},
        to=Rhythm.LEAD_OFF,
        condition=c.lead_off,
        rule="no lead has a signal: flat, at the rail or invalid",
        source="streamer.core.events.GapReason",
        time_to_alarm="1 s",
        priority=Priority.LOW,
    ),
    Transition(trigger=Trigger.GAP, after=_OFF, to=None, condition=c.lead_on, rule="a signal"),
    Transition(
        after=_CALM | _SLOW_RUNS,
        to=Rhythm.VENTRICULAR_TACHYCARDIA,
        condition=c.ventricular_run(Rhythm.VENTRICULAR_TACHYCARDIA),
        rule="3 ventricular beats in a row at 100/min or more",
        source=f"{EC57}; {ESC_VA}",
        time_to_alarm="third interval + 0.36 s",
        priority=Priority.HIGH,
    ),
    Transition(
        after=_CALM | _SLOW_RUNS,
        to=Rhythm.VENTRICULAR_TACHYCARDIA,
        condition=c.steady_tachycardia,
        rule="6 beats in a row at a steady 100/min or more, ventricular if they aren't noise",
        source=EC57,
        time_to_alarm="sixth interval + 0.36 s",
        priority=Priority.HIGH,
    ),
    Transition(
        after=_CALM | _SLOW_RUNS,
        to=Rhythm.VENTRICULAR_TACHYCARDIA,
        condition=c.likely_tachycardia,
        rule="4 beats in a row at 100/min or more, none of them normal, likely a run by the "
        "probabilities of V, their likeness to each other and a smooth signal",
        source=f"{EC57}; {QUIET}",
        time_to_alarm="fourth interval + 0.36 s",
        priority=Priority.HIGH,
    ),
    Transition(
        after=_CALM | _S_RUNS,
        to=Rhythm.IDIOVENTRICULAR,
        condition=c.ventricular_run(Rhythm.IDIOVENTRICULAR),
        rule="3 ventricular beats in a row below 100/min, at another pace than before",
        source=f"{EC57}; {ESC_VA}",
        time_to_alarm="third interval + 0.36 s",
        priority=Priority.MEDIUM,
    ),
    Transition(
        after=_CALM | {Rhythm.S_RUN},
        to=Rhythm.SUPRAVENTRICULAR_TACHYCARDIA,
        condition=c.supraventricular_run(Rhythm.SUPRAVENTRICULAR_TACHYCARDIA),
        rule="3 supraventricular ectopic beats in a row at 100/min or more, not in AF",
        source=EC57,
        time_to_alarm="third interval + 0.36 s",
        priority=Priority.MEDIUM,
    ),
    Transition(
        after=_CALM,
        to=Rhythm.S_RUN,
        condition=c.supraventricular_run(Rhythm.S_RUN),
        rule="3 supraventricular ectopic beats in a row below 100/min, not in AF",
        source=EC57,
        time_to_alarm="third interval + 0.36 s",
        priority=Priority.LOW,
    ),
    Transition(
        after=frozenset({Rhythm.VENTRICULAR_TACHYCARDIA, Rhythm.IDIOVENTRICULAR}),
        to=None,
        condition=c.ventricular_run_over,
        rule="a beat from elsewhere",
    ),
    Transition(
        after=_S_RUNS,
        to=None,
        condition=c.supraventricular_run_over,
        rule="a beat from elsewhere",
    ),
)

_BACKGROUND: Final = (
    Transition(
        to=Rhythm.UNKNOWN,
        condition=b.unknowable,
        rule="8 beats in a row in noise",
        time_to_alarm="8 beats",
    ),
    Transition(
        to=Rhythm.BIGEMINY,
        condition=b.pattern(Rhythm.BIGEMINY, period=2),
        rule="every second beat ventricular, 3 times, after and before another",
        source=EC57,
        time_to_alarm="7 beats",
        priority=Priority.LOW,
    ),
    Transition(
        to=Rhythm.TRIGEMINY,
        condition=b.pattern(Rhythm.TRIGEMINY, period=3),
        rule="every third beat ventricular, 3 times, after and before others",
        source=EC57,
        time_to_alarm="10 beats",
        priority=Priority.LOW,
    ),
    Transition(
        to=Rhythm.ATRIAL_FIBRILLATION,
        condition=b.atrial_fibrillation,
        rule="irregular RR intervals and no constant P wave: over 48 beats, or 12 where it "
        "comes back within 20 min; until single beats speak against it",
        source="Lake & Moorman 2011, doi:10.1152/ajpheart.00561.2010",
        time_to_alarm="12 to 48 beats",
        priority=Priority.LOW,
    ),
    Transition(
        to=Rhythm.SINUS_BRADYCARDIA,
        condition=b.slow,
        rule="below 60/min",
        source=HRS,
        time_to_alarm="5 beats",
        hold_beats=3,
    ),
    Transition(
        to=Rhythm.SINUS_TACHYCARDIA,
        condition=b.fast,
        rule="above 100/min",
        source="Page et al. 2016, doi:10.1161/CIR.0000000000000311",
        time_to_alarm="7 beats",
        hold_beats=3,
    ),
    Transition(
        to=Rhythm.SINUS,
        condition=b.ordinary,
        rule="60 to 100/min and nothing else",
        source=HRS,
        time_to_alarm="5 beats",
        hold_beats=3,
    ),
)

_TECHNICAL: Final = (
    Transition(
        trigger=Trigger.SIGNAL,
        after=_CALM,
        to=Rhythm.UNUSABLE,
        condition=c.unusable,
        rule="of 10 s, 2 s move as beats do where no good beat was found, and not as "
        "fibrillation or a ventricular run",
        source=TECHNICAL,
        time_to_alarm="3 to 10 s",
        priority=Priority.MEDIUM,
    ),
    Transition(
        trigger=Trigger.SIGNAL,
        after=frozenset({Rhythm.UNUSABLE}),
        to=None,
        condition=c.usable,
        rule="of 10 s, no more than 0.5 s move so",
    ),
)

_MOMENTS: Final = (
    Transition(
        to=Rhythm.V_COUPLET,
        condition=c.ventricular_couplet,
        rule="2 ventricular beats in a row, then another",
        source=EC57,
        time_to_alarm="third interval + 0.36 s",
        priority=Priority.LOW,
    ),
    Transition(
        to=Rhythm.S_COUPLET,
        condition=c.supraventricular_couplet,
        rule="2 supraventricular ectopic beats in a row, then another, not in AF",
        source=EC57,
        time_to_alarm="third interval + 0.36 s",
        priority=Priority.LOW,
    ),
    Transition(
        trigger=Trigger.PEAK,
        to=Rhythm.PAUSE,
        condition=c.past_pause,
        rule="a beat after a quiet of 2.5 s that was not announced before",
        source=HRS,
        time_to_alarm="0.36 s after that beat",
        priority=Priority.MEDIUM,
    ),
)

TABLE: Final[Mapping[Layer, tuple[Transition, ...]]] = {
    Layer.EPISODE: _EPISODES,
    Layer.BACKGROUND: _BACKGROUND,
    Layer.RATE: RATES,
    Layer.TECHNICAL: _TECHNICAL,
    Layer.MOMENT: _MOMENTS,
}
"""The rows of every layer, in the order in which they are tried."""
EPISODES: Final = frozenset(row.to for row in _EPISODES)
"""States of that layer."""
