"""Which patients a person wants to see: a filter, and what they search for."""

from collections.abc import Mapping
from enum import Enum

from streamer.core.events import Priority
from streamer.monitor.terminal import palette
from streamer.monitor.ward.patient_line import PatientLine

ENTER, ESCAPE, DELETE = ("\r", "\n"), "\x1b", ("\x7f", "\b")


class Only(Enum):
    """Which patients are shown; the value says it."""

    ALL = "all"
    ALARMS = "with alarms"
    UNSEEN = "with alarms nobody has acknowledged"

    @property
    def following(self) -> "Only":
        """The next one."""
        everything = list(Only)
        return everything[(everything.index(self) + 1) % len(everything)]


class Query:
    """What is asked of the patients.

    Attributes
    ----------
    only : Only
    search : str
        Shown are those in whose source, name or words this occurs, whatever its case.
    is_typing : bool
        Whether keys go into `search`.
    """

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Ask for all."""
        self.only, self.search, self.is_typing = Only.ALL, "", False

    def lets_through(self, priority: int, *, is_seen: bool) -> bool:
        """Tell whether the filter shows a patient with an alarm of this priority, 0 for none."""
        is_wanted = priority > 0 and not (self.only is Only.UNSEEN and is_seen)
        return self.only is Only.ALL or is_wanted

    def finds(self, one: PatientLine) -> bool:
        """Tell whether the search finds a patient."""
        words = "\n".join((one.source, one.name, one.what, one.short)).lower()
        return self.search.lower() in words

    def type(self, key: str) -> None:
        """Take a key as part of what is searched for."""
        if key in ENTER:
            self.is_typing = False
        elif key == ESCAPE:
            self.is_typing, self.search = False, ""
        elif key in DELETE:
            self.search = self.search[:-1]
        elif key.isprintable() and len(key) == 1:
            self.search += key

    def words(self, hidden: Mapping[Priority, int]) -> str:
        """Say what is asked and which alarms that hides; empty where all are shown."""
        asked = [self.only.value] if self.only is not Only.ALL else []
        if self.search or self.is_typing:
            asked.append(f"/{self.search}{'_' if self.is_typing else ''}")
        if not asked:
            return ""
        marks = [f"{hidden[one]} {palette.ALARM_MARK[one]}" for one in sorted(hidden)[::-1]]
        hides = f", hides {' '.join(marks)}" if marks else ""
        return f"shown: {', '.join(asked)}{hides}   Esc: all"
