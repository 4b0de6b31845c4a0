"""Alarms in noise: what is missed, how late the rest comes, and what noise alone raises.

Simulated onsets and steady rhythms, clean and with recorded noise of the MIT-BIH Noise Stress Test
Database (Moody, Muldrow & Mark 1984, Computers in Cardiology 11:381-384) at several ratios; steady
rhythms that tempt an alarm; faults of electrodes and amplifiers over a beating heart; noise without
a heart; and records with noise in every second minute.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from typing import Final

import numpy as np
from numpy.typing import NDArray

from replay.noise import NoiseConfig, add_noise, in_noise, normal_beats, read_noise
from replay.record import BLOCK_SAMPLES, Record
from replay.records import open_record
from replay.simulate.arrests import OnsetMaker, SimulatedOnset
from replay.simulate.faults import FAULTS, Fault, with_fault
from replay.simulate.record import SimulatedRecord
from replay.simulate.rhythms import TEMPTING_RHYTHMS
from streamer.bench.chain_run import chain_events
from streamer.bench.excerpt import end_of, reference_of
from streamer.bench.progress import Advance, silent
from streamer.bench.rhythm.onsets import (
    ARREST_SCENARIOS,
    SCENARIOS,
    Scenario,
    TimeToAlarm,
    measure_onsets,
)
from streamer.bench.rhythm.truth import Truth
from streamer.core.events import Alarm, Event, Rhythm

Samples = NDArray[np.float32]
CHOSEN_ON: Final = ("ma", "bw")
"""Noise that constants may be chosen on; `em` is for testing only."""
RATIOS_DB: Final = (24, 12, 6, 0)
RECORDS: Final = ("106", "112", "201", "209", "223")
"""Of DS1: ventricular beats, a normal heart, atrial fibrillation, atrial runs, blocks."""
_LOW_MV: Final = 0.3
_USUAL_MV: Final = 1.5
"""Peak to peak of the QRS in `replay.simulate.shapes`."""
_SENSOR_MV: Final = 0.01
_ALONE_GAINS: Final = (1.0, 3.0)
"""Factors on the recorded noise where there is nothing else."""
_ALONE_S: Final = 300.0
_SINUS: Final = TEMPTING_RHYTHMS["sinus rhythm"]
_RECORD_NOISE: Final = NoiseConfig(learning_s=60.0, period_s=60.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseSettings:
    """How much is measured."""

    noises: tuple[str, ...] = CHOSEN_ON
    ratios_db: tuple[int, ...] = RATIOS_DB
    sampling_hz: tuple[float, ...] = (250.0, 360.0)
    trials: int = 24
    """Simulated onsets of a kind and condition; half as many at each sampling frequency."""
    steady: int = 6
    """Simulated patients of each steady rhythm or fault."""
    records: tuple[str, ...] = RECORDS
    stop: str | None = "10:00"
    """Where records are cut."""

    @property
    def seeds(self) -> int:
        """Trials at each sampling frequency."""
        return -(-self.trials // len(self.sampling_hz))


def settings_of(
    noises: Sequence[str], *, trials: int, records: Sequence[str], stop: str | None
) -> NoiseSettings:
    """Take over what the command line says; a quarter as many steady patients as trials."""
    usual = NoiseSettings()
    return NoiseSettings(
        noises=tuple(noises) or usual.noises,
        trials=trials,
        steady=-(-trials // 4),
        records=tuple(records),
        stop=stop or usual.stop,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class NoisyOnsets:
    """Times to alarm of the scenarios under one condition."""

    condition: str
    onsets: tuple[TimeToAlarm, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FalseAlarms:
    """Alarms that are false by the simulation or the reference."""

    group: str
    name: str
    hours: float
    counts: Counter[Rhythm]


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseReport:
    """Everything."""

    settings: NoiseSettings
    onsets: tuple[NoisyOnsets, ...]
    steady: tuple[FalseAlarms, ...]


def measure_noise(
    settings: NoiseSettings | None = None, *, advance: Advance = silent
) -> NoiseReport:
    """Measure all of it; `steps` says how many pieces of work that are."""
    settings = settings or NoiseSettings()
    noise = {
        (name, fs): read_noise(name, fs)
        for name, fs in product(settings.noises, settings.sampling_hz)
    }
    onsets = tuple(_onsets(settings, noise, advance))
    return NoiseReport(
        settings=settings, onsets=onsets, steady=tuple(_steady(settings, noise, advance))
    )


def steps(settings: NoiseSettings) -> int:
    """How often `measure_noise` tells of progress."""
    mixes = len(settings.noises) * len(settings.ratios_db)
    onsets = (2 + mixes if settings.trials else 0) + (1 if settings.trials else 0)
    alone = len(settings.noises)
    simulated = len(TEMPTING_RHYTHMS) + len(FAULTS) + mixes + alone if settings.steady else 0
    return onsets + simulated + mixes * bool(settings.records)


# Onsets

Noises = Mapping[tuple[str, float], Samples]


def _onsets(settings: NoiseSettings, noise: Noises, advance: Advance) -> Iterator[NoisyOnsets]:
    if not settings.trials:
        return
    yield _measured("arrests, clean", ARREST_SCENARIOS, settings, advance)
    yield _measured("clean", SCENARIOS, settings, advance)
    low = [s for s in SCENARIOS if Rhythm.VENTRICULAR_FIBRILLATION not in s.rhythms]
    small = [replace(s, make=_changed(s, _shrunk)) for s in low]
    yield _measured(f"QRS of {_LOW_MV:g} mV", small, settings, advance)
    for name, snr_db in product(settings.noises, settings.ratios_db):
        add = partial(_add, noise, name, snr_db)
        noisy = [replace(s, make=_changed(s, add)) for s in (*SCENARIOS, *ARREST_SCENARIOS[:1])]
        yield _measured(f"{name} at {snr_db} dB", noisy, settings, advance)


Change = Callable[[SimulatedRecord, int], SimulatedRecord]


def _add(
    noise: Noises, name: str, snr_db: int, record: SimulatedRecord, seed: int
) -> SimulatedRecord:
    return in_noise(record, noise[name, record.fs], snr_db, seed)


def _changed(scenario: Scenario, change: Change) -> OnsetMaker:
    def make(fs: float, seed: int) -> SimulatedOnset:
        onset = scenario.make(fs, seed)
        return replace(onset, record=change(onset.record, seed))

    return make


def _shrunk(record: SimulatedRecord, seed: int) -> SimulatedRecord:
    """Make the beats small and leave the noise as it is."""
    rng = np.random.default_rng(seed)
    small = record.signal * (_LOW_MV / _USUAL_MV)
    hiss = _SENSOR_MV * rng.standard_normal(small.shape)
    return replace(record, signal=(small + hiss).astype(np.float32))


def _measured(
    condition: str, scenarios: Sequence[Scenario], settings: NoiseSettings, advance: Advance
) -> NoisyOnsets:
    found = measure_onsets(
        trials=settings.seeds, sampling_hz=settings.sampling_hz, scenarios=scenarios
    )
    advance(f"onsets, {condition}")
    return NoisyOnsets(condition=condition, onsets=tuple(found))


# Steady


def _steady(settings: NoiseSettings, noise: Noises, advance: Advance) -> Iterator[FalseAlarms]:
    if settings.steady:
        for name, make in TEMPTING_RHYTHMS.items():
            yield _simulated("rhythm", name, settings, make)
            advance(name)
        for name, fault in FAULTS.items():
            yield _simulated("fault", name, settings, partial(_faulty, fault))
            advance(name)
        for name, snr_db in product(settings.noises, settings.ratios_db):
            make = partial(_noisy_sinus, noise, name, snr_db)
            yield _simulated("noise", f"{name} at {snr_db} dB", settings, make)
            advance(f"{name} at {snr_db} dB")
        for name in settings.noises:
            yield _alone(name, settings, noise)
            advance(f"{name} alone")
    for name, snr_db in product(settings.noises, settings.ratios_db):
        if settings.records:
            yield _recorded(name, snr_db, settings)
            advance(f"records with {name} at {snr_db} dB")


def _faulty(fault: Fault, fs: float, seed: int) -> SimulatedRecord:
    return with_fault(_SINUS(fs, seed), fault, seed=seed)


def _noisy_sinus(noise: Noises, name: str, snr_db: int, fs: float, seed: int) -> SimulatedRecord:
    return _add(noise, name, snr_db, _SINUS(fs, seed), seed)


def _simulated(
    group: str, name: str, settings: NoiseSettings, make: Callable[[float, int], SimulatedRecord]
) -> FalseAlarms:
    """Sum up the false alarms of several simulated patients."""
    total, hours = Counter[Rhythm](), 0.0
    for seed in range(settings.steady):
        record = make(settings.sampling_hz[seed % len(settings.sampling_hz)], seed)
        total += false_alarms(chain_events(record, record.n_samples), record)
        hours += record.n_samples / record.fs / 3600.0
    return FalseAlarms(group=group, name=name, hours=hours, counts=total)


def false_alarms(
    events: Iterator[Event], record: Record, stop: int | None = None
) -> Counter[Rhythm]:
    """Count the alarms that a record's reference doesn't confirm; all, where it has none."""
    reference, stop = record.reference(), record.n_samples
    truth = None if reference is None else Truth(reference, fs=record.fs, stop=stop)
    return Counter(
        event.rhythm
        for event in events
        if isinstance(event, Alarm) and (truth is None or not truth.confirms(event))
    )


def _alone(name: str, settings: NoiseSettings, noise: Noises) -> FalseAlarms:
    """Noise with no heart beneath it."""
    total, hours = Counter[Rhythm](), 0.0
    for fs, gain in product(settings.sampling_hz, _ALONE_GAINS):
        samples = noise[name, fs][:, : round(_ALONE_S * fs)] * gain
        record = SimulatedRecord(
            name=name, fs=fs, leads=("1", "2"), signal=samples.astype(np.float32)
        )
        total += false_alarms(chain_events(record, record.n_samples), record)
        hours += record.n_samples / fs / 3600.0
    return FalseAlarms(group="noise alone", name=name, hours=hours, counts=total)


def _recorded(name: str, snr_db: int, settings: NoiseSettings) -> FalseAlarms:
    """Sum up the false alarms of records with noise in every second minute."""
    total, hours = Counter[Rhythm](), 0.0
    for source in settings.records:
        record = noisy_record(open_record(source), name, snr_db, settings.stop)
        total += false_alarms(chain_events(record, record.n_samples), record)
        hours += record.n_samples / record.fs / 3600.0
    return FalseAlarms(group="records", name=f"{name} at {snr_db} dB", hours=hours, counts=total)


def noisy_record(record: Record, name: str, snr_db: float, stop: str | None) -> SimulatedRecord:
    """Read a record and add noise to every second minute of it."""
    n = end_of(record, stop)
    reference = reference_of(record, n)
    clean = np.concatenate([c.samples for c in record.chunks(0, n, BLOCK_SAMPLES)], axis=1)
    signal = add_noise(
        np.nan_to_num(clean),
        read_noise(name, record.fs),
        r_peaks=normal_beats(reference),
        fs=record.fs,
        snr_db=snr_db,
        config=_RECORD_NOISE,
    )
    return SimulatedRecord(
        name=record.name, fs=record.fs, leads=record.leads, signal=signal, annotations=reference
    )
