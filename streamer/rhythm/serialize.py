"""What the rhythm rules remember as plain values and back, for snapshots."""

from collections import deque
from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from typing import TYPE_CHECKING, Any, get_args, get_origin, get_type_hints

import msgspec

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def plain(value: Any) -> Any:
    """Turn a value of dataclasses, named tuples, enums and collections into what JSON can hold."""
    return msgspec.to_builtins(value, enc_hook=list, order="deterministic")


def convert(value: Any, into: Any) -> Any:
    """Turn what `plain` returned back into a value of a type.

    Raises
    ------
    ValueError
        If it is none.
    """
    try:
        return msgspec.convert(value, into, dec_hook=_to_deque)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from error


def _to_deque(into: Any, value: Any) -> Any:
    """Turn a list into a deque, the one type here that msgspec doesn't know."""
    if get_origin(into) is not deque:
        raise NotImplementedError(f"got a value to turn into {into}, expected a deque")
    (item,) = get_args(into)
    return deque(convert(one, item) for one in value)


def plain_fields(part: "DataclassInstance") -> dict[str, Any]:
    """Return the fields of a dataclass as plain values, but its configuration and its parts."""
    return {name: plain(getattr(part, name)) for name in _types(type(part))}


def restore_fields(part: "DataclassInstance", state: Mapping[str, Any]) -> None:
    """Take over what `plain_fields` returned; deques keep their maximum lengths.

    Raises
    ------
    KeyError, ValueError
        If it is something else.
    """
    values = {name: convert(state[name], into) for name, into in _types(type(part)).items()}
    for name, value in values.items():
        before = getattr(part, name)
        setattr(part, name, deque(value, before.maxlen) if isinstance(before, deque) else value)


@cache
def _types(part: "type[DataclassInstance]") -> dict[str, Any]:
    hints = get_type_hints(part)
    return {f.name: hints[f.name] for f in fields(part) if f.init and f.name != "config"}
