"""What the fields of messages may hold: bounds for the decoder, words for the schema."""

from collections.abc import Iterable
from typing import Annotated, Any, Final

from msgspec import Meta

from streamer.core.events import EctopyCondition, Priority, Rhythm

SOURCE_PATTERN: Final = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
MAX_INTEGER: Final = 2**53
"""Largest that JSON readers agree on (RFC 8259, section 6)."""
MAX_INDEX: Final = 1 << 60
"""Leaves room for arithmetic on sample indices in 64 bits."""
QUANTILES: Final = {"median": 0.5, "p95": 0.95, "p99": 0.99, "p99.9": 0.999, "max": 1.0}
"""Those of latencies that are published."""


def said(description: str, **schema: Any) -> Meta:
    """Describe a field."""
    return Meta(description=description, extra_json_schema=schema or None)


def words(description: str, words: Iterable[str | None]) -> Meta:
    """Name the words that this version says; the decoder lets later ones pass."""
    return said(description, enum=list(words))


def keys(description: str, names: Iterable[str]) -> Meta:
    """Name the keys of an object, likewise."""
    return said(description, propertyNames={"enum": list(names)})


Text = Annotated[str, Meta(max_length=256)]
Source = Annotated[
    str,
    Meta(
        pattern=f"^{SOURCE_PATTERN}$",
        description="name of the source, as in the topic",
    ),
]
Time = Annotated[
    str,
    Meta(
        pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$",
        max_length=27,
        description="UTC, ISO 8601",
    ),
]
Count = Annotated[int, Meta(ge=0, le=MAX_INTEGER)]
Sample = Annotated[
    int, Meta(ge=-MAX_INDEX, le=MAX_INDEX, description="sample index at the source's fs")
]
Number = Annotated[float, Meta(ge=-MAX_INTEGER, le=MAX_INTEGER)]
NotNegative = Annotated[float, Meta(ge=0, le=MAX_INTEGER)]
Positive = Annotated[float, Meta(gt=0, le=MAX_INTEGER)]
Unit = Annotated[float, Meta(ge=0, le=1)]
Rate = Annotated[Positive | None, said("1/min")]
RhythmName = Annotated[Text, words("name of the rhythm", Rhythm)]
PriorityName = Annotated[
    Text, words("in the sense of IEC 60601-1-8", [item.name.lower() for item in Priority])
]
ConditionName = Annotated[
    Text, words("what an alert is about", sorted({*map(str, EctopyCondition), *map(str, Rhythm)}))
]
Quantiles = Annotated[
    dict[str, NotNegative | None], keys("ms; null while nothing was measured", QUANTILES)
]
