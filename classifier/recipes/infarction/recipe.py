"""Infarction against healthy, from twelve leads or one: protocol and settings.

Importing this module imports neither torch nor numpy: the command line names the recipe.
"""

from dataclasses import dataclass, field
from typing import Final

NAME: Final = "infarction"
LEADS: Final = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
HEALTHY: Final = "healthy"
OTHER: Final = "other"
"""Neither normal nor an infarction: scored, never trained on."""
INFARCTION: Final = "infarction"
CLASSES: Final = (HEALTHY, OTHER, INFARCTION)

FS_HZ: Final = 360.0
"""The chain's rate, which is that of the beat classifier."""
R_COLUMN: Final = 128
WINDOW_SAMPLES: Final = 320
"""Longer after the R peak (533 ms) than the beat classifier's window: to the end of the T wave."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadVariation:
    """Strength of what varies a training record."""

    gain_sd: float = 0.15
    """Of each lead, log-normal."""
    mix_sd: float = 0.05
    """Share of each lead in each other: electrodes are never quite in place."""
    stretch_sd: float = 0.08
    """Of the time axis about the R peak, log-normal: the heart's rate and conduction."""
    shift_max_s: float = 0.016
    noise_max_mv: float = 0.03
    wander_max_mv: float = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way from a record's median beat to the log-odds of an infarction."""

    name: str
    title: str
    pretrained: bool | None = None
    """Convolutions of the beat classifier, or of random weights; None does without."""
    measures: bool = False
    """Whether the head sees classical measures as well."""
    begins: str = ""
    """Way from whose convolutions and head training begins; without one nothing but a head is
    fitted."""
    members: tuple[str, ...] = ()
    """Ways whose mean log-odds it takes instead."""


WAYS: Final = (
    Way(name="measures", title="ST, Q, R, S and T measured, logistic regression", measures=True),
    Way(name="frozen", title="beat classifier's convolutions, frozen", pretrained=True),
    Way(
        name="frozen+measures",
        title="the same and the measures",
        pretrained=True,
        measures=True,
    ),
    Way(name="fine-tuned", title="beat classifier's, trained on", pretrained=True, begins="frozen"),
    Way(name="untrained", title="random convolutions, frozen (control)", pretrained=False),
    Way(name="scratch", title="from random weights, trained", pretrained=False, begins="untrained"),
    Way(
        name="joined",
        title="mean of frozen+measures, fine-tuned, untrained and scratch",
        members=("frozen+measures", "fine-tuned", "untrained", "scratch"),
    ),
)
"""What is compared; which counts is chosen in each fold by inner validation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InfarctionRecipe:
    """Everything that decides the result, besides the data."""

    seed: int = 7
    folds: int = 5
    inner_folds: int = 3
    """Of the training patients: by them the ridge penalty and the way are chosen."""
    one_lead: str = "II"
    """The lead that stands alone: a monitor's."""
    beats_max: int = 24
    """Of each record, evenly spaced."""
    segments: int = 10
    """Of the window, in which the convolutions' outputs are averaged: 53 ms each."""
    penalties: tuple[float, ...] = (0.3, 1.0, 3.0, 10.0)
    """Ridge penalties tried, for standardised features."""
    epochs: int = 5
    batch: int = 32
    learning_rate: float = 1e-4
    """At its peak; training begins at a fitted head, which much more would undo."""
    weight_decay: float = 0.05
    dropout: float = 0.3
    label_smoothing: float = 0.05
    average_decay: float = 0.98
    test_share: float = 0.2
    """Of the beats, in the random split."""
    intra_epochs: int = 3
    intra_penalty: float = 0.03
    """Beats of known patients are many and alike: little is to be feared of weights."""
    variation: LeadVariation = field(default_factory=LeadVariation)


RECIPE: Final = InfarctionRecipe()

TWELVE: Final = "twelve leads"
ONE: Final = "one lead"
FLOORS: Final = {TWELVE: (0.85, 0.92), ONE: (0.75, 0.82)}
"""Least AUROC by patient that the recipe is worth keeping at, and what it aims at."""
INTRA_FLOOR: Final = 0.96
"""Accuracy that projects publish of beats split at random."""

EXPERIMENTS: Final = (
    ("logistic regression, 12 measures a lead, penalty as for C = 0.001", "0.914", "0.885"),
    ("the same, measures in units of the lead's QRS amplitude", "0.894", "0.845"),
    ("40 principal components of all median beats, logistic regression", "0.882", "-"),
    ("frozen convolutions averaged in 4 segments, logistic regression", "0.904", "0.848"),
    ("the same in 10 segments (kept)", "0.924", "0.859"),
    ("the same in 20 segments", "0.913", "0.849"),
    ("the same in 10 segments, in mV instead of QRS amplitudes", "0.915", "-"),
    ("random convolutions in 10 segments", "0.920", "0.866"),
    ("random convolutions in 20 segments", "0.946", "0.861"),
    ("20 epochs from random weights, 6 hidden units a lead, three classes", "0.858", "-"),
    ("fine-tuned for 8 epochs at 1e-3 from a fitted head, 20 segments: 0.912 before", "0.906", "-"),
    ("fine-tuned for 10 epochs at 1e-3, 20 segments: 0.854 before", "-", "0.873"),
    ("from random weights for 10 epochs at 1e-3, 20 segments: 0.868 before", "-", "0.828"),
    ("fine-tuned for 5 epochs at 1e-3, 10 segments: 0.918 and 0.861 before", "0.881", "0.866"),
    ("fine-tuned for 5 epochs at 1e-4, 10 segments (kept): 0.909 before", "0.901", "-"),
    ("from random weights for 5 epochs at 1e-4, 10 segments (kept): 0.932 before", "0.933", "-"),
)
"""What was tried while the recipe was written: AUROC by patient, twelve leads and lead II."""
