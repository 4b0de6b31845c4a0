"""Open a record in a single file, by its extension."""

from replay.errors import RecordFormatError
from replay.formats.file_record import FileRecord, FileSource
from replay.formats.suffixes import CSV_SUFFIXES, EDF_SUFFIX


def open_file(source: FileSource) -> FileRecord:
    """Open a record in a single file.

    Raises
    ------
    RecordFormatError
        If it can't be read, or sampling frequency or units are stated nowhere.
    LeadNotFoundError
        If it has no such lead.
    """
    suffix = source.path.suffix.casefold()
    try:
        if suffix == EDF_SUFFIX:
            from replay.formats.edf_record import EdfRecord  # noqa: PLC0415

            return EdfRecord(source)
        if suffix in CSV_SUFFIXES:
            from replay.formats.csv_record import CsvRecord  # noqa: PLC0415

            return CsvRecord(source)
        from replay.formats.numpy_record import NumpyRecord  # noqa: PLC0415

        return NumpyRecord(source)
    except OSError as error:
        raise RecordFormatError(
            f"{source.path} can't be read ({error.strerror or error}); check the file"
        ) from error
