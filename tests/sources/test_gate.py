"""What strangers send on `ecg/<source>/samples` does no harm and is counted."""

import numpy as np
import pytest
from sample_events import samples_json

from streamer.messages.guard import SAMPLES_LIMITS, GuardLimits, RejectedError, Rejection
from streamer.messages.samples import SampleMessage, encode
from streamer.sources.gate import GateConfig, SamplesGate
from streamer.sources.intake import IntakeConfig, LiveIntake
from streamer.sources.track import SampleTrack

FS = 360.0
FEW = GuardLimits(max_bytes=65_536, rate_per_s=10.0, burst=5)


def message(seq: int, *, fs: float = FS, leads: int = 2) -> SampleMessage:
    samples = np.full((leads, 36), float(seq), np.float32)
    return SampleMessage(seq=seq, first_sample=36 * seq, fs=fs, samples=samples)


class Ward:
    """Keeps who was admitted."""

    def __init__(self, config: IntakeConfig | None = None) -> None:
        self.came: list[str] = []
        self.left: list[str] = []
        self.intake = LiveIntake(n_leads=2, admit=self.admit, leave=self.leave, config=config)

    def admit(self, source: str, first: SampleMessage, now_s: float, track: SampleTrack) -> None:
        self.came.append(source)

    def leave(self, source: str) -> None:
        self.left.append(source)
        self.intake.forget(source)

    def receive(self, source: str, payload: bytes, now_s: float = 0.0) -> None:
        self.intake.receive(source, payload, now_s)


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
def test_what_is_no_message_of_samples_is_turned_away_and_counted(
    source: str, payload: bytes, why: Rejection
) -> None:
    ward = Ward()
    ward.receive(source, payload)
    assert ward.intake.rejected == {why: 1}
    assert (ward.came, ward.intake.sources) == ([], {})


def test_both_forms_come_in_with_the_number_of_leads_of_the_ward() -> None:
    ward = Ward()
    ward.receive("one", encode(message(0, leads=1)))
    ward.receive("three", samples_json(message(0, leads=3)))
    one, three = (ward.intake.take(name)[0].samples for name in ("one", "three"))
    assert one.shape == three.shape == (2, 36)
    assert np.isnan(one[1]).all()
    assert (three == 0).all()
    assert ward.intake.take("one") == []


def test_a_source_that_floods_uses_up_its_own_share_only() -> None:
    ward = Ward(IntakeConfig(gate=GateConfig(limits=FEW)))
    for seq in range(100):
        ward.receive("flood", encode(message(seq)))
    ward.receive("calm", encode(message(0)))
    # The first one was a stranger's.
    assert ward.intake.sources["flood"].track.counts.messages == 1 + FEW.burst
    assert ward.intake.rejected == {Rejection.TOO_FAST: 99 - FEW.burst}
    assert ward.came == ["flood", "calm"]
    ward.receive("flood", encode(message(100)), 0.1)
    assert ward.intake.sources["flood"].track.counts.messages == 2 + FEW.burst


def test_made_up_names_end_at_a_bound() -> None:
    ward = Ward(IntakeConfig(gate=GateConfig(most_sources=3)))
    for number in range(10):
        ward.receive(f"bed{number}", encode(message(0)))
    assert ward.came == ["bed0", "bed1", "bed2"]
    assert ward.intake.rejected == {Rejection.TOO_MANY: 7}


def test_strangers_share_one_guard() -> None:
    gate = SamplesGate(GateConfig(strangers=FEW))
    for number in range(5):
        gate.admit(f"bed{number}", encode(message(0)), 0.0)
    with pytest.raises(RejectedError, match="too fast"):
        gate.admit("bed5", encode(message(0)), 0.0)
    assert gate.rejected == {Rejection.TOO_FAST: 1}


def test_a_pipe_may_come_as_fast_as_it_likes() -> None:
    ward = Ward(IntakeConfig(gate=GateConfig(limits=FEW)))
    ward.intake.trust("stdin")
    for seq in range(1000):
        ward.receive("stdin", encode(message(seq)))
    assert ward.intake.rejected == {}
    assert ward.intake.sources["stdin"].track.counts.messages == 1000


def test_a_silent_source_leaves_and_one_that_starts_anew_leaves_first() -> None:
    ward = Ward(IntakeConfig(absent_s=30.0))
    ward.receive("a", encode(message(0)), 0.0)
    ward.receive("a", encode(message(1, fs=250.0)), 1.0)
    assert (ward.came, ward.left) == (["a", "a"], ["a"])
    ward.intake.pass_time(31.0)
    assert ward.left == ["a"]
    ward.intake.pass_time(31.1)
    assert (ward.left, ward.intake.sources) == (["a", "a"], {})


def test_starting_anew_again_and_again_gives_no_new_share() -> None:
    ward = Ward(IntakeConfig(gate=GateConfig(limits=FEW)))
    for number in range(100):
        ward.receive("a", encode(message(0, fs=100.0 + number)))
    assert len(ward.came) == 1 + FEW.burst
