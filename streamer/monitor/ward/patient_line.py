"""How a patient of a ward is: how urgent, and in which words."""

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from streamer.core.events import Gap, Priority, Rhythm
from streamer.monitor.panels import RATELESS
from streamer.monitor.shown_alerts import (
    ShownAlert,
    in_sight,
    short_name,
    shown_alerts,
    time_of_day,
)
from streamer.monitor.ward.course import Course, plain
from streamer.monitor.ward.patients import PatientState
from streamer.rhythm.alerting.alerts import AlertState

_QUALITY_BEATS: Final = 8
_POOR_QUALITY: Final = 0.5
_RATE_BANDS_BPM: Final = ((50.0, 110.0), (40.0, 140.0))
"""Rates within the first are usual, beyond the last extreme."""
_NO_SIGNAL: Final = 0.0
_CALM: Final = frozenset({Rhythm.SINUS, Rhythm.UNKNOWN})
_SINUS: Final = frozenset({Rhythm.SINUS_BRADYCARDIA, Rhythm.SINUS_TACHYCARDIA})
_STANDING: Final = {
    AlertState.ACKNOWLEDGED: (", acknowledged", " seen"),
    AlertState.LATCHED: (", over", " over"),
}
"""What is said of an alarm that isn't both new and going on, in full and in short."""
NO_LIMITS: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientLine:
    """What one line of the table says."""

    source: str
    name: str
    """What a person calls the patient."""
    lead: str
    """The first lead."""
    priority: Priority | None
    """Of the gravest alarm that holds or that nobody has acknowledged; None without one."""
    is_acknowledged: bool
    """Whether a person has seen all of them."""
    what: str
    short: str
    """The same where there is less room."""
    brief: str
    """The most urgent of it alone."""
    changed: tuple[str, ...]
    """What else happened lately; empty where nothing did."""
    since_s: float | None
    """Age of the alarm, or of the rhythm."""
    heart_rate_bpm: float | None
    quality: float | None


def alerts_of(patient: PatientState) -> list[ShownAlert]:
    """Return a patient's alarms that are to be shown, the most urgent first."""
    raised = [] if patient.alarm is None else [patient.alarm]
    return shown_alerts(patient.info, patient.alerts, raised, patient.last_sample)


def urgency(patient: PatientState) -> tuple[int, ...]:
    """Sort key, the most urgent first: alarm, rhythm, signal, heart rate, late labels.

    Of two patients with alarms of one priority that comes first of whom a person hasn't seen all.
    Rates count in bands, so that patients don't change places with every beat.
    """
    alerts = alerts_of(patient)
    rate = rate_of(patient)
    band = 0 if rate is None else sum(not low <= rate <= high for low, high in _RATE_BANDS_BPM)
    quality = _quality(patient)
    return (
        -int(alerts[0].priority) if alerts else 0,
        _are_seen(alerts),
        _rhythm_rank(patient),
        quality is None or quality >= _POOR_QUALITY,
        -band,
        not patient.account.ledger.n_late,
    )


def patient_line(
    patient: PatientState,
    now_s: float,
    limits: Mapping[str, str] = NO_LIMITS,
    name: str | None = None,
    course: Course | None = None,
) -> PatientLine:
    """Say how a patient is.

    Parameters
    ----------
    patient : PatientState
    now_s : float
        Seconds since the epoch: where no samples come, their count tells no time.
    limits : mapping of str to str
        The limit behind a condition, in words.
    name : str, optional
        What a person calls the patient; the source's name if None.
    course : Course, optional
        What happened lately.
    """
    alerts = alerts_of(patient)
    first = alerts[0] if alerts else None
    what, short, brief = _words(patient, alerts, limits)
    rate = rate_of(patient)
    told = {one.condition for one in alerts}
    return PatientLine(
        source=patient.info.source,
        name=name or patient.info.source,
        lead=next(iter(patient.info.leads), ""),
        priority=None if first is None else first.priority,
        is_acknowledged=_are_seen(alerts),
        what=what,
        short=short,
        brief=brief,
        changed=() if course is None else course.words(patient.last_sample, rate, told),
        since_s=_since_s(patient, alerts, now_s),
        heart_rate_bpm=rate,
        quality=_quality(patient),
    )


def _words(
    patient: PatientState, alerts: list[ShownAlert], limits: Mapping[str, str]
) -> tuple[str, str, str]:
    """Return the words for a patient's state: in full, in short, and of the first alarm alone."""
    if not alerts:
        gap = _gap(patient)
        if gap is not None:
            return f"no signal ({gap.reason})", "no signal", "no signal"
        rhythm = Rhythm.UNKNOWN if patient.rhythm is None else plain(patient.rhythm.rhythm)
        if rhythm is Rhythm.UNKNOWN:
            return "rhythm not known yet", "not known yet", "not known yet"
        return str(rhythm), short_name(rhythm), short_name(rhythm)
    told = in_sight(alerts)
    # That nobody sees how an alarm goes on stays in sight too.
    told += [one for one in alerts if one.condition == Rhythm.NO_SIGNAL and one not in told]
    words = [_alert_words(one, limits) for one in told]
    more = f" +{len(alerts) - len(told)}" if len(alerts) > len(told) else ""
    brief = _alert_words(told[0], NO_LIMITS)[1] + (f" +{len(alerts) - 1}" if alerts[1:] else "")
    return "; ".join(full for full, _ in words) + more, "; ".join(s for _, s in words) + more, brief


def _are_seen(alerts: list[ShownAlert]) -> bool:
    return bool(alerts) and all(one.is_acknowledged for one in alerts)


def _alert_words(shown: ShownAlert, limits: Mapping[str, str]) -> tuple[str, str]:
    full, short = ("", "") if shown.state is None else _STANDING.get(shown.state, ("", ""))
    if shown.condition == Rhythm.NO_SIGNAL and shown.began_s is not None:
        time = time_of_day(shown.began_s)
        return f"no signal since {time}{full}", f"no signal {time}{short}"
    is_new = shown.goes_on and not shown.is_acknowledged
    limit = f", {limits[shown.condition]}" if is_new and shown.condition in limits else ""
    return f"{shown.condition}{limit}{full}", f"{short_name(shown.condition)}{limit}{short}"


def _since_s(patient: PatientState, alerts: list[ShownAlert], now_s: float) -> float | None:
    shown = alerts[0] if alerts else None
    silent = next((one for one in alerts if one.condition == Rhythm.NO_SIGNAL), None)
    for dated in (silent, shown):
        if dated is not None and dated.began_s is not None:
            return max(now_s - dated.began_s, 0.0)
    gap = _gap(patient)
    if shown is not None:
        since = shown.onset
    elif gap is not None:
        since = gap.start
    elif patient.rhythm is not None:
        since = patient.rhythm.onset
    else:
        return None
    return max(patient.last_sample - since, 0) / patient.info.fs


def _rhythm_rank(patient: PatientState) -> int:
    rhythm = Rhythm.UNKNOWN if patient.rhythm is None else patient.rhythm.rhythm
    return 2 if rhythm in _CALM else 1 if rhythm in _SINUS else 0


def _gap(patient: PatientState) -> Gap | None:
    return patient.gap if patient.gap is not None and patient.gap.ongoing else None


def _has_signal(patient: PatientState) -> bool:
    is_silent = patient.alerts.ongoing_onset(Rhythm.NO_SIGNAL) is not None
    return _gap(patient) is None and not is_silent


def rate_of(patient: PatientState) -> float | None:
    """Return the heart rate; None without a signal, and where a number would not be a pulse."""
    rhythm = None if patient.rhythm is None else patient.rhythm.rhythm
    if not _has_signal(patient) or rhythm in RATELESS:
        return None
    return patient.account.ledger.heart_rate_bpm(patient.last_sample)


def _quality(patient: PatientState) -> float | None:
    if not _has_signal(patient):
        return _NO_SIGNAL
    recent = [beat.quality for beat in patient.account.ledger.last(_QUALITY_BEATS)]
    return statistics.median(recent) if recent else None
