"""One account of every patient: names, numbers, beats, what holds now; and the rule of lateness."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from replay.record import Reference
from streamer.beats.ledger import LedgerConfig
from streamer.core.errors import SnapshotError
from streamer.core.events import Alarm, Event, Gap, LabeledBeat, Published, RhythmEvent, StreamInfo
from streamer.core.histogram import QuantileHistogram
from streamer.messages.payload import SaidKey, said_key, to_payload
from streamer.rhythm.alerting.patients import PatientAlerts
from streamer.rhythm.alerting.policy import AlertPolicy
from streamer.runner.pending import PROVISIONAL, LabelLine, Timed
from streamer.scoring.account import Account

_MS: Final = 1000.0

Publish = Callable[[StreamInfo, Published], None]


@dataclass(slots=True, kw_only=True)
class PatientSession:
    """One patient's stream, from its first sample to its end."""

    info: StreamInfo
    line: LabelLine
    account: Account
    alerts: AlertPolicy
    """What holds and what nobody has acknowledged."""
    seq: int = 0
    """Of the next event."""
    last_sample: int
    """The newest that was pushed."""
    rhythm: RhythmEvent | None = None
    alarm: Alarm | None = None
    """The last that was raised."""
    gap: Gap | None = None
    said: set[SaidKey] = field(default_factory=set)
    """What was published since the snapshot that it goes on from."""
    unlabelled: set[int] = field(default_factory=set)
    """R peaks of beats that were published without a label and wait for it."""


@dataclass(slots=True)
class Totals:
    """What happened to all patients together."""

    samples: int = 0
    """Of one lead each."""
    signal_s: float = 0.0
    """The same in seconds."""
    beats: int = 0
    late: int = 0
    """Beats whose first label missed the latency budget, those of a stream's start left out."""
    late_at_start: int = 0
    """Those."""
    unlabelled: int = 0
    """Beats published without a label first, because the network took too long."""
    events: int = 0
    added: QuantileHistogram = field(default_factory=QuantileHistogram)
    """Added latency in ms: from when the sample that decided a first label was due until that
    label was published."""


class Sessions:
    """Numbers and publishes the events of all patients, and keeps account of their beats.

    Parameters
    ----------
    publish : callable
        Gets each event with its source.
    budget_ms : float
        From R peak to first label.
    ledger : LedgerConfig, optional
        How much is remembered of each patient's beats.
    accounts : dict, optional
        Where the patients' accounts are kept, for sinks to read.
    alerts : PatientAlerts, optional
        Of all patients, shared with the sinks that show, publish or acknowledge them.

    Attributes
    ----------
    totals : Totals
    accounts : dict of str to Account
    alerts : PatientAlerts
    """

    def __init__(
        self,
        publish: Publish,
        budget_ms: float = 500.0,
        ledger: LedgerConfig | None = None,
        accounts: dict[str, Account] | None = None,
        alerts: PatientAlerts | None = None,
    ) -> None:
        self.accounts = {} if accounts is None else accounts
        self.alerts = PatientAlerts() if alerts is None else alerts
        self.totals = Totals()
        self.budget_ms = budget_ms
        self._publish = publish
        self._ledger = ledger
        self._sessions: dict[str, PatientSession] = {}

    def __len__(self) -> int:
        """Return how many patients there are."""
        return len(self._sessions)

    def __getitem__(self, source: str) -> PatientSession:
        """Return one patient's session."""
        return self._sessions[source]

    def __iter__(self) -> Iterator[PatientSession]:
        """Go through all patients, in the order in which they came."""
        return iter(self._sessions.values())

    def __contains__(self, source: str) -> bool:
        """Tell whether a source is open."""
        return source in self._sessions

    def open(
        self, info: StreamInfo, line: LabelLine, seq: int = 0, reference: Reference | None = None
    ) -> PatientSession:
        """Begin with a source; its events are numbered from `seq`."""
        account = Account(info, budget_ms=self.budget_ms, reference=reference, config=self._ledger)
        self.accounts[info.source] = account
        session = PatientSession(
            info=info,
            line=line,
            account=account,
            alerts=self.alerts.open(info),
            seq=seq,
            last_sample=info.first_sample - 1,
        )
        self._sessions[info.source] = session
        return session

    def advance(self, sources: Iterable[str], n: int) -> None:
        """Note that n more samples of each source were pushed."""
        sessions = self._sessions
        for source in sources:
            sessions[source].last_sample += n

    def close(self, source: str) -> None:
        """Forget a source; its account, which is final now, stays until it comes again."""
        session = self._sessions.pop(source)
        session.account.finish(session.last_sample + 1)
        self.alerts.close(source)

    def publish(self, session: PatientSession, timed: Timed, now_s: float) -> None:
        """Publish an event under its number at `now_s` of the event loop's clock."""
        event, arrival = timed.event, timed.arrival
        compute_ms = (now_s - arrival.pushed_s) * _MS
        if isinstance(event, LabeledBeat):
            played_s = arrival.played_s(event.decided_at, session.info.fs)
            added_ms = compute_ms if played_s is None else max(now_s - played_s, 0.0) * _MS
            event = self._count(session, event, added_ms, is_paced=arrival.due_s is not None)
        else:
            _follow(session, event)
        self.alerts.take(session.info, event)
        if session.said and _was_said(session, event):
            return
        message = Published(seq=session.seq, event=event, compute_ms=compute_ms)
        session.seq += 1
        self.totals.events += 1
        self._publish(session.info, message)

    def _count(
        self, session: PatientSession, event: LabeledBeat, added_ms: float, *, is_paced: bool
    ) -> LabeledBeat:
        """Take a beat into account; a first label that missed the budget says so."""
        if event.revision == PROVISIONAL:
            sample = event.beat.rpeak.sample
            was_published = sample in session.unlabelled
            session.unlabelled.discard(sample)
            delay_ms = (event.decided_at - sample) / session.info.fs * _MS
            is_late = event.label is None or delay_ms + added_ms > self.budget_ms
            if not was_published:
                self.totals.beats += 1
                is_at_start = session.account.ledger.is_at_start(sample)
                self.totals.late += is_late and not is_at_start
                self.totals.late_at_start += is_late and is_at_start
            if event.label is None:
                session.unlabelled.add(sample)
                self.totals.unlabelled += not was_published
            else:
                self.totals.added.add(added_ms)
                if is_paced and is_late and not event.late:
                    event = dataclasses.replace(event, late=True)
        session.account.take(event, added_ms, session.last_sample + 1)
        return event


def _was_said(session: PatientSession, event: Event) -> bool:
    """Tell whether a process of before had published an event under its own number."""
    key = said_key(to_payload(Published(seq=0, event=event, compute_ms=0.0), session.info))
    was_said = key in session.said
    session.said.discard(key)
    return was_said


def _follow(session: PatientSession, event: Event) -> None:
    match event:
        case RhythmEvent():
            session.rhythm = event
        case Alarm() if event.is_raised:
            session.alarm = event
        case Gap():
            session.gap = event


def session_state(session: PatientSession) -> dict[str, Any]:
    """Return what a snapshot holds of a session, beside the patient's own state."""
    info = dataclasses.asdict(session.info)
    return {"info": {**info, "leads": list(info["leads"])}, "seq": session.seq}


def restored_info(state: Mapping[str, Any]) -> tuple[StreamInfo, int]:
    """Return the source and the number of its next event, as a snapshot has them.

    Raises
    ------
    SnapshotError
        If the state isn't ours.
    """
    try:
        info = StreamInfo(**{**state["info"], "leads": tuple(state["info"]["leads"])})
        return info, int(state["seq"])
    except (KeyError, TypeError, ValueError) as error:
        raise SnapshotError(f"snapshot has no usable source ({error}); remove it") from error


def restore_alerts(session: PatientSession, state: Mapping[str, Any]) -> None:
    """Go on with a patient's alerts, as a snapshot has them.

    Raises
    ------
    SnapshotError
        If the state isn't ours.
    """
    try:
        session.alerts.restore(state)
    except (KeyError, TypeError, ValueError) as error:
        source = session.info.source
        raise SnapshotError(
            f"snapshot of {source} has no usable alerts ({error}); remove it"
        ) from error
