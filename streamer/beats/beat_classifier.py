"""Label each beat: at once, and again when the next beat has shown itself."""

from collections.abc import Sequence

from classifier.network.runtime import BeatModel
from streamer.beats.beat_asker import BeatAsker, BeatClassifierConfig
from streamer.beats.question import Question, ask
from streamer.core.events import Beat, Gap, LabeledBeat, Tick
from streamer.core.stage import Snapshot

__all__ = ["BeatClassifier", "BeatClassifierConfig"]


class BeatClassifier:
    """Two labels for each beat: provisional (revision 0) and confirmed (revision 1).

    A `BeatAsker` whose questions are answered at once.

    Parameters
    ----------
    model : BeatModel
        Called with one beat at a time.
    config : BeatClassifierConfig, optional
        Time-out and quality gate.
    """

    def __init__(self, model: BeatModel, config: BeatClassifierConfig | None = None) -> None:
        self._model = model
        self._asker = BeatAsker(model.spec, config)

    def reset(self) -> None:
        """Return to the state of a new object."""
        self._asker.reset()

    def push(self, item: Beat | Gap | Tick) -> list[LabeledBeat | Gap]:
        """Take a beat, a gap or the time; return what became known, in order of `decided_at`.

        Raises
        ------
        StageClosedError
            After `flush`.
        """
        return self._answered(self._asker.push(item))

    def flush(self) -> list[LabeledBeat | Gap]:
        """End the stream: the last beat's label is confirmed as it is."""
        return self._answered(self._asker.flush())

    def snapshot(self) -> Snapshot:
        """Copy the whole state."""
        return self._asker.snapshot()

    def restore(self, snapshot: Snapshot) -> None:
        """Continue from where `snapshot` was taken.

        Raises
        ------
        SnapshotError
            If it is of another stage or version.
        """
        self._asker.restore(snapshot)

    def _answered(self, steps: Sequence[Question | Gap]) -> list[LabeledBeat | Gap]:
        return [
            step.answer(ask(self._model, [step])[0]) if isinstance(step, Question) else step
            for step in steps
        ]
