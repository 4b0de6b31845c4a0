"""Patients of a ward as its screen sees them."""

from collections.abc import Callable

from sample_events import labeled_beat
from stage_cases import N_LEADS, SumModel

from classifier.labels import Label
from streamer.core.events import CHAIN_FS, Alarm, AlarmState, Priority, Rhythm, StreamInfo
from streamer.monitor.terminal.screen_lines import Frame
from streamer.patient.chain import Chain
from streamer.patient.ward import Ward
from streamer.runner.pending import Arrival, LabelLine, Timed
from streamer.runner.sessions import PatientSession, Sessions
from streamer.signal.ring import SampleRing


def patients(*names: str) -> Sessions:
    found = Sessions(lambda info, message: None)
    for name in names:
        info = StreamInfo(
            source=name,
            fs=CHAIN_FS,
            leads=("MLII", "V1"),
            first_sample=0,
            n_samples=None,
            training_record=False,
            started_at=0.0,
        )
        chain = Chain(fs=CHAIN_FS, n_leads=N_LEADS, model=SumModel())
        found.open(info, LabelLine(name, chain, fs=CHAIN_FS))
    return found


def ring_of(ward: Ward) -> Callable[[str], SampleRing | None]:
    return lambda source: ward.patients[source].chain.path.ring if source in ward.patients else None


def alarm(
    found: Sessions,
    name: str,
    rhythm: Rhythm,
    priority: Priority,
    decided_at: int,
    state: AlarmState = AlarmState.ONGOING,
) -> None:
    event = Alarm(
        rhythm=rhythm,
        priority=priority,
        onset=decided_at,
        decided_at=decided_at,
        beats=(),
        state=state,
    )
    arrival = Arrival(pushed_s=0.0, due_s=None, last_sample=decided_at)
    found.publish(found[name], Timed(event=event, arrival=arrival), 0.0)


def screen_of(frame: Frame) -> list[str]:
    return ["".join(segment.text for segment in row) for row in frame.lines]


def play(patient: PatientSession, rr_s: float) -> None:
    """Add ten beats so far apart."""
    for _ in range(10):
        at = patient.last_sample + round(rr_s * CHAIN_FS)
        patient.account.ledger.add(labeled_beat(at, Label.N, rr_s=(rr_s,)), 1.0)
        patient.last_sample = at
