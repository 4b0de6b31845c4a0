"""Puts the pages of docs/ into the package, for `ecg-stream help`."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent


class BuildWithPages(build_py):
    """Copies the pages beside the modules."""

    def run(self) -> None:
        """Build, then copy."""
        super().run()
        if self.editable_mode:  # There the pages are where they are.
            return
        for page in (*ROOT.glob("docs/*.md"), *ROOT.glob("docs/*/README.md")):
            copy = Path(self.build_lib, "streamer", "pages", page.relative_to(ROOT / "docs"))
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(page, copy)


setup(cmdclass={"build_py": BuildWithPages})
