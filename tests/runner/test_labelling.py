"""The latency budget: a slow network delays labels, never beats, and changes none of them.

Time is virtual: the loop's clock jumps from timer to timer.
"""

import asyncio
import dataclasses
from collections.abc import Sequence
from functools import cache
from typing import Any

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
from streamer.core.events import OVERLOAD, Event, Gap, LabeledBeat, Published, StreamInfo, Tick
from streamer.patient.chain import Chain
from streamer.patient.patients import WardConfig
from streamer.patient.ward import Ward
from streamer.runner.label_desk import LabelDesk
from streamer.runner.pending import Arrival, LabelLine, LabelState, PendingLabel
from streamer.runner.run_config import RunnerConfig, RunReport
from streamer.runner.runner import Runner
from streamer.sources.paced import PacedSource

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

    async def start(self) -> None: ...

    def open(self, info: StreamInfo) -> None: ...

    def close_source(self, source: str) -> None: ...

    def observe(self, info: StreamInfo, chunk: Chunk) -> None:
        self.seen += chunk.samples.shape[1]

    def publish(self, info: StreamInfo, message: Published) -> None:
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


def made(
    player: Player, sink: Sink | None, model: SumModel, *, fs: float = FS, **options: Any
) -> Runner:
    return Runner(
        PacedSource(player, dataclasses.replace(INFO, fs=fs)),
        model,
        [] if sink is None else [sink],
        ward=Ward(model, n_leads=N_LEADS, config=WardConfig(poll_s=0.0)),
        **options,
    )


async def play(
    slow_s: Sequence[float], *, fs: float = FS, close_timeout_s: float = 600.0
) -> tuple[Sink, RunReport, float]:
    """Play with a network that takes `slow_s`, in turn; also returns when sample 0 was due."""
    model, asked = SumModel(), 0

    async def ask(requests: Sequence[LabelRequest]) -> FloatArray:
        nonlocal asked
        asked += 1
        await asyncio.sleep(slow_s[(asked - 1) % len(slow_s)])
        return put(model, requests)

    sink, clock = Sink(), LoopClock()
    player = Player(record(fs), clock=clock, begin_at=clock.monotonic())
    config = RunnerConfig(budget_ms=1000 * BUDGET_S, close_timeout_s=close_timeout_s)
    report = await made(player, sink, model, fs=fs, ask=ask, config=config).run()
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


@pytest.mark.parametrize("slow_s", [[12.0], [0.2, 30.0, 0.2, 0.2], [1e6]])
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


@pytest.mark.parametrize("slow_s", [2.0, 4.0])
def test_a_network_slower_than_the_heart_still_labels_every_beat(slow_s: float) -> None:
    """What has come meanwhile is worked out together."""
    sink, report, began_s = run_virtually(play([slow_s]))
    assert report.n_given_up == 0
    for message, time_s in zip(sink.messages, sink.times_s, strict=True):
        known_s = min(message.event.decided_at / FS, SECONDS)
        # The batch that was being worked on when it came, and its own.
        assert time_s - (began_s + known_s) <= 2 * slow_s + 0.1


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


def test_what_cannot_be_labelled_at_the_end_is_published_without_a_label() -> None:
    sink, report, _ = run_virtually(play([1e6], close_timeout_s=1.0))
    samples = [event.beat.rpeak.sample for event in sink.beats(0)]
    assert samples == sorted({e.beat.rpeak.sample for e in bulk() if isinstance(e, LabeledBeat)})
    assert {event.label for event in sink.beats(0)} == {None}
    assert {event.label for event in sink.beats(1)} == {Label.Q}
    assert report.n_late == report.n_beats == len(samples)
    assert report.n_given_up == 2 * len(samples)


def test_labels_that_are_missing_at_the_end_are_a_failure() -> None:
    _, report, _ = run_virtually(play([5.0], close_timeout_s=1.0))
    assert f"{report.n_given_up} labels were not worked out within 1 s" in report.failures[0]


def test_a_network_that_fails_ends_the_run_with_its_error() -> None:
    async def broken(requests: Sequence[LabelRequest]) -> FloatArray:
        raise RuntimeError("no memory")

    async def main() -> None:
        await made(Player(record(), clock=LoopClock()), None, SumModel(), ask=broken).run()

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
        model = SumModel()

        async def ask(requests: Sequence[LabelRequest]) -> FloatArray:
            return put(model, requests)

        return sink, await made(player, sink, model, ask=ask).run()

    sink, report = run_virtually(main())
    assert report.n_not_shown == pytest.approx(0.75 * FS, abs=2)
    assert sink.seen + report.n_not_shown == report.n_samples == SECONDS * FS
    assert [key(event) for event in sink.events if not isinstance(event, LabeledBeat)] == others(
        bulk()
    )


async def test_the_network_on_its_thread_gives_the_labels_of_bulk() -> None:
    sink, model = Sink(), SumModel()
    source = PacedSource(Player(record(), speed=None), INFO, is_real_time=False)
    ward = Ward(model, n_leads=N_LEADS, config=WardConfig(poll_s=0.0))
    await Runner(source, model, [sink], ward=ward).run()
    assert [key(event) for event in sink.events] == [key(event) for event in bulk()]


class Line:
    """A patient whose labels are counted."""

    def conclude(self, item: LabeledBeat | Gap | Tick) -> list[Event]:
        return [] if isinstance(item, Tick) else [item]

    def source_sample(self, sample: int) -> int:
        return sample

    def at_source(self, event: LabeledBeat) -> LabeledBeat:
        return event


def requests_of(n: int) -> list[LabelRequest]:
    """Take the label requests of the record's first beats."""
    chain = Chain(fs=FS, n_leads=N_LEADS, model=SumModel())
    steps = chain.advance(Chunk(start=0, samples=record().signal))
    return [step for step in steps if isinstance(step, LabelRequest)][:n]


def pending(n: int, *, due_s: float = 0.0) -> tuple[LabelLine, list[PendingLabel]]:
    line = LabelLine("a", Line(), fs=FS, budget_s=BUDGET_S)
    added = []
    for request in requests_of(n):
        last = request.decided_at
        arrival = Arrival(pushed_s=due_s, due_s=due_s, last_sample=last)
        label = line.add(request, arrival)
        assert label is not None
        added.append(label)
    return line, added


def answer(labels: Sequence[PendingLabel]) -> None:
    for label in labels:
        found = put(SumModel(), [label.request])[0]
        label.answer(label.request.labeled(found.tolist()))


def test_provisional_labels_come_first_and_a_batch_has_a_bound() -> None:
    desk = LabelDesk(most=3)
    _, labels = pending(6)
    for label in labels:
        desk.submit(label)
    first = desk.next_batch(0.0)
    provisional = [label for label in labels if label.is_provisional]
    assert first[: len(provisional)] == provisional[:3]
    assert len(first) == 3
    assert desk.next_batch(0.0) == []
    desk.answered(0.1)
    rest = desk.next_batch(0.1)
    assert sorted(map(labels.index, first + rest)) == list(range(6))


def test_a_label_that_is_ready_before_its_turn_is_published_once() -> None:
    line, labels = pending(4)
    confirmed = next(label for label in labels if not label.is_provisional)
    after = next(label for label in labels[labels.index(confirmed) :] if label.is_provisional)
    before = labels[: labels.index(confirmed)]
    answer_of = {label: label for label in [*before, after]}
    for label in labels:
        label.move(LabelState.ASKED)
    answer(list(answer_of))
    assert len(line.concluded()) == len(before)
    assert [timed.event for timed in line.ahead(after)] == [after.label]
    assert line.ahead(after) == []
    answer([confirmed])
    assert [timed.event for timed in line.concluded()] == [confirmed.label]


def test_what_hangs_is_given_up_and_what_comes_later_is_not_asked_for() -> None:
    desk = LabelDesk(most=1, patience_s=10.0)
    line, labels = pending(4)
    for label in labels:
        desk.submit(label)
    assert len(desk.next_batch(0.0)) == 1
    assert desk.give_up_some(9.0) == []
    assert set(desk.give_up_some(10.5)) == set(labels)
    assert desk.given_up == 4
    answer(labels)
    replaced = [timed.event for timed in line.concluded()]
    assert [e.label for e in replaced if isinstance(e, LabeledBeat) and e.revision == 1] == [
        Label.Q for label in labels if not label.is_provisional
    ]


def test_a_state_changes_only_as_the_table_says() -> None:
    _, (label, *_) = pending(1)
    with pytest.raises(ValueError, match="OPEN can't become CONCLUDED"):
        label.move(LabelState.CONCLUDED)
