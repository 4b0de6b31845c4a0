"""The account of one source's beats, which every sink reads and only the runner writes."""

from collections.abc import Mapping

from replay.record import Reference
from streamer.beats.ledger import BeatLedger, LedgerConfig
from streamer.core.events import LabeledBeat, StreamInfo
from streamer.scoring.running_score import RunningScore


class Account:
    """What is known of a source's beats; an event is taken into account before sinks get it.

    Parameters
    ----------
    info : StreamInfo
        The source.
    budget_ms : float
        Latency budget of a first label, from the R peak, in ms.
    reference : Reference, optional
        Annotations that came with the record.
    config : LedgerConfig, optional
        How much is remembered.

    Attributes
    ----------
    ledger : BeatLedger
        Beats by class and latencies.
    score : RunningScore or None
        Against the reference; final after `finish`.

    Raises
    ------
    ValueError
        If the budget isn't positive.
    """

    def __init__(
        self,
        info: StreamInfo,
        *,
        budget_ms: float = 500.0,
        reference: Reference | None = None,
        config: LedgerConfig | None = None,
    ) -> None:
        self.ledger = BeatLedger(
            fs=info.fs, budget_ms=budget_ms, config=config, first_sample=info.first_sample
        )
        self.score: RunningScore | None = None
        if reference is not None:
            self.score = RunningScore(
                reference.samples, reference.symbols, fs=info.fs, first_sample=info.first_sample
            )

    def take(self, event: LabeledBeat, added_ms: float, now: int) -> None:
        """Account for a beat that became known `added_ms` after it was decided, at sample `now`."""
        self.ledger.add(event, added_ms)
        if self.score is not None:
            self.score.beat(event.beat.rpeak.sample, event.label)
            self.score.advance(now)

    def finish(self, now: int) -> None:
        """Make the comparison final: the stream has ended before sample `now`."""
        if self.score is not None:
            self.score.finish(now)


Accounts = Mapping[str, Account]
"""By source."""
