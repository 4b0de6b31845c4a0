"""Where compiled kernels are kept: a folder whose name holds a stamp of all that they are made of.

Numba's cache asks whether the file that holds a kernel is the same, and not whether what the kernel
calls or takes from other files is. Tried with numba 0.68.1: a wheel with a kernel whose callee and
constant lie in another file, changed there, rebuilt and installed anew with pip into the same
environment, gives the old result, as pip leaves numba's files in `__pycache__` and the kernel's own
file is the same as before. So every version of the sources gets a folder of its own.
"""

import contextlib
import functools
import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from numba import config

ROOT: Final = Path(__file__).parents[1]
SOURCES: Final = (
    "classifier/*.py",
    "classifier/inputs/*.py",
    "replay/chunk.py",
    "streamer/core/*.py",
    "streamer/patient/kernel.py",
    "streamer/patient/memory.py",
    "streamer/rhythm/atria/*.py",
    "streamer/rhythm/beat_shape.py",
    "streamer/rhythm/waveform/*.py",
    "streamer/signal/*.py",
    "streamer/signal/detector/*.py",
)
"""Files with kernels, and all that these import; a test holds the list."""
_ROOM_BYTES: Final = 32 * 2**20
"""What a new folder must have room for: three times what all kernels take."""
_FORMER_KEPT: Final = 4
"""Versions kept besides the present one: a program that still runs may be writing to its own."""


@functools.cache
def kernel_folder() -> Path | None:
    """Return the folder in which compiled kernels are kept, made if missing.

    The first that can be written of `NUMBA_CACHE_DIR`, the package's own `__pycache__` and the
    user's cache. Kernels that somebody else compiled beside the source are copied.

    Returns
    -------
    Path or None
        None if no folder can be written: kernels are then compiled at every start.
    """
    prefix = f"kernels-{hashlib.sha256(str(ROOT).encode()).hexdigest()[:8]}-"
    name = prefix + source_stamp()
    beside = ROOT / "classifier" / "__pycache__" / name
    for base in _bases():
        folder = base / name
        if not _is_usable(folder):
            continue
        # What fails here costs time at a start, nothing else; another start may be at it as well.
        with contextlib.suppress(OSError):
            if folder != beside and beside.is_dir() and not any(folder.iterdir()):
                shutil.copytree(beside, folder, dirs_exist_ok=True)
            _delete_former(base, prefix, folder)
        return folder
    return None


def source_stamp() -> str:
    """Fingerprint of the content of every file that kernels may be made of."""
    found = hashlib.sha256()
    for pattern in SOURCES:
        for file in sorted(ROOT.glob(pattern)):
            found.update(file.relative_to(ROOT).as_posix().encode())
            found.update(file.read_bytes())
    return found.hexdigest()[:16]


def _bases() -> Iterator[Path]:
    """Yield the folders to try, the best first."""
    if config.CACHE_DIR:  # type: ignore[attr-defined]
        yield Path(config.CACHE_DIR)  # type: ignore[attr-defined]
    yield ROOT / "classifier" / "__pycache__"
    import platformdirs  # noqa: PLC0415 - takes longer than all else here, and is seldom needed

    yield Path(platformdirs.user_cache_dir("ecg-stream"))


def _is_usable(folder: Path) -> bool:
    """Tell whether files can be written into a folder, and enough of them if it is new."""
    try:
        is_new = not folder.is_dir()
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            # Numba would stop at a disk that is full.
            probe.write(bytes(_ROOM_BYTES if is_new else 1))
    except OSError:
        return False
    return True


def _delete_former(base: Path, prefix: str, current: Path) -> None:
    """Delete the kernels of these sources' versions but for the last few."""
    former = [folder for folder in base.glob(f"{prefix}*") if folder != current]
    former.sort(key=lambda folder: folder.stat().st_mtime)
    for folder in former[:-_FORMER_KEPT]:
        shutil.rmtree(folder, ignore_errors=True)
