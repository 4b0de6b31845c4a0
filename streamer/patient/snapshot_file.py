"""Snapshots on disk: JSON, so that reading one can't run anything, written whole or not at all."""

import base64
import json
import os
import zlib
from pathlib import Path
from typing import Any, Final

import numpy as np

from streamer.core.errors import OutputError, SnapshotError
from streamer.core.stage import Snapshot

SUFFIX: Final = ".snapshot"
_ARRAY: Final = "__array__"
_SNAPSHOT: Final = "__snapshot__"
_FAST: Final = 1


def make_folder(path: Path | None) -> None:
    """Make the folder of snapshots, if there is to be one.

    Raises
    ------
    OutputError
        If that is impossible.
    """
    if path is None:
        return
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"can't make snapshot folder {path}: {error.strerror}") from error


def snapshot_path(folder: Path, source: str) -> Path:
    """Return where a patient's state is."""
    return folder / f"{source}{SUFFIX}"


def write_snapshot(path: Path, state: dict[str, Any]) -> None:
    """Write a state that may hold snapshots, replacing an older file at once.

    Raises
    ------
    OutputError
        If the file can't be written.
    """
    text = json.dumps(_plain(state), separators=(",", ":"))
    try:
        write_whole(path, zlib.compress(text.encode(), _FAST))
    except OSError as error:
        raise OutputError(f"can't write snapshot {path}: {error.strerror}") from error


def write_whole(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, onto the disk, replacing an older one at once.

    Raises
    ------
    OSError
        If that fails.
    """
    beside = path.with_suffix(".writing")
    with beside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def read_snapshot(path: Path) -> dict[str, Any]:
    """Read what `write_snapshot` wrote.

    Raises
    ------
    SnapshotError
        If the file is missing, damaged or of another kind.
    """
    try:
        state = _rich(json.loads(zlib.decompress(path.read_bytes())))
    except (OSError, ValueError, KeyError, TypeError, zlib.error) as error:
        raise SnapshotError(
            f"{path} is no usable snapshot ({error}); remove it to start that patient anew"
        ) from error
    if not isinstance(state, dict):
        raise SnapshotError(f"{path} is no usable snapshot; remove it to start that patient anew")
    return state


def _plain(value: Any) -> Any:
    """Turn arrays and snapshots into JSON."""
    if isinstance(value, Snapshot):
        return {_SNAPSHOT: [value.stage, value.version, _plain(value.state)]}
    if isinstance(value, np.ndarray):
        descr = np.lib.format.dtype_to_descr(value.dtype)
        data = base64.b64encode(np.ascontiguousarray(value).tobytes()).decode()
        return {_ARRAY: [descr, list(value.shape), data]}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _rich(value: Any) -> Any:
    """Turn JSON back into arrays and snapshots."""
    if isinstance(value, list):
        return [_rich(item) for item in value]
    if not isinstance(value, dict):
        return value
    if _ARRAY in value:
        descr, shape, data = value[_ARRAY]
        dtype = np.lib.format.descr_to_dtype(_descr(descr))
        return np.frombuffer(base64.b64decode(data), dtype).reshape(shape).copy()
    if _SNAPSHOT in value:
        stage, version, state = value[_SNAPSHOT]
        return Snapshot(stage=stage, version=version, state=_rich(state))
    return {key: _rich(item) for key, item in value.items()}


def _descr(descr: Any) -> Any:
    """Put back the tuples of which JSON made lists."""
    if isinstance(descr, str):
        return descr
    fields = []
    for name, kind, *shape in descr:
        fields.append((name, _descr(kind), *(tuple(axes) for axes in shape)))
    return fields
