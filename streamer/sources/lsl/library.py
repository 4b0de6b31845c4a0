"""The optional library `pylsl`, loaded when it is first used."""

import importlib
import os
from pathlib import Path
from typing import Any, Final

from streamer.core.errors import StreamerError

_CONFIG_PLACES: Final = (
    Path("lsl_api.cfg"),
    Path("~/lsl_api/lsl_api.cfg"),
    Path("/etc/lsl_api/lsl_api.cfg"),
)
"""Where liblsl looks for its configuration, beside `LSLAPICFG`."""
_QUIET: Final = "[log]\nlevel = -3\n"
"""What liblsl would log, such as a lost stream, is said by us in one line."""


def load_pylsl() -> Any:
    """Return the module `pylsl`.

    Raises
    ------
    StreamerError
        If it isn't there; the message says what to install.
    """
    try:
        pylsl = importlib.import_module("pylsl")
    except (ImportError, OSError, RuntimeError) as error:
        raise StreamerError(
            "Lab Streaming Layer needs the package pylsl; "
            f"install it with: pip install 'ecg-stream[lsl]' ({error})"
        ) from error
    has_config = "LSLAPICFG" in os.environ or any(
        place.expanduser().exists() for place in _CONFIG_PLACES
    )
    if not has_config and hasattr(pylsl, "set_config_content"):
        pylsl.set_config_content(_QUIET)  # Of no effect once it is in use.
    return pylsl
