"""Causal QRS detection: envelope maxima, judged by a small learned scorer."""

from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from classifier.inputs.kernels import records
from streamer.core.errors import OverlapError, StageClosedError
from streamer.core.events import CHAIN_FS, Gap, GapReason, RPeak
from streamer.core.stage import Snapshot
from streamer.signal.bandpass import FilteredChunk
from streamer.signal.detector.kernel import push_detector
from streamer.signal.detector.peak_scorer import PeakScorer, load_peak_scorer, packed
from streamer.signal.detector.state import (
    FEATURES,
    GAP,
    MAX_LEADS,
    NUMBERS,
    OUTPUT,
    PARAMETERS,
    SLOPES,
    TIMES,
    Trace,
    new_state,
    output_room,
)

_VERSION: Final = 4
_NO_TRACE: Final = np.empty((0, 0), np.float32)
REASONS: Final = (GapReason.INVALID, GapReason.FLAT, GapReason.SATURATED)


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorConfig:
    """Constants of the detector.

    `dominance_s`, `refractory_s` and `back_threshold` were compared by two-fold cross-validation on
    DS1; the others without a source are judgement.
    """

    window_s: float = 0.083
    """Length of the slope envelope's moving average: a normal QRS complex."""
    lag_s: float = 0.061
    """From an R peak to the maximum of its envelope: half the window and the filter's delay."""
    dominance_s: float = 0.117
    """How long an envelope maximum must stand unbeaten before it is decided on."""
    refractory_s: float = 0.175
    """No two beats closer than this. Shorter than the physiological 200 ms (Pan & Tompkins 1985):
    a P wave taken for a beat must not hide the beat itself. More than twice `reach_s`, so that R
    peaks ascend."""
    reach_s: float = 0.083
    """How far from its expected place the R peak may lie."""
    learn_s: float = 1.5
    """Candidates at the start are held this long, until the beat level is known; none is lost."""
    settle_s: float = 0.250
    """A lead that comes back is used again after this: the filter rings."""
    flat_line_s: float = 1.0
    """Equal samples for this long are no signal. Longer than any isoelectric segment."""
    silence_s: float = 2.5
    """Silence after which the beat level begins to fade."""
    floor_mv: float = 0.0006
    """Least beat level: mean slope in mV a 5.6 ms step. A QRS of 30 microvolts is above it."""
    gate: float = 0.10
    """Envelope maxima below this share of the beat level are no candidates."""
    threshold: float = 0.0
    """Log-odds above which a candidate is a beat."""
    resembling: float = 2.0
    """Log-odds of a candidate that the scorer refuses, but that resembles the beats before it."""
    back_rr: float = 1.5
    """Silence, in median RR intervals, after which search-back begins (Hamilton & Tompkins 1986,
    doi:10.1109/TBME.1986.325695)."""
    back_threshold: float = -1.5
    """Log-odds above which search-back accepts."""
    adapt: float = 0.15
    """Share of the way that levels move towards a new beat."""
    fade_per_s: float = 0.7
    """Share of the beat level that is left after a second of fading."""
    fade_floor: float = 0.2
    """Share of the last beat's level below which it doesn't fade: asystole has noise too."""
    rail: float = 2.0
    """A flat line this many beat amplitudes from the mean is saturation."""


class QRSDetector:
    """Find QRS complexes in one or two leads, sample by sample.

    The slope of the band-passed signal, averaged over a QRS width, is an envelope; the leads'
    envelopes, each relative to its own beat level, are added. A maximum of the sum that stands
    unbeaten for `dominance_s` is a candidate. A perceptron judges it by its waveform, by how it
    fits the running template, by the envelope before it and by the rhythm so far. The R peak is the
    most prominent sample of the raw primary lead around it.

    Parameters
    ----------
    n_leads : int
        Leads in every chunk; row 0 is the primary lead, row 1 (if any) helps, further ones are
        ignored.
    config : DetectorConfig
        Constants.
    scorer : PeakScorer
        Weights; the shipped ones if None.

    Attributes
    ----------
    memory : structured ndarray of `state.STATE`, shape (1,)
        May be replaced by an array that holds the same, such as a patient's row of a ward.

    Notes
    -----
    Decision delay: 175 ms after the R peak as a rule, up to `learn_s` at the start, up to
    1.5 RR intervals with search-back. Envelope after Pan & Tompkins 1985
    (doi:10.1109/TBME.1985.325532) with these deviations: absolute instead of squared slope (gain
    enters linearly), two leads, and the learned decision in place of their two thresholds.
    """

    def __init__(
        self,
        *,
        n_leads: int,
        config: DetectorConfig | None = None,
        scorer: PeakScorer | None = None,
    ) -> None:
        self._leads = min(n_leads, MAX_LEADS)
        self._parameters = kernel_parameters(config or DetectorConfig())
        self._net = shipped_net() if scorer is None else packed(scorer)
        self._out = records(OUTPUT, 0)
        self.memory = new_state(self._leads, 0)
        self._closed = False

    def reset(self) -> None:
        """Return to the state of a new object."""
        self.memory[:] = new_state(self._leads, 0)
        self._closed = False

    def push(self, item: FilteredChunk) -> list[RPeak | Gap]:
        """Take samples; return the beats and gaps that became known.

        Raises
        ------
        OverlapError
            If the chunk starts before the end of the last one.
        StageClosedError
            If the stage was flushed.
        """
        self._check_open()
        return [*self._follow_start(item), *self._run(item.raw, item.filtered, _NO_TRACE)]

    def trace(self, item: FilteredChunk) -> tuple[list[RPeak | Gap], NDArray[np.float32]]:
        """Push, and return every candidate beside the events: for training and for looking inside.

        Returns
        -------
        events : list of RPeak and Gap
            As `push` returns them.
        candidates : ndarray of float32, shape (n, columns)
            A row each; `state.Trace` names the columns.
        """
        self._check_open()
        size = 2 * output_room(item.raw.shape[1])
        trace = np.zeros((size + 1, Trace.FEATURES + FEATURES), np.float32)
        events = [*self._follow_start(item), *self._run(item.raw, item.filtered, trace)]
        return events, trace[1 : 1 + int(trace[0, 0])]

    def flush(self) -> list[RPeak | Gap]:
        """End the stream: decide on what is pending, close an open gap."""
        events = [] if self._closed else self._finish()
        self._closed = True
        return events

    def _check_open(self) -> None:
        if self._closed:
            raise StageClosedError("QRSDetector was flushed; reset() it before pushing again")

    def _follow_start(self, item: FilteredChunk) -> list[RPeak | Gap]:
        """Begin at the first chunk's start, and anew, with nothing learnt, after a jump."""
        expected = int(self.memory["n"][0])
        if not self.memory["started"][0]:
            self.memory["n"] = item.start
            return []
        if item.start < expected:
            raise OverlapError(f"chunk starts at sample {item.start}, expected {expected} or later")
        if item.start == expected:
            return []
        pending = self._finish()
        self.memory[:] = new_state(self._leads, item.start)
        return pending

    def _finish(self) -> list[RPeak | Gap]:
        nothing = np.empty((self._leads, 0), np.float32)
        return self._run(nothing, nothing, _NO_TRACE, is_last=True)

    def _run(
        self,
        raw: NDArray[np.float32],
        filtered: NDArray[np.float32],
        trace: NDArray[np.float32],
        *,
        is_last: bool = False,
    ) -> list[RPeak | Gap]:
        """Push samples, and finish if they are the last."""
        room = output_room(raw.shape[1])
        if room > len(self._out):
            self._out = records(OUTPUT, room)
        count: int = push_detector(
            self.memory, self._parameters, self._net, raw, filtered, self._out, trace, is_last
        )
        return [to_event(row) for row in self._out[:count].tolist()] if count else []

    def snapshot(self) -> Snapshot:
        """Copy the state: about 18 KB."""
        return Snapshot(
            stage="QRSDetector",
            version=_VERSION,
            state={"patient": self.memory.copy(), "closed": self._closed},
        )

    def restore(self, snapshot: Snapshot) -> None:
        """Continue from `snapshot`."""
        state = snapshot.require("QRSDetector", _VERSION)
        self.memory[:] = state["patient"]
        self._closed = state["closed"]


@cache
def shipped_net() -> NDArray[np.float32]:
    """Return the shipped weights as the kernel takes them: the same, never changed, for all."""
    return packed(load_peak_scorer())


@cache
def kernel_parameters(config: DetectorConfig) -> Any:
    """Lay out a configuration as the kernel takes it, times in samples at the chain's rate.

    Raises
    ------
    ValueError
        If the moving average is longer than the memory of slopes.
    """
    p = records(PARAMETERS, 1)
    for name in TIMES:
        p[name] = round(getattr(config, f"{name}_s") * CHAIN_FS)
    if p["window"][0] >= SLOPES:
        raise ValueError(
            f"got window_s = {config.window_s:g}, expected less than {SLOPES / CHAIN_FS:.3f} s"
        )
    for name in NUMBERS:
        p[name] = getattr(config, name)
    p["floor"] = config.floor_mv
    p["fade"] = config.fade_per_s ** (1.0 / CHAIN_FS)
    return p


def to_event(row: tuple[Any, ...]) -> RPeak | Gap:
    """Turn one row of the kernel's output, as `tolist` gives it, into what it stands for."""
    kind, sample, stop, decided_at, amplitude, quality, flag, ongoing = row
    if kind == GAP:
        return Gap(
            start=sample,
            stop=stop,
            reason=REASONS[flag],
            decided_at=decided_at,
            ongoing=bool(ongoing),
        )
    return RPeak(
        sample=sample,
        amplitude_mv=amplitude,
        decided_at=decided_at,
        search_back=bool(flag),
        quality=quality,
    )
