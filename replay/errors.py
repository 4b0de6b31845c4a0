"""What can go wrong with a recording; every message says what came, what is legal, what to do."""


class ReplayError(Exception):
    """Base of everything the replay package raises on purpose."""


class RecordNotFoundError(ReplayError):
    """No place holds the record; the message lists the places looked at."""


class RecordFormatError(ReplayError):
    """A record's files are damaged or disagree with each other."""


class LeadNotFoundError(ReplayError):
    """The record has no lead of that name; the message lists the leads it has."""


class NoReferenceError(ReplayError):
    """A record has no reference annotations where they are needed."""


class DownloadError(ReplayError):
    """A database could not be fetched or its checksums are wrong."""
