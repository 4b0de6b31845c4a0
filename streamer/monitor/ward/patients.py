"""What the ward's screen reads of the patients whenever it draws."""

from collections.abc import Iterator
from typing import Protocol

from streamer.core.events import Alarm, Gap, RhythmEvent, StreamInfo
from streamer.core.histogram import QuantileHistogram
from streamer.monitor.terminal.sweep import Samples
from streamer.rhythm.alerting.policy import AlertPolicy
from streamer.scoring.account import Account


class PatientState(Protocol):
    """One patient; `streamer.runner.sessions.PatientSession` is one."""

    info: StreamInfo
    account: Account
    last_sample: int
    alerts: AlertPolicy
    rhythm: RhythmEvent | None
    alarm: Alarm | None
    gap: Gap | None


class WardTotals(Protocol):
    """What happened to all patients together."""

    beats: int
    late: int
    unlabelled: int
    added: QuantileHistogram


class Patients(Protocol):
    """All patients; `streamer.runner.sessions.Sessions` is one."""

    @property
    def totals(self) -> WardTotals:
        """What happened to all of them."""
        ...

    def __iter__(self) -> Iterator[PatientState]:
        """Go through all."""
        ...

    def __contains__(self, source: str) -> bool:
        """Tell whether there is such a patient."""
        ...

    def __getitem__(self, source: str) -> PatientState:
        """Return one patient."""
        ...


class Ring(Samples, Protocol):
    """One patient's last samples at the chain's rate."""

    @property
    def stop(self) -> int | None:
        """One past the newest; None while there are none."""
        ...
