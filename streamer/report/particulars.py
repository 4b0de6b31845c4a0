"""What a report says of patient and recording: from options and from the record's header."""

import html
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final, Self

from streamer.core.clock_format import clock

_BLANK: Final = (
    "Not yet written. Click here to write; what is written is printed and saved with the page."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """When sample 0 was recorded, in the patient's own time."""

    of_day: time
    day: date | None = None
    """None where only the time of day is known."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `2026-03-05 08:30`, or `08:30` alone; seconds may follow.

        Raises
        ------
        ValueError
            If it is neither.
        """
        try:
            if "-" in text:
                found = datetime.fromisoformat(text)
                return cls(of_day=found.time(), day=found.date())
            return cls(of_day=time.fromisoformat(text))
        except ValueError:
            raise ValueError(
                f"{text!r} is no date and time; write 2026-03-05 08:30, or 08:30"
            ) from None

    def at(self, seconds: float) -> datetime:
        """Return the moment of a time in the recording; a day is made up where none is known."""
        day = self.day or date(2000, 1, 1)
        return datetime.combine(day, self.of_day) + timedelta(seconds=seconds)

    def clock(self, seconds: float) -> str:
        """Return the time of day of a time in the recording."""
        return f"{self.at(seconds):%H:%M:%S}"

    def __str__(self) -> str:
        day = "" if self.day is None else f"{self.day:%Y-%m-%d} "
        return f"{day}{self.of_day:%H:%M:%S}"


def when(seconds: float, recorded: Recorded | None) -> str:
    """Write a time in the recording, and the time of day where it is known."""
    said = clock(seconds)
    return said if recorded is None else f"{said} ({recorded.clock(seconds)})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Particulars:
    """What a person fills in; empty fields can be filled in on the page."""

    patient: str = ""
    patient_id: str = ""
    born: str = ""
    physician: str = ""
    indication: str = ""
    conclusion: str = ""


def first_page(given: Particulars, recorded: Recorded | None, length_s: float) -> str:
    """Mark up patient, physician, recording and conclusion.

    All can be edited on the page, without a script: what is written is printed and saved with it.
    """
    fields = {
        "Patient": given.patient,
        "Patient number": given.patient_id,
        "Born": given.born,
        "Physician": given.physician,
        "Indication": given.indication,
        "Recorded": "" if recorded is None else str(recorded),
        "Length": clock(length_s),
    }
    rows = "".join(
        f"<tr><th>{name}</th><td contenteditable>{html.escape(value)}</td></tr>"
        for name, value in fields.items()
    )
    text = html.escape(given.conclusion or _BLANK)
    conclusion = f"<b>Conclusion</b><div contenteditable>{text}</div>"
    return (
        f'<div class="beside"><table class="particulars"><tbody>{rows}</tbody></table>'
        f'<div class="conclusion">{conclusion}</div></div>'
    )
