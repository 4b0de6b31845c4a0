"""What a person says of a file that doesn't say it itself."""

from dataclasses import dataclass

from replay.errors import RecordFormatError

FS_TOLERANCE = 1e-3
"""Sampling frequencies that differ by less than this share are the same, written shorter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileOptions:
    """Sampling frequency, units and leads, as far as they were given."""

    fs: float | None = None
    """Hz."""
    units: str | None = None
    """See `replay.formats.units.parse_units`."""
    leads: tuple[str, ...] = ()
    """Leads to use, primary first, by name or, in a file without names, by column from 1; as many
    names as there are columns name them. Empty: all."""

    def rate(self, stated: float | None, file: str) -> float:
        """Return the sampling frequency that a file states or a person gave.

        Raises
        ------
        RecordFormatError
            If neither did, or they differ.
        """
        if stated is None and self.fs is None:
            raise RecordFormatError(
                f"{file} states no sampling frequency; give it in Hz, such as --fs 250"
            )
        if self.fs is None or stated is None:
            return float(stated if self.fs is None else self.fs)  # type: ignore[arg-type]
        if abs(stated - self.fs) > FS_TOLERANCE * stated:
            raise RecordFormatError(
                f"{file} says {stated:g} Hz, not the {self.fs:g} Hz given; leave --fs out, or "
                "mend the file"
            )
        return stated
