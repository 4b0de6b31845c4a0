"""Everything that decides what `ecg-stream train` makes, besides the data. Imports torch."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from classifier.network.beat_cnn import NetworkConfig
from classifier.training.augmentation import AugmentationConfig
from classifier.training.rhythm_windows import RhythmTrainingConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingConfig:
    """Everything that decides the result, besides the data."""

    seed: int = 7
    variants: int = 4
    """Variants of each training record: with noise, with the leads swapped, both, at another rate;
    with 6 also with its sinus and supraventricular beats in another order, and with its sinus beats
    alone in an irregular rhythm, from which the rhythm model alone learns."""
    folds: int = 4
    epochs_max: int = 8
    patience: int = 6
    """Epochs without a better held-out score after which cross-validation stops."""
    batch: int = 256
    learning_rate: float = 3e-3
    """Peak of a schedule that rises for the first tenth and then falls as a cosine."""
    weight_decay: float = 1e-2
    average_decay: float = 0.99
    """The weights kept are an exponential mean over about 1 / (1 - this) steps."""
    normal_per_epoch: int = 20000
    """N beats drawn for each epoch, evenly from the records and their variants."""
    variant_share: float = 0.35
    """Share of the other beats of variants drawn for each epoch; those as recorded are all used."""
    record_power: float = 0.5
    """A record's n beats of a class weigh n ** -this each: patients count more than beats."""
    class_power: float = 0.5
    """A class drawn n times weighs n ** -this."""
    fusion_weight: float = 0.3
    """Factor on the weight of F, which one record teaches: more would cost N and V elsewhere."""
    noise_weight: float = 0.5
    """Factor on the weight of Q, noise that was taken for a beat."""
    noise_bonus: float = 4.0
    """Added to the logit of Q, once trained, where the last 40 beats were noisier than nearly all
    of the training records: such signals were hardly in the training data."""
    early_offset: float = 0.0
    """Added to the logit of S, once trained. With 6 variants, in which S beats are commoner than in
    most patients, -0.75 suits: both as the mean of the held-out records and without 865, which has
    a fifth of all S beats."""
    loss: str = "weighted"
    """ "weighted" cross-entropy or "focal" (Lin et al. 2017, doi:10.1109/ICCV.2017.324)."""
    focal_gamma: float = 2.0
    score_weights: tuple[float, float, float, float] = (0.2, 0.35, 0.45, 0.0)
    """Of the F1 of N, S, V and F in the held-out score. Nearly all F beats of DS1 are in record
    208, so that held out they can't be scored; N keeps false F labels down."""
    quality_min: float = 0.0
    """R peaks of a lower signal quality are neither trained on nor judged when serving (Q)."""
    network: NetworkConfig = field(default_factory=NetworkConfig)
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)
    rhythm: RhythmTrainingConfig = field(default_factory=RhythmTrainingConfig)


def with_settings(config: Any, settings: Sequence[str]) -> Any:
    """Return a configuration with some fields replaced.

    Parameters
    ----------
    settings : sequence of str
        ``name=value`` or ``part.name=value``, the value as in JSON.

    Raises
    ------
    ValueError
        If there is no such field, or the value is not of its kind.
    """
    for setting in settings:
        name, _, text = setting.partition("=")
        first, _, rest = name.partition(".")
        known = [f.name for f in fields(config)]
        if first not in known:
            raise ValueError(f"no training setting {first!r}; there are {', '.join(known)}")
        old = getattr(config, first)
        new = with_settings(old, [f"{rest}={text}"]) if rest else _parse(text, old, name)
        config = replace(config, **{first: new})
    return config


def _parse(text: str, old: Any, name: str) -> Any:
    """Read a value of the same kind as the old one."""
    try:
        new = text if isinstance(old, str) else json.loads(text)
        converted = type(old)(new)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{name} is {old!r}; {text!r} is no such value") from error
    if converted != new and not isinstance(old, tuple):
        raise ValueError(f"{name} is {old!r}; {text!r} is no such value")
    return converted
