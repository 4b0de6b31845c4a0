"""The chain as a whole: order of events, the source's own sample index, and gaps."""

import numpy as np
import pytest
from stage_cases import DURATION_S, FIRST, N_LEADS, SumModel, chunks, ecg, push_all, same

from replay.chunk import Chunk
from streamer.core.errors import OverlapError, SnapshotError
from streamer.core.events import Alarm, Event, Gap, GapReason, LabeledBeat, RhythmEvent
from streamer.patient.chain import Chain, ChainConfig

RATES = (128.0, 250.0, 360.0, 500.0, 1000.0)


def chain(fs: float, config: ChainConfig | None = None) -> Chain:
    return Chain(fs=fs, n_leads=N_LEADS, model=SumModel(), config=config)


def run(fs: float, step: int | None = None) -> list[Event]:
    samples = ecg(round(DURATION_S * fs), fs)
    stage = chain(fs)
    cuts = () if step is None else range(step, samples.shape[1], step)
    return push_all(stage, chunks(samples, cuts)) + stage.flush()


def beat_times(events: list[Event], fs: float) -> list[float]:
    return [
        (event.beat.rpeak.sample - FIRST) / fs
        for event in events
        if isinstance(event, LabeledBeat) and event.revision == 0
    ]


def test_every_beat_is_labelled_at_once_and_again_later() -> None:
    events = [event for event in run(360.0) if isinstance(event, LabeledBeat)]
    provisional = [event.beat.rpeak.sample for event in events if event.revision == 0]
    confirmed = [event.beat.rpeak.sample for event in events if event.revision == 1]
    assert len(provisional) >= 25
    assert provisional == confirmed == sorted(set(provisional))


@pytest.mark.parametrize("fs", RATES)
def test_beats_lie_at_the_same_time_at_every_rate(fs: float) -> None:
    """Only 15 ms is asked of 128 Hz, where a sample is 8 ms long; noise differs by rate."""
    expected = beat_times(run(360.0), 360.0)
    np.testing.assert_allclose(beat_times(run(fs), fs), expected, atol=0.015)


@pytest.mark.parametrize("fs", RATES)
def test_an_event_is_dated_by_the_sample_whose_push_returned_it(fs: float) -> None:
    samples = ecg(round(12 * fs), fs)
    samples[:, round(5 * fs) : round(5.5 * fs)] = np.nan
    stage = chain(fs)
    dated = [
        (chunk.start, event.decided_at)
        for chunk in chunks(samples, range(1, samples.shape[1]))
        for event in stage.push(chunk)
    ]
    assert len(dated) > 20
    assert [pushed for pushed, _ in dated] == [decided_at for _, decided_at in dated]


@pytest.mark.parametrize("fs", RATES)
def test_what_the_end_makes_known_is_dated_by_the_last_sample(fs: float) -> None:
    samples = ecg(round(10 * fs), fs)
    stage = chain(fs)
    push_all(stage, chunks(samples, ()))
    events = stage.flush()
    assert events
    assert {event.decided_at for event in events} == {FIRST + samples.shape[1] - 1}


@pytest.mark.parametrize("fs", RATES)
def test_evidence_of_a_rhythm_are_beats_that_were_published(fs: float) -> None:
    known: set[int] = set()
    evidence: set[int] = set()
    for event in run(fs):
        if isinstance(event, LabeledBeat):
            known.add(event.beat.rpeak.sample)
        elif isinstance(event, RhythmEvent | Alarm):
            evidence |= set(event.beats)
            assert evidence <= known
    assert evidence


@pytest.mark.parametrize("fs", [128.0, 360.0, 1000.0])
@pytest.mark.parametrize("step", [1, 333])
def test_lost_samples_make_one_gap(fs: float, step: int) -> None:
    samples = ecg(round(DURATION_S * fs), fs)
    cut, skipped = round(9.1 * fs), round(2 * fs)
    stage = chain(fs)
    events = push_all(stage, chunks(samples[:, :cut], range(step, cut, step)))
    rest = samples[:, cut + skipped :]
    events += push_all(
        stage,
        [
            Chunk(start=chunk.start + cut + skipped, samples=chunk.samples)
            for chunk in chunks(rest, range(step, rest.shape[1], step))
        ],
    )
    gaps = [event for event in events if isinstance(event, Gap)]
    assert [gap.reason for gap in gaps] == [GapReason.LOST]
    assert gaps[0].start == pytest.approx(FIRST + cut, abs=1)
    assert gaps[0].stop == pytest.approx(FIRST + cut + skipped, abs=1)
    times = beat_times(events, fs)
    assert not [t for t in times if 9.2 < t < 11.0]
    assert len([t for t in times if t > 11.1]) >= 10
    after = next(e for e in events if isinstance(e, LabeledBeat) and e.decided_at > gaps[0].stop)
    assert after.beat.rr_s.size == 0


def test_the_length_of_inner_blocks_changes_nothing() -> None:
    samples = ecg(round(DURATION_S * 360.0), 360.0)
    outputs = []
    for block_samples in (100, 1024, 10**6):
        stage = chain(360.0, ChainConfig(block_samples=block_samples))
        outputs.append(push_all(stage, chunks(samples, ())) + stage.flush())
    assert same(outputs[0], outputs[1])
    assert same(outputs[1], outputs[2])


def test_an_overlap_is_refused_and_the_stream_goes_on() -> None:
    samples = ecg(3600, 360.0)
    stage = chain(360.0)
    first, second = chunks(samples, [1800])
    stage.push(first)
    with pytest.raises(OverlapError):
        stage.push(Chunk(start=second.start - 1, samples=second.samples))
    events = stage.push(second)
    assert [event for event in events if isinstance(event, LabeledBeat)]
    assert not [event for event in events if isinstance(event, Gap)]


def test_a_snapshot_of_another_source_is_refused() -> None:
    with pytest.raises(SnapshotError, match="128 Hz, 2 leads, expected 360 Hz, 2 leads"):
        chain(360.0).restore(chain(128.0).snapshot())


@pytest.mark.parametrize("fs", [0.0, -360.0, float("nan"), 1e6])
def test_an_impossible_rate_is_refused(fs: float) -> None:
    with pytest.raises(ValueError, match="sampling frequency"):
        chain(fs)


@pytest.mark.parametrize(
    ("n_leads", "shape", "message"),
    [
        (1, (500,), r"got samples of shape \(500,\), expected \(1, n\); pass samples\[None\]"),
        (2, (500,), r"expected \(2, n\); give each lead a row"),
        (2, (500, 2), r"got samples of shape \(500, 2\), expected \(2, n\); pass samples.T"),
        (2, (3, 500), r"got samples of shape \(3, 500\), expected \(2, n\); give each lead"),
    ],
)
def test_samples_of_another_shape_are_refused_with_advice(
    n_leads: int, shape: tuple[int, ...], message: str
) -> None:
    chain = Chain(fs=360.0, n_leads=n_leads, model=SumModel())
    with pytest.raises(ValueError, match=message):
        chain.push(Chunk(start=0, samples=np.zeros(shape, np.float32)))
