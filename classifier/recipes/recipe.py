"""Known small projects as recipes: their protocol, our network, the honest figure beside it.

Each recipe splits *beats* at random, so that beats of one patient are on both sides: its figures
are **intra-patient** and say how well beats of known patients are recognised. The same network is
therefore trained once more on DS1 and scored on DS2, whose patients it has never seen.

Importing this module imports neither torch nor numpy: the command line lists the recipes.
"""

from dataclasses import dataclass, field
from typing import Final

from classifier.labels import SYMBOL_TO_LABEL, Label


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeNetworkConfig:
    """Size of a recipe's network."""

    residual: bool
    """Residual blocks after a stem, or plain stages of convolution and max-pooling."""
    widths: tuple[int, ...]
    """Channels of each stage; every stage halves the time axis."""
    stem_kernel: int = 7
    kernel: int = 5
    bins: int = 6
    """Time segments after adaptive pooling: enough to locate the next beat."""
    dropout: float = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class BeatVariation:
    """Strength of what varies a training beat."""

    gain_sd: float = 0.1
    """Log-normal."""
    shift_max_s: float = 0.016
    """Largest misplacement of the R peak."""
    noise_max: float = 0.1
    """Largest standard deviation of white noise, in units of the beat's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One protocol with everything that decides its result, besides the data."""

    name: str
    title: str
    classes: tuple[str, ...]
    symbols: dict[str, str]
    """Class of each WFDB beat symbol; beats of other symbols are left out."""
    fs_hz: float
    window_samples: int
    network: RecipeNetworkConfig
    test_share: float = 0.2
    """Of each class, drawn at random."""
    validation_share: float = 0.1
    """Of each class in what the test left."""
    seed: int = 7
    epochs: int = 20
    batch: int = 256
    learning_rate: float = 3e-3
    """Peak of a schedule that rises for the first tenth and then falls as a cosine."""
    weight_decay: float = 2e-2
    average_decay: float = 0.995
    """The weights kept are an exponential mean over about 1 / (1 - this) steps."""
    label_smoothing: float = 0.02
    drawn_min: int = 1500
    """Beats drawn of each class for an epoch, at least; rarer classes are repeated."""
    drawn_max: int = 20000
    """Beats drawn of each class for an epoch, at most; other beats the next time."""
    prior_power: float = 0.5
    """A class of n beats, d of them drawn, weighs (n / d) ** this: 1 is as in the records."""
    variation: BeatVariation = field(default_factory=BeatVariation)


SIX_TYPES: Final = Recipe(
    name="six-types",
    title="Six beat types, 20 % stratified hold-out",
    classes=tuple("NLRAVF"),
    symbols={symbol: symbol for symbol in "NLRAVF"},
    fs_hz=120.0,
    window_samples=192,
    network=RecipeNetworkConfig(residual=False, widths=(32, 64, 128), bins=8),
    epochs=8,
)
"""Normal, left and right bundle branch block, atrial, ventricular and fusion beats."""

KACHUEE: Final = Recipe(
    name="kachuee",
    title="Five AAMI classes, 187 samples at 125 Hz",
    classes=tuple(label.value for label in Label),
    symbols={symbol: label.value for symbol, label in SYMBOL_TO_LABEL.items()},
    fs_hz=125.0,
    window_samples=187,
    network=RecipeNetworkConfig(residual=True, widths=(16, 32, 48, 64, 64)),
    validation_share=0.05,
    epochs=32,
)
"""After Kachuee, Fazeli & Sarrafzadeh 2018 (doi:10.1109/ICHI.2018.00092)."""

RECIPES: Final[dict[str, Recipe]] = {recipe.name: recipe for recipe in (SIX_TYPES, KACHUEE)}
"""What `ecg-stream train --recipe` takes."""
