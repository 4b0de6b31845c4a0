"""The trained network in fewer operations, for serving.

At this size a beat's time goes into starting operations, not into arithmetic. What follows from the
weights alone is worked out while tracing or freezing: normalisations go into the layers beside
them, convolutions that read the same samples become one, and so do the layers of all heads, whose
logits are averaged anyway. The result is that of `BeatNetwork.forward` but for rounding.

Importing this module imports torch.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from classifier.inputs.features import FEATURE_NAMES, N_NEXT
from classifier.labels import MODEL_LABELS
from classifier.network.beat_cnn import (
    MATURITY,
    RESIDUAL,
    BeatNetwork,
    ResidualBlock,
    rhythm_log_odds,
)

_Layer = tuple[Tensor, Tensor]
"""Weight and bias."""


def can_fold(network: BeatNetwork) -> bool:
    """Tell whether a network has all its inputs and several heads; others are served as is."""
    uses_all = network.use_template and network.use_features and network.use_signal
    return uses_all and len(network.ensemble) > 0


class FoldedNetwork(nn.Module):
    """A `BeatNetwork` with the same methods and outputs, to be traced and frozen.

    Parameters
    ----------
    network : BeatNetwork
        Trained; its parameters stay available under their names, after `network.`.
    """

    def __init__(self, network: BeatNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, signal: Tensor, features: Tensor) -> Tensor:
        """Map signal and features to probabilities, as `BeatNetwork.forward` does."""
        return self.decide(self.embed(signal), features)

    def step(self, hidden: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """Go on by one beat in the rhythm model; see `RhythmModel.step`."""
        return self.network.step(hidden, features)

    def embed(self, signal: Tensor) -> Tensor:
        """Turn the signal into numbers, as `BeatNetwork.embed` does."""
        x = self._trunk(signal)
        return torch.cat([x.mean(dim=2), x.amax(dim=2)], dim=1)

    def decide(self, embedding: Tensor, features: Tensor) -> Tensor:
        """Turn embedding and features into probabilities, as `BeatNetwork.decide` does."""
        joined = torch.cat([embedding, features], dim=1)
        hidden = torch.relu(functional.linear(joined, *self._first_layer()))
        rules = torch.sigmoid(functional.linear(features, *self._rules()))
        known = torch.cat(
            [hidden, rules, features.narrow(1, len(FEATURE_NAMES) - N_NEXT, 1)], dim=1
        )
        logits = functional.linear(known, *self._last_layer())
        logits = logits + self.network.rhythm_shares * rhythm_log_odds(features)
        return torch.softmax(logits, dim=1)

    def _trunk(self, signal: Tensor) -> Tensor:
        """Turn beat and template, (n, 2, t), into channels; their difference is a sum of both."""
        conv, norm, _, *blocks = self.network.trunk
        weight, bias = _normalised(conv, norm)
        of_beat, of_template, of_difference = weight.unbind(dim=1)
        weight = torch.stack([of_beat + of_difference, of_template - of_difference], dim=1)
        x = torch.relu(functional.conv1d(signal, weight, bias, stride=2, padding=_padding(conv)))
        for block in blocks:
            x = _block(block, x)
        return x

    def _first_layer(self) -> _Layer:
        """Join the first layers of all heads; all but one see nothing of the signal."""
        network = self.network
        first, *others = [_linear(head[1]) for head in (network.head, *network.ensemble)]
        n_embedded = first.in_features - others[0].in_features
        blind = [functional.pad(layer.weight, (n_embedded, 0)) for layer in others]
        mean = functional.pad(network.feature_mean, (n_embedded, 0))
        scale = functional.pad(network.feature_scale, (n_embedded, 0), value=1.0)
        weight = torch.cat([first.weight, *blind]) / scale
        bias = torch.cat([layer.bias for layer in (first, *others)])
        return weight, bias - weight @ mean

    def _rules(self) -> _Layer:
        """Return how far beyond its limit what each rule looks at is, in widths."""
        network = self.network
        limits = (
            (RESIDUAL, network.noise_residual, network.noise_width),
            (MATURITY, network.first_beat_maturity, -network.first_beat_width),
        )
        columns = torch.eye(len(FEATURE_NAMES))
        weight = torch.stack([columns[column] / width for column, _, width in limits])
        return weight, torch.cat([torch.full((1,), -limit / width) for _, limit, width in limits])

    def _last_layer(self) -> _Layer:
        """Join the last layers, each with its share, the rules' effects and the offsets.

        What the network says of a class is against N, and the rhythm model has a share in it.
        """
        network = self.network
        share = network.ensemble_share
        heads = [_linear(head[4]) for head in (network.head, *network.ensemble)]
        shares = [1.0 - share, *(share / len(network.ensemble) for _ in network.ensemble)]
        against_n = torch.eye(len(MODEL_LABELS)) - network.is_normal
        against_n = (1.0 - network.rhythm_shares)[:, None] * against_n
        parts = [part * against_n @ head.weight for part, head in zip(shares, heads, strict=True)]
        biases = [part * against_n @ head.bias for part, head in zip(shares, heads, strict=True)]
        effects = torch.stack(
            [
                network.noise_bonus * network.is_noise,
                -network.first_beat_penalty * (1.0 - network.is_normal),
                network.offsets[1] - network.offsets[0],
            ],
            dim=1,
        )
        return torch.cat([*parts, effects], dim=1), torch.stack(biases).sum(
            dim=0
        ) + network.offsets[0]


def _block(block: nn.Module, x: Tensor) -> Tensor:
    """Work out a residual block; its first convolution and the shortcut are one."""
    if not isinstance(block, ResidualBlock):
        raise TypeError(f"got {block}, expected a residual block")
    first, first_norm, _, second, second_norm = block.body
    weight, bias = _normalised(first, first_norm)
    short, short_bias = _normalised(*block.shortcut)
    margin = _padding(first)
    both = torch.cat([weight, functional.pad(short, (margin, margin))])
    y = functional.conv1d(x, both, torch.cat([bias, short_bias]), stride=2, padding=margin)
    straight, beside = y.chunk(2, dim=1)
    weight, bias = _normalised(second, second_norm)
    body = functional.conv1d(torch.relu(straight), weight, bias, padding=_padding(second))
    return torch.relu(body + beside)


def _normalised(conv: nn.Module, norm: nn.Module) -> _Layer:
    """Take the normalisation after a convolution into it."""
    if not isinstance(conv, nn.Conv1d) or not isinstance(norm, nn.BatchNorm1d):
        raise TypeError(f"got {conv} and {norm}, expected a convolution and its normalisation")
    mean, variance = norm.running_mean, norm.running_var
    if mean is None or variance is None:
        raise TypeError("a normalisation without running statistics can't be folded")
    factor = norm.weight / torch.sqrt(variance + norm.eps)
    return conv.weight * factor[:, None, None], norm.bias - mean * factor


def _padding(conv: nn.Module) -> int:
    """Return what keeps a convolution's output aligned with its input."""
    if not isinstance(conv, nn.Conv1d):
        raise TypeError(f"got {conv}, expected a convolution")
    return conv.kernel_size[0] // 2


def _linear(layer: nn.Module) -> nn.Linear:
    if not isinstance(layer, nn.Linear):
        raise TypeError(f"got {layer}, expected a linear layer")
    return layer
