"""The transition table of the rhythm tracker: the one place where rhythm rules live.

Each row says on which layer, upon what kind of news, from which state to which, and why. Layers:
the *background* is what the heart does between episodes; an *episode* lies over it at once and
gives it back; *rate* alarms hold whatever the rhythm is; a *moment* is over as soon as it is
known. For every layer the first row that applies is taken.
"""

from functools import cache
from typing import Final

from streamer.core.events import Priority, Rhythm
from streamer.rhythm import background as b
from streamer.rhythm import conditions as c
from streamer.rhythm.rule import Layer, News, State, Transition

_QUIET: Final = "Clifford et al. 2016, doi:10.1088/0967-3334/37/8/E5"
_EC57: Final = "ANSI/AAMI EC57:2012"
_MONITORS: Final = "IEC 60601-2-27, usual defaults of adult bedside monitors"
_HRS: Final = "Kusumoto et al. 2018, doi:10.1161/CIR.0000000000000628"
_ESC_VA: Final = "Zeppenfeld et al. 2022, doi:10.1093/eurheartj/ehac262"

_CALM: Final[frozenset[State]] = frozenset({None})
_RUNS: Final[frozenset[State]] = frozenset(
    {
        Rhythm.VENTRICULAR_TACHYCARDIA,
        Rhythm.IDIOVENTRICULAR,
        Rhythm.SUPRAVENTRICULAR_TACHYCARDIA,
        Rhythm.S_RUN,
    }
)
_SLOW_RUNS: Final[frozenset[State]] = _RUNS - {Rhythm.VENTRICULAR_TACHYCARDIA}
_S_RUNS: Final[frozenset[State]] = frozenset({Rhythm.SUPRAVENTRICULAR_TACHYCARDIA, Rhythm.S_RUN})
_SILENT: Final[frozenset[State]] = frozenset({Rhythm.PAUSE, Rhythm.ASYSTOLE})
_OFF: Final[frozenset[State]] = frozenset({Rhythm.LEAD_OFF})

_EPISODES: Final = (
    Transition(
        layer=Layer.EPISODE,
        on=News.SIGNAL,
        after=_CALM | _RUNS | _SILENT,
        to=Rhythm.VENTRICULAR_FIBRILLATION,
        when=c.fibrillation,
        words="waves of 150 to 600/min whose odds add up, no good N beats",
        source=f"{_QUIET}; Figuera et al. 2016, doi:10.1371/journal.pone.0159654",
        time_to_alarm="3 to 5 s",
        priority=Priority.HIGH,
    ),
    Transition(
        layer=Layer.EPISODE,
        on=News.SIGNAL,
        after=frozenset({Rhythm.VENTRICULAR_FIBRILLATION}),
        to=None,
        when=c.fibrillation_over,
        words="1.5 s without such waves",
    ),
    Transition(
        layer=Layer.EPISODE,
        on=News.SIGNAL,
        after=_CALM | _RUNS | _OFF | {Rhythm.PAUSE, Rhythm.VENTRICULAR_FIBRILLATION},
        to=Rhythm.ASYSTOLE,
        when=c.asystole,
        words="no beat for 4.4 s and a quiet signal; through a lead-off that began later",
        source=_QUIET,
        time_to_alarm="4.4 to 4.7 s after the last beat",
        priority=Priority.HIGH,
    ),
    Transition(
        layer=Layer.EPISODE,
        on=News.SIGNAL,
        after=_CALM | _RUNS,
        to=Rhythm.PAUSE,
        when=c.pause,
        words="no beat for 3.1 s and a quiet signal",
        source=_HRS,
        time_to_alarm="3.1 to 3.4 s after the last beat",
        priority=Priority.MEDIUM,
    ),
    Transition(
        layer=Layer.EPISODE,
        on=News.PEAK,
        after=_SILENT,
        to=None,
        when=c.beat_again,
        words="a beat",
    ),
    Transition(
        layer=Layer.EPISODE,
        on=News.GAP,
        after=_CALM | _RUNS | {Rhythm.PAUSE, Rhythm.VENTRICULAR_FIBRILLATION},
        to=Rhythm.LEAD_OFF,
        when=c.lead_off,
        words="no lead has a signal: flat, at the rail or invalid",
        source="streamer.core.events.GapReason",
        time_to_alarm="1 s",
        priority=Priority.LOW,
    ),
    Transition(
        layer=Layer.EPISODE,
        on=News.GAP,
        after=_OFF,
        to=None,
        when=c.lead_on,
        words="a signal",
    ),
    Transition(
        layer=Layer.EPISODE,
        on=News.BEAT,
        after=_CALM | _SLOW_RUNS,
        to=Rhythm.VENTRICULAR_TACHYCARDIA,
        when=c.ventricular_tachycardia,
        words="3 ventricular beats in a row at 100/min or more",
        source=f"{_EC57}; {_ESC_VA}",
        time_to_alarm="third interval + 0.36 s",
        priority=Priority.HIGH,
    ),
    Transition(
        layer=Layer.EPISODE,
        on=News.BEAT,
        after=_CALM | _SLOW_RUNS,
        to=Rhythm.VENTRICULAR_TACHYCARDIA,
        when=c.steady_tachycardia,
        words="6 beats in a row at a steady 100/min or more, ventricular if they aren't noise",
        source=_EC57,
        time_to_alarm="sixth interval + 0.36 s",
        priority=Priority.HIGH,
    ),
    Transition(
        layer=Layer.EPISODE,
        on=News.BEAT,
        after=_CALM | _S_RUNS,
        to=Rhythm.IDIOVENTRICULAR,
        when=c.idioventricular,
        words="3 ventricular beats in a row below 100/min, at another pace than before",
        source=f"{_EC57}; {_ESC_VA}",
        time_to_alarm="third interval + 0.36 s",
        priority=Priority.MEDIUM,
    ),
    Transition(
        layer=Layer.EPISODE,
        on=News.BEAT,
        after=_CALM | {Rhythm.S_RUN},
        to=Rhythm.SUPRAVENTRICULAR_TACHYCARDIA,
        when=c.supraventricular_tachycardia,
        words="3 supraventricular ectopic beats in a row at 100/min or more, not in AF",
        source=_EC57,
        time_to_alarm="third interval + 0.36 s",
        priority=Priority.MEDIUM,
    ),
    Transition(
        layer=Layer.EPISODE,
        on=News.BEAT,
        after=_CALM,
        to=Rhythm.S_RUN,
        when=c.supraventricular_run,
        words="3 supraventricular ectopic beats in a row below 100/min, not in AF",
        source=_EC57,
        time_to_alarm="third interval + 0.36 s",
        priority=Priority.LOW,
    ),
    Transition(
        layer=Layer.EPISODE,
        on=News.BEAT,
        after=frozenset({Rhythm.VENTRICULAR_TACHYCARDIA, Rhythm.IDIOVENTRICULAR}),
        to=None,
        when=c.ventricular_run_over,
        words="a beat from elsewhere",
    ),
    Transition(
        layer=Layer.EPISODE,
        on=News.BEAT,
        after=_S_RUNS,
        to=None,
        when=c.supraventricular_run_over,
        words="a beat from elsewhere",
    ),
)

_BACKGROUND: Final = (
    Transition(
        layer=Layer.BACKGROUND,
        on=News.BEAT,
        after=None,
        to=Rhythm.UNKNOWN,
        when=b.unknowable,
        words="8 beats in a row in noise",
        time_to_alarm="8 beats",
    ),
    Transition(
        layer=Layer.BACKGROUND,
        on=News.BEAT,
        after=None,
        to=Rhythm.BIGEMINY,
        when=b.bigeminy,
        words="every second beat ventricular, 3 times, after and before another",
        source=_EC57,
        time_to_alarm="7 beats",
        priority=Priority.LOW,
    ),
    Transition(
        layer=Layer.BACKGROUND,
        on=News.BEAT,
        after=None,
        to=Rhythm.TRIGEMINY,
        when=b.trigeminy,
        words="every third beat ventricular, 3 times, after and before others",
        source=_EC57,
        time_to_alarm="10 beats",
        priority=Priority.LOW,
    ),
    Transition(
        layer=Layer.BACKGROUND,
        on=News.BEAT,
        after=None,
        to=Rhythm.ATRIAL_FIBRILLATION,
        when=b.atrial_fibrillation,
        words="irregular RR intervals and no constant P wave: over 48 beats, or 12 where it comes "
        "back within 20 min; until single beats speak against it",
        source="Lake & Moorman 2011, doi:10.1152/ajpheart.00561.2010",
        time_to_alarm="12 to 48 beats",
        priority=Priority.LOW,
    ),
    Transition(
        layer=Layer.BACKGROUND,
        on=News.BEAT,
        after=None,
        to=Rhythm.SINUS_BRADYCARDIA,
        when=b.slow,
        words="below 60/min",
        source=_HRS,
        time_to_alarm="5 beats",
        hold_beats=3,
    ),
    Transition(
        layer=Layer.BACKGROUND,
        on=News.BEAT,
        after=None,
        to=Rhythm.SINUS_TACHYCARDIA,
        when=b.fast,
        words="above 100/min",
        source="Page et al. 2016, doi:10.1161/CIR.0000000000000311",
        time_to_alarm="7 beats",
        hold_beats=3,
    ),
    Transition(
        layer=Layer.BACKGROUND,
        on=News.BEAT,
        after=None,
        to=Rhythm.SINUS,
        when=b.ordinary,
        words="60 to 100/min and nothing else",
        source=_HRS,
        time_to_alarm="5 beats",
        hold_beats=3,
    ),
)

_RATES: Final = (
    Transition(
        layer=Layer.RATE,
        on=News.PEAK,
        after=None,
        to=Rhythm.EXTREME_TACHYCARDIA,
        when=b.extreme_tachycardia,
        words="above 140/min over 17 beats",
        source=_QUIET,
        time_to_alarm="17 beats",
        priority=Priority.HIGH,
    ),
    Transition(
        layer=Layer.RATE,
        on=News.PEAK,
        after=None,
        to=Rhythm.EXTREME_BRADYCARDIA,
        when=b.extreme_bradycardia,
        words="below 40/min over 5 beats",
        source=_QUIET,
        time_to_alarm="5 beats",
        priority=Priority.HIGH,
    ),
    Transition(
        layer=Layer.RATE,
        on=News.PEAK,
        after=frozenset({None, Rhythm.BRADYCARDIA, Rhythm.EXTREME_BRADYCARDIA}),
        to=Rhythm.TACHYCARDIA,
        when=b.tachycardia,
        words="115/min or more",
        source=_MONITORS,
        time_to_alarm="5 s",
        priority=Priority.MEDIUM,
    ),
    Transition(
        layer=Layer.RATE,
        on=News.PEAK,
        after=frozenset({None, Rhythm.TACHYCARDIA, Rhythm.EXTREME_TACHYCARDIA}),
        to=Rhythm.BRADYCARDIA,
        when=b.bradycardia,
        words="50/min or less",
        source=_MONITORS,
        time_to_alarm="5 s",
        priority=Priority.MEDIUM,
    ),
    Transition(
        layer=Layer.RATE,
        on=News.PEAK,
        after=None,
        to=None,
        when=b.rate_is_back,
        words="10/min inside the limits",
    ),
)

_MOMENTS: Final = (
    Transition(
        layer=Layer.MOMENT,
        on=News.BEAT,
        after=None,
        to=Rhythm.V_COUPLET,
        when=c.ventricular_couplet,
        words="2 ventricular beats in a row, then another",
        source=_EC57,
        time_to_alarm="third interval + 0.36 s",
        priority=Priority.LOW,
    ),
    Transition(
        layer=Layer.MOMENT,
        on=News.BEAT,
        after=None,
        to=Rhythm.S_COUPLET,
        when=c.supraventricular_couplet,
        words="2 supraventricular ectopic beats in a row, then another, not in AF",
        source=_EC57,
        time_to_alarm="third interval + 0.36 s",
        priority=Priority.LOW,
    ),
    Transition(
        layer=Layer.MOMENT,
        on=News.PEAK,
        after=None,
        to=Rhythm.PAUSE,
        when=c.past_pause,
        words="a beat after a quiet of 2.5 s that was not announced before",
        source=_HRS,
        time_to_alarm="0.36 s after that beat",
        priority=Priority.MEDIUM,
    ),
)

TRANSITIONS: Final[tuple[Transition, ...]] = (*_EPISODES, *_BACKGROUND, *_RATES, *_MOMENTS)
"""Every rule, in the order in which they are tried."""


@cache
def rows(layer: Layer, on: News, state: State) -> tuple[Transition, ...]:
    """Return the rows that may apply, in order."""
    return tuple(
        row
        for row in TRANSITIONS
        if row.layer is layer
        and row.on is on
        and (row.to is not state if row.after is None else state in row.after)
    )
