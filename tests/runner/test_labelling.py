"""The latency budget: a slow network delays labels, never beats, and changes none of them.

Time is virtual: the loop's clock jumps from timer to timer.
"""

import asyncio
import dataclasses
from collections.abc import Sequence
from functools import cache

import numpy as np
import pytest
from stage_cases import N_LEADS, SumModel, ecg
from virtual_time import LoopClock, run_virtually

from classifier.inputs.features import FloatArray
from classifier.labels import Label
from replay.chunk import Chunk
from replay.player import Player
from replay.simulate.record import SimulatedRecord
from streamer.beats.label_request import LabelRequest
from streamer.beats.label_request import compute_probabilities as put
from streamer.core.events import OVERLOAD, Event, LabeledBeat, Published, StreamInfo
from streamer.patient.chain import Chain
from streamer.runner.engine import Engine, EngineConfig, RunReport
from streamer.runner.label_patience import PATIENCE_S
from streamer.runner.labelling import Quickness

FS = 360.0
SECONDS = 20
BUDGET_S = 0.5
INFO = StreamInfo(
    source="test",
    fs=FS,
    leads=("MLII", "V1"),
    first_sample=0,
    n_samples=None,
    training_record=False,
    started_at=0.0,
)


@cache
def record(fs: float = FS) -> SimulatedRecord:
    samples = ecg(round(SECONDS * fs), fs)
    samples[:, round(9.0 * fs) : round(9.4 * fs)] = np.nan
    return SimulatedRecord(name="ecg", fs=fs, leads=("MLII", "V1"), signal=samples)


class Sink:
    """Keeps what was published, and when."""

    def __init__(self, *, draw_s: float = 0.0) -> None:
        self.messages: list[Published] = []
        self.times_s: list[float] = []
        self.seen = 0

    async def start(self, info: StreamInfo) -> None: ...

    def observe(self, chunk: Chunk) -> None:
        self.seen += chunk.samples.shape[1]

    def publish(self, message: Published) -> None:
        self.messages.append(message)
        self.times_s.append(asyncio.get_running_loop().time())

    async def drain(self) -> None: ...

    async def close(self) -> None: ...

    @property
    def events(self) -> list[Event]:
        return [message.event for message in self.messages]

    def beats(self, revision: int) -> list[LabeledBeat]:
        found = [event for event in self.events if isinstance(event, LabeledBeat)]
        return [event for event in found if event.revision == revision]


async def play(
    slow_s: Sequence[float],
    *,
    fs: float = FS,
    close_timeout_s: float = 600.0,
    first_seq: int = 0,
) -> tuple[Sink, RunReport, float]:
    """Play with a network that takes `slow_s`, in turn; also returns when sample 0 was due."""
    model, asked = SumModel(), 0

    async def ask(question: LabelRequest) -> FloatArray:
        nonlocal asked
        asked += 1
        await asyncio.sleep(slow_s[(asked - 1) % len(slow_s)])
        return put(model, [question])[0]

    sink, clock = Sink(), LoopClock()
    player = Player(record(fs), clock=clock, begin_at=clock.monotonic())
    engine = Engine(
        player,
        Chain(fs=fs, n_leads=N_LEADS, model=model),
        [sink],
        dataclasses.replace(INFO, fs=fs),
        schedule=player.due,
        ask=ask,
        config=EngineConfig(budget_ms=1000 * BUDGET_S, close_timeout_s=close_timeout_s),
        first_seq=first_seq,
    )
    report = await engine.run()
    assert player.started_at is not None
    return sink, report, player.started_at


@cache
def bulk(fs: float = FS) -> list[Event]:
    chain = Chain(fs=fs, n_leads=N_LEADS, model=SumModel())
    return chain.push(Chunk(start=0, samples=record(fs).signal)) + chain.flush()


def key(event: Event) -> tuple[object, ...]:
    """Everything about an event that must not depend on time."""
    if isinstance(event, LabeledBeat):
        return (
            event.beat.rpeak,
            event.revision,
            event.label,
            event.probabilities,
            event.decided_at,
        )
    return tuple(dataclasses.astuple(event))


def others(events: Sequence[Event]) -> list[tuple[object, ...]]:
    return [key(event) for event in events if not isinstance(event, LabeledBeat)]


@pytest.mark.parametrize("slow_s", [0.0, 0.005, 0.05, 0.12, 0.5])
def test_a_slow_network_loses_no_beat_and_changes_no_label(slow_s: float) -> None:
    sink, report, _ = run_virtually(play([slow_s]))
    labelled = [e for e in sink.events if isinstance(e, LabeledBeat) and e.label is not None]
    expected = [e for e in bulk() if isinstance(e, LabeledBeat)]
    for revision in (0, 1):
        assert [key(e) for e in labelled if e.revision == revision] == [
            key(e) for e in expected if e.revision == revision
        ]
    assert others(sink.events) == others(bulk())
    assert [message.seq for message in sink.messages] == list(range(len(sink.messages)))
    assert report.n_beats == len({event.beat.rpeak.sample for event in expected})
    assert report.n_given_up == 0


def first_and_last(events: Sequence[Event]) -> dict[int, tuple[LabeledBeat, LabeledBeat]]:
    """For each beat its first event and its last, which is the confirmed one."""
    found: dict[int, tuple[LabeledBeat, LabeledBeat]] = {}
    for event in events:
        if isinstance(event, LabeledBeat):
            sample = event.beat.rpeak.sample
            found[sample] = (found.get(sample, (event, event))[0], event)
    return found


@pytest.mark.parametrize("slow_s", [[2.0], [4.0], [0.2, 30.0, 0.2, 0.2], [1e6]])
def test_a_network_that_cannot_keep_up_costs_labels_but_no_beat(slow_s: list[float]) -> None:
    sink, report, _ = run_virtually(play(slow_s, close_timeout_s=20.0))
    beats, expected = first_and_last(sink.events), first_and_last(bulk())
    assert list(beats) == list(expected)
    given_up = 0
    for sample, (first, last) in beats.items():
        answered = [e for e in sink.beats(0) if e.beat.rpeak.sample == sample and e.label]
        given_up += not answered
        assert first.label is not None or first.late
        assert (first.revision, last.revision) == (0, 1)
        assert last.decided_at == expected[sample][1].decided_at
        if last.reason == OVERLOAD:
            given_up += 1
            repeated = answered[0].label if answered else Label.Q
            assert (last.label, last.late) == (repeated, False)
        else:
            assert key(last) == key(expected[sample][1])
    assert given_up == report.n_given_up > 0
    assert [message.seq for message in sink.messages] == list(range(len(sink.messages)))
    unlabelled = [e.beat.rpeak.sample for e in sink.beats(0) if e.label is None]
    assert len(unlabelled) == len(set(unlabelled)), "each is told of once"


def test_no_label_is_waited_for_longer_than_it_is_of_use() -> None:
    """A network that is slower than the heart: provisional labels are all that it is asked for."""
    sink, _, began_s = run_virtually(play([2.0]))
    for message, time_s in zip(sink.messages, sink.times_s, strict=True):
        event = message.event
        known_s = min(event.decided_at / FS, SECONDS)
        # Those in line before it, the one being worked on when it came, and its own.
        assert time_s - (began_s + known_s) <= PATIENCE_S + 2 * 2.0
    assert [e for e in sink.beats(0) if e.label is not None]
    assert {e.reason for e in sink.beats(1)} == {OVERLOAD}


def test_a_network_that_is_quick_again_is_asked_again() -> None:
    sink, report, _ = run_virtually(play([0.0] * 8 + [12.0] + [0.0] * 1000))
    late_s = 18.0 * FS
    after = [event for event in sink.beats(1) if event.beat.rpeak.sample > late_s]
    assert after
    assert {event.reason for event in after} == {None}
    assert report.n_given_up > 0


@pytest.mark.parametrize("fs", [128.0, 360.0])
def test_a_quick_network_gives_the_events_of_bulk_in_the_same_order(fs: float) -> None:
    sink, _, _ = run_virtually(play([0.0], fs=fs))
    assert [key(event) for event in sink.events] == [key(event) for event in bulk(fs)]


@pytest.mark.parametrize("slow_s", [0.005, 0.05, 0.5])
def test_late_counts_are_those_of_the_clock(slow_s: float) -> None:
    sink, report, began_s = run_virtually(play([slow_s]))
    late = 0
    seen: dict[int, bool] = {}
    for message, time_s in zip(sink.messages, sink.times_s, strict=True):
        event = message.event
        if not isinstance(event, LabeledBeat) or event.revision:
            continue
        sample = event.beat.rpeak.sample
        latency_s = time_s - (began_s + sample / FS)
        if event.label is None:
            assert sample not in seen
            assert event.late
            found_late_s = (event.decided_at - sample) / FS + 0.02
            assert latency_s == pytest.approx(max(BUDGET_S, found_late_s), abs=2e-3)
        elif sample not in seen:
            # The chain decides in the same moment in which the clock says so.
            assert event.late == (latency_s > BUDGET_S)
        late += sample not in seen and event.late
        seen.setdefault(sample, event.late)
    assert report.n_late == late
    assert len(seen) == report.n_beats
    if slow_s == 0.5:
        assert late == report.n_beats
    else:
        # Found late: those of the learning period. A slow answer makes none late besides.
        found_late = {
            event.beat.rpeak.sample
            for event in bulk()
            if isinstance(event, LabeledBeat)
            and event.revision == 0
            and (event.decided_at - event.beat.rpeak.sample) / FS + slow_s > BUDGET_S
        }
        assert 0 < len(found_late) <= late <= len(found_late) + 2


def test_a_late_beat_is_published_at_once_then_labelled_and_blocks_none_after_it() -> None:
    """One answer in three takes a second."""
    sink, _, began_s = run_virtually(play([0.0, 0.0, 1.0]))
    first_s: dict[int, float] = {}
    for message, time_s in zip(sink.messages, sink.times_s, strict=True):
        if isinstance(message.event, LabeledBeat):
            first_s.setdefault(message.event.beat.rpeak.sample, time_s)
    assert list(first_s) == sorted(first_s)
    provisional = {e.beat.rpeak.sample: e for e in bulk() if isinstance(e, LabeledBeat)}
    for sample, time_s in first_s.items():
        known_s = (provisional[sample].beat.decided_at - sample) / FS
        assert time_s - (began_s + sample / FS) <= max(BUDGET_S, known_s + 0.02) + 2e-3
    unlabelled = [e for e in sink.beats(0) if e.label is None]
    assert unlabelled
    for event in unlabelled:
        assert (event.probabilities, event.late, event.revision) == ((), True, 0)


def test_provisional_labels_overtake_confirmed_ones_when_time_is_short() -> None:
    """120 ms: two in a row miss 500 ms (353 + 240), one alone does not."""
    sink, _, _ = run_virtually(play([0.12]))
    # Those of the learning period come all at once; a beat after the gap is found late.
    late = [
        event
        for event in sink.beats(0)
        if event.late
        and event.beat.rpeak.sample > 2 * FS
        and event.decided_at - event.beat.rpeak.sample < 0.38 * FS
    ]
    assert len(sink.beats(0)) > 15
    assert late == []


def test_what_cannot_be_labelled_at_the_end_is_published_without_a_label() -> None:
    sink, report, _ = run_virtually(play([1e6], close_timeout_s=1.0))
    samples = [event.beat.rpeak.sample for event in sink.beats(0)]
    assert samples == sorted({e.beat.rpeak.sample for e in bulk() if isinstance(e, LabeledBeat)})
    assert {event.label for event in sink.beats(0)} == {None}
    assert {event.label for event in sink.beats(1)} == {Label.Q}
    assert report.n_late == report.n_beats == len(samples)
    assert report.n_given_up == 2 * len(samples)


def test_labels_that_are_missing_at_the_end_are_a_failure() -> None:
    _, report, _ = run_virtually(play([0.5], close_timeout_s=1.0))
    assert f"{report.n_given_up} labels were not worked out within 1 s" in report.failures[0]


def test_numbers_go_on_from_an_earlier_run() -> None:
    sink, _, _ = run_virtually(play([0.0], first_seq=1000))
    numbers = [message.seq for message in sink.messages]
    assert numbers == list(range(1000, 1000 + len(numbers)))


def test_a_network_that_fails_ends_the_run_with_its_error() -> None:
    async def broken(question: LabelRequest) -> FloatArray:
        raise RuntimeError("no memory")

    async def main() -> None:
        clock = LoopClock()
        player = Player(record(), clock=clock)
        chain = Chain(fs=FS, n_leads=N_LEADS, model=SumModel())
        await Engine(player, chain, [], INFO, ask=broken).run()

    with pytest.raises(RuntimeError, match="no memory"):
        run_virtually(main())


def test_drawing_is_shed_before_beats() -> None:
    """The loop stands still for a second: the samples of that second aren't drawn, beats are."""

    class Stalling(Player):
        async def __aiter__(self):  # type: ignore[no-untyped-def]
            async for chunk in super().__aiter__():
                if chunk.start == 5 * 360:
                    asyncio.get_running_loop()._virtual.now_s += 1.0  # type: ignore[attr-defined]
                yield chunk

    async def main() -> tuple[Sink, RunReport]:
        sink, clock = Sink(), LoopClock()
        player = Stalling(record(), clock=clock)
        chain = Chain(fs=FS, n_leads=N_LEADS, model=SumModel())
        report = await Engine(player, chain, [sink], INFO, schedule=player.due).run()
        return sink, report

    sink, report = run_virtually(main())
    assert report.n_not_shown == pytest.approx(0.75 * FS, abs=2)
    assert sink.seen + report.n_not_shown == report.n_samples == SECONDS * FS
    assert [key(event) for event in sink.events if not isinstance(event, LabeledBeat)] == others(
        bulk()
    )


async def play_alone(model: SumModel) -> tuple[Sink, RunReport]:
    """Play with the chain's own network, on its thread or between samples."""
    sink, clock = Sink(), LoopClock()
    player = Player(record(), clock=clock, speed=None)
    engine = Engine(player, Chain(fs=FS, n_leads=N_LEADS, model=model), [sink], INFO)
    return sink, await engine.run()


async def test_the_network_on_a_thread_or_between_samples_gives_the_labels_of_bulk() -> None:
    sink, _ = await play_alone(SumModel())
    for revision in (0, 1):
        assert [key(event) for event in sink.beats(revision) if event.label is not None] == [
            key(e) for e in bulk() if isinstance(e, LabeledBeat) and e.revision == revision
        ]
    assert others(sink.events) == others(bulk())


def test_a_network_is_asked_between_samples_only_while_it_is_quick() -> None:
    quickness = Quickness(limit_s=0.004, needed=3)
    proven = []
    for answer_s in (0.001, 0.001, 0.004, 0.001, 0.05, 0.001, 0.001, 0.001):
        quickness.take(answer_s)
        proven.append(quickness.is_proven)
    assert proven == [False, False, True, True, False, False, False, True]
