"""Beat labels as a WFDB annotation file, written while the source plays."""

from pathlib import Path
from typing import Final, Literal, get_args

from classifier.labels import Label
from replay.chunk import Chunk
from streamer.core.errors import OutputError
from streamer.core.events import LabeledBeat, Published, StreamInfo
from streamer.scoring.annotation_file import (
    DEFAULT_ANNOTATOR,
    AnnotationWriter,
    annotation_path,
    check_annotator,
)

Which = Literal["provisional", "confirmed"]
"""Which of a beat's two labels is written."""

REVISIONS: Final[dict[Which, int]] = {"provisional": 0, "confirmed": 1}


class AnnotationSink:
    """Write `FOLDER/<source>.<annotator>`: one annotation a beat, at its R peak.

    Parameters
    ----------
    folder : str or Path
        Made if it isn't there.
    annotator : str
        Extension of the file.
    which : {'confirmed', 'provisional'}
        A provisional label that was late and unknown is written as Q.

    Raises
    ------
    ValueError
        If `annotator` or `which` is not legal.
    """

    def __init__(
        self,
        folder: str | Path,
        annotator: str = DEFAULT_ANNOTATOR,
        which: Which = "confirmed",
    ) -> None:
        if which not in REVISIONS:
            raise ValueError(f"label is {which!r}; choose one of {', '.join(get_args(Which))}")
        self._folder = Path(folder)
        self._annotator = check_annotator(annotator)
        self._revision = REVISIONS[which]
        self._writer: AnnotationWriter | None = None

    @property
    def name(self) -> str:
        """What to call it in a message."""
        return f"annotations in {self._folder}"

    async def start(self, info: StreamInfo) -> None:
        """Open the file.

        Raises
        ------
        OutputError
            If it can't be written.
        """
        path = annotation_path(self._folder, info.source, self._annotator)
        self._writer = AnnotationWriter(path, fs=info.fs)

    def observe(self, chunk: Chunk) -> None:
        """Ignore the samples: only beats are written."""

    def publish(self, message: Published) -> None:
        """Write the label if it is one of those wanted.

        Raises
        ------
        OutputError
            If the disk is full, or the sink was not started.
        """
        event = message.event
        if not isinstance(event, LabeledBeat) or event.revision != self._revision:
            return
        if self._writer is None:
            raise OutputError(f"{self.name} is not open; start the sink before publishing")
        self._writer.write(event.beat.rpeak.sample, event.label or Label.Q)

    async def drain(self) -> None:
        """Return at once: nothing is queued."""

    async def close(self) -> None:
        """End the file.

        Raises
        ------
        OutputError
            If what is still buffered can't be written.
        """
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()
