"""Silences, lead-off, flutter: transitions that the signal itself decides, with exact samples."""

from collections.abc import Sequence

import numpy as np
import pytest
from rhythm_cases import (
    DELAY,
    HOP,
    Item,
    alarms,
    ends,
    items,
    labeled,
    labels,
    rhythms,
    run,
    sine,
    spikes,
    steady,
    with_signal,
)

from streamer.core.events import (
    Alarm,
    Gap,
    GapReason,
    LabeledBeat,
    Priority,
    Rhythm,
    RhythmEvent,
    Tick,
)
from streamer.rhythm.tracker import RhythmConfig

_VF = Rhythm.VENTRICULAR_FIBRILLATION

# Silence


def silent(beats: Sequence[tuple[int, str]], end: int, **gaps: Gap) -> list[Item]:
    events = [item for item in items(beats, end=end) if not isinstance(item, Tick)]
    events += list(gaps.values())
    events.sort(key=lambda item: item.decided_at)
    return list(with_signal(events, spikes(beats, end + 1)))


def hop_from(sample: float) -> int:
    """Return the first measurement at which so much time has passed."""
    return -(-round(sample + 1) // HOP) * HOP - 1


def test_pause_and_asystole_are_announced_by_the_clock() -> None:
    beats = steady(8, 300)
    last = beats[-1][0]
    pause, asystole = hop_from(last + 3.1 * 360), hop_from(last + 4.4 * 360)
    outputs = run(silent(beats, end=asystole))
    assert rhythms(outputs)[1:] == [
        (Rhythm.PAUSE, last, pause),
        (Rhythm.ASYSTOLE, last, asystole),
    ]
    assert alarms(outputs) == rhythms(outputs)[1:]
    assert [o.priority for o in outputs if isinstance(o, Alarm) and o.is_raised] == [
        Priority.MEDIUM,
        Priority.HIGH,
    ]
    assert alarms(run(silent(beats, end=pause - 1))) == []


def test_a_silence_of_beats_without_a_quiet_signal_is_no_alarm() -> None:
    beats = steady(8, 300)
    missed = [*beats, *steady(8, 300, start=beats[-1][0] + 300)]
    events = items(beats, end=missed[-1][0])
    assert alarms(run(with_signal(events, spikes(missed, missed[-1][0])))) == []
    assert alarms(run(items(beats, end=missed[-1][0]))) == []


def test_beats_after_loud_noise_are_no_silence() -> None:
    beats = steady(8, 300)
    loud = steady(12, 300, start=beats[-1][0] + 300)
    missed = steady(8, 300, start=loud[-1][0] + 300)
    n = missed[-1][0]
    events = [
        labeled(
            item.beat.rpeak.sample,
            str(item.label),
            item.revision,
            item.decided_at,
            quality=1.0 if item.beat.rpeak.sample < loud[0][0] else 0.3,
        )
        for item in items(beats + loud, end=n)
        if isinstance(item, LabeledBeat)
    ]
    signal = spikes(beats + missed, n) + 5.0 * spikes(loud, n, noise=0.0)
    assert Rhythm.ASYSTOLE not in [alarm[0] for alarm in alarms(run(with_signal(events, signal)))]


def noisy_silence(quality: float) -> list[Item]:
    """Beats in noise almost half as tall, then the noise alone, in which something is found."""
    beats = steady(12, 300)
    end = beats[-1][0] + 2000
    found = (beats[-1][0] + 1100, "Q")
    events: list[Item] = []
    for item in items([*beats, found], end=end):
        if isinstance(item, LabeledBeat) and item.beat.rpeak.sample == found[0]:
            changes = labeled(*found, item.revision, item.decided_at, quality=quality)
            events.append(changes)
        elif not isinstance(item, Tick):
            events.append(item)
    hum = 0.24 * np.sin(2 * np.pi * 16.0 * np.arange(end + 1) / 360)
    return list(with_signal(events, spikes(beats, end + 1) + hum))


def test_noise_as_there_was_between_the_beats_is_quiet() -> None:
    last = steady(12, 300)[-1][0]
    expected = (Rhythm.ASYSTOLE, last, hop_from(last + 4.4 * 360))
    assert expected in alarms(run(noisy_silence(0.3)))
    assert expected not in alarms(run(noisy_silence(0.3), RhythmConfig(quiet_noise_factor=0.0)))
    assert expected not in alarms(run(noisy_silence(0.3), RhythmConfig(noise_quality=0.0)))


@pytest.mark.parametrize(("size", "found"), [(0.02, True), (0.2, False)])
def test_what_is_smaller_than_any_beat_ends_no_silence(size: float, *, found: bool) -> None:
    beats = steady(8, 300)
    last = beats[-1][0]
    small = steady(8, 300, start=last + 300)
    end = small[-1][0]
    events = [item for item in items([*beats, *small], end=end) if not isinstance(item, Tick)]
    signal = spikes(beats, end + 1, noise=0.003) + size * spikes(small, end + 1, noise=0.0)
    kinds = [alarm[0] for alarm in alarms(run(with_signal(events, signal)))]
    assert (Rhythm.ASYSTOLE in kinds) is found


def after_artefact(height: float, end: int = 7500) -> list[Item]:
    """Beats, then something large, then nothing."""
    beats = steady(8, 300)
    last = beats[-1][0]
    events = [item for item in items(beats, end=end) if not isinstance(item, Tick)]
    artefact = height * spikes([(last + 120, "Q")], end + 1, noise=0.0)
    return list(with_signal(events, spikes(beats, end + 1) + artefact))


def test_a_silence_that_an_artefact_begins_waits() -> None:
    last = steady(8, 300)[-1][0]
    found = [alarm for alarm in alarms(run(after_artefact(20.0))) if alarm[0] is Rhythm.ASYSTOLE]
    assert [at for _, onset, at in found if onset == last and at > last + 9 * 360]
    assert len(found) == 1
    assert Rhythm.ASYSTOLE not in [a[0] for a in alarms(run(after_artefact(20.0, end=6000)))]
    assert Rhythm.ASYSTOLE in [a[0] for a in alarms(run(after_artefact(1.0, end=6000)))]


def test_fine_waves_and_silence_do_not_take_turns() -> None:
    beats = steady(12, 300)
    end = beats[-1][0] + 9000
    events = [item for item in items(beats, end=end) if not isinstance(item, Tick)]
    time_s = np.arange(end + 1) / 360
    # Waves of a quarter of the beats' size: as quiet as a silence, and large enough for waves.
    fine = 0.14 * np.sin(2 * np.pi * 4.5 * time_s) * (time_s > beats[-1][0] / 360 + 0.4)
    outputs = run(with_signal(events, spikes(beats, end + 1, noise=0.0) + fine))
    lethal = [a for a in alarms(outputs) if a[0] in {Rhythm.ASYSTOLE, _VF}]
    assert 1 <= len(lethal) <= 2


def test_a_good_beat_in_noise_ends_a_silence() -> None:
    found = [alarm[0] for alarm in alarms(run(noisy_silence(0.9)))]
    assert Rhythm.ASYSTOLE not in found


def test_a_beat_ends_the_silence_and_gives_the_rhythm_back() -> None:
    beats = [*steady(8, 300), *steady(8, 300, start=5400)]
    found = rhythms(run(silent(beats, end=8000)))
    assert [event[0] for event in found] == [
        Rhythm.SINUS,
        Rhythm.PAUSE,
        Rhythm.ASYSTOLE,
        Rhythm.SINUS,
    ]
    assert found[-1][1:] == (5400, 5400 + DELAY)


def test_a_pause_that_a_beat_ends_before_its_time_is_an_alarm_only() -> None:
    beats = [*steady(8, 300), *steady(8, 300, start=3100 + 900)]
    outputs = run(silent(beats, end=6500))
    assert alarms(outputs) == [(Rhythm.PAUSE, 3100, 4000 + DELAY)]
    assert [event[0] for event in rhythms(outputs)] == [Rhythm.SINUS]
    beats = [*steady(8, 300), *steady(8, 300, start=3100 + 899)]
    assert alarms(run(silent(beats, end=6500))) == []


def gap(start: int, stop: int, reason: GapReason, decided_at: int, *, ongoing: bool) -> Gap:
    return Gap(start=start, stop=stop, reason=reason, decided_at=decided_at, ongoing=ongoing)


def off(start: int, stop: int) -> dict[str, Gap]:
    """Tell of a lead-off as the detector does: a second after it began, and at its end."""
    known = start + 360
    return {
        "told": gap(start, known, GapReason.FLAT, known, ongoing=True),
        "over": gap(start, stop, GapReason.FLAT, stop, ongoing=False),
    }


def test_lead_off_is_a_state_of_its_own() -> None:
    beats = [*steady(8, 300), *steady(8, 300, start=6000)]
    outputs = run(silent(beats, end=8500, **off(3300, 5800)))
    assert rhythms(outputs)[1:] == [
        (Rhythm.LEAD_OFF, 3300, 3660),
        (Rhythm.UNKNOWN, 5800, 5800),
        (Rhythm.SINUS, 6000, 6000 + 5 * 300 + DELAY),
    ]
    assert alarms(outputs) == [(Rhythm.LEAD_OFF, 3300, 3660)]


def test_lead_off_does_not_silence_an_asystole_that_began_before_it() -> None:
    beats = steady(8, 300)
    last = beats[-1][0]
    outputs = run(silent(beats, end=6000, **off(last + 1000, 5900)))
    asystole = hop_from(last + 4.4 * 360)
    assert (Rhythm.ASYSTOLE, last, asystole) in alarms(outputs)
    assert rhythms(outputs)[-1] == (Rhythm.ASYSTOLE, last, asystole)


def test_a_beat_that_is_hardly_late_before_a_lead_off_is_no_asystole() -> None:
    beats = steady(8, 300)
    outputs = run(silent(beats, end=6000, **off(beats[-1][0] + 500, 5900)))
    assert [alarm[0] for alarm in alarms(outputs)] == [Rhythm.LEAD_OFF]


def test_lead_off_does_not_end_an_asystole() -> None:
    beats = steady(8, 300)
    last = beats[-1][0]
    outputs = run(silent(beats, end=9000, **off(last + 1800, 8000)))
    assert [event[0] for event in rhythms(outputs)] == [
        Rhythm.SINUS,
        Rhythm.PAUSE,
        Rhythm.ASYSTOLE,
    ]


def test_a_flat_line_from_a_source_without_noise_is_a_silence() -> None:
    beats = steady(8, 300)
    last = beats[-1][0]
    events = [item for item in items(beats, end=6000) if not isinstance(item, Tick)]
    events += off(last + 50, 5999).values()
    events.sort(key=lambda item: item.decided_at)
    outputs = run(with_signal(events, spikes(beats, 6000, noise=0.0)))
    assert (Rhythm.ASYSTOLE, last, hop_from(last + 4.4 * 360)) in alarms(outputs)
    assert Rhythm.LEAD_OFF not in [alarm[0] for alarm in alarms(outputs)]


def test_a_recording_that_begins_in_silence_is_an_asystole() -> None:
    noise = 0.01 * np.random.default_rng(1).standard_normal(3000)
    assert alarms(run(with_signal([], noise))) == [(Rhythm.ASYSTOLE, 0, hop_from(6 * 360))]


def test_lost_samples_are_no_pause() -> None:
    inputs = silent(steady(8, 300), end=3800)
    inputs.append(gap(3801, 9000, GapReason.LOST, 9000, ongoing=False))
    inputs += list(items(steady(8, 300, start=9100)))
    outputs = run(inputs)
    assert alarms(outputs) == []
    assert rhythms(outputs)[1:] == [
        (Rhythm.UNKNOWN, 3801, 9000),
        (Rhythm.SINUS, 9100, 9100 + 5 * 300 + DELAY),
    ]


def test_nothing_is_carried_over_a_gap() -> None:
    inputs = [
        *items(labels("NNNNNNNVV"), end=4200),
        gap(4201, 4300, GapReason.SATURATED, 4300, ongoing=False),
    ]
    inputs += list(items(labels("VNNN", start=4400)))
    found = alarms(run(inputs))
    assert (Rhythm.V_COUPLET, 3100, 4300) in found
    assert Rhythm.IDIOVENTRICULAR not in [alarm[0] for alarm in found]


# Flutter and fibrillation


def test_flutter_is_found_in_the_signal_without_any_beat() -> None:
    beats = steady(8, 300)
    onset = beats[-1][0] + 200
    n = onset + 5 * 360
    signal = spikes(beats, n) + sine(onset, n, n)
    found = alarms(run(with_signal(items(beats, end=n), signal)))
    assert [alarm[0] for alarm in found] == [Rhythm.VENTRICULAR_FIBRILLATION]
    assert found[0][2] - onset <= 5 * 360


@pytest.mark.parametrize("found", [True, False])
def test_a_fast_rhythm_counts_as_evidence_of_flutter(*, found: bool) -> None:
    n = 4000
    waves = 0.5 * np.sin(2 * np.pi * 4.0 * np.arange(n) / 360)
    first, rr = (2000, 150) if found else (1900, 190)
    beats = [(sample, "Q") for sample in range(first, n - 400, rr)]
    config = RhythmConfig(vf_reference_odds=100.0, vf_max_odds=200.0, vf_fast_bonus_odds=110.0)
    outputs = run(with_signal(items(beats, end=n), waves), config)
    alarm = Rhythm.VENTRICULAR_FIBRILLATION in [a[0] for a in alarms(outputs)]
    assert alarm is found


def test_flutter_that_lasts_is_one_alarm() -> None:
    beats = steady(8, 300)
    onset = beats[-1][0] + 200
    n = onset + 20 * 360
    seed = np.random.default_rng(3)
    signal = spikes(beats, n) + sine(onset, n, n) + 0.1 * seed.standard_normal(n)
    found = alarms(run(with_signal(items(beats, end=n), signal)))
    assert [alarm[0] for alarm in found] == [Rhythm.VENTRICULAR_FIBRILLATION]


def test_flutter_ends_with_its_waves() -> None:
    beats = [*steady(8, 300), *steady(12, 300, start=6000)]
    n = 9600
    signal = spikes(beats, n) + sine(3300, 5800, n)
    found = [event[0] for event in rhythms(run(with_signal(items(beats, end=n), signal)))]
    assert found == [
        Rhythm.SINUS,
        Rhythm.VENTRICULAR_FIBRILLATION,
        Rhythm.UNKNOWN,
        Rhythm.SINUS,
    ]


def test_after_fibrillation_a_rhythm_is_named_from_new_beats_alone() -> None:
    """What is found in its waves is no rate: 200 a minute would be a tachycardia."""
    false_beats = steady(22, 108, start=3400)
    after = steady(12, 300, start=6000)
    n = 9600
    beats = [*steady(8, 300), *[(sample, "Q") for sample, _ in false_beats], *after]
    signal = spikes([*beats[:8], *after], n) + sine(3300, 5800, n)
    events = [
        o for o in run(with_signal(items(beats, end=n), signal)) if isinstance(o, RhythmEvent)
    ]
    fibrillation, unknown, named = events[-3:]
    assert fibrillation.rhythm is Rhythm.VENTRICULAR_FIBRILLATION
    assert (unknown.rhythm, unknown.heart_rate_bpm) == (Rhythm.UNKNOWN, None)
    assert named.rhythm is Rhythm.SINUS
    assert named.heart_rate_bpm == pytest.approx(72.0)
    assert named.onset >= unknown.onset


def test_shaking_while_the_heart_beats_well_is_no_flutter() -> None:
    beats = steady(30, 300)
    n = beats[-1][0]
    signal = spikes(beats, n) + sine(3300, n, n)
    found = alarms(run(with_signal(items(beats, end=n), signal)))
    # As large as the beats, so that there may be more of them.
    assert [alarm[0] for alarm in found] == [Rhythm.UNUSABLE]


@pytest.mark.parametrize(("hz", "height"), [(1.5, 1.0), (15.0, 1.0), (5.0, 0.1)])
def test_other_waves_are_no_flutter(hz: float, height: float) -> None:
    n = 3600
    found = alarms(run(with_signal([], height * sine(0, n, n, hz=hz))))
    assert Rhythm.VENTRICULAR_FIBRILLATION not in [alarm[0] for alarm in found]


def test_an_asystole_is_over_with_the_beat_and_a_tachycardia_with_the_asystole() -> None:
    beats = [*steady(12, 170), *steady(8, 300, start=6000)]
    outputs = run(silent(beats, end=8000))
    last = beats[11][0]
    known = hop_from(last + 4.4 * 360)
    fast, pause, asystole = alarms(outputs)[:3]
    assert asystole == (Rhythm.ASYSTOLE, last, known)
    assert set(ends(outputs)) >= {
        (*fast[:2], known),
        (*pause[:2], known),
        (*asystole[:2], 6000 + DELAY),
    }
