"""Why a beat got its label: saliency, Grad-CAM and the contribution of each feature.

Importing this module imports torch.
"""

import copy
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from importlib import resources
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from classifier.errors import ModelMismatchError
from classifier.inputs.features import FloatArray
from classifier.labels import MODEL_LABELS, Label
from classifier.network.beat_cnn import BeatNetwork, NetworkConfig
from classifier.network.runtime import quiet_torchscript
from classifier.network.spec import MODEL_NAME

STEPS: Final = 64
"""Points on the way along which the features' gradients are averaged."""

TOLERANCE: Final = 1e-3
"""Of probabilities in single against double precision."""

FineArray = NDArray[np.float64]

_RENAMED: Final = {
    "opinions": "ensemble_size",
    "opinion_hidden": "ensemble_hidden",
    "opinion_share": "ensemble_share",
}
"""Settings of the network as sidecars of the first models name them."""
_RENAMED_WEIGHTS: Final = {"opinions.": "ensemble.", "is_usual": "is_normal"}
"""Beginnings of the names of weights in those models."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Explanation:
    """What spoke for one class of one beat, in log-odds: ln(p / (1 - p)) of the class."""

    label: Label
    """The class explained."""
    probabilities: FineArray
    """Of every class, in the order of `MODEL_LABELS`."""
    log_odds: float
    saliency: FineArray
    """Shape (channels, window_samples): size of the gradient by each sample of the signal."""
    grad_cam: FineArray
    """Shape (window_samples,): where the trunk saw what speaks for the class; at most 1, or all 0
    where nothing speaks for it."""
    contributions: FineArray
    """Shape (features,): log-odds that each feature adds over its mean; positive speaks for the
    class. They add up to `log_odds - baseline_log_odds`."""
    baseline_log_odds: float
    """With the same signal, but every feature at its mean."""
    deviations: FineArray
    """Shape (features,): the features in standard deviations from their mean."""


def load_network(path: Path | None = None) -> BeatNetwork:
    """Rebuild the network from an exported model, so that gradients can be taken.

    The model itself is checked by `classifier.network.runtime.load_model`, which comes first.

    Parameters
    ----------
    path : Path, optional
        The `.pt` file, its sidecar beside it; the shipped model if None.

    Raises
    ------
    ModelMismatchError
        If the file holds no named weights, or they don't fit the network the sidecar describes.
    """
    file = resources.files("classifier") / "weights" / f"{MODEL_NAME}.pt" if path is None else path
    sidecar = (
        resources.files("classifier") / "weights" / f"{MODEL_NAME}.json"
        if path is None
        else path.with_suffix(".json")
    )
    with quiet_torchscript():
        scripted = torch.jit.load(  # type: ignore[no-untyped-call]
            io.BytesIO(file.read_bytes()), map_location="cpu"
        )
    state = {_weight_name(name): weight for name, weight in scripted.state_dict().items()}
    if not state:
        raise ModelMismatchError(
            f"{file} was written without the names of its weights, so that it can't be explained; "
            "run ecg-stream train to write it anew"
        )
    try:
        network = BeatNetwork(_network_config(json.loads(sidecar.read_text())["config"]["network"]))
        network.load_state_dict(state)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise ModelMismatchError(
            f"{file} is not of the network that this program has ({reason}); run ecg-stream train"
        ) from error
    return network.eval()


def require_same(why: Explanation, served: Sequence[float]) -> None:
    """Make sure that what was explained is what the served model said.

    Parameters
    ----------
    why : Explanation
    served : sequence of float
        Probabilities that the TorchScript model gave the same beat.

    Raises
    ------
    ModelMismatchError
        If they differ by more than rounding.
    """
    if not np.allclose(why.probabilities, served, atol=TOLERANCE):
        raise ModelMismatchError(
            "the model gives this beat other probabilities than its weights do in this program's "
            "network; run ecg-stream train to make a model that fits"
        )


def _weight_name(name: str) -> str:
    """Return today's name of a weight in an exported model."""
    name = name.removeprefix("network.")
    for former, present in _RENAMED_WEIGHTS.items():
        if name.startswith(former):
            return present + name.removeprefix(former)
    return name


def _network_config(values: dict[str, Any]) -> NetworkConfig:
    """Build the configuration from the sidecar, where tuples are lists."""
    values = {_RENAMED.get(name, name): value for name, value in values.items()}
    known = {field.name for field in fields(NetworkConfig)}
    unknown = values.keys() - known
    if unknown:
        raise ValueError(f"unknown settings {', '.join(sorted(unknown))}")
    chosen: dict[str, Any] = {n: tuple(v) if isinstance(v, list) else v for n, v in values.items()}
    return NetworkConfig(**chosen)


def explain(
    network: BeatNetwork, signal: FloatArray, features: FloatArray, label: Label | None = None
) -> Explanation:
    """Explain one beat.

    Saliency is the gradient by the input (Simonyan et al. 2014, arXiv:1312.6034), Grad-CAM weighs
    the trunk's last activations by their mean gradient (Selvaraju et al. 2017,
    doi:10.1109/ICCV.2017.74), in one dimension here. The features' contributions are their
    integrated gradients (Sundararajan et al. 2017, arXiv:1703.01365) on the straight way from their
    means.

    Deviation from all three: in place of the class's logit its log-odds are followed. What is
    added to every logit changes no label, and so doesn't count here.

    Parameters
    ----------
    network : BeatNetwork
        Left as it is.
    signal : ndarray of float32, shape (1, channels, window_samples)
    features : ndarray of float32, shape (1, features)
    label : Label, optional
        Class to explain; the most probable one if None.
    """
    # In double precision the log-odds of a sure label keep their gradient.
    fine = copy.deepcopy(network).double().eval()
    x = torch.from_numpy(signal).double().requires_grad_()
    given = torch.from_numpy(features).double()
    activations: list[Tensor] = []
    hook = fine.trunk.register_forward_hook(lambda *parts: activations.append(parts[2]))
    probabilities = fine(x, given)
    hook.remove()
    chosen = int(probabilities.argmax()) if label is None else MODEL_LABELS.index(label)
    score = _log_odds(probabilities, chosen)[0]
    gradient, weights = _gradients(score, [x, *activations])
    contributions, baseline = _contributions(fine, x.detach(), given, chosen)
    return Explanation(
        label=MODEL_LABELS[chosen],
        probabilities=_array(probabilities[0]),
        log_odds=score.item(),
        saliency=_array(gradient[0].abs()),
        grad_cam=grad_cam(_array(activations[0][0]), _array(weights[0]), signal.shape[2]),
        contributions=_array(contributions),
        baseline_log_odds=baseline,
        deviations=_array(((given - fine.feature_mean) / fine.feature_scale)[0]),
    )


def _gradients(score: Tensor, inputs: list[Tensor]) -> list[Tensor]:
    """Gradients of a number; zero by what it doesn't depend on."""
    if not score.requires_grad:
        return [torch.zeros_like(one) for one in inputs]
    found = torch.autograd.grad(score, inputs, allow_unused=True)
    return [
        torch.zeros_like(one) if gradient is None else gradient
        for one, gradient in zip(inputs, found, strict=True)
    ]


def _log_odds(probabilities: Tensor, chosen: int) -> Tensor:
    """Log-odds of a class, (n,), from probabilities, (n, classes)."""
    others = [column for column in range(probabilities.shape[1]) if column != chosen]
    return torch.log(probabilities[:, chosen]) - torch.log(probabilities[:, others].sum(dim=1))


def _contributions(
    network: BeatNetwork, signal: Tensor, features: Tensor, chosen: int
) -> tuple[Tensor, float]:
    """Integrate the gradients by the features from their means, by the midpoint rule."""
    baseline = network.feature_mean[None]
    way = (torch.arange(STEPS, dtype=features.dtype)[:, None] + 0.5) / STEPS
    points = (baseline + way * (features - baseline)).requires_grad_()
    repeated = signal.expand(STEPS, -1, -1)
    score = _log_odds(network(repeated, points), chosen)
    (gradient,) = _gradients(score.sum(), [points])
    with torch.no_grad():
        start = _log_odds(network(signal, baseline), chosen)
    return gradient.mean(dim=0) * (features - baseline)[0], start.item()


def grad_cam(activations: FineArray, gradients: FineArray, columns: int) -> FineArray:
    """Weigh and add the activations, (maps, t), keep what is positive, and stretch over the window.

    Parameters
    ----------
    activations, gradients : ndarray of float64, shape (maps, t)
        Of one beat, and the gradient of what is explained by them.
    columns : int
        Of the window.

    Returns
    -------
    ndarray of float64, shape (columns,)
        At most 1, or all 0 where nothing speaks for it.

    Notes
    -----
    Every layer halves the time axis and begins at the same sample, so that activation j is centred
    on column j * columns / t.
    """
    seen = np.maximum(gradients.mean(axis=1) @ activations, 0.0)
    if seen.max(initial=0.0) > 0.0:
        seen = seen / seen.max()
    places = np.arange(seen.size) * (columns / seen.size)
    return np.asarray(np.interp(np.arange(columns), places, seen), np.float64)


def _array(values: Tensor) -> FineArray:
    return np.asarray(values.detach().numpy(), np.float64)
