"""The online system: samples of any source in, labelled beats, rhythm, alarms and gaps out.

docs/library.md describes what can be imported from here. Importing the package loads none of it.
"""

import importlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from classifier.labels import Label as Label
    from streamer.core.errors import OverlapError as OverlapError
    from streamer.core.errors import SnapshotError as SnapshotError
    from streamer.core.errors import StageClosedError as StageClosedError
    from streamer.core.errors import StreamerError as StreamerError
    from streamer.core.events import Alarm as Alarm
    from streamer.core.events import AlarmState as AlarmState
    from streamer.core.events import Beat as Beat
    from streamer.core.events import Event as Event
    from streamer.core.events import Gap as Gap
    from streamer.core.events import GapReason as GapReason
    from streamer.core.events import LabeledBeat as LabeledBeat
    from streamer.core.events import Priority as Priority
    from streamer.core.events import Published as Published
    from streamer.core.events import Rhythm as Rhythm
    from streamer.core.events import RhythmEvent as RhythmEvent
    from streamer.core.events import RPeak as RPeak
    from streamer.core.events import StreamInfo as StreamInfo
    from streamer.core.stage import Snapshot as Snapshot
    from streamer.core.stage import Stage as Stage
    from streamer.patient.chain import Chain as Chain
    from streamer.patient.chain import ChainConfig as ChainConfig
    from streamer.patient.ward import Ward as Ward
    from streamer.runner.event_stream import stream as stream
    from streamer.runner.label_signal import LabeledSignal as LabeledSignal
    from streamer.runner.label_signal import label_signal as label_signal

_HOME: Final = {
    "Alarm": "streamer.core.events",
    "AlarmState": "streamer.core.events",
    "Beat": "streamer.core.events",
    "Chain": "streamer.patient.chain",
    "ChainConfig": "streamer.patient.chain",
    "Event": "streamer.core.events",
    "Gap": "streamer.core.events",
    "GapReason": "streamer.core.events",
    "Label": "classifier.labels",
    "LabeledBeat": "streamer.core.events",
    "LabeledSignal": "streamer.runner.label_signal",
    "OverlapError": "streamer.core.errors",
    "Priority": "streamer.core.events",
    "Published": "streamer.core.events",
    "RPeak": "streamer.core.events",
    "Rhythm": "streamer.core.events",
    "RhythmEvent": "streamer.core.events",
    "Snapshot": "streamer.core.stage",
    "SnapshotError": "streamer.core.errors",
    "Stage": "streamer.core.stage",
    "StageClosedError": "streamer.core.errors",
    "StreamInfo": "streamer.core.events",
    "StreamerError": "streamer.core.errors",
    "Ward": "streamer.patient.ward",
    "label_signal": "streamer.runner.label_signal",
    "stream": "streamer.runner.event_stream",
}
"""Where each public name is defined; it is imported when it is first used."""

__all__ = list(_HOME)


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(importlib.import_module(_HOME[name]), name)
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *_HOME})
