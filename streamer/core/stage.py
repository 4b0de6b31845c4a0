"""The contract that every stage of the chain keeps; `tests/end_to_end` has the proof."""

from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from streamer.core.errors import SnapshotError

InT = TypeVar("InT", contravariant=True)
OutT = TypeVar("OutT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All the state of one stage at one moment, small and independent of the stage's buffers."""

    stage: str
    """Class name of the stage."""
    version: int
    """Layout of `state`; raised whenever it changes."""
    state: dict[str, Any]
    """Numbers, strings, None, lists and arrays only, copied."""

    def require(self, stage: str, version: int) -> dict[str, Any]:
        """Return the state, or raise if it is not of this stage and version.

        Raises
        ------
        SnapshotError
            If `stage` or `version` differ.
        """
        if (self.stage, self.version) != (stage, version):
            raise SnapshotError(
                f"snapshot is of {self.stage} version {self.version}, "
                f"expected {stage} version {version}; start the stage anew instead"
            )
        return self.state


class Stage(Protocol[InT, OutT]):
    """One step of the chain: samples or events in, events out, no clock, no I/O, no thread."""

    def push(self, item: InT) -> list[OutT]:
        """Take the next input and return what became known, in order.

        Outputs don't depend on how the stream was cut. Pushing after `flush` raises
        StageClosedError.
        """
        ...

    def flush(self) -> list[OutT]:
        """End the stream and return what was still held back."""
        ...

    def reset(self) -> None:
        """Return to the state of a new object."""
        ...

    def snapshot(self) -> Snapshot:
        """Copy the whole state."""
        ...

    def restore(self, snapshot: Snapshot) -> None:
        """Continue, bit for bit, from where `snapshot` was taken."""
        ...
