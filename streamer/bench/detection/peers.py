"""Other QRS detectors that install from PyPI, as their own documentation runs them.

All of them take a whole record at once and one lead. None of their settings was tuned.
"""

import importlib
import importlib.util
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from streamer.bench.excerpt import Excerpt

Lead = NDArray[np.float64]

INSTALL: Final = "pip install 'ecg-stream[peers]'"
"""Brings every package named below."""

_GQRS_GAIN: Final = 200
"""ADC units a mV. On the physical signal gqrs makes twice the errors; its documentation advises the
digital one, with which it repeats the original program."""
_GQRS_ZERO: Final = 1024
_BIOSPPY_BAND_HZ: Final = (0.67, 45.0)
"""What `biosppy.signals.ecg.ecg` filters with before it segments."""
_BIOSPPY_FILTER_S: Final = 1.5
_BIOSPPY_CORRECTION_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class Peer:
    """A detector to compare with."""

    key: str
    """What the command line calls it."""
    title: str
    modules: tuple[str, ...]
    """What it imports."""
    run: Callable[[Lead, float], ArrayLike]
    """From mV and Hz to R peaks."""

    @property
    def is_installed(self) -> bool:
        """Whether everything that it imports is there."""
        return all(importlib.util.find_spec(name) is not None for name in self.modules)


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerResult:
    """What a peer found in one lead."""

    samples: NDArray[np.int64]
    """R peaks, ascending; empty when it failed."""
    error: str | None = None
    """One line when it failed."""


def _gqrs(lead: Lead, fs: float) -> ArrayLike:
    processing: Any = importlib.import_module("wfdb.processing")
    counts = np.rint(lead * _GQRS_GAIN).astype(np.int64) + _GQRS_ZERO
    found: ArrayLike = processing.gqrs_detect(
        d_sig=counts, fs=fs, adc_gain=_GQRS_GAIN, adc_zero=_GQRS_ZERO
    )
    return found


def _xqrs(lead: Lead, fs: float) -> ArrayLike:
    processing: Any = importlib.import_module("wfdb.processing")
    found: ArrayLike = processing.xqrs_detect(sig=lead, fs=fs, verbose=False)
    return found


def _neurokit(method: str, clean: str | None) -> Callable[[Lead, float], ArrayLike]:
    """Detect with one of NeuroKit2's methods, on a signal cleaned as its documentation does."""

    def run(lead: Lead, fs: float) -> ArrayLike:
        neurokit: Any = importlib.import_module("neurokit2")
        rate = round(fs)
        cleaned = lead if clean is None else neurokit.ecg_clean(lead, rate, method=clean)
        found: ArrayLike = neurokit.ecg_peaks(cleaned, rate, method=method)[1]["ECG_R_Peaks"]
        return found

    return run


def _sleepecg(lead: Lead, fs: float) -> ArrayLike:
    sleepecg: Any = importlib.import_module("sleepecg")
    found: ArrayLike = sleepecg.detect_heartbeats(lead, fs)
    return found


def _biosppy(segmenter: str) -> Callable[[Lead, float], ArrayLike]:
    """Filter, segment and correct as `biosppy.signals.ecg.ecg` does."""

    def run(lead: Lead, fs: float) -> ArrayLike:
        ecg: Any = importlib.import_module("biosppy.signals.ecg")
        tools: Any = importlib.import_module("biosppy.signals.tools")
        filtered = tools.filter_signal(
            signal=lead,
            ftype="FIR",
            band="bandpass",
            order=int(_BIOSPPY_FILTER_S * fs),
            frequency=list(_BIOSPPY_BAND_HZ),
            sampling_rate=fs,
        )["signal"]
        rough = getattr(ecg, segmenter)(signal=filtered, sampling_rate=fs)["rpeaks"]
        found: ArrayLike = ecg.correct_rpeaks(
            signal=filtered, rpeaks=rough, sampling_rate=fs, tol=_BIOSPPY_CORRECTION_S
        )["rpeaks"]
        return found

    return run


_NEUROKIT: Final = ("neurokit2",)
_BIOSPPY: Final = ("biosppy", "peakutils")
"""BioSPPy imports peakutils without asking for it."""

PEERS: Final[tuple[Peer, ...]] = (
    Peer("gqrs", "gqrs (wfdb)", ("wfdb",), _gqrs),
    Peer("xqrs", "XQRS (wfdb)", ("wfdb",), _xqrs),
    Peer("neurokit", "NeuroKit2 default", _NEUROKIT, _neurokit("neurokit", "neurokit")),
    Peer(
        "pantompkins",
        "NeuroKit2 pantompkins1985",
        _NEUROKIT,
        _neurokit("pantompkins1985", "pantompkins1985"),
    ),
    Peer("khamis", "NeuroKit2 khamis2016", _NEUROKIT, _neurokit("khamis2016", None)),
    Peer("rodrigues", "NeuroKit2 rodrigues2021", _NEUROKIT, _neurokit("rodrigues2021", "neurokit")),
    Peer("sleepecg", "SleepECG", ("sleepecg",), _sleepecg),
    Peer("hamilton", "BioSPPy hamilton", _BIOSPPY, _biosppy("hamilton_segmenter")),
    Peer("ptpp", "BioSPPy Pan-Tompkins++", _BIOSPPY, _biosppy("Pan_Tompkins_Plus_Plus_segmenter")),
)
"""In the order in which they are reported."""


def select_peers(keys: Sequence[str] | None) -> tuple[list[Peer], list[Peer]]:
    """Choose peers; return those that are installed and those that aren't.

    Parameters
    ----------
    keys : sequence of str or None
        None for no peers, an empty sequence for all of them.

    Raises
    ------
    ValueError
        If there is no such peer.
    """
    if keys is None:
        return [], []
    known = {peer.key: peer for peer in PEERS}
    if unknown := [key for key in keys if key not in known]:
        raise ValueError(f"no peer {unknown[0]!r}; choose from {', '.join(known)}")
    chosen = [known[key] for key in dict.fromkeys(keys)] if keys else list(PEERS)
    installed = [peer for peer in chosen if peer.is_installed]
    return installed, [peer for peer in chosen if not peer.is_installed]


def not_installed(missing: Sequence[Peer]) -> list[str]:
    """Return a line for each missing peer on how to get it."""
    return [f"Not installed, so not measured: {peer.title}; {INSTALL}." for peer in missing]


def find_with_peers(
    excerpt: Excerpt, peers: Sequence[Peer]
) -> tuple[dict[str, NDArray[np.int64]], dict[str, str]]:
    """Have each peer look for R peaks in the primary lead.

    Returns
    -------
    found : dict of str to ndarray
        R peaks by the peer's title; none where it failed.
    failures : dict of str to str
        One line for each peer that raised.
    """
    results = {peer.title: run_peer(peer, excerpt.samples[0], excerpt.fs) for peer in peers}
    found = {title: result.samples for title, result in results.items()}
    return found, {title: r.error for title, r in results.items() if r.error is not None}


def run_peer(peer: Peer, lead: NDArray[np.floating], fs: float) -> PeerResult:
    """Have a peer look for R peaks in one lead.

    Parameters
    ----------
    lead : ndarray, shape (n,)
        mV; invalid samples (NaN) are replaced by the last valid one, which no peer minds.
    fs : float
        Sampling frequency in Hz.

    Returns
    -------
    PeerResult
        A peer that raises is reported, with no beats found.
    """
    filled = _filled(np.asarray(lead, np.float64))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = np.asarray(peer.run(filled, fs), np.float64)
        except Exception as error:  # noqa: BLE001 - foreign code on odd signals raises anything
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            return PeerResult(samples=np.empty(0, np.int64), error=reason)
    return PeerResult(samples=np.unique(found[np.isfinite(found)].astype(np.int64)))


def _filled(lead: Lead) -> Lead:
    """Replace NaN by the last valid sample; by 0 before the first."""
    valid = np.isfinite(lead)
    if valid.all():
        return lead
    last = np.maximum.accumulate(np.where(valid, np.arange(lead.size), -1))
    return np.where(last >= 0, lead[last], 0.0)
