"""The network: a small residual CNN over one beat, joined with its rhythm and shape features.

Importing this module imports torch; nothing imports it before a model is built.
"""

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn

from classifier.inputs.features import FEATURE_NAMES, N_NEXT, Feature
from classifier.inputs.geometry import SIGNAL_CHANNELS
from classifier.inputs.sequence import LOG_ODDS_STEP
from classifier.labels import MODEL_LABELS, Label
from classifier.network.rhythm_model import RhythmModel

RESIDUAL: Final = Feature.RESIDUAL_40.value
MATURITY: Final = Feature.MATURITY.value
_NOW: Final = Feature.SEQUENCE_S.value
_LATER: Final = Feature.NEXT_SEQUENCE_S.value


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkConfig:
    """Size of the network; the default has about 31,000 parameters."""

    widths: tuple[int, ...] = (8, 12, 16, 16)
    """Channels after the stem and after each residual block; every one halves the time axis."""
    stem_kernel: int = 7
    kernel: int = 5
    hidden: int = 64
    ensemble_hidden: int = 96
    ensemble_size: int = 3
    """Heads that see the features alone; their mean logits are taken."""
    dropout: float = 0.3
    ensemble_share: float = 0.75
    """Weight of that mean against the head that sees the signal as well; 0 leaves it out."""
    rhythm_shares: tuple[float, ...] = (0.0, 1.0, 0.0, 0.5, 0.3)
    """The rhythm model's say in the log-odds of each class against N, this network having the rest:
    S is told by the sequence of beats, V by the beat. Chosen by cross-validation, among a few."""
    noise_residual: float = -2.0
    """`residual_40` at which half of the bonus for Q is given: beyond the 99th percentile of the
    training records, which is -2.2."""
    noise_width: float = 0.1
    first_beat_penalty: float = 4.0
    """Taken from the logits of all classes but N where there is nothing to compare a beat with: a
    patient's first beat is one in thousands, too rare to be learnt."""
    first_beat_maturity: float = 0.025
    """`maturity` at which half of that is taken: the second beat has 0.05."""
    first_beat_width: float = 0.002
    use_template: bool = True
    """Whether the network sees the template and the difference to it, or the beat alone."""
    use_features: bool = True
    use_signal: bool = True


class ResidualBlock(nn.Module):
    """Two convolutions beside a strided shortcut (He et al. 2016, doi:10.1109/CVPR.2016.90)."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int) -> None:
        super().__init__()
        half = kernel // 2
        self.body = nn.Sequential(
            nn.Conv1d(channels_in, channels_out, kernel, stride=2, padding=half, bias=False),
            nn.BatchNorm1d(channels_out),
            nn.ReLU(),
            nn.Conv1d(channels_out, channels_out, kernel, padding=half, bias=False),
            nn.BatchNorm1d(channels_out),
        )
        self.shortcut = nn.Sequential(
            nn.Conv1d(channels_in, channels_out, 1, stride=2, bias=False),
            nn.BatchNorm1d(channels_out),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, channels_in, t) to (n, channels_out, t / 2)."""
        return torch.relu(self.body(x) + self.shortcut(x))


class BeatNetwork(nn.Module):
    """Class probabilities of a beat; provisional and confirmed labels share all weights.

    The last class, Q, is noise that was taken for a beat.

    A provisional beat has zeros in place of what only the next beat tells, and says so in the
    feature `next_known`.
    """

    feature_mean: Tensor
    feature_scale: Tensor
    offsets: Tensor
    is_noise: Tensor
    is_normal: Tensor
    noise_bonus: Tensor
    rhythm_shares: Tensor

    def __init__(self, config: NetworkConfig | None = None) -> None:
        super().__init__()
        config = NetworkConfig() if config is None else config
        self.use_template, self.use_features = config.use_template, config.use_features
        self.use_signal = config.use_signal
        channels = len(SIGNAL_CHANNELS) + 1 if config.use_template else 1
        stem, *blocks = config.widths
        half = config.stem_kernel // 2
        self.trunk = nn.Sequential(
            nn.Conv1d(channels, stem, config.stem_kernel, stride=2, padding=half, bias=False),
            nn.BatchNorm1d(stem),
            nn.ReLU(),
            *(
                ResidualBlock(before, after, config.kernel)
                for before, after in zip(config.widths, blocks, strict=False)
            ),
        )
        k = len(FEATURE_NAMES)
        self.register_buffer("feature_mean", torch.zeros(k))
        self.register_buffer("feature_scale", torch.ones(k))
        self.register_buffer("offsets", torch.zeros(2, len(MODEL_LABELS)))
        noise, normal = (
            [float(label is chosen) for label in MODEL_LABELS] for chosen in (Label.Q, Label.N)
        )
        self.register_buffer("is_noise", torch.tensor(noise))
        self.register_buffer("is_normal", torch.tensor(normal))
        self.register_buffer("noise_bonus", torch.zeros(()))
        shares = torch.tensor(config.rhythm_shares) * config.use_features
        self.register_buffer("rhythm_shares", shares)
        joined = 2 * config.widths[-1] * config.use_signal + k * config.use_features
        self.head = _head(joined, config.hidden, config.dropout)
        ensemble_size = config.ensemble_size if config.ensemble_share > 0.0 else 0
        self.ensemble = nn.ModuleList(
            _head(k, config.ensemble_hidden, config.dropout) for _ in range(ensemble_size)
        )
        self.ensemble_share = config.ensemble_share
        self.noise_residual, self.noise_width = config.noise_residual, config.noise_width
        self.first_beat_penalty = config.first_beat_penalty * config.use_features
        self.first_beat_maturity = config.first_beat_maturity
        self.first_beat_width = config.first_beat_width
        # Trained before, by itself: the sequence's features are its outputs.
        self.rhythm = RhythmModel().requires_grad_(requires_grad=False)

    def set_normalisation(self, mean: Tensor, scale: Tensor) -> None:
        """Fix how features are standardised; those of the next beat stay as they are.

        Leaving the latter unshifted keeps "unknown" at exactly zero.
        """
        with torch.no_grad():
            self.feature_mean.copy_(mean)[-N_NEXT:] = 0.0
            self.feature_scale.copy_(scale)[-N_NEXT:] = 1.0

    def set_offsets(self, offsets: Tensor) -> None:
        """Fix what is added to the logits: shape (2, classes), by revision."""
        with torch.no_grad():
            self.offsets.copy_(offsets)

    def set_noise_bonus(self, bonus: float) -> None:
        """Fix what is added to the logit of Q in long-lasting noise; nothing until then."""
        with torch.no_grad():
            self.noise_bonus.fill_(bonus)

    def embed(self, signal: Tensor) -> Tensor:
        """Turn the signal, (n, 2, window_samples), into (n, 2 * widths[-1]) numbers."""
        beat, template = signal[:, :1], signal[:, 1:]
        x = torch.cat([beat, template, beat - template], dim=1) if self.use_template else beat
        x = self.trunk(x)
        return torch.cat([x.mean(dim=2), x.amax(dim=2)], dim=1)

    def classify(self, embedding: Tensor, features: Tensor) -> Tensor:
        """Turn embedding and features, (n, len(FEATURE_NAMES)), into logits of each head.

        Shape (heads, n, classes); all but the first see the features alone.
        """
        features = (features - self.feature_mean) / self.feature_scale
        joined = torch.cat([embedding, features], dim=1)
        if not self.use_signal:
            joined = features
        elif not self.use_features:
            joined = embedding
        heads = [self.head(joined)]
        for head in self.ensemble:
            heads.append(head(features))
        return torch.stack(heads)

    def combine(self, logits: Tensor, features: Tensor) -> Tensor:
        """Join the heads' logits, (heads, n, classes), with the rhythm model's and the rules.

        Returns
        -------
        Tensor, shape (n, classes)
            Logits against N.
        """
        own = logits[0]
        if len(self.ensemble) > 0:
            own = torch.lerp(own, logits[1:].mean(dim=0), self.ensemble_share)
        joined = torch.lerp(own - own[:, :1], rhythm_log_odds(features), self.rhythm_shares)
        offsets = torch.lerp(self.offsets[:1], self.offsets[1:], features[:, -N_NEXT, None])
        noise = (features[:, RESIDUAL] - self.noise_residual) / self.noise_width
        bonus = self.noise_bonus * torch.sigmoid(noise)
        novelty = (self.first_beat_maturity - features[:, MATURITY]) / self.first_beat_width
        prior = self.first_beat_penalty * torch.sigmoid(novelty)
        known = bonus[:, None] * self.is_noise - prior[:, None] * (1.0 - self.is_normal)
        return joined + offsets + known

    def decide(self, embedding: Tensor, features: Tensor) -> Tensor:
        """Turn embedding and features into probabilities, (n, classes) as in MODEL_LABELS."""
        logits = self.combine(self.classify(embedding, features), features)
        return torch.softmax(logits, dim=1)

    def forward(self, signal: Tensor, features: Tensor) -> Tensor:
        """Map signal and features to probabilities: `embed`, then `decide`."""
        return self.decide(self.embed(signal), features)

    def step(self, hidden: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """Go on by one beat in the rhythm model; see `RhythmModel.step`."""
        return self.rhythm.step(hidden, features)


def rhythm_log_odds(features: Tensor) -> Tensor:
    """Return the rhythm model's log-odds of each class against N, (n, classes).

    Those that know the next beat, where there is one.
    """
    now = features.narrow(1, _NOW, len(MODEL_LABELS) - 1)
    later = features.narrow(1, _LATER, len(MODEL_LABELS) - 1)
    known = features.narrow(1, len(FEATURE_NAMES) - N_NEXT, 1)
    others = LOG_ODDS_STEP * torch.lerp(now, later, known)
    return torch.cat([torch.zeros_like(known), others], dim=1)


def _head(inputs: int, hidden: int, dropout: float) -> nn.Sequential:
    """Two layers that end in a logit for each class."""
    return nn.Sequential(
        nn.Dropout(dropout),
        nn.Linear(inputs, hidden),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(hidden, len(MODEL_LABELS)),
    )


def count_parameters(network: nn.Module) -> int:
    """Count the weights, those of the rhythm model included."""
    return sum(weight.numel() for weight in network.parameters())
