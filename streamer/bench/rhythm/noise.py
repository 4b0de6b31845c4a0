"""Alarms in noise: what is missed, how late the rest comes, and what noise alone raises.

Simulated onsets and steady rhythms, clean and with recorded noise of the MIT-BIH Noise Stress Test
Database (Moody, Muldrow & Mark 1984, Computers in Cardiology 11:381-384) at several ratios; steady
rhythms that tempt an alarm; faults of electrodes and amplifiers over a beating heart; noise without
a heart; and records with noise in every second minute.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from typing import Final

import numpy as np
from numpy.typing import NDArray

from replay.noise import NoiseConfig, add_noise, in_noise, normal_beats, read_noise
from replay.record import Record, require_reference
from replay.records import open_record
from replay.simulate.arrests import SimulatedOnset
from replay.simulate.faults import FAULTS, Fault, with_fault
from replay.simulate.record import SimulatedRecord
from replay.simulate.rhythms import TEMPTING_RHYTHMS
from streamer.bench.excerpt import excerpt_of
from streamer.bench.rhythm.onsets import (
    ARREST_SCENARIOS,
    SCENARIOS,
    Scenario,
    TimeToAlarm,
    measure_onsets,
)
from streamer.bench.rhythm.truth import Truth
from streamer.bench.work import Advance, silent
from streamer.core.events import Alarm, Event, Rhythm
from streamer.patient.record_events import record_events

Noises = Mapping[tuple[str, float], NDArray[np.float32]]
"""Recorded noise in mV by name and sampling frequency."""
RecordChange = Callable[[SimulatedRecord, int], SimulatedRecord]
"""Changes a record, by the seed of a trial."""

CHOSEN_ON: Final = ("ma", "bw")
"""Noise that constants may be chosen on; `em` is for testing only."""
RATIOS_DB: Final = (24, 12, 6, 0)
RECORDS: Final = ("106", "112", "201", "209", "223")
"""Of DS1: ventricular beats, a normal heart, atrial fibrillation, atrial runs, blocks."""
_LOW_MV: Final = 0.3
_NORMAL_MV: Final = 1.5
"""Peak to peak of the QRS in `replay.simulate.shapes`."""
_SENSOR_MV: Final = 0.01
_ALONE_GAINS: Final = (1.0, 3.0)
"""Factors on the recorded noise where there is nothing else."""
_ALONE_S: Final = 300.0
_SINUS: Final = TEMPTING_RHYTHMS["sinus rhythm"]
_RECORD_NOISE: Final = NoiseConfig(learning_s=60.0, period_s=60.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmNoiseSettings:
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
) -> AlarmNoiseSettings:
    """Return the settings for these options; a quarter as many steady patients as trials."""
    default = AlarmNoiseSettings()
    return AlarmNoiseSettings(
        noises=tuple(noises) or default.noises,
        trials=trials,
        steady=-(-trials // 4),
        records=tuple(records),
        stop=stop or default.stop,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Signals in which no alarm is right but those that their reference confirms."""

    group: str
    name: str
    records: Callable[[], Iterator[Record]]
    """Makes or reads them one by one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FalseAlarms:
    """False alarms in one case."""

    group: str
    name: str
    hours: float
    counts: Counter[Rhythm]


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmNoisePlan:
    """What is to be measured."""

    settings: AlarmNoiseSettings
    conditions: dict[str, Sequence[Scenario]]
    """Onsets that are simulated under each condition."""
    cases: tuple[Case, ...]

    @property
    def steps(self) -> int:
        """How often `measure_alarm_noise` reports progress."""
        return len(self.conditions) + len(self.cases)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmNoiseResults:
    """Times to alarm by condition, and false alarms."""

    settings: AlarmNoiseSettings
    onsets: dict[str, tuple[TimeToAlarm, ...]]
    steady: tuple[FalseAlarms, ...]


def plan_alarm_noise(settings: AlarmNoiseSettings | None = None) -> AlarmNoisePlan:
    """Read the noise, and list every condition and case."""
    settings = settings or AlarmNoiseSettings()
    noise = {
        (name, fs): read_noise(name, fs)
        for name, fs in product(settings.noises, settings.sampling_hz)
    }
    return AlarmNoisePlan(
        settings=settings,
        conditions=_conditions(settings, noise) if settings.trials else {},
        cases=(
            *(_simulated_cases(settings, noise) if settings.steady else ()),
            *(_recorded_cases(settings) if settings.records else ()),
        ),
    )


def measure_alarm_noise(plan: AlarmNoisePlan, *, advance: Advance = silent) -> AlarmNoiseResults:
    """Measure everything that is planned."""
    settings, onsets, steady = plan.settings, {}, []
    for condition, scenarios in plan.conditions.items():
        onsets[condition] = tuple(
            measure_onsets(
                trials=settings.seeds, sampling_hz=settings.sampling_hz, scenarios=scenarios
            )
        )
        advance(f"onsets, {condition}")
    for case in plan.cases:
        steady.append(_measure_case(case))
        advance(f"{case.group}, {case.name}")
    return AlarmNoiseResults(settings=settings, onsets=onsets, steady=tuple(steady))


def _measure_case(case: Case) -> FalseAlarms:
    total, hours = Counter[Rhythm](), 0.0
    for record in case.records():
        total += false_alarms(record_events(record), record)
        hours += record.n_samples / record.fs / 3600.0
    return FalseAlarms(group=case.group, name=case.name, hours=hours, counts=total)


def false_alarms(events: Iterable[Event], record: Record) -> Counter[Rhythm]:
    """Count the alarms that a record's reference doesn't confirm; all, where it has none."""
    reference = record.reference()
    truth = None if reference is None else Truth(reference, fs=record.fs, stop=record.n_samples)
    return Counter(
        event.rhythm
        for event in events
        if isinstance(event, Alarm)
        and event.is_raised
        and (truth is None or not truth.confirms(event))
    )


def _conditions(settings: AlarmNoiseSettings, noise: Noises) -> dict[str, Sequence[Scenario]]:
    """Return what is simulated clean, with low voltage, and in each noise."""
    beating = [s for s in SCENARIOS if Rhythm.VENTRICULAR_FIBRILLATION not in s.rhythms]
    return {
        "arrests, clean": ARREST_SCENARIOS,
        "clean": SCENARIOS,
        f"QRS of {_LOW_MV:g} mV": [_changed(scenario, _shrunk) for scenario in beating],
        **{
            f"{name} at {snr_db} dB": [
                _changed(scenario, partial(_with_noise, noise, name, snr_db))
                for scenario in (*SCENARIOS, *ARREST_SCENARIOS[:1])
            ]
            for name, snr_db in product(settings.noises, settings.ratios_db)
        },
    }


def _changed(scenario: Scenario, change: RecordChange) -> Scenario:
    def make(fs: float, seed: int) -> SimulatedOnset:
        onset = scenario.make(fs, seed)
        return replace(onset, record=change(onset.record, seed))

    return replace(scenario, make=make)


def _with_noise(
    noise: Noises, name: str, snr_db: int, record: SimulatedRecord, seed: int
) -> SimulatedRecord:
    return in_noise(record, noise[name, record.fs], snr_db, seed)


def _shrunk(record: SimulatedRecord, seed: int) -> SimulatedRecord:
    """Make the beats small and leave the noise as it is."""
    rng = np.random.default_rng(seed)
    small = record.signal * (_LOW_MV / _NORMAL_MV)
    hiss = _SENSOR_MV * rng.standard_normal(small.shape)
    return replace(record, signal=(small + hiss).astype(np.float32))


def _simulated_cases(settings: AlarmNoiseSettings, noise: Noises) -> Iterator[Case]:
    """Yield steady rhythms, sinus rhythm with faults and in noise, and noise by itself."""

    def patients(make: Callable[[float, int], Record]) -> Iterator[Record]:
        for seed in range(settings.steady):
            yield make(settings.sampling_hz[seed % len(settings.sampling_hz)], seed)

    for name, make in TEMPTING_RHYTHMS.items():
        yield Case(group="rhythm", name=name, records=partial(patients, make))
    for name, fault in FAULTS.items():
        faulty = partial(_faulty, fault)
        yield Case(group="fault", name=name, records=partial(patients, faulty))
    for name, snr_db in product(settings.noises, settings.ratios_db):
        noisy = partial(_noisy_sinus, noise, name, snr_db)
        title = f"{name} at {snr_db} dB"
        yield Case(group="noise", name=title, records=partial(patients, noisy))
    for name in settings.noises:
        yield Case(group="noise alone", name=name, records=partial(_alone, noise, name, settings))


def _faulty(fault: Fault, fs: float, seed: int) -> SimulatedRecord:
    return with_fault(_SINUS(fs, seed), fault, seed=seed)


def _noisy_sinus(noise: Noises, name: str, snr_db: int, fs: float, seed: int) -> SimulatedRecord:
    return _with_noise(noise, name, snr_db, _SINUS(fs, seed), seed)


def _alone(noise: Noises, name: str, settings: AlarmNoiseSettings) -> Iterator[SimulatedRecord]:
    """Yield noise with no heart beneath it."""
    for fs, gain in product(settings.sampling_hz, _ALONE_GAINS):
        samples = noise[name, fs][:, : round(_ALONE_S * fs)] * gain
        yield SimulatedRecord(name=name, fs=fs, leads=("1", "2"), signal=samples.astype(np.float32))


def _recorded_cases(settings: AlarmNoiseSettings) -> Iterator[Case]:
    """Yield records with noise in every second minute."""

    def noisy(name: str, snr_db: int) -> Iterator[Record]:
        for source in settings.records:
            yield noisy_record(source, name, snr_db, settings.stop)

    for name, snr_db in product(settings.noises, settings.ratios_db):
        title = f"{name} at {snr_db} dB"
        yield Case(group="records", name=title, records=partial(noisy, name, snr_db))


def noisy_record(source: str, name: str, snr_db: float, stop: str | None) -> SimulatedRecord:
    """Read a record and add noise to every second minute of it."""
    record = open_record(source)
    excerpt = excerpt_of(record, stop)
    reference = require_reference(record, excerpt.n_samples)
    signal = add_noise(
        np.nan_to_num(excerpt.samples),
        read_noise(name, record.fs),
        r_peaks=normal_beats(reference),
        fs=record.fs,
        snr_db=snr_db,
        config=_RECORD_NOISE,
    )
    return SimulatedRecord(
        name=record.name, fs=record.fs, leads=record.leads, signal=signal, annotations=reference
    )
