"""Label a whole signal that is there as an array: beats as a table, rhythm, alarms and gaps."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from classifier.labels import MODEL_LABELS
from classifier.network.runtime import BeatModel
from replay.chunk import Chunk
from replay.record import BLOCK_SAMPLES
from streamer.core.events import Alarm, Event, Gap, LabeledBeat, RhythmEvent
from streamer.patient.chain import Chain, ChainConfig
from streamer.runner.array_input import whole_signal

_MS = 1000.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LabeledSignal:
    """What was found in a signal. Sample indices count from 0 at the signal's own rate.

    The table `beats` has one row a beat, in order of time, and these columns:

    ===================  ======  ==========================================================
    sample               int     position of the R peak
    time_s               float   the same in s from the first sample
    label                str     confirmed label: N, S, V, F or Q
    provisional_label    str     label known from the beat's own window
    p_N ... p_Q          float   probabilities behind the confirmed label
    reason               str     why the label is Q, else empty
    rr_ms                float   interval from the beat before; NaN for the first, and after
                                 a gap
    amplitude_mv         float   height of the R peak over the local baseline, signed
    quality              float   signal quality around the peak, 0 (noise) to 1 (clean)
    search_back          bool    whether it was found by looking back over a long silence
    provisional_at       int     sample at which the provisional label was known
    confirmed_at         int     sample at which the confirmed label was known
    ===================  ======  ==========================================================
    """

    fs: float
    """Sampling frequency in Hz."""
    leads: tuple[str, ...]
    """Names of the leads, primary first."""
    n_samples: int
    """Length of every lead."""
    beats: Any
    """A `pandas.DataFrame`; where pandas is not installed, a `numpy.recarray`."""
    rhythms: tuple[RhythmEvent, ...]
    """Changes of rhythm, in the order in which they became known."""
    alarms: tuple[Alarm, ...]
    """Everything that a person should look at, likewise: what goes on comes twice, with its end."""
    gaps: tuple[Gap, ...]
    """Segments without a usable signal, each from its start to its end."""


def label_signal(
    samples: ArrayLike,
    *,
    fs: float,
    leads: str | Sequence[str] | None = None,
    model: BeatModel | None = None,
    config: ChainConfig | None = None,
) -> LabeledSignal:
    """Find and label every beat of a signal.

    The signal goes through a `Chain`, so that each decision is what a live stream would have got:
    nothing is normalised over the whole signal and no beat sees more of the future than its
    confirmed label needs.

    Parameters
    ----------
    samples : array_like of float, shape (n,) or (leads, n)
        Amplitudes in mV; NaN marks invalid samples. Where `leads` are named and their number
        fits the second axis alone, shape (n, leads) is taken too.
    fs : float
        Sampling frequency in Hz, 50 to 5000.
    leads : str or sequence of str, optional
        Names of the leads. MLII becomes the primary lead where there is one, else the first.
        Without names the first row is the primary lead.
    model : BeatModel, optional
        The beat classifier's network; the shipped one if None.
    config : ChainConfig, optional
        Configuration of the chain.

    Returns
    -------
    LabeledSignal
        A signal without beats has a table without rows.

    Raises
    ------
    ValueError
        If `fs` is out of range, `samples` aren't floats, or their shape doesn't fit the leads.

    Examples
    --------
    >>> import numpy as np
    >>> found = label_signal(np.zeros(3600), fs=360)
    >>> len(found.beats)
    0
    >>> found.gaps[0].reason.value
    'flat'
    """
    signal, names = whole_signal(samples, leads)
    chain = Chain(fs=fs, n_leads=len(names), model=model, config=config)
    collected = _collect(chain, signal)
    return LabeledSignal(
        fs=fs,
        leads=names,
        n_samples=signal.shape[1],
        beats=_table(collected.columns(fs)),
        rhythms=tuple(collected.rhythms),
        alarms=tuple(collected.alarms),
        gaps=tuple(collected.gaps.values()),
    )


def _collect(chain: Chain, signal: NDArray[np.float32]) -> "_Collected":
    collected = _Collected()
    for start in range(0, signal.shape[1], BLOCK_SAMPLES):
        block = np.ascontiguousarray(signal[:, start : start + BLOCK_SAMPLES])
        collected.add(chain.push(Chunk(start=start, samples=block)))
    collected.add(chain.flush())
    return collected


@dataclass(slots=True)
class _Collected:
    """Events by kind; of a beat only the numbers, as windows would fill the memory."""

    provisional: dict[int, tuple[str, int]] = field(default_factory=dict)
    confirmed: list[tuple[Any, ...]] = field(default_factory=list)
    probabilities: list[tuple[float, ...]] = field(default_factory=list)
    rhythms: list[RhythmEvent] = field(default_factory=list)
    alarms: list[Alarm] = field(default_factory=list)
    gaps: dict[int, Gap] = field(default_factory=dict)
    """By first sample: the end of a gap takes the place of its beginning."""

    def add(self, events: list[Event]) -> None:
        for event in events:
            match event:
                case LabeledBeat():
                    self._add_beat(event)
                case RhythmEvent():
                    self.rhythms.append(event)
                case Alarm():
                    self.alarms.append(event)
                case Gap():
                    self.gaps[event.start] = event

    def _add_beat(self, event: LabeledBeat) -> None:
        beat, peak = event.beat, event.beat.rpeak
        label = "" if event.label is None else event.label.value
        if event.revision == 0:
            self.provisional[peak.sample] = label, event.decided_at
            return
        self.probabilities.append(event.probabilities)
        self.confirmed.append(
            (
                peak.sample,
                label,
                *self.provisional.pop(peak.sample),
                event.reason or "",
                _MS * float(beat.rr_s[-1]) if beat.rr_s.size else np.nan,
                peak.amplitude_mv,
                peak.quality,
                peak.search_back,
                event.decided_at,
            )
        )

    def columns(self, fs: float) -> dict[str, NDArray[Any]]:
        """Return the columns of the table by name, in their order."""
        n = len(self.confirmed)
        fields: list[tuple[Any, ...]] = list(zip(*self.confirmed, strict=True)) or [()] * 10
        peaks, labels, early, early_at, reasons, rr, height, quality, back, at = fields
        samples = np.array(peaks, np.int64)
        chances = np.array(self.probabilities, np.float64).reshape(n, len(MODEL_LABELS))
        return {
            "sample": samples,
            "time_s": samples / fs,
            "label": np.array(labels, np.str_),
            "provisional_label": np.array(early, np.str_),
            **{f"p_{label.value}": chances[:, k] for k, label in enumerate(MODEL_LABELS)},
            "reason": np.array(reasons, np.str_),
            "rr_ms": np.array(rr, np.float64),
            "amplitude_mv": np.array(height, np.float64),
            "quality": np.array(quality, np.float64),
            "search_back": np.array(back, np.bool_),
            "provisional_at": np.array(early_at, np.int64),
            "confirmed_at": np.array(at, np.int64),
        }


def _table(columns: dict[str, NDArray[Any]]) -> Any:
    try:
        import pandas as pd  # noqa: PLC0415
    except ImportError:
        kinds = [(name, column.dtype) for name, column in columns.items()]
        return np.rec.fromarrays(list(columns.values()), dtype=kinds)
    return pd.DataFrame(columns)
