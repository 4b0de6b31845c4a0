"""Bounds of a run, and what happened in it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerConfig:
    """Bounds of the runner.

    Attributes
    ----------
    budget_ms : float
        Latency that a provisional label may have, from its R peak: decision delay in signal time
        plus compute time.
    close_timeout_s : float
        How long one sink may take to finish what it has queued, and the network to label the last
        beats.
    shed_after_s : float
        Behind schedule by more than this, samples are no longer shown to the sinks (which draw
        them and keep statistics of them), so that beats come first. Five frames of the monitor.
    yield_every_s : float
        When not paced by a clock, how often other tasks get their turn.
    snapshot_every_s : float
        How often each patient's state is written.
    shows_samples : bool
        Whether sinks see the samples.
    """

    budget_ms: float = 500.0
    close_timeout_s: float = 10.0
    shed_after_s: float = 0.25
    yield_every_s: float = 0.01
    snapshot_every_s: float = 30.0
    shows_samples: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """What happened in a run."""

    n_samples: int
    """Samples played, per lead."""
    n_events: int
    """Events published; each source's `seq` run from its first one's without holes."""
    n_beats: int
    """Beats with a provisional label."""
    n_late: int
    """Those that missed the latency budget."""
    n_given_up: int
    """Labels, provisional and confirmed, that there was no time to work out."""
    n_not_shown: int
    """Samples that were not shown to the sinks, because the run was behind schedule."""
    interrupted: bool
    """Whether it was stopped before the end of the source."""
    signal: int | None
    """What stopped it, if it was a signal."""
    failures: tuple[str, ...]
    """One line for every sink that failed."""
