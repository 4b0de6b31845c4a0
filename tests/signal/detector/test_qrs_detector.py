"""The detector on simulated beats, where every true position is known.

`test_detector_branches.py` runs this module uncompiled too, to see every branch taken.
"""

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from replay.chunk import Chunk
from replay.simulate.record import simulate_beats
from streamer.core.errors import OverlapError, StageClosedError, StreamerError
from streamer.core.events import Gap, GapReason, RPeak
from streamer.signal.bandpass import BandPass, FilteredChunk
from streamer.signal.detector.peak_scorer import (
    PeakScorer,
    amplitude_scorer,
    load_peak_scorer,
    save_peak_scorer,
)
from streamer.signal.detector.qrs_detector import DetectorConfig, QRSDetector
from streamer.signal.detector.state import Trace

FS = 360
NEAR = 6  # samples: 17 ms


def beats(times: NDArray[np.float64] | list[float], symbols: str = "N", **options: float):
    record = simulate_beats(np.asarray(times), symbols, fs=FS, seed=3, **options)
    return record.signal.astype(np.float32), record.reference().samples


def regular(duration_s: float = 16.0, rr_s: float = 0.8, **options: float):
    options.setdefault("noise_mv", 0.01)
    return beats(np.arange(0.6, duration_s - 0.3, rr_s), duration_s=duration_s, **options)


def run(signal: NDArray[np.float32], **options: object) -> list[RPeak | Gap]:
    leads = signal.shape[0]
    detector = QRSDetector(n_leads=leads, **options)
    chunk = Chunk(start=0, samples=signal)
    events = detector.push(BandPass(n_leads=leads).push(chunk)[0])
    return events + detector.flush()


def peaks(events: list[RPeak | Gap]) -> list[int]:
    return [event.sample for event in events if isinstance(event, RPeak)]


def gaps(events: list[RPeak | Gap]) -> list[Gap]:
    return [event for event in events if isinstance(event, Gap)]


def ended(events: list[RPeak | Gap]) -> list[Gap]:
    """Gaps at their end; each must have been told of before, while it went on."""
    told = [gap.start for gap in gaps(events) if gap.ongoing]
    closed = [gap for gap in gaps(events) if not gap.ongoing]
    assert told == [gap.start for gap in closed]
    return closed


def assert_found(found: list[int], expected: NDArray[np.int64]) -> None:
    assert len(found) == len(expected), f"found {found}, expected {expected.tolist()}"
    assert np.abs(np.array(found) - expected).max() <= NEAR


def test_every_beat_of_a_clean_record_is_found_from_the_first_on() -> None:
    signal, reference = regular()
    assert_found(peaks(run(signal)), reference)


def test_one_lead_is_enough_and_a_third_is_ignored() -> None:
    signal, reference = regular()
    assert_found(peaks(run(signal[:1])), reference)
    assert peaks(run(np.concatenate([signal, signal[:1] * 7]))) == peaks(run(signal))


@pytest.mark.parametrize("gain", [0.1, 0.3, 3.0, 10.0, -1.0, -0.1])
def test_gain_and_polarity_do_not_matter(gain: float) -> None:
    signal, reference = regular()
    assert_found(peaks(run(signal * np.float32(gain))), reference)


def test_an_offset_does_not_matter() -> None:
    signal, reference = regular()
    assert_found(peaks(run(signal + np.float32(4.2))), reference)


@pytest.mark.parametrize("mains_hz", [50.0, 60.0])
def test_mains_hum_does_not_matter(mains_hz: float) -> None:
    signal, reference = regular()
    hum = 0.15 * np.sin(2 * np.pi * mains_hz * np.arange(signal.shape[1]) / FS)
    assert_found(peaks(run(signal + hum.astype(np.float32))), reference)


def test_decisions_come_within_the_documented_delay() -> None:
    signal, _ = regular()
    events = [event for event in run(signal) if isinstance(event, RPeak)]
    learnt = round(DetectorConfig().learn_s * FS)
    for event in events:
        assert event.decided_at >= event.sample
        if event.decided_at > learnt:
            assert event.decided_at - event.sample <= 0.25 * FS
    assert [event.decided_at for event in events] == sorted(event.decided_at for event in events)


def test_a_premature_ventricular_beat_is_found_and_its_pause_stays_empty() -> None:
    times = [*np.arange(0.6, 8, 0.8), 8.05, *np.arange(9.4, 15.5, 0.8)]
    symbols = ["N"] * len(times)
    symbols[10] = "V"
    signal, reference = beats(times, "".join(symbols), duration_s=16.0, noise_mv=0.01)
    assert_found(peaks(run(signal)), reference)


def test_tall_t_waves_are_refused() -> None:
    signal, reference = regular()
    bump = np.exp(-0.5 * ((np.arange(signal.shape[1])[:, None] - reference - 100) / 26) ** 2)
    taller = signal + (1.0 * bump.sum(axis=1)).astype(np.float32)
    candidates = candidates_of(taller)
    t_waves = [p for p in candidates if np.abs(p - reference - 100).min() < 30]
    assert len(t_waves) >= 5, "the T waves must be tall enough to be candidates"
    assert_found(peaks(run(taller)), reference)


def candidates_of(signal: NDArray[np.float32]) -> NDArray[np.float32]:
    chunk = BandPass(n_leads=signal.shape[0]).push(Chunk(start=0, samples=signal))[0]
    _, candidates = QRSDetector(n_leads=signal.shape[0]).trace(chunk)
    return candidates[:, Trace.PEAK]


def weakened(share: float) -> tuple[NDArray[np.float32], NDArray[np.int64], int]:
    """A regular record in which one late beat is only `share` of its size."""
    signal, reference = regular()
    weak = int(reference[14])
    gain = np.ones(signal.shape[1], np.float32)
    gain[weak - 140 : weak + 140] = share
    return signal * gain, reference, weak


def test_a_weak_beat_needs_search_back() -> None:
    scorer = amplitude_scorer()
    signal, reference, weak = weakened(0.28)
    events = run(signal, scorer=scorer, config=DetectorConfig(back_threshold=-9.0))
    assert_found(peaks(events), reference)
    late = [e for e in events if isinstance(e, RPeak) and e.search_back]
    assert [abs(e.sample - weak) <= NEAR for e in late] == [True]
    assert 1.5 * 288 <= late[0].decided_at - reference[13] <= 1.5 * 288 + 70
    without = run(signal, scorer=scorer, config=DetectorConfig(back_threshold=1e9))
    assert_found(peaks(without), reference[reference != weak])


def test_search_back_leaves_what_is_too_weak() -> None:
    scorer = amplitude_scorer()
    signal, reference, weak = weakened(0.2)
    events = run(signal, scorer=scorer, config=DetectorConfig(back_threshold=-1.5))
    assert_found(peaks(events), reference[reference != weak])


def test_a_flat_stretch_is_one_gap_and_the_beats_around_it_are_found() -> None:
    signal, reference = regular(20.0)
    start, stop = 3000, 4600
    signal[:, start:stop] = 0.0
    events = run(signal)
    (gap,) = ended(events)
    assert gap.reason is GapReason.FLAT
    assert gaps(events)[0].decided_at == start + round(DetectorConfig().flat_line_s * FS)
    assert (abs(gap.start - start) <= 1, gap.stop) == (True, stop)
    settled = stop + round(0.3 * FS)
    keep = (reference < start - 40) | (reference > settled)
    found = [p for p in peaks(events) if p < start - 40 or p > settled]
    assert_found(found, reference[keep])
    assert not [p for p in peaks(events) if start + 5 < p < stop]


def test_a_stretch_at_the_rail_is_saturation() -> None:
    signal, _ = regular(20.0)
    signal[:, 3000:4600] = 5.0
    (gap,) = ended(run(signal))
    assert gap.reason is GapReason.SATURATED


def test_invalid_samples_are_a_gap_of_exactly_their_length() -> None:
    signal, reference = regular()
    quiet = int(reference[8] + reference[9]) // 2
    signal[:, quiet : quiet + 20] = np.nan
    events = run(signal)
    (gap,) = ended(events)
    assert (gap.start, gap.stop, gap.decided_at) == (quiet, quiet + 20, quiet + 20)
    assert gap.reason is GapReason.INVALID


def test_a_gap_that_lasts_to_the_end_is_written_at_the_end() -> None:
    signal, _ = regular()
    signal[:, -700:] = np.nan
    (gap,) = ended(run(signal))
    assert (gap.start, gap.stop) == (signal.shape[1] - 700, signal.shape[1])
    assert gap.decided_at == signal.shape[1] - 1


def test_a_record_that_begins_without_a_signal_finds_the_beats_that_come() -> None:
    signal, reference = regular(20.0)
    signal[:, :2000] = np.nan
    events = run(signal)
    assert gaps(events)[0].start == 0
    signal[:, :2000] = 0.0
    assert gaps(run(signal))[0].start == 0
    assert_found([p for p in peaks(events) if p > 2360], reference[reference > 2360])


@pytest.mark.parametrize("lost", [0, 1])
def test_one_lead_off_is_no_gap_and_costs_one_beat_at_most(lost: int) -> None:
    signal, reference = regular(20.0)
    signal[lost, 2650:5500] = 0.0
    events = run(signal)
    assert gaps(events) == []
    found = np.array(peaks(events))
    missed = [r for r in reference if np.abs(found - r).min() > 20]
    assert len(missed) <= 1, "only a beat before the flat line is recognised may be lost"
    assert len(found) == len(reference) - len(missed)


def test_a_lead_that_was_off_from_the_start_is_learnt_later() -> None:
    signal, reference = regular(20.0)
    signal[1, :2500] = 0.0
    found = peaks(run(signal))
    assert_found(found, reference)


def test_asystole_is_silent_though_its_noise_is_not() -> None:
    rng = np.random.default_rng(0)
    signal, reference = regular(30.0)
    stop = 4000
    signal[:, stop:] = rng.normal(0, 0.004, signal[:, stop:].shape).astype(np.float32)
    found = peaks(run(signal))
    assert [p for p in found if p > stop + 40] == []
    assert_found([p for p in found if p < stop - 60], reference[reference < stop - 60])


def test_nothing_but_noise_of_a_microvolt_has_no_beats() -> None:
    noise = np.random.default_rng(1).normal(0, 0.001, (2, 20 * FS)).astype(np.float32)
    assert peaks(run(noise)) == []


def test_beats_fade_in_after_a_drop_to_a_fifth() -> None:
    signal, reference = regular(30.0)
    signal[:, 3600:] *= np.float32(0.2)
    found = np.array(peaks(run(signal)))
    late = reference[reference > 3600 + 5 * FS]
    missed = [r for r in late if np.abs(found - r).min() > NEAR]
    assert missed == []


def test_quality_is_high_when_clean_and_lower_in_noise() -> None:
    clean = [e.quality for e in run(regular()[0]) if isinstance(e, RPeak)]
    noisy = [e.quality for e in run(regular(noise_mv=0.15)[0]) if isinstance(e, RPeak)]
    assert min(clean[5:]) > 0.8
    assert np.median(noisy) < np.median(clean) - 0.1


def test_a_pending_beat_is_decided_at_the_end_of_the_stream() -> None:
    signal, reference = regular()
    cut = int(reference[-1]) + 40
    events = run(signal[:, :cut])
    assert_found(peaks(events), reference)
    assert events[-1].decided_at == cut - 1


def test_a_stream_shorter_than_the_learning_period_still_has_its_beats() -> None:
    signal, reference = regular()
    events = run(signal[:, :500])
    assert_found(peaks(events), reference[reference < 470])


def test_an_empty_stream_has_no_events() -> None:
    assert QRSDetector(n_leads=2).flush() == []


def test_a_jump_starts_anew_and_what_was_pending_is_decided() -> None:
    signal, reference = regular()
    cut = int(reference[8]) + 40
    chunk = BandPass(n_leads=2).push(Chunk(start=0, samples=signal))[0]
    detector = QRSDetector(n_leads=2)
    events = detector.push(part(chunk, 0, cut, 0))
    events += detector.push(part(chunk, cut, signal.shape[1], 50_000))
    events += detector.flush()
    expected = np.concatenate([reference[:9], reference[9:] - cut + 50_000])
    assert_found(peaks(events), expected)


def part(chunk: FilteredChunk, start: int, stop: int, at: int) -> FilteredChunk:
    return FilteredChunk(
        start=at, raw=chunk.raw[:, start:stop], filtered=chunk.filtered[:, start:stop]
    )


def test_overlap_and_push_after_flush_are_refused() -> None:
    signal, _ = regular(3.0)
    chunk = BandPass(n_leads=2).push(Chunk(start=0, samples=signal))[0]
    detector = QRSDetector(n_leads=2)
    detector.push(chunk)
    with pytest.raises(OverlapError, match="starts at sample 5, expected 1080"):
        detector.push(part(chunk, 0, 10, 5))
    detector.flush()
    assert detector.flush() == []
    with pytest.raises(StageClosedError, match="reset"):
        detector.push(part(chunk, 0, 10, 1080))


def test_more_noise_maxima_than_the_learning_period_can_hold_are_no_error() -> None:
    config = DetectorConfig(learn_s=2.0, dominance_s=0.003)
    noise = np.random.default_rng(2).normal(0, 0.3, (1, 1500)).astype(np.float32)
    run(noise, config=config)


def test_weights_survive_writing_and_reading(tmp_path) -> None:
    scorer = load_peak_scorer()
    save_peak_scorer(scorer, tmp_path / "scorer.npz")
    again = load_peak_scorer(tmp_path / "scorer.npz")
    for one, other in zip(scorer, again, strict=True):
        np.testing.assert_array_equal(one, other)


def test_weights_for_other_features_are_refused(tmp_path) -> None:
    scorer = amplitude_scorer()
    wrong = PeakScorer(scorer.w1[:5], *scorer[1:])
    save_peak_scorer(wrong, tmp_path / "scorer.npz")
    with pytest.raises(StreamerError, match="takes 5 features"):
        load_peak_scorer(tmp_path / "scorer.npz")


def test_events_do_not_depend_on_the_cuts_nor_on_a_restored_snapshot() -> None:
    signal, _ = regular()
    chunk = BandPass(n_leads=2).push(Chunk(start=0, samples=signal))[0]
    cuts = [0, 1000, 1001, 1400, 4000, signal.shape[1]]
    detector, events = QRSDetector(n_leads=2), []
    for start, stop in itertools.pairwise(cuts):
        events += detector.push(part(chunk, start, stop, start))
        restored = QRSDetector(n_leads=2)
        restored.restore(detector.snapshot())
        detector = restored
    assert events + detector.flush() == run(signal)


def test_a_reset_detector_finds_the_same_again_in_equal_pieces() -> None:
    signal, _ = regular()
    signal = signal[:, : signal.shape[1] // 4 * 4]
    detector = QRSDetector(n_leads=2)
    found = []
    for _ in range(2):
        detector.reset()
        whole = BandPass(n_leads=2).push(Chunk(start=0, samples=signal))[0]
        raw, filtered = np.split(whole.raw, 4, axis=1), np.split(whole.filtered, 4, axis=1)
        events: list[RPeak | Gap] = []
        for k in range(4):
            piece = FilteredChunk(
                start=k * raw[k].shape[1],
                raw=np.ascontiguousarray(raw[k]),
                filtered=np.ascontiguousarray(filtered[k]),
            )
            events += detector.push(piece)
        found.append(events + detector.flush())
    assert found[0] == found[1] == run(signal)


def test_the_step_into_a_flat_line_is_no_beat() -> None:
    signal, reference = regular(20.0)
    step = int(reference[12] + reference[13]) // 2
    signal[:, step:] = 1.5
    assert_found(peaks(run(signal, scorer=amplitude_scorer())), reference[:13])


def test_beats_after_a_start_of_faint_noise_are_found() -> None:
    signal, reference = regular(20.0)
    quiet = round(5.5 * FS)
    rng = np.random.default_rng(0)
    signal[:, :quiet] = rng.normal(0, 0.004, (2, quiet)).astype(np.float32)
    found = peaks(run(signal))
    assert_found(found, reference[reference > quiet])


def test_search_back_is_not_stopped_by_a_gap() -> None:
    signal, reference, weak = weakened(0.28)
    signal[:, weak + 100 :] = np.nan
    config = DetectorConfig(back_threshold=-9.0)
    events = run(signal, scorer=amplitude_scorer(), config=config)
    assert_found(peaks(events), reference[reference <= weak])


def test_a_moving_average_longer_than_its_memory_is_refused() -> None:
    with pytest.raises(ValueError, match=r"got window_s = 0.5, expected less than 0\.178 s"):
        QRSDetector(n_leads=1, config=DetectorConfig(window_s=0.5))


def test_beats_that_the_scorer_refuses_are_known_by_their_likeness() -> None:
    signal, reference = regular(12.0)
    found = np.array(peaks(run(signal, config=DetectorConfig(threshold=100.0))))
    # The first one comes by search-back, and shows what the others are like.
    late = reference[(reference > 4.5 * FS) & (reference < 11.5 * FS)]
    assert np.abs(late[:, None] - found[None]).min(axis=1).max() <= NEAR
    unlike = DetectorConfig(threshold=100.0, back_threshold=100.0)
    assert peaks(run(signal, config=unlike)) == []
