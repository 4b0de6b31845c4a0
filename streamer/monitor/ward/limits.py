"""The alarm limits in words, for rows that tell of them."""

from collections.abc import Mapping

from streamer.core.events import EctopyCondition, Rhythm
from streamer.rhythm.alerting.limits import AlarmLimits


def limit_words(limits: AlarmLimits) -> Mapping[str, str]:
    """Return the limit behind each condition that has one, such as `limit 115` of a tachycardia."""
    rhythm = limits.rhythm
    rates = {
        Rhythm.EXTREME_BRADYCARDIA: rhythm.extreme_bradycardia_bpm,
        Rhythm.BRADYCARDIA: rhythm.bradycardia_alarm_bpm,
        Rhythm.TACHYCARDIA: rhythm.tachycardia_alarm_bpm,
        Rhythm.EXTREME_TACHYCARDIA: rhythm.extreme_tachycardia_bpm,
    }
    return {
        **{str(condition): f"limit {rate:g}" for condition, rate in rates.items()},
        Rhythm.PAUSE: f"limit {rhythm.pause_s:g} s",
        Rhythm.ASYSTOLE: f"limit {rhythm.asystole_s:g} s",
        EctopyCondition.V_RATE: f"limit {limits.alerts.ectopy.v_rate_per_min} /min",
    }


def rate_limits(limits: AlarmLimits) -> str:
    """Return between which heart rates there is no alarm."""
    rhythm = limits.rhythm
    return f"{rhythm.bradycardia_alarm_bpm:g}-{rhythm.tachycardia_alarm_bpm:g}"
