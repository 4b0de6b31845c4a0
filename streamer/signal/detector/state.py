"""Memory of the QRS detector: one record of plain numbers and small arrays a patient.

Numba compiles against these layouts; a ward keeps an array of `STATE`.
"""

from enum import IntEnum
from typing import Any, Final

import numpy as np

from classifier.inputs.kernels import records
from streamer.signal.position import NEVER

MAX_LEADS: Final = 2
"""Leads that the detector uses; further ones are ignored."""
RING: Final = 1024
"""Samples kept of each signal (2.8 s at 360 Hz): a power of two, so that an index is a mask."""
MASK: Final = RING - 1
SLOPES: Final = 64
"""Slopes kept: more than `DetectorConfig.window_s` holds, and a power of two as well."""
HELD: Final = 64
"""Most candidates kept while the levels are being learnt."""
RR_COUNT: Final = 8
"""RR intervals in the running median."""

PATCH_POINTS: Final = 27
"""Points of the waveform around a candidate: 11 ms apart, from 133 ms before to 156 ms after."""
ENVELOPE_POINTS: Final = 18
"""Points of the envelope before a candidate: 25 ms apart."""


class LeadFeature(IntEnum):
    """Inputs of the peak scorer from one lead, by position; ratios are logarithms."""

    PATCH = 0
    """First of `PATCH_POINTS`: the waveform in beat amplitudes."""
    ENVELOPE = PATCH_POINTS
    """First of `ENVELOPE_POINTS`: the envelope over the beat level, newest first."""
    PEAK_TO_LEVEL = PATCH_POINTS + ENVELOPE_POINTS
    """Envelope peak over beat level."""
    PEAK_TO_NOISE = PEAK_TO_LEVEL + 1
    """Half of envelope peak over noise."""
    SIZE_TO_AMPLITUDE = PEAK_TO_LEVEL + 2
    """Largest deflection over beat amplitude."""
    TEMPLATE_CORRELATION = PEAK_TO_LEVEL + 3
    TEMPLATE_SCALE = PEAK_TO_LEVEL + 4
    """Size in templates, negative if upside down."""
    NOISE_TO_LEVEL = PEAK_TO_LEVEL + 5
    """Half of noise over beat level."""
    PRESENT = PEAK_TO_LEVEL + 6
    """1: tells an absent lead, whose features are all 0."""
    PEAK_TO_SIZE = PEAK_TO_LEVEL + 7
    """Envelope peak over largest deflection: steepness."""


LEAD_FEATURES: Final = LeadFeature.PEAK_TO_SIZE + 1


class TimingFeature(IntEnum):
    """Inputs of the peak scorer from the rhythm, by position after those of all leads."""

    SINCE_S = 0
    """Since the last beat; this and the next ones are 0 without one."""
    SINCE_TO_RR = 1
    """Logarithm of the time since the last beat over the median RR interval."""
    SINCE_TO_RR_SQUARED = 2
    LAST_PEAK_TO_LEVEL = 3
    """Of the last beat."""
    LAST_LOG_ODDS = 4
    """Half of the last beat's."""
    HAS_LAST = 5
    """1 if there is a last beat."""
    REFUSED_PEAK_TO_LEVEL = 6
    """Largest of what was refused since the last beat."""
    RR_SPREAD = 7
    """Mean deviation of the RR intervals from their median, as a share."""
    RR_S = 8
    """Median RR interval."""
    RR_KNOWN = 9
    """Share of the RR intervals that are known."""


TIMING: Final = MAX_LEADS * LEAD_FEATURES
"""Position of the first `TimingFeature`."""
FEATURES: Final = TIMING + len(TimingFeature)
"""Inputs of the peak scorer."""


class Trace(IntEnum):
    """Columns of a traced candidate; row 0 of a trace counts them in its first column."""

    PEAK = 0
    """Sample of the R peak."""
    LOG_ODDS = 1
    FEATURES = 2
    """First of `FEATURES`."""


STATE: Final = np.dtype(
    [
        ("n", np.int64),  # next sample
        ("started", np.int64),
        ("first", np.int64),  # first sample of the stream
        ("leads", np.int64),
        # Per lead: signals
        ("raw", np.float32, (MAX_LEADS, RING)),
        ("slope", np.float32, (MAX_LEADS, SLOPES)),
        ("envelope", np.float32, (MAX_LEADS, RING)),
        ("slope_sum", np.float64, (MAX_LEADS,)),
        ("filtered", np.float32, (MAX_LEADS, 2)),
        # Per lead: usability
        ("flat_run", np.int64, (MAX_LEADS,)),
        ("usable", np.int64, (MAX_LEADS,)),
        ("good_since", np.int64, (MAX_LEADS,)),
        ("known", np.int64, (MAX_LEADS,)),
        ("midline", np.float64, (MAX_LEADS,)),
        ("gap_since", np.int64),
        ("gap_reason", np.int64),
        # Per lead: what a beat and the noise look like
        ("level", np.float64, (MAX_LEADS,)),
        ("level_floor", np.float64, (MAX_LEADS,)),
        ("noise", np.float64, (MAX_LEADS,)),
        ("amplitude", np.float64, (MAX_LEADS,)),
        ("template", np.float64, (MAX_LEADS, PATCH_POINTS)),
        ("templates", np.int64, (MAX_LEADS,)),
        ("weight", np.float64, (MAX_LEADS,)),
        # The envelope's maximum
        ("peak_value", np.float64),
        ("peak_at", np.int64),
        ("peak_reset", np.int64),
        # The last beat and the rhythm
        ("last_at", np.int64),
        ("last_score", np.float64),
        ("last_ratio", np.float64),
        ("rr", np.float64, (RR_COUNT,)),
        ("rr_n", np.int64),
        ("rr_median", np.float64),
        # Refused since the last beat
        ("refused_ratio", np.float64),
        ("back_at", np.int64),
        ("back_score", np.float64),
        # The learning period
        ("learning", np.int64),
        ("learn_until", np.int64),
        ("held", np.int64),
        ("held_at", np.int64, (HELD,)),
    ]
)
"""Everything the detector knows of one patient."""

TIMES: Final = tuple("window lag dominance refractory reach learn settle flat_line silence".split())
"""Parameters in samples; `DetectorConfig` has them in seconds."""
NUMBERS: Final = tuple(
    "gate threshold resembling back_rr back_threshold adapt fade_floor rail".split()
)
"""Parameters that are as `DetectorConfig` has them."""
PARAMETERS: Final = np.dtype(
    [
        *((name, np.int64) for name in TIMES),
        *((name, np.float64) for name in NUMBERS),
        ("floor", np.float64),  # mV
        ("fade", np.float64),  # a sample
    ]
)
"""`DetectorConfig` as the kernel takes it."""

PEAK: Final = 0
GAP: Final = 1
OUTPUT: Final = np.dtype(
    [
        ("kind", np.int64),
        ("sample", np.int64),
        ("stop", np.int64),
        ("decided_at", np.int64),
        ("amplitude", np.float64),
        ("quality", np.float64),
        ("flag", np.int64),  # search-back of a peak, reason of a gap
        ("ongoing", np.int64),  # of a gap
    ]
)


def output_room(n: int) -> int:
    """Most outputs of n samples: a candidate needs 36, but all held ones come at once."""
    return n // 2 + HELD + 2


INVALID: Final = 0
FLAT: Final = 1
SATURATED: Final = 2


def new_state(leads: int, start: int) -> Any:
    """Return the state of a detector whose first sample will be `start`, shape (1,)."""
    state = records(STATE, 1)
    for name in ("gap_since", "last_at", "back_at"):
        state[name] = NEVER
    state["n"] = start
    state["leads"] = leads
    return state
