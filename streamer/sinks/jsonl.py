"""Events as JSON lines, in a file or on standard output."""

import sys
from pathlib import Path
from typing import IO, Final

from streamer.core.errors import OutputError
from streamer.core.events import Published, StreamInfo
from streamer.messages.payload import to_payload
from streamer.messages.wire import dumps
from streamer.sinks.sink import QuietSink

STANDARD_OUTPUT: Final = "-"


class JsonLinesSink(QuietSink):
    """Write one JSON object a line, each handed to the system before the next sample is played.

    So a killed process loses nothing that it had emitted. The objects are those of
    `streamer.messages.wire`.

    Parameters
    ----------
    path : str or Path
        File to write; "-" for standard output.
    append : bool
        Whether to add to a file that is there; it is replaced otherwise.
    """

    def __init__(self, path: str | Path, *, append: bool = False) -> None:
        self._path = str(path)
        self._mode = "ab" if append else "wb"
        self._file: IO[bytes] | None = None

    @property
    def name(self) -> str:
        """What to call it in a message."""
        return "standard output" if self._path == STANDARD_OUTPUT else self._path

    async def start(self) -> None:
        """Open the file.

        Raises
        ------
        OutputError
            If it can't be written.
        """
        if self._path == STANDARD_OUTPUT:
            self._file = sys.stdout.buffer
            return
        try:
            self._file = Path(self._path).open(self._mode)  # noqa: ASYNC230, SIM115 - once, kept open
        except OSError as error:
            raise self._unwritable(error) from error

    def publish(self, info: StreamInfo, message: Published) -> None:
        """Write one event.

        Raises
        ------
        OutputError
            If the disk is full or the reader of standard output has gone.
        """
        if self._file is None:
            raise OutputError(f"{self.name} is not open; start the sink before publishing")
        try:
            self._file.write(dumps(to_payload(message, info)) + b"\n")
            self._file.flush()
        except OSError as error:
            raise self._unwritable(error) from error

    async def close(self) -> None:
        """Close the file, but not standard output.

        Raises
        ------
        OutputError
            If what is still buffered can't be written.
        """
        file, self._file = self._file, None
        if file is None or self._path == STANDARD_OUTPUT:
            return
        try:
            file.close()
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> OutputError:
        return OutputError(
            f"can't write events to {self.name}: {error.strerror or error}; "
            "choose another file with --events"
        )
