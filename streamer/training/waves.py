"""Fit the weights of the waves: `ecg-stream train waves` prints them.

Learns from simulated arrests, rhythms and faults (`replay.simulate`, seeds from 1000 on, which no
benchmark uses), clean and with `ma` and `bw` of the Noise Stress Test Database, from that noise
alone, and from the records of DS1, of which 207 has the only ventricular flutter. Each kind counts
alike. Also prints the area under the ROC curve on kinds that were left out of the fit.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from classifier.splits import DS1
from replay.noise import in_noise, read_noise
from replay.record import Record
from replay.records import open_record
from replay.simulate.arrests import ARRESTS
from replay.simulate.faults import FAULTS, FaultTiming, with_fault
from replay.simulate.rhythms import TEMPTING_RHYTHMS
from streamer.core.events import CHAIN_FS
from streamer.rhythm.waveform.kernel import WatchParameters, describe_windows
from streamer.rhythm.waveform.measures import SignalConfig, kernel_parameters
from streamer.rhythm.waveform.waves import FEATURES, TERMS, expand_terms
from streamer.scoring.episodes import flutter_spans
from streamer.training.at_chain_rate import resampled

FloatArray = NDArray[np.float64]
FIRST_SEED: Final = 1000
_SILENT: Final = "silence"
_RIDGE: Final = 1e-3
_ROUNDS: Final = 30
_REAL: Final = "207"
_REAL_WEIGHT: Final = 4.0
"""The only real flutter counts as much as so many simulated kinds."""
_ENOUGH: Final = 50
"""A kind with fewer windows counts less."""
_FOLDS: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveTrainingConfig:
    """How much is simulated."""

    arrests: int = 60
    noisy_arrests: int = 16
    rhythms: int = 12
    noisy_rhythms: int = 4
    faults: int = 48
    mixes: tuple[tuple[str, float], ...] = (("ma", 12), ("ma", 6), ("bw", 6), ("bw", 0))
    """Noise and its ratio in dB."""
    step_s: float = 1.0
    """From one window to the next in arrests and faults."""
    long_step_s: float = 4.0
    """The same in what lasts."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Windows:
    """Windows to learn from."""

    features: FloatArray
    """Shape (n, FEATURES)."""
    waves: NDArray[np.bool_]
    """Whether each is flutter or fibrillation all through."""
    kinds: NDArray[np.str_]


Spans = list[tuple[float, float]]
Piece = tuple[str, NDArray[np.floating], Spans, float]
"""Kind, signal at the chain's rate, seconds of waves, step."""


def pieces(config: WaveTrainingConfig) -> Iterator[Piece]:
    """Yield everything to learn from."""
    noise = {name: read_noise(name, CHAIN_FS) for name in ("ma", "bw")}
    yield from _arrests(config, noise)
    yield from _rhythms(config, noise)
    sinus = TEMPTING_RHYTHMS["sinus rhythm"]
    timing = FaultTiming(clean_s=4.0, faulty_s=20.0)
    for name, fault in FAULTS.items():
        for seed in range(FIRST_SEED, FIRST_SEED + config.faults):
            spoilt = with_fault(sinus(CHAIN_FS, seed), fault, seed=seed, timing=timing)
            yield name, spoilt.signal, [], config.step_s
    for name, samples in noise.items():
        for gain in (1.0, 3.0):
            yield f"{name} alone", samples * gain, [], config.long_step_s
    for name in DS1:
        record = open_record(name)
        step_s = config.step_s if name == _REAL else config.long_step_s
        yield name, resampled(record, CHAIN_FS), _flutter(record), step_s


def _flutter(record: Record) -> Spans:
    reference = record.reference()
    if reference is None:
        return []
    spans = flutter_spans(reference, record.n_samples)
    return [(start / record.fs, stop / record.fs) for start, stop in spans]


Noises = dict[str, NDArray[np.float32]]


def _arrests(config: WaveTrainingConfig, noise: Noises) -> Iterator[Piece]:
    for name, make in ARRESTS.items():
        if name.startswith(_SILENT):
            continue
        for seed in range(FIRST_SEED, FIRST_SEED + config.arrests):
            onset = make(CHAIN_FS, seed)
            spans = [(onset.onset_s, np.inf)]
            yield name, onset.record.signal, spans, config.step_s
            if seed >= FIRST_SEED + config.noisy_arrests:
                continue
            for noise_name, snr_db in config.mixes:
                noisy = in_noise(onset.record, noise[noise_name], snr_db, seed)
                yield f"{name}, {noise_name} {snr_db:g}", noisy.signal, spans, config.step_s


def _rhythms(config: WaveTrainingConfig, noise: Noises) -> Iterator[Piece]:
    for name, make in TEMPTING_RHYTHMS.items():
        for seed in range(FIRST_SEED, FIRST_SEED + config.rhythms):
            record = make(CHAIN_FS, seed)
            yield name, record.signal, [], config.long_step_s
            if seed >= FIRST_SEED + config.noisy_rhythms:
                continue
            for noise_name, snr_db in config.mixes[1::2]:
                noisy = in_noise(record, noise[noise_name], snr_db, seed)
                yield f"{name}, {noise_name} {snr_db:g}", noisy.signal, [], config.long_step_s


def collect(everything: Iterator[Piece], signal_config: SignalConfig | None = None) -> Windows:
    """Describe the windows of every piece as the signal's watch does."""
    c = kernel_parameters(signal_config or SignalConfig())
    features, waves, kinds = [], [], []
    for kind, samples, spans, step_s in everything:
        for found, is_wave in _windows(samples, spans, step_s, c):
            features.append(found)
            waves.append(is_wave)
            kinds.append(kind)
    return Windows(features=np.array(features), waves=np.array(waves), kinds=np.array(kinds))


def _windows(
    samples: NDArray[np.floating], spans: Spans, step_s: float, c: WatchParameters
) -> Iterator[tuple[FloatArray, bool]]:
    """Yield the features of windows that lie wholly in waves, or wholly outside."""
    kept_hz = CHAIN_FS / c.decimation
    filtered = signal.sosfilt(c.sos, np.nan_to_num(samples), axis=1)
    box = np.full(2 * c.decimation, 1.0 / (2 * c.decimation))
    kept = signal.lfilter(box, 1.0, filtered, axis=1)[:, :: c.decimation].astype(np.float32)
    for stop in range(2 * c.window, kept.shape[1], round(step_s * kept_hz)):
        start_s, stop_s = (stop - c.window) / kept_hz, stop / kept_hz
        inside = any(a <= start_s and stop_s <= b for a, b in spans)
        if not inside and any(a < stop_s and start_s < b for a, b in spans):
            continue
        found = np.zeros(FEATURES)
        windows = np.ascontiguousarray(kept[:, stop - c.window : stop])
        if describe_windows(windows, c, found)[1] > 0.0:
            yield found, inside


def weights_of(windows: Windows) -> FloatArray:
    """Weigh every kind alike, and both classes."""
    weights = np.zeros(windows.waves.size)
    for kind in np.unique(windows.kinds):
        for is_wave in (False, True):
            chosen = (windows.kinds == kind) & (windows.waves == is_wave)
            count = int(chosen.sum())
            if count:
                weights[chosen] = min(1.0, count / _ENOUGH) / count
            if kind == _REAL and is_wave:
                weights[chosen] *= _REAL_WEIGHT
    for is_wave in (False, True):
        weights[windows.waves == is_wave] /= weights[windows.waves == is_wave].sum()
    return weights


def fit(windows: Windows, weights: FloatArray) -> FloatArray:
    """Fit a logistic regression over the terms by Newton's method; shape (TERMS,)."""
    terms = expanded(windows.features)
    scale = np.sqrt((weights[:, np.newaxis] * terms**2).sum(axis=0))
    terms = terms / scale
    found = np.zeros(TERMS)
    for _ in range(_ROUNDS):
        odds = terms @ found
        p = 1.0 / (1.0 + np.exp(-np.clip(odds, -30.0, 30.0)))
        slope = terms.T @ (weights * (p - windows.waves)) + _RIDGE * found
        curve = (terms * (weights * p * (1.0 - p))[:, np.newaxis]).T @ terms
        found -= np.linalg.solve(curve + _RIDGE * np.eye(TERMS), slope)
    result: FloatArray = found / scale
    return result


def expanded(features: FloatArray) -> FloatArray:
    """Return the terms of every window, shape (n, TERMS)."""
    terms = np.empty((len(features), TERMS))
    for k, f in enumerate(features):
        expand_terms(f, terms[k])
    return terms


def area(scores: FloatArray, waves: NDArray[np.bool_], weights: FloatArray) -> float:
    """Return the weighted area under the ROC curve."""
    order = np.argsort(-scores)
    hits, alarms = weights[order] * waves[order], weights[order] * ~waves[order]
    return float((np.cumsum(hits) * alarms).sum() / (hits.sum() * alarms.sum()))


def held_out_area(windows: Windows, weights: FloatArray) -> float:
    """Score every kind by a fit without it, in folds of kinds."""
    kinds = np.unique(windows.kinds)
    fold = {str(kind): k % _FOLDS for k, kind in enumerate(kinds)}
    folds = np.array([fold[str(kind)] for kind in windows.kinds])
    scores = np.empty(folds.size)
    for k in range(_FOLDS):
        chosen = folds != k
        part = Windows(
            features=windows.features[chosen],
            waves=windows.waves[chosen],
            kinds=windows.kinds[chosen],
        )
        scores[~chosen] = expanded(windows.features[~chosen]) @ fit(part, weights_of(part))
    return area(scores, windows.waves, weights)


def train_waves(config: WaveTrainingConfig | None = None) -> int:
    """Collect, fit and print."""
    write = sys.stdout.write
    windows = collect(pieces(config or WaveTrainingConfig()))
    weights = weights_of(windows)
    found = fit(windows, weights)
    scores = expanded(windows.features) @ found
    write(f"{windows.waves.size} windows, {int(windows.waves.sum())} of waves\n")
    write(f"area under the curve {area(scores, windows.waves, weights):.4f}")
    write(f", kinds held out {held_out_area(windows, weights):.4f}\n")
    write(", ".join(f"{value:.3f}" for value in found) + "\n")
    return 0
