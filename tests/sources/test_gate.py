"""What strangers send on `ecg/<source>/samples` does no harm and is counted."""

import asyncio
from typing import Any

import numpy as np
import pytest
from sample_events import samples_json

from streamer.core.events import StreamInfo
from streamer.messages.guard import SAMPLES_LIMITS, GuardLimits, RejectedError, Rejection
from streamer.messages.samples import SampleMessage, encode
from streamer.sources.gate import GateConfig, SamplesGate
from streamer.sources.live import LiveConfig, LiveSource
from streamer.sources.looped import TurnConfig

FS = 360.0
FEW = GuardLimits(max_bytes=65_536, rate_per_s=10.0, burst=5)


def message(seq: int, *, fs: float = FS, leads: int = 2) -> SampleMessage:
    samples = np.full((leads, 36), float(seq), np.float32)
    return SampleMessage(seq=seq, first_sample=36 * seq, fs=fs, samples=samples)


class Ward:
    """A host that keeps who was opened and closed, with a live source."""

    def __init__(self, config: LiveConfig | None = None) -> None:
        self.opened: list[str] = []
        self.closed: list[str] = []
        self.told: list[tuple[str, bool]] = []
        self.source = LiveSource(("a", "b"), config=config)
        self.source.begin(self)

    def open(self, info: StreamInfo, **_: Any) -> None:
        self.opened.append(info.source)

    def silent(self, source: str, *, is_silent: bool) -> None:
        self.told.append((source, is_silent))

    def close(self, source: str) -> asyncio.Task[None]:
        self.closed.append(source)
        return asyncio.create_task(asyncio.sleep(0))

    def receive(self, source: str, payload: bytes, now_s: float = 0.0) -> None:
        self.source.receive(source, payload, now_s)


@pytest.mark.parametrize(
    ("source", "payload", "why"),
    [
        ("bed/4", encode(message(0)), Rejection.INVALID),
        ("", encode(message(0)), Rejection.INVALID),
        ("bed", b"", Rejection.INVALID),
        ("bed", b"ECG1", Rejection.INVALID),
        ("bed", b"[" * 10_000, Rejection.INVALID),
        ("bed", encode(message(0))[:-1], Rejection.INVALID),
        ("bed", encode(message(0, fs=10.0)), Rejection.INVALID),
        ("bed", b" " * (SAMPLES_LIMITS.max_bytes + 1), Rejection.TOO_LARGE),
    ],
)
async def test_what_is_no_message_of_samples_is_turned_away_and_counted(
    source: str, payload: bytes, why: Rejection
) -> None:
    ward = Ward()
    ward.receive(source, payload)
    assert ward.source.rejected == {why: 1}
    assert (ward.opened, ward.source.patients) == ([], {})


async def test_both_forms_come_in_with_the_number_of_leads_of_the_ward() -> None:
    ward = Ward(LiveConfig(turns=TurnConfig(groups=1)))
    ward.receive("one", encode(message(0, leads=1)))
    ward.receive("three", samples_json(message(0, leads=3)))
    turn = await anext(ward.source.turns())
    one, three = (turn.pieces[name].chunks[0].samples for name in ("one", "three"))
    assert one.shape == three.shape == (2, 36)
    assert np.isnan(one[1]).all()
    assert (three == 0).all()
    assert ward.source.patients["one"].pending == []


async def test_a_source_that_floods_uses_up_its_own_share_only() -> None:
    ward = Ward(LiveConfig(gate=GateConfig(limits=FEW)))
    for seq in range(100):
        ward.receive("flood", encode(message(seq)))
    ward.receive("calm", encode(message(0)))
    # The first one was a stranger's.
    assert ward.source.patients["flood"].track.counts.messages == 1 + FEW.burst
    assert ward.source.rejected == {Rejection.TOO_FAST: 99 - FEW.burst}
    assert ward.opened == ["flood", "calm"]
    ward.receive("flood", encode(message(100)), 0.1)
    assert ward.source.patients["flood"].track.counts.messages == 2 + FEW.burst


async def test_made_up_names_end_at_a_bound() -> None:
    ward = Ward(LiveConfig(gate=GateConfig(most_sources=3)))
    for number in range(10):
        ward.receive(f"bed{number}", encode(message(0)))
    assert ward.opened == ["bed0", "bed1", "bed2"]
    assert ward.source.rejected == {Rejection.TOO_MANY: 7}


async def test_strangers_share_one_guard() -> None:
    gate = SamplesGate(GateConfig(strangers=FEW))
    for number in range(5):
        gate.admit(f"bed{number}", encode(message(0)), 0.0)
    with pytest.raises(RejectedError, match="too fast"):
        gate.admit("bed5", encode(message(0)), 0.0)
    assert gate.rejected == {Rejection.TOO_FAST: 1}


async def test_a_pipe_may_come_as_fast_as_it_likes() -> None:
    ward = Ward(LiveConfig(gate=GateConfig(limits=FEW)))
    ward.source.trust("stdin")
    for seq in range(1000):
        ward.receive("stdin", encode(message(seq)))
    assert ward.source.rejected == {}
    assert ward.source.patients["stdin"].track.counts.messages == 1000


async def test_a_silent_source_stays_until_it_is_removed_and_goes_on_when_it_is_back() -> None:
    now_s = asyncio.get_running_loop().time()
    ward = Ward(LiveConfig(silent_s=4.0, turns=TurnConfig(tick_s=0.001, groups=1)))
    turns = ward.source.turns()
    for source in "ab":
        ward.receive(source, encode(message(0)), now_s - 10.0)
    assert set((await anext(turns)).pieces) == {"a", "b"}
    assert ward.told[-2:] == [("a", True), ("b", True)]
    # What came before is no sign of life; what is new is.
    ward.receive("a", encode(message(0)), now_s)
    assert len(ward.told) == 4
    ward.receive("a", encode(message(1)), now_s)
    assert ward.told[4:] == [("a", False)]
    assert list((await anext(turns)).pieces) == ["a"]
    assert not ward.source.remove("a"), "it sends"
    assert ward.source.remove("b")
    ward.receive("a", encode(message(2)), now_s)
    assert list((await anext(turns)).pieces) == ["a"]
    rest = asyncio.ensure_future(anext(turns))
    async with asyncio.timeout(60.0):
        while "b" in ward.source.patients:  # noqa: ASYNC110 - time has to pass
            await asyncio.sleep(0.001)
    assert (ward.closed, list(ward.source.patients)) == (["b"], ["a"])
    assert ward.told[-1] == ("b", False)
    rest.cancel()


async def test_a_source_that_starts_anew_leaves_first() -> None:
    now_s = asyncio.get_running_loop().time()
    ward = Ward(LiveConfig(turns=TurnConfig(tick_s=0.001, groups=1)))
    turns = ward.source.turns()
    ward.receive("a", encode(message(0)), now_s)
    assert list((await anext(turns)).pieces) == ["a"]
    ward.receive("a", encode(message(1, fs=250.0)), now_s)
    assert (ward.opened, ward.closed) == (["a"], [])
    assert list((await anext(turns)).pieces) == ["a"]
    assert (ward.opened, ward.closed) == (["a", "a"], ["a"])
    assert ward.source.patients["a"].info.fs == 250.0


async def test_starting_anew_again_and_again_gives_no_new_share() -> None:
    ward = Ward(LiveConfig(gate=GateConfig(limits=FEW)))
    for number in range(100):
        ward.receive("a", encode(message(0, fs=100.0 + number)))
    assert len(ward.opened) == 1
    assert len(ward.source.patients["a"].successor) == FEW.burst
