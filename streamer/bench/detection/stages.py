"""The chain's detection stages by themselves, with everything they found in the source's time."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from replay.chunk import Chunk
from replay.record import BLOCK_SAMPLES
from streamer.bench.excerpt import Excerpt
from streamer.core.events import Gap, RPeak
from streamer.signal.bandpass import BandPass
from streamer.signal.detector.qrs_detector import QRSDetector
from streamer.signal.detector.state import Trace
from streamer.signal.resample import Resampler


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Detected:
    """What the detector made of one recording; every sample index is the source's own.

    Attributes
    ----------
    samples : ndarray of int64, shape (n,)
        R peaks, ascending.
    decided_at : ndarray of int64, shape (n,)
        Source sample whose arrival made each of them known.
    quality : ndarray of float64, shape (n,)
        Signal-quality index of each, 0 to 1.
    search_back : ndarray of bool, shape (n,)
        Whether it was found by looking back.
    candidates : ndarray of int64, shape (m,)
        Where something was judged.
    log_odds : ndarray of float64, shape (m,)
        What the scorer gave each candidate.
    gaps : tuple of (int, int)
        First and one past the last sample of each unusable segment.
    """

    samples: NDArray[np.int64]
    decided_at: NDArray[np.int64]
    quality: NDArray[np.float64]
    search_back: NDArray[np.bool_]
    candidates: NDArray[np.int64]
    log_odds: NDArray[np.float64]
    gaps: tuple[tuple[int, int], ...]


class DetectionStages:
    """Resampler, band-pass and detector in a row, as the chain has them.

    Parameters
    ----------
    fs : float
        Sampling frequency of the source in Hz.
    n_leads : int
        Rows of every chunk, primary lead first.
    """

    def __init__(self, *, fs: float, n_leads: int) -> None:
        self.resampler = Resampler(fs=fs, n_leads=n_leads)
        self.bandpass = BandPass(n_leads=n_leads)
        self.detector = QRSDetector(n_leads=n_leads)

    def push(self, chunk: Chunk) -> list[RPeak | Gap]:
        """Push samples of the source; return events that count at the chain's rate."""
        events: list[RPeak | Gap] = []
        for item in self.resampler.push(chunk):
            if isinstance(item, Chunk):
                for filtered in self.bandpass.push(item):
                    events += self.detector.push(filtered)
            else:
                events.append(item)
        return events


def detect(excerpt: Excerpt, chunk_samples: int = BLOCK_SAMPLES) -> Detected:
    """Run a recording through the detection stages; the result doesn't depend on the chunks."""
    stages = DetectionStages(fs=excerpt.fs, n_leads=len(excerpt.leads))
    events: list[RPeak | Gap] = []
    judged: list[NDArray[np.float32]] = []
    for chunk in excerpt.chunks(chunk_samples):
        _trace(stages, stages.resampler.push(chunk), events, judged)
    _trace(stages, stages.resampler.flush(), events, judged)
    events += stages.detector.flush()
    return _at_source(stages.resampler, events, judged, max(excerpt.n_samples - 1, 0))


def _trace(
    stages: DetectionStages,
    items: list[Chunk | Gap],
    events: list[RPeak | Gap],
    judged: list[NDArray[np.float32]],
) -> None:
    """Push chunks at the chain's rate through filter and detector, and keep the candidates."""
    for item in items:
        if isinstance(item, Gap):
            events.append(item)
            continue
        for filtered in stages.bandpass.push(item):
            found, candidates = stages.detector.trace(filtered)
            events += found
            judged.append(candidates[:, : Trace.FEATURES].copy())


def _at_source(
    resampler: Resampler,
    events: list[RPeak | Gap],
    judged: list[NDArray[np.float32]],
    last: int,
) -> Detected:
    peaks = [event for event in events if isinstance(event, RPeak)]
    gaps = [event for event in events if isinstance(event, Gap)]
    candidates = np.concatenate([np.empty((0, Trace.FEATURES), np.float32), *judged])
    position = resampler.to_source
    # The end of the stream makes things known before their time.
    decided = [min(resampler.arrival(peak.decided_at), last) for peak in peaks]
    return Detected(
        samples=np.array([position(peak.sample) for peak in peaks], np.int64),
        decided_at=np.array(decided, np.int64),
        quality=np.array([peak.quality for peak in peaks], np.float64),
        search_back=np.array([peak.search_back for peak in peaks], np.bool_),
        candidates=np.array([position(int(at)) for at in candidates[:, Trace.PEAK]], np.int64),
        log_odds=candidates[:, Trace.LOG_ODDS].astype(np.float64),
        gaps=tuple((position(gap.start), position(gap.stop)) for gap in gaps),
    )
