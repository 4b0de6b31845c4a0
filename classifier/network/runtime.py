"""Load the shipped model and run it on one beat at a time."""

import hashlib
import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np

from classifier.errors import ModelMismatchError
from classifier.inputs.features import FloatArray
from classifier.network.spec import MODEL_NAME, ModelSpec, read_file, read_spec

if TYPE_CHECKING:
    import torch

EMBED: Final = "embed"
DECIDE: Final = "decide"
"""Methods of a served network; its `forward` is the one after the other."""
STEP: Final = "step"
"""A step of its rhythm model, which serving has compiled: `classifier.inputs.sequence`."""
_RHYTHM: Final = "rhythm."
_WARM_UP_RUNS: Final = 4
"""The TorchScript executor optimises itself during its first runs."""


class BeatModel(Protocol):
    """Anything that turns beats into class probabilities, in two steps.

    What the network makes of a beat's signal is most of its work, and serves both labels of the
    beat: between the provisional and the confirmed one only the features change.
    """

    @property
    def spec(self) -> ModelSpec:
        """What the model was made for."""
        ...

    def embed(self, signal: FloatArray) -> FloatArray:
        """Return what the network makes of beats' signals.

        Parameters
        ----------
        signal : ndarray of float32, shape (n, channels, window_samples)

        Returns
        -------
        ndarray of float32, shape (n, k)
            k is the model's own.
        """
        ...

    def decide(self, embedding: FloatArray, features: FloatArray) -> FloatArray:
        """Return class probabilities.

        Parameters
        ----------
        embedding : ndarray of float32, shape (n, k)
            As `embed` returned it.
        features : ndarray of float32, shape (n, len(FEATURE_NAMES))

        Returns
        -------
        ndarray of float32, shape (n, classes)
            In the order of `classifier.labels.MODEL_LABELS`.
        """
        ...


@contextmanager
def quiet_torchscript() -> Iterator[None]:
    """Silence torch's notices that TorchScript and its ONNX exporter are on their way out.

    TorchScript is the runtime that ships; the ONNX export of the same weights is the way onward.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"`torch\.jit\.", DeprecationWarning)
        warnings.filterwarnings("ignore", r".*legacy TorchScript-based ONNX", DeprecationWarning)
        warnings.filterwarnings("ignore", r"The feature will be removed", DeprecationWarning)
        yield


class TorchScriptModel:
    """A frozen TorchScript network, one beat at a time on one thread.

    Beats are never batched: floating-point sums depend on the batch's shape, and a label must not
    depend on how the stream was cut.

    Parameters
    ----------
    module : torch.jit.ScriptModule
        With the methods `EMBED` and `DECIDE`.
    spec : ModelSpec
    """

    def __init__(self, module: "torch.jit.ScriptModule", spec: ModelSpec) -> None:
        import torch  # noqa: PLC0415

        self._torch = torch
        self._embed, self._decide = getattr(module, EMBED), getattr(module, DECIDE)
        self._spec = spec
        signal = np.zeros((1, len(spec.channels), spec.window_samples), np.float32)
        features = np.zeros((1, len(spec.features)), np.float32)
        for _ in range(_WARM_UP_RUNS):
            self.predict(signal, features)

    @property
    def spec(self) -> ModelSpec:
        """What the model was made for."""
        return self._spec

    def embed(self, signal: FloatArray) -> FloatArray:
        """Return what the network makes of beats' signals; see `BeatModel.embed`."""
        if len(signal) <= 1:
            return self.embed_batch(signal)
        return np.concatenate([self.embed_batch(signal[i : i + 1]) for i in range(len(signal))])

    def decide(self, embedding: FloatArray, features: FloatArray) -> FloatArray:
        """Return class probabilities; see `BeatModel.decide`."""
        if len(embedding) <= 1:
            return self.decide_batch(embedding, features)
        rows = [slice(i, i + 1) for i in range(len(embedding))]
        return np.concatenate([self.decide_batch(embedding[row], features[row]) for row in rows])

    def predict(self, signal: FloatArray, features: FloatArray) -> FloatArray:
        """Return class probabilities of signals and features: `embed`, then `decide`."""
        return self.decide(self.embed(signal), features)

    def embed_batch(self, signal: FloatArray) -> FloatArray:
        """Embed beats together; the last digits depend on how many they are."""
        with self._torch.inference_mode():
            found: FloatArray = self._embed(self._torch.from_numpy(signal)).numpy()
        return found

    def decide_batch(self, embedding: FloatArray, features: FloatArray) -> FloatArray:
        """Decide on beats together; the last digits depend on how many they are."""
        from_numpy = self._torch.from_numpy
        with self._torch.inference_mode():
            found: FloatArray = self._decide(from_numpy(embedding), from_numpy(features)).numpy()
        return found


def load_model(path: Path | None = None) -> TorchScriptModel:
    """Load a TorchScript model with its sidecar, on one thread, warmed up.

    Sets the number of torch's threads of this process to one: a beat is too small to share.

    Parameters
    ----------
    path : Path, optional
        The `.pt` file; its sidecar lies beside it and ends in `.json`. The shipped model if None.

    Raises
    ------
    ModelMismatchError
        If a file is missing, the two don't belong together, or the model was made for other
        inputs than this program's.
    """
    model_file, sidecar_file = _locate(path)
    spec = read_spec(sidecar_file)
    content = read_file(model_file)
    digest = hashlib.sha256(content).hexdigest()
    if digest != spec.sha256:
        raise ModelMismatchError(
            f"{model_file} has sha256 {digest[:12]}..., its sidecar expects {spec.sha256[:12]}...; "
            "put the two files of one training run side by side, or run ecg-stream train"
        )
    import torch  # noqa: PLC0415

    torch.set_num_threads(1)
    with quiet_torchscript():
        module: torch.jit.ScriptModule = torch.jit.load(  # type: ignore[no-untyped-call]
            io.BytesIO(content), map_location="cpu"
        )
        steps = [EMBED, DECIDE]
        missing = [step for step in steps if not hasattr(module, step)]
        if missing:
            raise ModelMismatchError(
                f"{model_file} has no method {' and no '.join(missing)}, expected "
                f"{EMBED}(signal) and {DECIDE}(embedding, features); run ecg-stream train to make "
                "one that fits"
            )
        spec = replace(spec, rhythm=_rhythm_weights(module))
        module = torch.jit.optimize_for_inference(module.eval(), other_methods=steps)
    return TorchScriptModel(module, spec)


def shipped_spec() -> ModelSpec:
    """Return what the shipped model says of itself, without loading it."""
    return read_spec(_locate(None)[1])


def _rhythm_weights(module: "torch.jit.ScriptModule") -> Any:
    """Return the rhythm model's weights for the compiled step."""
    from classifier.network.rhythm_model import compiled_weights  # noqa: PLC0415

    state = module.state_dict()
    prefix = next((name.partition(_RHYTHM)[0] for name in state if _RHYTHM in name), None)
    return None if prefix is None else compiled_weights(state, prefix + _RHYTHM)


def _locate(path: Path | None) -> tuple[Path | Traversable, Path | Traversable]:
    """Return the model's file and its sidecar."""
    if path is not None:
        return path, path.with_suffix(".json")
    folder = resources.files("classifier") / "weights"
    return folder / f"{MODEL_NAME}.pt", folder / f"{MODEL_NAME}.json"
