"""Heart rates and QRS widths of infants, which the scorer has not learned from."""

from pathlib import Path

import numpy as np
import pytest

from replay.chunk import Chunk
from replay.records import open_record
from replay.simulate.record import SimulatedRecord
from replay.simulate.rhythms import infant
from streamer.core.events import RPeak
from streamer.signal.bandpass import BandPass
from streamer.signal.detector.qrs_detector import QRSDetector
from streamer.training.at_chain_rate import at_chain_rate

NEAR = 18  # samples: 50 ms


def shares_found(signal: np.ndarray, beats: np.ndarray) -> tuple[float, float]:
    """Return sensitivity and positive predictivity."""
    detector = QRSDetector(n_leads=signal.shape[0])
    chunk = BandPass(n_leads=signal.shape[0]).push(Chunk(start=0, samples=signal))[0]
    events = detector.push(chunk) + detector.flush()
    found = np.array([event.sample for event in events if isinstance(event, RPeak)])
    distance = np.abs(beats[:, None] - found[None])
    return (distance.min(1) < NEAR).mean(), (distance.min(0) < NEAR).mean()


@pytest.mark.parametrize("tempo", [1.7, 2.2])
@pytest.mark.parametrize("seed", [0, 3])
def test_infants_are_found(seed: int, tempo: float) -> None:
    record = infant(360.0, seed, tempo)
    assert record.annotations is not None
    found, right = shares_found(record.signal, record.annotations.samples)
    assert found > 0.97
    assert right == 1.0


@pytest.mark.parametrize("times", [2.0, 2.2])
def test_a_record_played_faster_keeps_its_beats(mitdb: Path, times: float) -> None:
    record = open_record(str(mitdb / "100"))
    reference = record.reference()
    assert reference is not None
    n = 150 * 360
    beats = reference.samples[(reference.samples < n) & np.isin(reference.symbols, list("NA"))]
    samples = next(iter(record.chunks(0, n, n))).samples
    fast = SimulatedRecord(name="fast", fs=360.0 * times, leads=record.leads, signal=samples)
    # The first seconds show what these beats are like.
    found, right = shares_found(at_chain_rate(fast).signal, beats[20:] / times)
    assert found > 0.98
    assert right > 0.85
