"""Keeps what strangers send from doing harm: size, rate, form, then meaning; and honest counters.

Every topic that we read from the network (acknowledgements, live samples) goes through a guard of
its own before anything looks at the content. It is pure: the caller tells the time.
"""

import json
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NoReturn, TypeVar

T = TypeVar("T")

MAX_INTEGER = 2**53
"""Largest that JSON readers agree on (RFC 8259, section 6)."""
_MAX_DIGITS = 17


class Rejection(StrEnum):
    """Why a message was turned away; a closed set, so that counting can't grow."""

    TOO_LARGE = "too large"
    TOO_FAST = "too fast"
    NOT_JSON = "not JSON"
    TOO_DEEP = "too deep"
    TOO_MANY = "too many values"
    BAD_NUMBER = "number out of range"
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
    max_depth: int = 4
    """Objects and lists inside each other."""
    max_values: int = 64
    """Numbers, strings, names and so on in the whole message."""
    max_text: int = 256
    """Characters of one string or name."""
    rate_per_s: float = 5.0
    """Messages, on average."""
    burst: int = 20
    """Messages at once."""

    def __post_init__(self) -> None:
        numbers = (self.max_bytes, self.max_depth, self.max_values, self.max_text, self.burst)
        if min(numbers) < 1 or not self.rate_per_s > 0:
            raise ValueError("limits of a guard must be positive")


SAMPLES_LIMITS = GuardLimits(
    max_bytes=65_536, max_depth=4, max_values=12_000, rate_per_s=50.0, burst=3000
)
"""For live signals: a second of a dozen leads at 1 kHz in one message, or 50 messages a second; at
once as many as wait after five minutes without a broker, at ten a second."""


class Guard:
    """Lets well-formed, moderate messages in and counts the others.

    Parameters
    ----------
    limits : GuardLimits, optional
    validate : callable, optional
        Gets the decoded object and raises ValueError, TypeError or KeyError if it isn't one of
        those expected. It must not keep what it sees.

    Attributes
    ----------
    accepted : int
    rejected : Counter of Rejection
    """

    def __init__(
        self,
        limits: GuardLimits | None = None,
        validate: Callable[[dict[str, Any]], object] | None = None,
    ) -> None:
        self.limits = limits or GuardLimits()
        self.accepted = 0
        self.rejected: Counter[Rejection] = Counter()
        self._validate = validate
        self._tokens = float(self.limits.burst)
        self._refilled_at: float | None = None

    def admit(self, data: object, now_s: float) -> dict[str, Any]:
        """Return the message's object.

        Parameters
        ----------
        data : bytes
            The payload; anything else is rejected.
        now_s : float
            Time in s, from any origin; one that goes back counts as none gone by.

        Raises
        ------
        RejectedError
            If the message is too large, too frequent, malformed or invalid.
        """
        return self.admit_with(data, now_s, self._decode)

    def admit_with(self, data: object, now_s: float, parse: Callable[[bytes], T]) -> T:
        """Return what `parse` makes of a message of another form, such as binary samples.

        Parameters
        ----------
        data : bytes
            The payload; anything else is rejected.
        now_s : float
            As in `admit`.
        parse : callable
            Raises ValueError, TypeError or KeyError if the message isn't one of its form.

        Raises
        ------
        RejectedError
            If the message is too large, too frequent, or `parse` raises.
        """
        try:
            self._take_token(now_s)
            if not isinstance(data, bytes | bytearray):
                raise RejectedError(Rejection.INVALID, "no bytes")
            if len(data) > self.limits.max_bytes:
                raise RejectedError(
                    Rejection.TOO_LARGE, f"{len(data)} bytes, limit {self.limits.max_bytes}"
                )
            parsed = _checked(parse, bytes(data))
        except RejectedError as error:
            self.rejected[error.rejection] += 1
            raise
        self.accepted += 1
        return parsed

    def _decode(self, data: bytes) -> dict[str, Any]:
        message = decode(data, self.limits)
        if self._validate is not None:
            self._validate(message)
        return message

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


def decode(data: object, limits: GuardLimits) -> dict[str, Any]:
    """Decode a JSON object within limits; no number in it is NaN, infinite or huge.

    Raises
    ------
    RejectedError
        If it is none.
    """
    if not isinstance(data, bytes | bytearray):
        raise RejectedError(Rejection.NOT_JSON, "no bytes")
    if len(data) > limits.max_bytes:
        raise RejectedError(Rejection.TOO_LARGE, f"{len(data)} bytes, limit {limits.max_bytes}")
    try:
        value = json.loads(
            data.decode("utf-8"),
            parse_int=_integer,
            parse_float=_float,
            parse_constant=_constant,
        )
    except RejectedError:
        raise
    except RecursionError:
        raise RejectedError(Rejection.TOO_DEEP, f"limit {limits.max_depth}") from None
    except ValueError as error:
        raise RejectedError(Rejection.NOT_JSON, str(error)[: limits.max_text]) from None
    if not isinstance(value, dict):
        raise RejectedError(Rejection.INVALID, "no object")
    _measure(value, limits)
    return value


def _measure(value: object, limits: GuardLimits) -> None:
    """Count values and levels, without recursion."""
    count = 0
    pending: list[tuple[object, int]] = [(value, 1)]
    while pending:
        item, depth = pending.pop()
        count += 1
        if count > limits.max_values:
            raise RejectedError(Rejection.TOO_MANY, f"limit {limits.max_values}")
        if isinstance(item, str) and len(item) > limits.max_text:
            raise RejectedError(Rejection.TOO_LARGE, f"text over {limits.max_text} characters")
        if not isinstance(item, dict | list):
            continue
        if depth > limits.max_depth:
            raise RejectedError(Rejection.TOO_DEEP, f"limit {limits.max_depth}")
        if isinstance(item, dict):
            pending.extend((name, depth) for name in item)
            item = list(item.values())
        pending.extend((child, depth + 1) for child in item)


def _integer(text: str) -> int:
    if len(text) > _MAX_DIGITS or abs(int(text)) > MAX_INTEGER:
        raise RejectedError(Rejection.BAD_NUMBER, f"integer beyond {MAX_INTEGER}")
    return int(text)


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise RejectedError(Rejection.BAD_NUMBER, "infinite")
    return value


def _constant(text: str) -> NoReturn:
    raise RejectedError(Rejection.BAD_NUMBER, text)


def _checked(parse: Callable[[bytes], T], data: bytes) -> T:
    try:
        return parse(data)
    except RejectedError:
        raise
    except (ValueError, TypeError, KeyError) as error:
        raise RejectedError(Rejection.INVALID, str(error)) from None
