"""Simulated records: beats of given classes at given times, for the demo and for tests."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from replay.chunk import Chunk
from replay.record import Reference, check_range, lead_order
from replay.simulate.shapes import LEADS, REFERENCE_RR_S, SHAPES, Wave, add_beat


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SimulatedRecord:
    """A record held in memory; satisfies `replay.record.Record`.

    Attributes
    ----------
    name : str
        What messages and topics call it.
    fs : float
        Sampling frequency in Hz.
    leads : tuple of str
        Lead names, primary first.
    signal : ndarray of float32, shape (leads, n)
        The whole record in mV.
    annotations : Reference or None
        What was simulated where.
    """

    name: str
    fs: float
    leads: tuple[str, ...]
    signal: NDArray[np.float32]
    annotations: Reference | None = None
    database: str | None = None

    @property
    def n_samples(self) -> int:
        """Length of every lead."""
        return int(self.signal.shape[1])

    def with_lead(self, lead: str | None) -> "SimulatedRecord":
        """Return the same record with another lead first; see `replay.record.lead_order`."""
        order = lead_order(self.leads, lead, self.name)
        leads = tuple(self.leads[row] for row in order)
        return replace(self, leads=leads, signal=self.signal[list(order)])

    def chunks(self, start: int = 0, stop: int | None = None, size: int = 1) -> Iterator[Chunk]:
        """Yield the samples in chunks; see `replay.record.Record.chunks`."""
        return self._cut(start, check_range(start, stop, size, self.n_samples), size)

    def _cut(self, start: int, stop: int, size: int) -> Iterator[Chunk]:
        for first in range(start, stop, size):
            columns = self.signal[:, first : min(first + size, stop)]
            yield Chunk(start=first, samples=columns.copy())

    def reference(self) -> Reference | None:
        """Return the annotations of the simulation."""
        return self.annotations


def simulate_beats(
    beat_times_s: Sequence[float],
    symbols: Sequence[str] = "N",
    *,
    fs: float = 360.0,
    duration_s: float | None = None,
    seed: int = 0,
    noise_mv: float = 0.0,
    gain: float = 1.0,
    shapes: Mapping[str, tuple[Wave, ...]] = SHAPES,
    name: str = "simulated",
) -> SimulatedRecord:
    """Simulate a two-lead record (MLII, V1) with one beat, also its reference, at each time.

    Parameters
    ----------
    beat_times_s : sequence of float
        Times of the R peaks, ascending. May be empty.
    symbols : sequence of str
        WFDB symbol of each beat ("NNVN" is fine), or one symbol for all of them.
    duration_s : float, optional
        Length of the record; by default it ends one second after the last beat.
    seed : int
        Seed of the noise; the same arguments give the same record.
    noise_mv : float
        Standard deviation of white noise on each lead; 0 adds none.
    gain : float
        Factor on the beats' amplitudes (R is about 1.2 mV in MLII); noise is not scaled.
    shapes : mapping of str to tuple of Wave
        How the beats of each symbol look; `replay.simulate.patient.draw_shapes` draws some.

    Raises
    ------
    ValueError
        If the times don't ascend or lie outside the record, if their number differs from that of
        the symbols, or if there is no shape for a symbol.
    """
    times = np.asarray(beat_times_s, dtype=np.float64)
    symbols = tuple(symbols) * times.size if len(symbols) == 1 else tuple(symbols)
    if duration_s is None:
        duration_s = float(times[-1]) + 1.0 if times.size else 1.0
    _check_beats(times, symbols, shapes, duration_s)
    signal = np.zeros((len(LEADS), round(duration_s * fs)))
    rr_s = np.diff(times, prepend=times[:1] - REFERENCE_RR_S)
    for time_s, symbol, rr in zip(times, symbols, rr_s, strict=True):
        add_beat(signal, fs, float(time_s), shapes[symbol], rr_s=float(rr), gain=gain)
    if noise_mv:
        signal += noise_mv * np.random.default_rng(seed).standard_normal(signal.shape)
    return SimulatedRecord(
        name=name,
        fs=fs,
        leads=LEADS,
        signal=signal.astype(np.float32),
        annotations=Reference(
            samples=np.rint(times * fs).astype(np.int64),
            symbols=symbols,
            aux=("",) * times.size,
        ),
    )


def _check_beats(
    times: NDArray[np.float64],
    symbols: tuple[str, ...],
    shapes: Mapping[str, tuple[Wave, ...]],
    duration_s: float,
) -> None:
    if len(symbols) != times.size:
        raise ValueError(f"{times.size} beat times but {len(symbols)} symbols; give one for each")
    unknown = sorted(set(symbols) - set(shapes))
    if unknown:
        raise ValueError(f"no beat shape for {unknown}; choose from {' '.join(shapes)}")
    if times.size and not (np.all(np.diff(times) > 0) and times[0] >= 0 and times[-1] < duration_s):
        raise ValueError(f"beat times must ascend within 0 to {duration_s:g} s")
