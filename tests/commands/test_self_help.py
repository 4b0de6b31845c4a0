"""What the command says of itself: doctor, help, completion."""

import subprocess
from pathlib import Path

import pytest

from streamer.commands.cli import COMMANDS, main
from streamer.commands.completion import SHELLS


def rows(capsys: pytest.CaptureFixture[str]) -> dict[str, list[str]]:
    """Findings by what they are about: state and text."""
    found: dict[str, list[str]] = {}
    for line in capsys.readouterr().out.splitlines():
        state, what, text = line.split(maxsplit=2)
        found.setdefault(what, []).append(f"{state} {text}")
    return found


def test_doctor_finds_nothing_wrong_where_nothing_is(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mitdb").mkdir()
    (tmp_path / "mitdb" / "100.hea").write_text("100 2 360 650000\n")
    monkeypatch.setenv("ECG_STREAM_DATA", str(tmp_path))
    assert main(["doctor"]) == 0
    found = rows(capsys)
    assert "numpy" in found["versions"][0]
    assert any("mitdb 1" in text for text in found["data"])
    assert found["kernels"][0].startswith(("ok", "note"))
    assert found["classifier"][0].startswith("ok")
    assert not any(text.startswith("wrong") for texts in found.values() for text in texts)


def test_doctor_says_what_is_wrong_and_its_exit_code_too(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ECG_STREAM_DATA", str(tmp_path / "gone"))
    assert main(["doctor", "--mqtt", "mqtt://127.0.0.1:9"]) == 1
    found = rows(capsys)
    assert found["data"][0].startswith("wrong ECG_STREAM_DATA names")
    assert found["broker"] == [
        "wrong MQTT broker mqtt://127.0.0.1:9 can't be used: [Errno 111] Connection refused; "
        "start a broker there, or name another one"
    ]


def test_help_shows_the_pages_and_the_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help"]) == 0
    listed = capsys.readouterr().out
    assert "live-sources     Live sources: how samples come in\n" in listed
    assert main(["help", "mqtt"]) == 0
    assert capsys.readouterr().out.startswith("# ecg-stream over MQTT\n")
    with pytest.raises(SystemExit):
        main(["help", "replay"])
    assert capsys.readouterr().out.startswith("usage: ecg-stream replay")
    assert main(["help", "weather"]) == 1
    assert "no page on 'weather'; there are alarms, " in capsys.readouterr().err


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_hears_of_every_command(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert all(command in script for command in COMMANDS)
    assert "publish-samples" in script


def test_bash_completes_an_option(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    main(["completion", "bash"])
    script = tmp_path / "completion.bash"
    script.write_text(capsys.readouterr().out)
    asked = (
        f"source {script}; COMP_WORDS=(ecg-stream ward --snapshot-e); COMP_CWORD=2; "
        "$(complete -p ecg-stream | sed 's/.*-F \\([^ ]*\\).*/\\1/') ecg-stream --snapshot-e ward; "
        "echo ${COMPREPLY[@]}"
    )
    done = subprocess.run(["bash", "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["--snapshot-every"]
