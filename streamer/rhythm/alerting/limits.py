"""Alarm limits from a file: what a person may choose of the rules and of the alert policy.

The file is TOML; `docs/alarms.md` documents every key, and a test compares both.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from streamer.core.errors import StreamerError
from streamer.core.events import EctopyCondition, Priority, Rhythm
from streamer.rhythm.alerting.alerts import AlertConfig
from streamer.rhythm.config import RhythmConfig
from streamer.rhythm.ectopy import EctopyConfig


class AlarmLimitsError(StreamerError):
    """A file of alarm limits that can't be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmLimits:
    """Limits of the tracker's alarms, and of the alert policy."""

    rhythm: RhythmConfig = field(default_factory=RhythmConfig)
    alerts: AlertConfig = field(default_factory=AlertConfig)


@dataclass(frozen=True, slots=True)
class _Number:
    """A key and what it may be."""

    low: float
    high: float
    is_whole: bool = False


RHYTHM_KEYS: Final[Mapping[str, Mapping[str, _Number]]] = {
    "rate": {
        "bradycardia_alarm_bpm": _Number(20, 120),
        "tachycardia_alarm_bpm": _Number(60, 300),
        "extreme_bradycardia_bpm": _Number(15, 100),
        "extreme_bradycardia_beats": _Number(3, 30, is_whole=True),
        "extreme_tachycardia_bpm": _Number(80, 350),
        "extreme_tachycardia_beats": _Number(3, 60, is_whole=True),
    },
    "silence": {"pause_s": _Number(1.5, 10), "asystole_s": _Number(2.5, 15)},
    "runs": {"run_beats": _Number(3, 20, is_whole=True)},
}
"""Fields of `RhythmConfig` by the table of the file that they stand in."""
ALERT_KEYS: Final[Mapping[str, _Number]] = {
    "v_rate_per_min": _Number(1, 60, is_whole=True),
    "v_rate_clear_per_min": _Number(1, 60, is_whole=True),
    "max_per_min": _Number(1, 60, is_whole=True),
}
"""Numbers of the table `alerts`; the first two belong to `EctopyConfig`."""
TABLES: Final = (*RHYTHM_KEYS, "alerts")
_LISTS: Final = ("latched", "repeat_s", "escalate_s", "priorities")
_PRIORITIES: Final = tuple(priority.name.lower() for priority in Priority)
CONDITIONS: Final = (*map(str, Rhythm), *map(str, EctopyCondition))
_LONGEST_S: Final = 3600.0
_ORDER: Final = (
    ("extreme_bradycardia_bpm", "bradycardia_alarm_bpm"),
    ("bradycardia_alarm_bpm", "tachycardia_alarm_bpm"),
    ("tachycardia_alarm_bpm", "extreme_tachycardia_bpm"),
    ("pause_s", "asystole_s"),
)
"""Fields of which the first must be less than the second."""


def read_alarm_limits(path: Path) -> AlarmLimits:
    """Read a file; what it leaves out keeps its default.

    Raises
    ------
    AlarmLimitsError
        In one line: what came, what is legal, what to do.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise AlarmLimitsError(
            f"can't read alarm limits {path}: {error.strerror}; give a file with --alarm-limits"
        ) from error
    except ValueError as error:
        reason = str(error).replace("\n", " ")
        raise AlarmLimitsError(
            f"alarm limits {path} are no TOML ({reason}); expected tables such as [rate] with "
            "lines such as tachycardia_alarm_bpm = 120"
        ) from error
    try:
        return _limits(tables)
    except ValueError as error:
        raise AlarmLimitsError(f"alarm limits {path}: {error}") from error


def _limits(tables: Mapping[str, Any]) -> AlarmLimits:
    found: dict[str, Any] = {}
    for name, content in tables.items():
        _check_key(name, TABLES, "table")
        if not isinstance(content, dict):
            raise ValueError(f"{name} is no table; write [{name}] on a line of its own")
        for key, value in content.items():
            if name != "alerts":
                _check_key(key, RHYTHM_KEYS[name], f"key of [{name}]")
                found[key] = _number(key, value, RHYTHM_KEYS[name][key])
    rhythm = replace(RhythmConfig(), **found)
    for low, high in _ORDER:
        if not getattr(rhythm, low) < getattr(rhythm, high):
            raise ValueError(
                f"{low} is {getattr(rhythm, low):g} and {high} {getattr(rhythm, high):g}; "
                "expected the first to be less; change one of them"
            )
    return AlarmLimits(rhythm=rhythm, alerts=_alerts(tables.get("alerts", {}), rhythm))


def _alerts(table: Mapping[str, Any], rhythm: RhythmConfig) -> AlertConfig:
    numbers: dict[str, Any] = {}
    for key, value in table.items():
        _check_key(key, (*ALERT_KEYS, *_LISTS), "key of [alerts]")
        if key in ALERT_KEYS:
            numbers[key] = _number(key, value, ALERT_KEYS[key])
    config = AlertConfig()
    most = numbers.pop("max_per_min", config.max_per_min)
    latched = table.get("latched", [_word(priority) for priority in config.latched])
    if not isinstance(latched, list):
        raise ValueError(f"latched is {latched!r}; expected a list such as ['high', 'medium']")
    priorities: dict[str, Priority] = {}
    for condition, value in _table(table, "priorities").items():
        _check_key(condition, CONDITIONS, "alarm in priorities")
        priorities[condition] = _priority(f"priority of {condition!r}", value)
    return AlertConfig(
        ectopy=EctopyConfig(rhythm=rhythm, **numbers),
        max_per_min=most,
        latched=frozenset(_priority("latched", word) for word in latched),
        repeat_s={**config.repeat_s, **_times(table, "repeat_s")},
        escalate_s=_times(table, "escalate_s"),
        priorities={**config.priorities, **priorities},
    )


def _times(table: Mapping[str, Any], name: str) -> dict[Priority, float]:
    return {
        _priority(name, key): _number(f"{name}.{key}", value, _Number(0, _LONGEST_S))
        for key, value in _table(table, name).items()
    }


def _table(table: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    content = table.get(name, {})
    if not isinstance(content, dict):
        raise ValueError(f"{name} is {content!r}; expected a table, [alerts.{name}]")
    return content


def _check_key(key: str, legal: Any, what: str) -> None:
    if key not in legal:
        raise ValueError(f"{key!r} is no {what}; expected one of {', '.join(legal)}")


def _number(key: str, value: Any, limits: _Number) -> Any:
    is_legal = (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and limits.low <= value <= limits.high
        and (not limits.is_whole or value == int(value))
    )
    if not is_legal:
        kind = "a whole number" if limits.is_whole else "a number"
        raise ValueError(
            f"{key} is {value!r}; expected {kind} from {limits.low:g} to {limits.high:g}; "
            "change it, or leave it out for the default"
        )
    return int(value) if limits.is_whole else float(value)


def _priority(what: str, value: Any) -> Priority:
    if value not in _PRIORITIES:
        raise ValueError(f"{what} holds {value!r}; expected one of {', '.join(_PRIORITIES)}")
    return Priority[value.upper()]


def _word(priority: Priority) -> str:
    return priority.name.lower()
