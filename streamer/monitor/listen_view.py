"""One received message as one line: columns for a terminal, JSON for a script."""

import json
import math
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from streamer.messages.payload import MessageType
from streamer.messages.received import Received

_ASCII: Final = json.JSONEncoder(allow_nan=False, separators=(",", ":"), sort_keys=True)
_NAMES: Final = {
    "N": "normal beat",
    "S": "supraventricular ectopic beat",
    "V": "ventricular ectopic beat",
    "F": "fusion beat",
    "Q": "beat that can't be judged",
}
_LEAST_COLUMN: Final = 20
"""Cells; on a narrower screen the terminal has to wrap."""
_LABEL_STYLES: Final = {"S": "yellow", "V": "bold red", "F": "magenta", "Q": "dim"}
_PRIORITY_STYLES: Final = {"high": "bold white on red", "medium": "bold yellow", "low": "cyan"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What a line says, before it is laid out."""

    clock: str
    """UTC, as in the message."""
    source: str
    position: str
    """Minutes and seconds from the record's sample 0."""
    what: str
    detail: str
    style: str = ""
    """A rich style for `what`."""

    def parts(self) -> tuple[str, str, str]:
        """Lay it out in columns: what comes before `what`, `what` itself, and what comes after."""
        before = f"{self.clock:<12}  {self.source:<8}  {self.position:>9}  "
        return before, f"{self.what:<7}", f"  {self.detail}"

    def parts_within(self, width: int) -> tuple[str, str, str]:
        """Lay it out as `parts` do, with what is too long for a screen going on in its column."""
        before, what, _ = self.parts()
        column = len(before) + len(what) + 2
        lines = textwrap.wrap(self.detail, max(width - column, _LEAST_COLUMN)) or [""]
        return before, what, "  " + ("\n" + " " * column).join(lines)

    def plain(self) -> str:
        """Lay it out without colour."""
        return "".join(self.parts()).rstrip()


def to_json(message: Received) -> str:
    """Encode the payload as one line of ASCII JSON, fields that we don't know included."""
    try:
        return _ASCII.encode(message.payload)
    except ValueError:
        return _ASCII.encode(_finite(message.payload))


def _finite(value: object) -> object:
    """Copy with None in place of NaN and infinity, at any depth."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return value


def to_line(message: Received) -> Line:
    """Say in words what a message means."""
    what, detail, style = {
        MessageType.BEAT: _beat,
        MessageType.RHYTHM: _rhythm,
        MessageType.ALARM: _alarm,
        MessageType.GAP: _gap,
        MessageType.ALERT: _alert,
        MessageType.ACTIVE: _active,
        MessageType.ACKNOWLEDGE: _acknowledge,
        MessageType.STATUS: _status,
        MessageType.STATISTICS: _statistics,
    }[message.type](message)
    return Line(
        clock=_clock(message),
        source=message.source,
        position=_position(message),
        what=what,
        detail=detail,
        style=style,
    )


def _beat(message: Received) -> tuple[str, str, str]:
    label = message.text("label")
    words = [_NAMES.get(label or "", "beat without label, budget missed")]
    if label is not None and (chance := _probability(message, label)) is not None:
        words.append(f"p {chance:.2f}")
    if (rr_ms := message.number("rr_ms")) is not None:
        words.append(f"RR {rr_ms:.0f} ms")
    words += _rate(message)
    words += ["provisional"] if message.number("revision") == 0 else []
    words += [message.text("reason") or ""]
    return label or "?", _join(words), _LABEL_STYLES.get(label or "", "")


def _rhythm(message: Received) -> tuple[str, str, str]:
    return "rhythm", _join([message.text("rhythm") or "?", *_rate(message)]), "green"


def _alarm(message: Received) -> tuple[str, str, str]:
    priority = message.text("priority") or "?"
    beats = message.payload.get("beats")
    count = [f"{len(beats)} beats"] if isinstance(beats, list) and beats else []
    words = [message.text("rhythm") or "?", f"{priority} priority", *count]
    return "ALARM", _join(words), _PRIORITY_STYLES.get(priority, "")


def _alert(message: Received) -> tuple[str, str, str]:
    priority = message.text("priority") or "?"
    beats = message.payload.get("beats")
    times = message.number("occurrences") or 1
    words = [
        message.text("condition") or "?",
        f"{priority} priority",
        f"{len(beats)} beats" if isinstance(beats, list) and len(beats) > 1 else "",
        f"{times:.0f} times since the last alert of it" if times > 1 else "",
    ]
    return "ALERT", _join(words), _PRIORITY_STYLES.get(priority, "")


def _active(message: Received) -> tuple[str, str, str]:
    alerts = message.payload.get("alerts")
    names = [
        str(item.get("condition")) if str(item.get("condition")).isprintable() else "?"
        for item in (alerts if isinstance(alerts, list) else [])
        if isinstance(item, dict)
    ]
    return "active", _join(names) or "no alert", ""


def _acknowledge(message: Received) -> tuple[str, str, str]:
    return "seen", message.text("condition") or "every alert", ""


def _gap(message: Received) -> tuple[str, str, str]:
    start, stop, fs = (message.number(name) for name in ("sample", "stop", "fs"))
    lasted = (
        "" if None in (start, stop) or not fs else f"for {((stop or 0) - (start or 0)) / fs:.1f} s"
    )
    return "gap", _join([f"no usable signal: {message.text('reason') or '?'}", lasted]), "dim"


def _status(message: Received) -> tuple[str, str, str]:
    state = message.text("state") or "?"
    shed = message.number("shed")
    words = [
        message.text("reason") or "",
        "training record" if message.payload.get("training_record") is True else "",
        f"{shed:.0f} messages shed" if shed else "",
    ]
    return state, _join(words), "bold green" if state == "online" else "bold"


def _statistics(message: Received) -> tuple[str, str, str]:
    latency = message.payload.get("latency_ms")
    p99 = latency.get("p99") if isinstance(latency, dict) else None
    words = [
        f"{message.number('beats') or 0:.0f} beats",
        f"{message.number('late') or 0:.0f} late",
        f"p99 {p99:.0f} ms" if isinstance(p99, int | float) else "",
    ]
    return "stats", _join(words), "dim"


def _probability(message: Received, label: str) -> float | None:
    chances = message.payload.get("probabilities")
    value = chances.get(label) if isinstance(chances, dict) else None
    return float(value) if isinstance(value, float | int) and 0 <= value <= 1 else None


def _rate(message: Received) -> list[str]:
    rate = message.number("heart_rate_bpm")
    return [] if rate is None else [f"{rate:.0f}/min"]


def _clock(message: Received) -> str:
    """Time of day out of an ISO 8601 time, to the millisecond."""
    _, found, rest = (message.text("time") or "").partition("T")
    return rest[:12] if found else "?"


def _position(message: Received) -> str:
    sample, fs = message.number("sample"), message.number("fs")
    if sample is None or not fs or fs < 0:
        return ""
    minutes, seconds = divmod(sample / fs, 60.0)
    return f"{minutes:.0f}:{seconds:05.2f}"


def _join(words: list[str]) -> str:
    return ", ".join(word for word in words if word)
