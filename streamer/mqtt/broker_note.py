"""Where a running embedded broker leaves its address, so that `ecg-stream listen` finds it."""

import contextlib
import json
import os
import tempfile
from pathlib import Path

from streamer.mqtt.address import parse_url


def _note_path() -> Path:
    """Where the address of a running embedded broker is noted, in the user's own cache folder."""
    import platformdirs  # noqa: PLC0415

    return Path(platformdirs.user_cache_dir("ecg-stream")) / "embedded-broker.json"


def write_note(url: str) -> None:
    """Note where the embedded broker of this process listens; a note that can't be is no error."""
    path = _note_path()
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
            json.dump({"url": url, "pid": os.getpid()}, file)
        Path(file.name).replace(path)


def read_note() -> str | None:
    """Address of an embedded broker that runs on this machine, if one left a note."""
    try:
        note = json.loads(_note_path().read_text())
        url, pid = str(note["url"]), int(note["pid"])
        parse_url(url)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return url if _is_alive(pid) else None


def remove_note(url: str) -> None:
    """Take our own note away; that of a broker started later stays."""
    if read_note() == url:
        with contextlib.suppress(OSError):
            _note_path().unlink()


def _is_alive(pid: int) -> bool:
    """Whether a process runs; one that isn't ours does too."""
    if os.name != "posix":
        return True  # Elsewhere signal 0 is not a mere question.
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True
