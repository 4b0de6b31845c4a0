"""The networks of the recipes: a plain three-stage CNN and a residual one. Imports torch."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from classifier.network.beat_cnn import ResidualBlock
from classifier.recipes.recipe import Recipe, RecipeNetworkConfig


class RecipeNetwork(nn.Module):
    """Logits of one beat's classes from its samples alone."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        config = recipe.network
        self.trunk = _residual_trunk(config) if config.residual else _staged_trunk(config)
        self.mean_pool = nn.AdaptiveAvgPool1d(config.bins)
        self.peak_pool = nn.AdaptiveMaxPool1d(1)
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(config.widths[-1] * (config.bins + 1), len(recipe.classes))

    def forward(self, signal: Tensor) -> Tensor:
        """Map beats, (n, window_samples), to logits, (n, classes)."""
        x = self.trunk(signal[:, None])
        pooled = torch.cat([self.mean_pool(x).flatten(1), self.peak_pool(x).flatten(1)], dim=1)
        logits: Tensor = self.head(self.dropout(pooled))
        return logits


def _staged_trunk(config: RecipeNetworkConfig) -> nn.Sequential:
    """Convolution, max-pooling, batch normalisation and ReLU, once for each width.

    Pooling comes second so that the other two have half the work.
    """
    stages: list[nn.Module] = []
    for number, (before, after) in enumerate(pairwise((1, *config.widths))):
        kernel = config.kernel if number else config.stem_kernel
        stages += [
            nn.Conv1d(before, after, kernel, padding=kernel // 2, bias=False),
            nn.MaxPool1d(2),
            nn.BatchNorm1d(after),
            nn.ReLU(),
        ]
    return nn.Sequential(*stages)


def _residual_trunk(config: RecipeNetworkConfig) -> nn.Sequential:
    """Build a strided stem and a residual block for each further width."""
    stem = config.widths[0]
    half = config.stem_kernel // 2
    return nn.Sequential(
        nn.Conv1d(1, stem, config.stem_kernel, stride=2, padding=half, bias=False),
        nn.BatchNorm1d(stem),
        nn.ReLU(),
        *(ResidualBlock(before, after, config.kernel) for before, after in pairwise(config.widths)),
    )
