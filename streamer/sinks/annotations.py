"""Beat labels as a WFDB annotation file, written while the source plays."""

from pathlib import Path
from typing import Final, Literal, get_args

from classifier.labels import Label
from streamer.core.errors import OutputError
from streamer.core.events import LabeledBeat, Published, StreamInfo
from streamer.scoring.annotation_file import (
    DEFAULT_ANNOTATOR,
    AnnotationWriter,
    annotation_path,
    check_annotator,
)
from streamer.sinks.sink import QuietSink

Which = Literal["provisional", "confirmed"]
"""Which of a beat's two labels is written."""

REVISIONS: Final[dict[Which, int]] = {"provisional": 0, "confirmed": 1}


class AnnotationSink(QuietSink):
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
        self._writers: dict[str, AnnotationWriter] = {}

    @property
    def name(self) -> str:
        """What to call it in a message."""
        return f"annotations in {self._folder}"

    def open(self, info: StreamInfo) -> None:
        """Open a source's file.

        Raises
        ------
        OutputError
            If it can't be written.
        """
        path = annotation_path(self._folder, info.source, self._annotator)
        self._writers[info.source] = AnnotationWriter(path, fs=info.fs)

    def close_source(self, source: str) -> None:
        """End a source's file.

        Raises
        ------
        OutputError
            If what is still buffered can't be written.
        """
        writer = self._writers.pop(source, None)
        if writer is not None:
            writer.close()

    def publish(self, info: StreamInfo, message: Published) -> None:
        """Write the label if it is one of those wanted.

        Raises
        ------
        OutputError
            If the disk is full, or the source was not opened.
        """
        event = message.event
        if not isinstance(event, LabeledBeat) or event.revision != self._revision:
            return
        if info.source not in self._writers:
            raise OutputError(f"{self.name} is not open; open the source before publishing")
        self._writers[info.source].write(event.beat.rpeak.sample, event.label or Label.Q)

    async def close(self) -> None:
        """End all files.

        Raises
        ------
        OutputError
            If what is still buffered can't be written.
        """
        for source in list(self._writers):
            self.close_source(source)
