"""Which numbers of a report can't be relied on, and why."""

from dataclasses import dataclass

import numpy as np

from streamer.core.clock_format import clock
from streamer.core.events import Rhythm
from streamer.report.counts import rr_intervals, sinus_intervals
from streamer.report.data import ReportData
from streamer.rhythm.config import RhythmConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustConfig:
    """From when on a number is doubted."""

    poor_quality: float = RhythmConfig().run_quality
    """Below it the rhythm rules take a beat for no evidence."""
    poor_share: float = 0.1
    """Of the beats, poor ones."""
    fibrillation_share: float = 0.01
    """Of the recording: irregular intervals look like premature beats, or hide them."""
    normal_share: float = 0.8
    """Of the intervals, NN ones: with more ectopy than a fifth the rest isn't the sinus node's."""
    day_s: float = 18 * 3600.0
    """What is called a 24-hour recording."""


def doubts_of_s(data: ReportData, config: TrustConfig | None = None) -> list[str]:
    """Say why the count of supraventricular ectopic beats can't be trusted; empty if it can."""
    config = config or TrustConfig()
    return [*_fibrillation(data, config), *_noise(data, config)]


def doubts_of_sdnn(data: ReportData, config: TrustConfig | None = None) -> list[str]:
    """Say why SDNN can't be trusted, or compared with norms; empty if it can."""
    config = config or TrustConfig()
    found = [*_fibrillation(data, config), *_noise(data, config)]
    known, normal = rr_intervals(data).lengths_s.size, sinus_intervals(data)[0].size
    if known and normal < config.normal_share * known:
        found.append(f"only {100 * normal / known:.0f} % of the intervals are NN intervals")
    if data.seconds < config.day_s:
        found.append(f"it is over {clock(data.seconds)}, and norms are for 24 hours")
    return found


def _fibrillation(data: ReportData, config: TrustConfig) -> list[str]:
    inside = sum(stop - onset for onset, stop in data.spans(Rhythm.ATRIAL_FIBRILLATION))
    share = inside / max(data.stop - data.first, 1)
    if share < config.fibrillation_share:
        return []
    return [f"{100 * share:.0f} % of the recording is atrial fibrillation"]


def _noise(data: ReportData, config: TrustConfig) -> list[str]:
    poor = np.array([beat.quality < config.poor_quality for beat in data.beats])
    if not poor.size or poor.mean() < config.poor_share:
        return []
    return [f"{100 * poor.mean():.0f} % of the beats are of poor signal quality"]
