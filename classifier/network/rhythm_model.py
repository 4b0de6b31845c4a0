"""The rhythm model as torch trains it: a recurrent network over the sequence of beats.

Serving goes through the compiled `classifier.inputs.sequence`, from the same weights; `step` here
is the same function of state and input, for export and for the test that both agree. Importing this
module imports torch.
"""

from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from classifier.inputs.features import Feature
from classifier.inputs.sequence import (
    COLUMNS,
    EVIDENCE_STEP,
    HIDDEN,
    INPUT_LIMIT,
    N_CLASSES,
    N_INPUTS,
    N_OUTPUTS,
    N_RHYTHM,
    N_SHAPE,
    PROJECTED,
    untrained,
)

_COLUMNS: Final = COLUMNS.tolist()


class RhythmModel(nn.Module):
    """Logits of a beat's class, of the class of the beat before, and of atrial fibrillation."""

    is_trained: Tensor
    mean: Tensor
    scale: Tensor
    ventricular: Tensor
    ventricular_bias: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("is_trained", torch.zeros((), dtype=torch.int64))
        self.register_buffer("mean", torch.zeros(N_RHYTHM + N_SHAPE))
        self.register_buffer("scale", torch.ones(N_RHYTHM + N_SHAPE))
        self.register_buffer("ventricular", torch.zeros(N_SHAPE))
        self.register_buffer("ventricular_bias", torch.zeros(()))
        self.projection = nn.Linear(N_INPUTS, PROJECTED)
        self.unit = nn.GRU(PROJECTED, HIDDEN, batch_first=True)
        self.outputs = nn.Linear(HIDDEN, N_OUTPUTS)

    def standardise(self, features: Tensor) -> Tensor:
        """Turn features, (..., len(Feature)), into inputs, (..., N_INPUTS)."""
        measures = (features[..., _COLUMNS] - self.mean) / self.scale
        measures = measures.clamp(-INPUT_LIMIT, INPUT_LIMIT)
        rhythm, shape = measures[..., :N_RHYTHM], measures[..., N_RHYTHM:]
        evidence = shape @ self.ventricular + self.ventricular_bias
        evidence = evidence.clamp(-INPUT_LIMIT, INPUT_LIMIT) / EVIDENCE_STEP
        return torch.cat([rhythm, evidence[..., None], shape], dim=-1)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map sequences of inputs, (n, beats, N_INPUTS), to logits, (n, beats, N_OUTPUTS)."""
        states, _ = self.unit(torch.relu(self.projection(inputs)))
        found: Tensor = self.outputs(states)
        return found

    def step(self, hidden: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """Go on by one beat.

        Parameters
        ----------
        hidden : Tensor, shape (n, HIDDEN)
        features : Tensor, shape (n, len(Feature))

        Returns
        -------
        hidden : Tensor, shape (n, HIDDEN)
        logits : Tensor, shape (n, N_OUTPUTS)
        """
        inputs = torch.relu(self.projection(self.standardise(features)))
        unit = dict(self.unit.named_parameters())
        # Written out, as neither tracing nor ONNX takes the whole unit for a single step.
        new = functional.linear(inputs, unit["weight_ih_l0"], unit["bias_ih_l0"]).chunk(3, dim=1)
        old = functional.linear(hidden, unit["weight_hh_l0"], unit["bias_hh_l0"]).chunk(3, dim=1)
        reset, update = torch.sigmoid(new[0] + old[0]), torch.sigmoid(new[1] + old[1])
        candidate = torch.tanh(new[2] + reset * old[2])
        hidden = (1.0 - update) * candidate + update * hidden
        return hidden, self.outputs(hidden)


def example_step() -> tuple[Tensor, Tensor]:
    """Return state and features of the right shape, from a fixed seed."""
    generator = torch.Generator().manual_seed(1)
    return torch.randn(1, HIDDEN, generator=generator), torch.randn(
        1, len(Feature), generator=generator
    )


def compiled_weights(state: dict[str, Tensor], prefix: str = "") -> Any:
    """Return a rhythm model's weights as the compiled step takes them.

    Parameters
    ----------
    state : dict of str to Tensor
        The `state_dict` of a `RhythmModel`, or of what holds one.
    prefix : str
        Of its names there.

    Returns
    -------
    structured ndarray of `sequence.WEIGHTS`, shape (1,)
    """
    weights = untrained()
    for field, name in (
        *((name, name) for name in ("is_trained", "mean", "scale")),
        *((name, name) for name in ("ventricular", "ventricular_bias")),
        ("projection", "projection.weight"),
        ("projection_bias", "projection.bias"),
        ("gates", "unit.weight_ih_l0"),
        ("gates_bias", "unit.bias_ih_l0"),
        ("recurrent", "unit.weight_hh_l0"),
        ("recurrent_bias", "unit.bias_hh_l0"),
        ("outputs", "outputs.weight"),
        ("outputs_bias", "outputs.bias"),
    ):
        # Torch has outputs along the rows.
        values = state[prefix + name].detach().numpy()
        weights[field][0] = values.T
    return weights


def split_logits(logits: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Split into logits of the beat, (..., classes), of the beat before, and of fibrillation."""
    return logits[..., :N_CLASSES], logits[..., N_CLASSES:-1], logits[..., -1]
