"""One received message as one line: columns for a terminal, JSON for a script."""

import json
import textwrap
from dataclasses import dataclass
from typing import Final

from streamer.core.events import AlarmState
from streamer.core.text import clean
from streamer.messages.payload import utc_time
from streamer.messages.received import Received
from streamer.messages.wire import (
    AcknowledgeMessage,
    ActiveAlert,
    ActiveMessage,
    AlarmMessage,
    AlertMessage,
    AnyMessage,
    BeatMessage,
    EventMessage,
    GapMessage,
    RhythmMessage,
    StatisticsMessage,
    StatusMessage,
    WardStatisticsMessage,
)

_CLOCK: Final = slice(11, 23)
"""Time of day, to the millisecond, in an ISO 8601 time."""
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
    """UTC of its arrival here: it never goes back, however fast or late the source is played."""
    source: str
    position: str
    """When it became known, in minutes and seconds from the record's sample 0."""
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
    return json.dumps(json.loads(message.data), separators=(",", ":"), sort_keys=True)


class Lines:
    """Says in words what messages mean.

    When something became known never goes back within a run of a source: a label that the network
    took long for is told at the time of what came before it.
    """

    def __init__(self) -> None:
        self._known: dict[str, int] = {}

    def line(self, received: Received, arrived_at: float) -> Line:
        """Lay out one message.

        Parameters
        ----------
        received : Received
        arrived_at : float
            Seconds since the epoch.
        """
        message = received.message
        what, detail, style = _words(message)
        return Line(
            clock=utc_time(arrived_at)[_CLOCK],
            source=message.source,
            position=self._position(message),
            what=clean(what),
            detail=clean(", ".join(word for word in detail if word)),
            style=style,
        )

    def _position(self, message: AnyMessage) -> str:
        if isinstance(message, StatusMessage):
            self._known.pop(message.source, None)
        if not isinstance(message, EventMessage):
            return ""
        known = max(message.decided_at, self._known.get(message.source, message.decided_at))
        self._known[message.source] = known
        return _clock(known, message)


Words = tuple[str, list[str], str]
"""What it is, in which words, and in which style."""


def _words(message: AnyMessage) -> Words:  # noqa: PLR0911 - one for each type
    match message:
        case BeatMessage():
            return _beat(message)
        case RhythmMessage():
            return "rhythm", [message.rhythm, _when(message), *_rate(message)], "green"
        case AlarmMessage():
            return _alarm(message)
        case GapMessage():
            return _gap(message)
        case AlertMessage():
            return _alert(message)
        case ActiveMessage():
            return "active", [*map(_active, message.alerts)] or ["no alert"], ""
        case AcknowledgeMessage():
            return "seen", [message.condition or "every alert"], ""
        case StatusMessage():
            return _status(message)
        case StatisticsMessage():
            return _statistics(message, message.latency_ms.get("p99"))
        case WardStatisticsMessage():
            return _statistics(message, message.added_ms.get("p99"))


def _beat(message: BeatMessage) -> Words:
    label = message.label or "?"
    words = [_NAMES.get(label, "beat without label, budget missed"), _when(message)]
    if (chance := message.probabilities.get(label)) is not None:
        words.append(f"p {chance:.2f}")
    if message.rr_ms is not None:
        words.append(f"RR {message.rr_ms:.0f} ms")
    words += _rate(message)
    words += ["provisional"] if message.revision == 0 else []
    return label, [*words, message.reason or ""], _LABEL_STYLES.get(label, "")


def _alarm(message: AlarmMessage) -> Words:
    count = f"{len(message.beats)} beats" if message.beats else ""
    if message.state == AlarmState.OVER:
        return "over", [message.rhythm, _when(message)], "dim"
    words = [message.rhythm, _when(message), f"{message.priority} priority", count]
    return "ALARM", words, _PRIORITY_STYLES.get(message.priority, "")


def _gap(message: GapMessage) -> Words:
    lasted_s = (message.stop - message.sample) / message.fs
    words = [f"no usable signal: {message.reason}", _when(message), f"for {lasted_s:.1f} s"]
    return "gap", words, "dim"


def _alert(message: AlertMessage) -> Words:
    times = message.occurrences
    words = [
        message.condition,
        _when(message),
        f"{message.priority} priority",
        f"{len(message.beats)} beats" if len(message.beats) > 1 else "",
        f"{times} times since the last alert of it" if times > 1 else "",
    ]
    return "ALERT", words, _PRIORITY_STYLES.get(message.priority, "")


def _active(alert: ActiveAlert) -> str:
    stands = " (acknowledged)" if alert.acknowledged else " (over)" if alert.ended else ""
    return alert.condition + stands


def _status(message: StatusMessage) -> Words:
    words = [
        message.reason or "",
        "training record" if message.training_record else "",
        f"{message.shed} messages shed" if message.shed else "",
    ]
    return message.state, words, "bold green" if message.state == "online" else "bold"


def _statistics(message: StatisticsMessage | WardStatisticsMessage, p99: float | None) -> Words:
    words = [
        f"{message.beats} beats",
        f"{message.late} late",
        "" if p99 is None else f"p99 {p99:.0f} ms",
    ]
    return "stats", words, "dim"


def _rate(message: BeatMessage | RhythmMessage) -> list[str]:
    rate = message.heart_rate_bpm
    return [] if rate is None else [f"{rate:.0f}/min"]


def _when(message: EventMessage) -> str:
    """Say when in the record something happened, or began."""
    word = "at" if isinstance(message, BeatMessage) else "since"
    return f"{word} {_clock(message.sample, message)}"


def _clock(sample: int, message: EventMessage) -> str:
    minutes, seconds = divmod(round(100 * sample / message.fs) / 100, 60.0)
    return f"{minutes:.0f}:{seconds:05.2f}"
