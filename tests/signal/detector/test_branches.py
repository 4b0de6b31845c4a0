"""Every branch of the detector's kernels, seen by running its tests uncompiled."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

MODULES = [
    "qrs_detector",
    "adapt",
    "decide",
    "features",
    "kernel",
    "leads",
    "state",
    "peak_scorer",
]


@pytest.fixture(scope="module")
def uncompiled(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    folder = tmp_path_factory.mktemp("coverage")
    names = ",".join(f"*/streamer/signal/detector/{module}.py" for module in MODULES)
    command = [sys.executable, "-m", "coverage"]
    environment = os.environ | {
        "NUMBA_DISABLE_JIT": "1",
        "COVERAGE_FILE": str(folder / "coverage"),
    }
    tests = Path(__file__).with_name("test_qrs_detector.py")
    run = [*command, "run", "--branch", f"--include={names}", "-m", "pytest", "-q", "-p"]
    subprocess.run(
        [*run, "no:cacheprovider", str(tests)], env=environment, check=True, capture_output=True
    )
    return subprocess.run(
        [*command, "report", f"--include={names}", "--show-missing", "--fail-under=100"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_detector_tests_take_every_branch(
    uncompiled: subprocess.CompletedProcess[str],
) -> None:
    assert uncompiled.returncode == 0, uncompiled.stdout
    for module in MODULES:
        assert f"{module}.py" in uncompiled.stdout
