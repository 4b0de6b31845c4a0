"""Request each beat's label: at once, and again when the next beat is known.

What is remembered of a patient doesn't depend on the labels, so the network's inputs can be made
as soon as the beat is known, and the label be worked out elsewhere: at once (a record in bulk), by
another thread (in real time), or for many patients together (a ward).
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from classifier.inputs.features import FloatArray
from classifier.inputs.memory import BeatInputs, PatientMemory
from classifier.network.spec import ModelSpec
from streamer.beats.label_request import NOISE, LabelRequest
from streamer.core.errors import SnapshotError, StageClosedError
from streamer.core.events import CHAIN_FS, Beat, Gap, GapReason, RPeak, Tick
from streamer.core.stage import Snapshot

_VERSION: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelingConfig:
    """When a label is confirmed and when a beat is not judged."""

    timeout_s: float = 2.0
    """After the R peak; a beat every 2 s (30 a minute) is slower than any usual rhythm."""
    quality_min: float | None = None
    """R peaks of a lower quality get label Q; None takes the model's own limit."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Unconfirmed:
    """The newest beat, which waits for its confirmed label."""

    beat: Beat
    inputs: BeatInputs
    reason: str | None
    due: int
    """Sample at which its label is confirmed without a next beat."""


class LabelRequester:
    """Two requests for each beat: for its provisional label (revision 0) and the confirmed one.

    Parameters
    ----------
    spec : ModelSpec
        Of the network that will work the labels out; its limit of quality counts where the
        configuration sets none.
    config : LabelingConfig, optional
        Time-out and quality gate.

    Notes
    -----
    The provisional label is requested at `Beat.decided_at`, from nothing later than the beat's own
    window. The confirmed label is requested when the next beat is known, or `timeout_s` after the
    R peak, or at a gap or the end of the stream, whichever comes first; only the next beat adds
    knowledge, so in the other cases the two are the same. A beat in noise will be labelled Q, and
    nothing is learned from it.
    """

    def __init__(self, spec: ModelSpec, config: LabelingConfig | None = None) -> None:
        config = LabelingConfig() if config is None else config
        self._timeout_samples = round(config.timeout_s * CHAIN_FS)
        limit = config.quality_min
        self._quality_min = spec.quality_min if limit is None else limit
        self._network = spec.sha256
        self._rhythm = spec.rhythm
        self.reset()

    @property
    def next_due(self) -> int | None:
        """Sample at which the newest beat is confirmed without a next one; None without one."""
        return None if self._unconfirmed is None else self._unconfirmed.due

    def reset(self) -> None:
        """Return to the state of a new object."""
        self._patient = PatientMemory(self._rhythm)
        self._unconfirmed: _Unconfirmed | None = None
        self._now = -1
        self._closed = False

    def push(self, item: Beat | Gap | Tick) -> list[LabelRequest | Gap]:
        """Take a beat, a gap or the time; return requests and gaps in order of `decided_at`.

        Raises
        ------
        StageClosedError
            After `flush`.
        """
        if self._closed:
            raise StageClosedError("the label requester was flushed; reset it before pushing again")
        if isinstance(item, Tick):
            self._now = item.sample
            return self._time_out(before=item.sample + 1)
        outputs = self._time_out(before=item.decided_at)
        self._now = item.decided_at
        if isinstance(item, Gap):
            outputs += self._confirm_alone(item.decided_at)
            if item.reason is GapReason.LEADS:
                # The same beats look otherwise now; as they were known, each would be a new shape.
                self._patient.forget_shapes()
            return [*outputs, item]
        return [*outputs, *self._push_beat(item)]

    def flush(self) -> list[LabelRequest | Gap]:
        """End the stream: the last beat is confirmed without a next one."""
        if self._closed:
            return []
        self._closed = True
        return self._confirm_alone(self._now)

    def snapshot(self) -> Snapshot:
        """Copy the whole state."""
        return Snapshot(
            stage=type(self).__name__,
            version=_VERSION,
            state={
                "network": self._network,
                "patient": self._patient.state(),
                "unconfirmed": None if self._unconfirmed is None else _pack(self._unconfirmed),
                "now": self._now,
                "closed": self._closed,
            },
        )

    def restore(self, snapshot: Snapshot) -> None:
        """Continue from where `snapshot` was taken.

        Raises
        ------
        SnapshotError
            If it is of another stage, version or network.
        """
        state = snapshot.require(type(self).__name__, _VERSION)
        if state["network"] != self._network:
            raise SnapshotError(
                f"snapshot was taken with the network {_short(state['network'])}, this one is "
                f"{_short(self._network)}; go on with that network, or start anew"
            )
        try:
            self._patient.set_state(state["patient"])
        except ValueError as error:
            raise SnapshotError(f"snapshot holds {error}; start anew instead") from error
        self._unconfirmed = None if state["unconfirmed"] is None else _unpack(state["unconfirmed"])
        self._now = state["now"]
        self._closed = state["closed"]

    def _push_beat(self, beat: Beat) -> list[LabelRequest | Gap]:
        rr_s = float(beat.rr_s[-1]) if beat.rr_s.size else 0.0
        noisy = beat.rpeak.quality < self._quality_min
        before = self._unconfirmed
        inputs, completed = self._patient.describe_and_learn(
            beat.window,
            rr_s,
            beat.rpeak.quality,
            learns=not noisy,
            before=None if before is None else before.inputs,
        )
        reason = inputs.unjudgeable or (NOISE if noisy else None)
        outputs: list[LabelRequest | Gap] = []
        if before is not None:
            outputs.append(self._request(before, completed, 1, beat.decided_at))
        due = max(beat.rpeak.sample + self._timeout_samples, beat.decided_at)
        self._unconfirmed = _Unconfirmed(beat=beat, inputs=inputs, reason=reason, due=due)
        outputs.append(self._request(self._unconfirmed, inputs.features, 0, beat.decided_at))
        return outputs

    def _time_out(self, *, before: int) -> list[LabelRequest | Gap]:
        """Confirm the newest beat if its time ran out before that sample."""
        if self._unconfirmed is None or self._unconfirmed.due >= before:
            return []
        return self._confirm_alone(self._unconfirmed.due)

    def _confirm_alone(self, decided_at: int) -> list[LabelRequest | Gap]:
        """Confirm the newest beat, if it isn't yet, without knowing the next."""
        if self._unconfirmed is None:
            return []
        waiting, self._unconfirmed = self._unconfirmed, None
        return [self._request(waiting, waiting.inputs.features, 1, decided_at)]

    @staticmethod
    def _request(
        waiting: _Unconfirmed, features: FloatArray, revision: int, decided_at: int
    ) -> LabelRequest:
        return LabelRequest(
            beat=waiting.beat,
            revision=revision,
            decided_at=decided_at,
            reason=waiting.reason,
            inputs=waiting.inputs,
            features=features,
        )


def _short(sha256: str) -> str:
    """Name a network by the beginning of its file's checksum."""
    return f"{sha256[:12]}..." if sha256 else "without a file"


def _pack(waiting: _Unconfirmed) -> list[Any]:
    """Flatten an unconfirmed beat into numbers, strings and arrays."""
    inputs = waiting.inputs
    seen = inputs.embedding if inputs.is_embedded else inputs.signal
    return [
        _values(waiting.beat.rpeak),
        _values(waiting.beat)[1:],
        [inputs.is_embedded, seen.copy(), inputs.features.copy(), inputs.kept.copy()],
        waiting.reason,
        waiting.due,
    ]


def _unpack(packed: Sequence[Any]) -> _Unconfirmed:
    rpeak, beat, (is_embedded, seen, features, kept), reason, due = packed
    network_inputs = {"embedding" if is_embedded else "signal": seen.copy()}
    return _Unconfirmed(
        beat=_build(Beat, [_build(RPeak, rpeak), *beat]),
        inputs=BeatInputs(features.copy(), kept.copy(), **network_inputs),
        reason=reason,
        due=due,
    )


def _values(item: Any) -> list[Any]:
    """Field values in order, arrays copied."""
    values = [getattr(item, field.name) for field in dataclasses.fields(item)]
    return [value.copy() if isinstance(value, np.ndarray) else value for value in values]


def _build(kind: Any, values: Sequence[Any]) -> Any:
    """Build a dataclass from `_values`, arrays copied again so that a snapshot can be reused."""
    names = (field.name for field in dataclasses.fields(kind))
    copies = (value.copy() if isinstance(value, np.ndarray) else value for value in values)
    return kind(**dict(zip(names, copies, strict=True)))
