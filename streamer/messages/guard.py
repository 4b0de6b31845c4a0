"""Keeps what strangers send from doing harm: rate and size first, then form; and honest counters.

Every topic that we read from the network (acknowledgements, live samples) goes through a guard of
its own before anything looks at the content. It is pure: the caller tells the time. Rate and size
are ours, for msgspec limits neither; what is in a message its decoder checks.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

import msgspec

from streamer.messages.wire import MalformedError

T = TypeVar("T")


class Rejection(StrEnum):
    """Why a message was turned away; a closed set, so that counting can't grow."""

    TOO_LARGE = "too large"
    TOO_FAST = "too fast"
    NOT_JSON = "not JSON"
    TOO_MANY = "too many sources"
    INVALID = "invalid content"


class RejectedError(ValueError):
    """A message that isn't let in.

    Attributes
    ----------
    rejection : Rejection
    """

    def __init__(self, rejection: Rejection, detail: str) -> None:
        super().__init__(f"{rejection}: {detail}")
        self.rejection = rejection


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardLimits:
    """What is let through."""

    max_bytes: int = 1024
    """Of a payload."""
    rate_per_s: float = 5.0
    """Messages, on average."""
    burst: int = 20
    """Messages at once."""

    def __post_init__(self) -> None:
        if min(self.max_bytes, self.burst) < 1 or not self.rate_per_s > 0:
            raise ValueError("limits of a guard must be positive")


SAMPLES_LIMITS = GuardLimits(max_bytes=65_536, rate_per_s=50.0, burst=3000)
"""For live signals: a second of a dozen leads at 1 kHz in one message, or 50 messages a second; at
once as many as wait after five minutes without a broker, at ten a second."""


class Guard:
    """Lets well-formed, moderate messages in and counts the others.

    Parameters
    ----------
    limits : GuardLimits, optional

    Attributes
    ----------
    rejected : Counter of Rejection
    """

    def __init__(self, limits: GuardLimits | None = None) -> None:
        self.limits = limits or GuardLimits()
        self.rejected: Counter[Rejection] = Counter()
        self._tokens = float(self.limits.burst)
        self._refilled_at: float | None = None

    def admit(self, data: object, now_s: float, parse: Callable[[bytes], T]) -> T:
        """Return what `parse` makes of a message.

        Parameters
        ----------
        data : bytes
            The payload; anything else is rejected.
        now_s : float
            Time in s, from any origin; one that goes back counts as none gone by.
        parse : callable
            Raises ValueError if the message isn't one of its form.

        Raises
        ------
        RejectedError
            If the message is too large or too frequent, or `parse` raises.
        """
        try:
            self._take_token(now_s)
            return self._parse(data, parse)
        except RejectedError as error:
            self.rejected[error.rejection] += 1
            raise

    def _parse(self, data: object, parse: Callable[[bytes], T]) -> T:
        if not isinstance(data, bytes | bytearray):
            raise RejectedError(Rejection.INVALID, "no bytes")
        if len(data) > self.limits.max_bytes:
            raise RejectedError(
                Rejection.TOO_LARGE, f"{len(data)} bytes, limit {self.limits.max_bytes}"
            )
        try:
            return parse(bytes(data))
        except RejectedError:
            raise
        except ValueError as error:
            raise RejectedError(_kind(error), str(error)) from error

    def _take_token(self, now_s: float) -> None:
        """Spend one of the tokens that time brings back."""
        if self._refilled_at is not None:
            gone_s = max(0.0, now_s - self._refilled_at)
            self._tokens = min(
                float(self.limits.burst), self._tokens + gone_s * self.limits.rate_per_s
            )
        self._refilled_at = now_s
        if self._tokens < 1.0:
            raise RejectedError(Rejection.TOO_FAST, f"over {self.limits.rate_per_s:g} a second")
        self._tokens -= 1.0


def _kind(error: ValueError) -> Rejection:
    """Tell what is no JSON at all from JSON that isn't ours."""
    cause = error.__cause__
    malformed = isinstance(error, MalformedError) and isinstance(cause, msgspec.DecodeError)
    is_ours = not malformed or isinstance(cause, msgspec.ValidationError)
    return Rejection.INVALID if is_ours else Rejection.NOT_JSON
