"""What is done in the fault matrix, and in which order."""

from dataclasses import dataclass
from enum import StrEnum
from random import Random


class Fault(StrEnum):
    """What can be done."""

    BROKER_KILL = "kill -9 the broker"
    BROKER_RESTART = "restart the broker"
    BROKER_STOP = "SIGSTOP the broker"
    PUBLISHER_KILL = "kill -9 the publisher"
    PUBLISHER_STOP = "SIGSTOP the publisher"
    LINK_CUT = "reset the publisher's connection"
    LINK_FREEZE = "partition the publisher"
    LINK_STRAND = "leave the publisher half open"
    SUBSCRIBER_CUT = "reset the subscriber's connection"
    SUBSCRIBER_FREEZE = "partition the subscriber"


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultsConfig:
    """Size of the matrix."""

    faults: int = 200
    seed: int = 1
    rate: float = 100.0
    """Events a second; one patient has about three."""
    load: int = 0
    """Busy processes beside it, to leave it less of the machine."""
    calm_s: tuple[float, float] = (0.02, 0.4)
    """Between two faults."""
    length_s: tuple[float, float] = (0.02, 1.5)
    """How long the broker is down, a process stopped, a link frozen."""
    calm_events: int = 100
    """Events to see after the last fault."""
    end_timeout_s: float = 90.0
    """How long everything may take to arrive at the end."""

    def __post_init__(self) -> None:
        if self.faults < 1 or self.rate <= 0:
            raise ValueError("--faults and --rate must be above 0")
        if self.load < 0:
            raise ValueError(f"--load is {self.load}; give 0 or more")


def plan(config: FaultsConfig) -> list[Fault]:
    """Draw the faults: each kind about equally often, in random order."""
    kinds = list(Fault)
    faults = [kinds[i % len(kinds)] for i in range(config.faults)]
    Random(config.seed).shuffle(faults)
    return faults
