"""What a model was made for: the part of its sidecar that serving needs."""

import json
from dataclasses import asdict, dataclass, field, replace
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Final

from classifier.errors import ModelMismatchError
from classifier.inputs.features import FEATURE_NAMES, inputs_hash
from classifier.inputs.geometry import GEOMETRY, SIGNAL_CHANNELS
from classifier.labels import MODEL_LABELS

MODEL_NAME: Final = "beat_cnn"
FORMAT_VERSION: Final = 3
_NOT_IN_SIDECAR: Final = "rhythm"
_DATABASES: Final = frozenset({"mitdb", "svdb", "ltafdb_1h", "cpsc2021_more"})
"""Whose records the shipped model was trained on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """What a model was made for: the part of its sidecar that serving needs."""

    name: str
    fs_hz: float
    window_samples: int
    r_column: int
    n_leads: int
    classes: tuple[str, ...]
    channels: tuple[str, ...]
    features: tuple[str, ...]
    inputs_hash: str
    training_records: tuple[str, ...]
    quality_min: float
    """R peaks of a lower `quality` are not judged (label Q)."""
    sha256: str
    """Of the TorchScript file."""
    rhythm: Any = field(default=None, compare=False, repr=False)
    """Weights of the rhythm model, a record of `sequence.WEIGHTS`, shape (1,), out of the
    TorchScript file; without them the measures of the sequence are 0."""

    def is_trained_on(self, database: str | None, record: str) -> bool:
        """Tell whether a record was trained on: other databases have records of the same name."""
        return database in _DATABASES and record in self.training_records


def own_spec(
    *,
    training_records: tuple[str, ...] = (),
    quality_min: float = 0.0,
    sha256: str = "",
    name: str = MODEL_NAME,
) -> ModelSpec:
    """Return the specification of a model made for exactly this program's inputs."""
    return ModelSpec(
        name=name,
        fs_hz=GEOMETRY.fs_hz,
        window_samples=GEOMETRY.window_samples,
        r_column=GEOMETRY.r_column,
        n_leads=1,
        classes=tuple(label.value for label in MODEL_LABELS),
        channels=SIGNAL_CHANNELS,
        features=FEATURE_NAMES,
        inputs_hash=inputs_hash(),
        training_records=training_records,
        quality_min=quality_min,
        sha256=sha256,
    )


def sidecar_values(spec: ModelSpec) -> dict[str, Any]:
    """Return what a sidecar says of a specification."""
    values = asdict(replace(spec, rhythm=None))
    del values[_NOT_IN_SIDECAR]
    return values


def read_spec(sidecar: Path | Traversable) -> ModelSpec:
    """Read a sidecar and refuse it if it isn't for this program's inputs.

    Raises
    ------
    ModelMismatchError
        If the file is missing or damaged, or the model was made for other inputs.
    """
    try:
        values: dict[str, Any] = json.loads(read_file(sidecar))
        spec = _spec_from(values)
    except (ValueError, KeyError, TypeError) as error:
        raise ModelMismatchError(
            f"{sidecar} is no model sidecar ({error}); run ecg-stream train to write a new one"
        ) from error
    ours = own_spec()
    for name in (
        "fs_hz",
        "window_samples",
        "r_column",
        "n_leads",
        "classes",
        "channels",
        "inputs_hash",
    ):
        theirs, expected = getattr(spec, name), getattr(ours, name)
        if theirs != expected:
            raise ModelMismatchError(
                f"{sidecar}: the model was made for {name} = {theirs}, this program works with "
                f"{expected}; run ecg-stream train to make one that fits"
            )
    return spec


def _spec_from(values: dict[str, Any]) -> ModelSpec:
    if values["format_version"] != FORMAT_VERSION:
        raise ValueError(f"format version {values['format_version']}, expected {FORMAT_VERSION}")
    listed = ("classes", "channels", "features", "training_records")
    names = set(ModelSpec.__dataclass_fields__) - {_NOT_IN_SIDECAR}
    chosen: dict[str, Any] = {name: values[name] for name in names}
    chosen |= {name: tuple(chosen[name]) for name in listed}
    return ModelSpec(**chosen)


def read_file(file: Path | Traversable) -> bytes:
    """Read a model's file.

    Raises
    ------
    ModelMismatchError
        If it can't be read.
    """
    try:
        return file.read_bytes()
    except OSError as error:
        raise ModelMismatchError(
            f"no model file {file} ({error.strerror}); run ecg-stream train --out DIR to make one"
        ) from error
