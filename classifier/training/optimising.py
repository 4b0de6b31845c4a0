"""How every network here is optimised. Importing this module imports torch."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

Report = Callable[[str, int, int], None]
"""Called with what is being done, steps done, steps in all."""


class Optimisation:
    """AdamW with a one-cycle schedule, and the running mean of the weights, which is what is kept.

    Parameters
    ----------
    network, averaged : nn.Module
        The network to train, and a copy of it that becomes the mean.
    average_decay : float
        The mean is exponential, over about 1 / (1 - this) steps.
    steps : int
        Batches in all.
    plain_start : bool
        Whether the mean is over all steps until they are as many as it is meant to span; else it
        begins at the first weights.
    clip : float, optional
        Largest norm of a gradient: recurrent networks now and then have a huge one.
    """

    def __init__(
        self,
        network: nn.Module,
        averaged: nn.Module,
        *,
        learning_rate: float,
        weight_decay: float,
        average_decay: float,
        steps: int,
        plain_start: bool = False,
        clip: float | None = None,
    ) -> None:
        self._network, self._averaged = network, averaged
        self._optimiser = torch.optim.AdamW(
            network.parameters(), lr=learning_rate, weight_decay=weight_decay
        )
        self._schedule = torch.optim.lr_scheduler.OneCycleLR(
            self._optimiser, learning_rate, total_steps=steps + 1, pct_start=0.1
        )
        self._share = 1.0 - average_decay
        self._plain_start, self._clip = plain_start, clip
        self._steps = 0

    def step(self, loss: Tensor) -> float:
        """Follow the gradient of a batch's loss, and return the loss."""
        self._optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        if self._clip is not None:
            torch.nn.utils.clip_grad_norm_(self._network.parameters(), self._clip)
        self._optimiser.step()
        self._schedule.step()
        self._steps += 1
        share = max(self._share, 1.0 / self._steps) if self._plain_start else self._share
        current = self._network.state_dict()
        with torch.no_grad():
            # Batch statistics included.
            for name, value in self._averaged.state_dict().items():
                if value.dtype.is_floating_point:
                    value.lerp_(current[name], share)
        return loss.item()
