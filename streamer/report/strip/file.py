"""Writes a strip to a file, in the formats that a person asked for."""

from pathlib import Path
from typing import Final, Literal

from streamer.report.strip.paper import Picture
from streamer.report.strip.png import strip_png
from streamer.report.strip.svg import strip_svg

FreezeFormat = Literal["svg", "png", "both"]
SUFFIXES: Final[dict[FreezeFormat, tuple[str, ...]]] = {
    "svg": (".svg",),
    "png": (".png",),
    "both": (".svg", ".png"),
}


def strip_paths(folder: Path, name: str, kind: FreezeFormat) -> tuple[Path, ...]:
    """Return the files that a strip is written to."""
    # A name may hold dots, which begin no suffix.
    return tuple(folder / f"{name}{suffix}" for suffix in SUFFIXES[kind])


def write_strip(picture: Picture, path: Path) -> None:
    """Draw a strip as `path` ends, in `.png` or `.svg`.

    Raises
    ------
    OSError
        If it can't be written.
    """
    if path.suffix == ".png":
        path.write_bytes(strip_png(picture))
    else:
        path.write_text(strip_svg(picture), encoding="utf-8")
