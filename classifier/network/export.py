"""Write a trained network as TorchScript with its sidecar, and as ONNX.

Importing this module imports torch.
"""

import hashlib
import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from classifier.inputs.features import FEATURE_NAMES
from classifier.inputs.geometry import GEOMETRY, SIGNAL_CHANNELS
from classifier.network.beat_cnn import BeatNetwork
from classifier.network.folded import FoldedNetwork, can_fold
from classifier.network.rhythm_model import RhythmModel, example_step
from classifier.network.runtime import DECIDE, EMBED, STEP, quiet_torchscript
from classifier.network.spec import FORMAT_VERSION, ModelSpec, sidecar_values


def example_inputs(n: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    """Return signal and features of the right shape, from a fixed seed."""
    generator = torch.Generator().manual_seed(0)
    signal = torch.randn(n, len(SIGNAL_CHANNELS), GEOMETRY.window_samples, generator=generator)
    return signal, torch.randn(n, len(FEATURE_NAMES), generator=generator)


def export_torchscript(
    network: BeatNetwork, path: Path, spec: ModelSpec, extra: dict[str, Any] | None = None
) -> ModelSpec:
    """Write `path` (TorchScript) and the sidecar beside it.

    The weights keep their names (after `network.` where it was folded), so that
    `classifier.network.explanation` can rebuild the network; `classifier.network.runtime` freezes
    what it loads, which works out what follows from the weights alone.

    Parameters
    ----------
    network : BeatNetwork
        Left in evaluation mode.
    path : Path
        Ends in `.pt`; the sidecar has the same name with `.json`.
    spec : ModelSpec
        Its sha256 is filled in.
    extra : dict, optional
        More for the sidecar: scores, versions, configuration.

    Returns
    -------
    ModelSpec
        As written.
    """
    served, (signal, features) = _served(network), example_inputs()
    inputs = {
        "forward": (signal, features),
        EMBED: (signal,),
        DECIDE: (served.embed(signal), features),
        STEP: example_step(),
    }
    buffer = io.BytesIO()
    with quiet_torchscript():
        scripted = torch.jit.trace_module(  # type: ignore[no-untyped-call]
            served, inputs, check_trace=False
        )
        torch.jit.save(scripted, buffer)
    content = without_source_paths(buffer.getvalue())
    spec = replace(spec, sha256=hashlib.sha256(content).hexdigest())
    sidecar = {"format_version": FORMAT_VERSION} | sidecar_values(spec) | (extra or {})
    path.write_bytes(content)
    path.with_suffix(".json").write_text(json.dumps(sidecar, indent=2) + "\n")
    return spec


def _served(network: BeatNetwork) -> BeatNetwork | FoldedNetwork:
    """Return the network as it is served."""
    network.eval()
    return FoldedNetwork(network).eval() if can_fold(network) else network


def without_source_paths(archive: bytes) -> bytes:
    """Drop the debug entries of a TorchScript archive, which name files of the training machine.

    Time stamps are set to a constant as well.
    """
    slim = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(archive)) as source,
        zipfile.ZipFile(slim, "w", zipfile.ZIP_STORED) as target,
    ):
        for name in source.namelist():
            if not name.endswith(".debug_pkl"):
                target.writestr(zipfile.ZipInfo(name), source.read(name))
    return slim.getvalue()


def export_onnx(network: BeatNetwork, path: Path) -> None:
    """Write the same network as ONNX: inputs `signal`, `features`, output `probabilities`.

    The rhythm model goes beside it, into a file that ends in ``.rhythm.onnx``: inputs `hidden` and
    `features`, outputs `hidden_after` and `logits`.
    """
    network.eval()
    rhythm = _Step(network.rhythm)
    _export_onnx(network, path, example_inputs(), ("signal", "features"), ("probabilities",))
    _export_onnx(
        rhythm,
        path.with_suffix(f".rhythm{path.suffix}"),
        example_step(),
        ("hidden", "features"),
        ("hidden_after", "logits"),
    )


class _Step(torch.nn.Module):
    """A rhythm model whose `forward` is one step, as the exporter wants it."""

    def __init__(self, model: RhythmModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, hidden: torch.Tensor, features: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """See `RhythmModel.step`."""
        return self.model.step(hidden, features)


def _export_onnx(
    module: torch.nn.Module,
    path: Path,
    example: tuple[torch.Tensor, ...],
    inputs: tuple[str, ...],
    outputs: tuple[str, ...],
) -> None:
    with quiet_torchscript():
        torch.onnx.export(
            module,
            example,
            path,
            dynamo=False,
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_axes={name: {0: "n"} for name in (*inputs, *outputs)},
        )
