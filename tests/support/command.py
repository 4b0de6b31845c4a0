"""The command as another process runs it."""

import sys
from typing import Final

ECG_STREAM: Final = (sys.executable, "-P", "-m", "streamer.commands.cli")
"""`-P`: as installed, with its compiled kernels; a source tree in the working directory would
hide that, and be compiled anew for a minute."""
