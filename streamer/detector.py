"""Causal QRS detection: adaptive thresholds on a slope envelope, with search-back."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streamer.bandpass import FilteredChunk
from streamer.detector_kernel import (
    NONE,
    OUTPUT,
    OUTPUT_GAP,
    PARAMETERS,
    new_state,
    run_detector,
)
from streamer.errors import OverlapError, StageClosedError
from streamer.events import CHAIN_FS, Gap, GapReason, RPeak
from streamer.stage import Snapshot

SNAPSHOT_VERSION: Final = 1
REASONS: Final = (GapReason.INVALID, GapReason.FLAT)


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorConfig:
    """Constants of the detector."""

    window_s: float = 0.083
    """Length of the slope envelope's moving average: a QRS complex."""
    lag_s: float = 0.064
    """From an R peak to the maximum of its envelope: half the window and the filter's delay."""
    dominance_s: float = 0.100
    """How long a maximum must stand unbeaten."""
    refractory_s: float = 0.200
    """No two beats closer than this (Pan & Tompkins 1985)."""
    t_wave_s: float = 0.360
    """Within this after a beat, a maximum of low slope is a T wave (Pan & Tompkins 1985)."""
    t_ratio: float = 0.5
    threshold: float = 0.3
    """Between noise level (0) and beat level (1)."""
    back_threshold: float = 0.2
    back_rr: float = 1.6
    """Mean RR intervals of silence after which search-back begins."""
    floor_mv: float = 0.002
    """Mean slope, in mV a 5.6 ms step, below which nothing is a beat."""
    flat_s: float = 1.0
    blank_s: float = 0.150
    learn_s: float = 1.5
    reach_s: float = 0.085
    """How far from its expected place the R peak may lie."""
    silence_s: float = 2.5
    """Silence after which the level begins to decay."""


class QRSDetector:
    """Finds QRS complexes in the primary lead, sample by sample.

    Parameters
    ----------
    n_leads : int
        Leads in every chunk; row 0 is the primary lead.
    config : DetectorConfig
        Constants.
    """

    def __init__(self, *, n_leads: int, config: DetectorConfig | None = None) -> None:
        self._n_leads = n_leads
        self._parameters = _parameters(config or DetectorConfig())
        self.reset()

    def reset(self) -> None:
        """Return to the state of a new object."""
        self._state = new_state()
        self._closed = False
        self._started = False

    def push(self, item: FilteredChunk) -> list[RPeak | Gap]:
        """Take samples; return the beats and gaps that became known."""
        if self._closed:
            raise StageClosedError("QRSDetector was flushed; reset() it before pushing again")
        if not self._started:
            self._started = True
            self._state["n"] = item.start
        expected = int(self._state["n"][0])
        if item.start < expected:
            raise OverlapError(f"chunk starts at {item.start}, expected {expected} or later")
        if item.start > expected:
            state = new_state()
            state["n"] = item.start
            for name in ("level", "noise", "rr_mean"):
                state[name] = self._state[name]
            self._state = state
        n = item.raw.shape[1]
        out = np.zeros(n // 16 + 64, OUTPUT)
        count = run_detector(self._state, self._parameters, item.raw[0], item.filtered[0], out)
        return [_event(row) for row in out[:count]]

    def flush(self) -> list[RPeak | Gap]:
        """End the stream: an open gap is closed, pending candidates are decided on."""
        if self._closed:
            return []
        out: list[RPeak | Gap] = []
        s = self._state[0]
        if self._started and s["bad_since"] == NONE and not self._closed:
            n = int(s["n"])
            pad = int(self._parameters["dominance"]) + int(self._parameters["learn"]) + 1
            raw = np.full((self._n_leads, pad), s["raw"][(n - 1) % 1024], np.float32)
            last = np.full((self._n_leads, pad), s["filtered"][(n - 1) % 1024], np.float32)
            for event in self.push(FilteredChunk(start=n, raw=raw, filtered=last)):
                if isinstance(event, RPeak) and event.sample < n:
                    out.append(
                        RPeak(
                            sample=event.sample,
                            amplitude_mv=event.amplitude_mv,
                            decided_at=min(event.decided_at, n - 1),
                            search_back=event.search_back,
                            quality=event.quality,
                        )
                    )
        elif self._started:
            n = int(s["n"])
            out.append(
                Gap(
                    start=int(s["bad_since"]),
                    stop=n,
                    reason=REASONS[int(s["bad_reason"])],
                    decided_at=n - 1,
                )
            )
        self._closed = True
        return out

    def snapshot(self) -> Snapshot:
        """Copy the state."""
        return Snapshot(
            stage="QRSDetector",
            version=SNAPSHOT_VERSION,
            state={
                "state": self._state.copy(),
                "closed": self._closed,
                "started": self._started,
            },
        )

    def restore(self, snapshot: Snapshot) -> None:
        """Continue from `snapshot`."""
        state = snapshot.require("QRSDetector", SNAPSHOT_VERSION)
        self._state = state["state"].copy()
        self._closed = state["closed"]
        self._started = state["started"]


def _parameters(config: DetectorConfig) -> Any:
    p = np.zeros(1, PARAMETERS)
    for name in (
        "window",
        "lag",
        "dominance",
        "refractory",
        "t_wave",
        "flat",
        "blank",
        "learn",
        "reach",
        "silence",
    ):
        p[name] = round(getattr(config, f"{name}_s") * CHAIN_FS)
    for name in ("t_ratio", "threshold", "back_threshold", "back_rr"):
        p[name] = getattr(config, name)
    p["floor"] = config.floor_mv
    return p[0]


def _event(row: NDArray[Any]) -> RPeak | Gap:
    if row["kind"] == OUTPUT_GAP:
        return Gap(
            start=int(row["sample"]),
            stop=int(row["stop"]),
            reason=REASONS[int(row["flag"])],
            decided_at=int(row["decided_at"]),
        )
    return RPeak(
        sample=int(row["sample"]),
        amplitude_mv=float(row["amplitude"]),
        decided_at=int(row["decided_at"]),
        search_back=bool(row["flag"]),
        quality=float(row["quality"]),
    )
