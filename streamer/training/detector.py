"""Train the peak scorer of the QRS detector, closed loop.

    ecg-stream train detector --out out/detector
    ecg-stream train detector --out out/detector --folds 4    # and the cross-validated figure

What a candidate looks like depends on what was accepted before it, so the scorer learns from the
detector's own runs (DAgger: Ross, Gordon & Bagnell 2011, arXiv:1011.0686): detect with the present
scorer, label each candidate by the reference, fit, and again. Records: DS1 of the MIT-BIH
Arrhythmia Database and variants of them (`streamer.training.augmentation`); noise: `bw` and `ma`
of the Noise Stress Test Database. DS2, the paced records and `svdb` are never trained on; which
variants there are was decided with their figures in sight.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from classifier.splits import DS1
from replay.chunk import Chunk
from replay.record import require_reference
from replay.records import open_record
from streamer.core.errors import writing
from streamer.core.events import RPeak
from streamer.scoring.ec57 import TOLERANCE_MS, BeatAnnotations
from streamer.scoring.matching import match_beats, tolerance_samples
from streamer.signal.bandpass import BandPass, FilteredChunk
from streamer.signal.detector.peak_scorer import PeakScorer, amplitude_scorer, save_peak_scorer
from streamer.signal.detector.qrs_detector import QRSDetector
from streamer.signal.detector.state import Trace
from streamer.training.at_chain_rate import at_chain_rate
from streamer.training.augmentation import FS, Recording, Samples, variants

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorTrainingConfig:
    """How the scorer is trained."""

    hidden: tuple[int, int] = (32, 16)
    epochs: tuple[int, ...] = (3, 4, 6)
    """Of each closed-loop round; the last two rounds' candidates are learnt from together."""
    batch: int = 1024
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
    seed: int = 0


def load_recording(name: str) -> Recording:
    """Read a record with its reference beats, at the chain's rate."""
    record = at_chain_rate(open_record(name, download=False))
    marks = BeatAnnotations.of_reference(require_reference(record))
    return Recording(name=name, samples=record.signal, beats=marks.samples, ignored=marks.vf)


def load_noise() -> dict[str, Samples]:
    """Read the two noise records that may be trained with; `em` is kept to measure with."""
    return {
        name: at_chain_rate(open_record(f"nstdb/{name}", download=False)).signal
        for name in ("bw", "ma")
    }


def band_passed(samples: Samples) -> FilteredChunk:
    """Run a whole recording through the band-pass."""
    return BandPass(n_leads=samples.shape[0]).push(Chunk(start=0, samples=samples))[0]


def detect(chunk: FilteredChunk, scorer: PeakScorer) -> list[RPeak]:
    """Run a whole recording through the detector."""
    detector = QRSDetector(n_leads=chunk.raw.shape[0], scorer=scorer)
    events = detector.push(chunk) + detector.flush()
    return [event for event in events if isinstance(event, RPeak)]


def label_candidates(peaks: NDArray[np.float32], recording: Recording) -> NDArray[np.int8]:
    """Return 1 for each beat's nearest candidate, 0 for others, -1 for those not to learn from."""
    tolerance = tolerance_samples(TOLERANCE_MS, FS)
    labels = np.zeros(peaks.size, np.int8)
    for beat in recording.beats:
        low, high = np.searchsorted(peaks, [beat - tolerance, beat + tolerance + 1])
        if high > low:
            labels[low + np.argmin(np.abs(peaks[low:high] - beat))] = 1
    for start, stop in recording.ignored:
        labels[(peaks >= start - tolerance) & (peaks <= stop + tolerance)] = -1
    return labels


Candidates = tuple[NDArray[np.float32], NDArray[np.int8]]


def collect(pool: Sequence[tuple[Recording, FilteredChunk]], scorer: PeakScorer) -> Candidates:
    """Detect in every recording; return the candidates' features and labels."""
    features, labels = [], []
    for recording, chunk in pool:
        detector = QRSDetector(n_leads=chunk.raw.shape[0], scorer=scorer)
        _, candidates = detector.trace(chunk)
        found = label_candidates(candidates[:, Trace.PEAK], recording)
        features.append(candidates[found >= 0, Trace.FEATURES :])
        labels.append(found[found >= 0])
    return np.concatenate(features), np.concatenate(labels)


def fit(candidates: Candidates, config: DetectorTrainingConfig, epochs: int) -> PeakScorer:
    """Fit the perceptron to labelled candidates by AdamW with a one-cycle schedule."""
    import torch  # noqa: PLC0415 - only training needs it

    torch.manual_seed(config.seed)
    x, y = torch.from_numpy(candidates[0]), torch.from_numpy(candidates[1].astype(np.float32))
    first, second = config.hidden
    layers = [torch.nn.Linear(x.shape[1], first), torch.nn.Linear(first, second)]
    layers.append(torch.nn.Linear(second, 1))
    relu = torch.nn.ReLU
    model = torch.nn.Sequential(layers[0], relu(), layers[1], relu(), layers[2])
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
    )
    batches = max(1, len(x) // config.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, config.learning_rate, total_steps=epochs * batches + 1
    )
    for _ in range(epochs):
        order = torch.randperm(len(x))
        for b in range(batches):
            chosen = order[b * config.batch : (b + 1) * config.batch]
            loss = torch.nn.functional.binary_cross_entropy_with_logits(
                model(x[chosen])[:, 0], y[chosen]
            )
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
    arrays = []
    for layer in layers:
        arrays += [layer.weight.detach().numpy().T, layer.bias.detach().numpy()]
    arrays[4] = arrays[4][:, 0]
    return PeakScorer(*(np.ascontiguousarray(a, np.float32) for a in arrays))


def train(
    recordings: Sequence[Recording],
    noise: dict[str, Samples],
    config: DetectorTrainingConfig,
    report: Report,
) -> PeakScorer:
    """Train on recordings and their variants, from a bare amplitude threshold on."""
    rng = np.random.default_rng(config.seed)
    pool = [
        (variant, band_passed(variant.samples))
        for recording in recordings
        for variant in variants(recording, noise, rng)
    ]
    scorer = amplitude_scorer(config.hidden)
    seen: list[Candidates] = []
    for number, epochs in enumerate(config.epochs):
        seen = [*seen[-1:], collect(pool, scorer)]
        features = np.concatenate([candidates[0] for candidates in seen])
        labels = np.concatenate([candidates[1] for candidates in seen])
        scorer = fit((features, labels), config, epochs)
        report(f"round {number + 1}/{len(config.epochs)}: {len(labels)} candidates")
    return scorer


def errors(recording: Recording, scorer: PeakScorer, tolerance_ms: float) -> tuple[int, int]:
    """Count missed and false beats of a recording, ventricular flutter left out."""
    found = np.array([p.sample for p in detect(band_passed(recording.samples), scorer)], np.int64)
    beats, tolerance = recording.beats, tolerance_samples(tolerance_ms, FS)
    for start, stop in recording.ignored:
        found = found[(found < start) | (found > stop)]
        beats = beats[(beats < start) | (beats > stop)]
    matching = match_beats(beats, found, tolerance)
    return matching.missed.size, matching.extra.size


def cross_validate(
    recordings: Sequence[Recording],
    noise: dict[str, Samples],
    config: DetectorTrainingConfig,
    folds: int,
    report: Report,
) -> dict[str, dict[str, int]]:
    """Train without each fold of records and count that fold's errors, per record."""
    result = {}
    for fold in range(folds):
        held_out = recordings[fold::folds]
        names = {recording.name for recording in held_out}
        scorer = train([r for r in recordings if r.name not in names], noise, config, report)
        for recording in held_out:
            fn, fp = errors(recording, scorer, TOLERANCE_MS)
            fn_50, fp_50 = errors(recording, scorer, 50.0)
            result[recording.name] = {"fn": fn, "fp": fp, "fn_50": fn_50, "fp_50": fp_50}
            report(f"fold {fold + 1}/{folds}, record {recording.name}: FN {fn}, FP {fp}")
    return result


def train_detector(args: argparse.Namespace) -> int:
    """Train, and write `peak_scorer.npz` and, with its figures, `peak_scorer.json`.

    Parameters
    ----------
    args : argparse.Namespace
        Of `ecg-stream train detector`: out, records, folds, seed, threads.

    Raises
    ------
    OutputError
        If the folder can't be made.
    """
    import torch  # noqa: PLC0415 - only training needs it

    torch.set_num_threads(args.threads)
    with writing(f"into {args.out}", "choose another --out"):
        args.out.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()

    def report(line: str) -> None:
        sys.stderr.write(f"{time.monotonic() - started:6.0f} s  {line}\n")

    names = args.records or [f"mitdb/{record}" for record in DS1]
    recordings = [load_recording(name) for name in names]
    noise = load_noise()
    config = DetectorTrainingConfig(seed=args.seed)
    metrics: dict[str, object] = {"records": names, "seed": args.seed}
    lines = [f"wrote {args.out / 'peak_scorer.npz'}"]
    if args.folds:
        figures = cross_validate(recordings, noise, config, args.folds, report)
        metrics |= {"folds": args.folds, "cross_validation": figures}
        fn, fp = (sum(record[kind] for record in figures.values()) for kind in ("fn", "fp"))
        lines.append(f"cross-validated by record: FN {fn}, FP {fp} on {len(figures)} records")
    save_peak_scorer(train(recordings, noise, config, report), args.out / "peak_scorer.npz")
    (args.out / "peak_scorer.json").write_text(json.dumps(metrics, indent=1) + "\n")
    sys.stdout.write("\n".join(lines) + "\n")
    return 0
