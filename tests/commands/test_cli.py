"""The command itself: fast help, lazy imports, errors in one line."""

import shlex
import subprocess
import sys

import pytest
from command import ECG_STREAM

from streamer.commands.cli import COMMANDS, main

HEAVY = ["torch", "scipy.signal", "wfdb", "neurokit2", "matplotlib", "numba", "rich", "numpy"]


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exited:
        main(["--help"])
    assert exited.value.code == 0
    shown = capsys.readouterr().out
    assert all(command in shown for command in COMMANDS)


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom streamer.commands.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exited:
        main([command, "--help"])
    assert exited.value.code == 0
    assert f"usage: ecg-stream {command}" in capsys.readouterr().out


def test_a_usage_error_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exited:
        main(["replay"])
    assert exited.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("ecg-stream replay: the following arguments are required: record")


def test_an_unknown_command_names_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exited:
        main(["repaly"])
    assert exited.value.code == 2
    assert "replay" in capsys.readouterr().err


def test_an_expected_error_is_one_line_and_a_traceback_on_request(
    capsys: pytest.CaptureFixture[str], tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ECG_STREAM_DATA", str(tmp_path))
    arguments = ["score", "--reference", str(tmp_path / "no"), "--predicted", str(tmp_path)]
    assert main(arguments) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1
    with pytest.raises(Exception, match="no folder"):
        main(["--debug", *arguments])


def test_a_reader_that_stops_early_is_no_error() -> None:
    command = f"{shlex.join(ECG_STREAM)} records | head -n 1"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
