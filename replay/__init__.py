"""Recorded and simulated ECG in: find, download, open, play, reference annotations, noise.

docs/library.md describes what can be imported from here. Importing the package loads none of it.
"""

import importlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from replay.chunk import Chunk as Chunk
    from replay.errors import DownloadError as DownloadError
    from replay.errors import LeadNotFoundError as LeadNotFoundError
    from replay.errors import RecordFormatError as RecordFormatError
    from replay.errors import RecordNotFoundError as RecordNotFoundError
    from replay.errors import ReplayError as ReplayError
    from replay.formats.options import FileOptions as FileOptions
    from replay.lead_following import with_best_leads as with_best_leads
    from replay.record import Record as Record
    from replay.record import Reference as Reference
    from replay.records import list_records as list_records
    from replay.records import open_record as open_record
    from replay.records import records_of as records_of

_HOME: Final = {
    "Chunk": "replay.chunk",
    "DownloadError": "replay.errors",
    "FileOptions": "replay.formats.options",
    "LeadNotFoundError": "replay.errors",
    "Record": "replay.record",
    "RecordFormatError": "replay.errors",
    "RecordNotFoundError": "replay.errors",
    "Reference": "replay.record",
    "ReplayError": "replay.errors",
    "list_records": "replay.records",
    "open_record": "replay.records",
    "records_of": "replay.records",
    "with_best_leads": "replay.lead_following",
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
