"""What the process says to its caller at its end."""

from typing import Final

EXIT_OK: Final = 0
EXIT_ERROR: Final = 1
EXIT_USAGE: Final = 2
EXIT_SIGNAL: Final = 128
"""To this the number of the signal is added that ended the process, as shells count."""
EXIT_INTERRUPTED: Final = 130
"""By SIGINT."""
