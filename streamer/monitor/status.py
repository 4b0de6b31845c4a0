"""What displays read of the connection and of the source whenever they draw."""

from typing import Any, Protocol


class MqttStatus(Protocol):
    """Counters of an MQTT sink, read whenever a frame is drawn."""

    @property
    def state(self) -> Any:
        """Connection state in a word."""
        ...

    @property
    def url(self) -> Any:
        """Where the broker is."""
        ...

    @property
    def sent(self) -> int:
        """Messages the broker has."""
        ...

    @property
    def queued(self) -> int:
        """Messages waiting to be sent."""
        ...

    @property
    def shed(self) -> int:
        """Messages dropped because the queue was full."""
        ...


class Pace(Protocol):
    """How the source is being played, read whenever a frame is drawn."""

    @property
    def paused(self) -> bool:
        """Whether it stands still."""
        ...

    @property
    def seeking(self) -> bool:
        """Whether it runs ahead to the next alarm."""
        ...

    @property
    def speed(self) -> float | None:
        """Factor of real time; None is as fast as possible."""
        ...
