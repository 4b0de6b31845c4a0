"""`ecg-stream listen` as a process."""

import asyncio
import contextlib
import os
import signal
import sys

import pytest
from command import ECG_STREAM
from mqtt_subscriber import WAIT_S, begin, patient_sink, play
from sample_events import (
    alarm,
    labeled_beat,
    published,
    stream_info,
)

from classifier.labels import Label
from streamer.mqtt.broker import EmbeddedBroker

pytestmark = pytest.mark.usefixtures("own_cache")


async def command(*arguments: str) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        *ECG_STREAM, "listen", *arguments, stdout=pipe, stderr=pipe
    )


async def read_until(stream: asyncio.StreamReader | None, words: str) -> str:
    assert stream is not None
    lines = ""
    async with asyncio.timeout(WAIT_S):
        while words not in lines:
            line = await stream.readline()
            assert line, lines
            lines += line.decode()
    return lines


async def test_the_command_prints_json_lines_and_ends_on_ctrl_c(embedded: EmbeddedBroker) -> None:
    process = await command("--json", "--all")
    try:
        await read_until(process.stderr, f"listening to {embedded.url}")
        await play(embedded.url)
        await read_until(process.stdout, '"reason":"finished"')
        process.send_signal(signal.SIGINT)
        _, errors = await asyncio.wait_for(process.communicate(), WAIT_S)
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 0
    assert b"12 messages shown; 0 missing" in errors
    assert b"Traceback" not in errors


async def test_the_command_prints_plain_lines_when_not_on_a_terminal(
    embedded: EmbeddedBroker,
) -> None:
    process = await command(embedded.url, "--count", "3", "--for", "60s")
    await read_until(process.stderr, "listening to")
    await play(embedded.url)
    output, _ = await asyncio.wait_for(process.communicate(), WAIT_S)
    assert process.returncode == 0
    lines = output.decode().splitlines()
    assert len(lines) == 3
    assert "ventricular ectopic beat" in lines[1]
    assert "\x1b" not in output.decode()


async def test_the_command_ends_quietly_when_its_reader_goes(embedded: EmbeddedBroker) -> None:
    process = await command(embedded.url)
    await read_until(process.stderr, "listening to")
    process.stdout._transport.close()
    await play(embedded.url)
    errors = await asyncio.wait_for(process.stderr.read(), WAIT_S)
    assert await process.wait() == 0
    assert b"Traceback" not in errors


async def test_the_command_prints_colour_on_a_terminal(embedded: EmbeddedBroker) -> None:
    ours, theirs = os.openpty()
    process = await asyncio.create_subprocess_exec(
        *ECG_STREAM, "listen", embedded.url, "--count", "4",
        stdout=theirs, stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "TERM": "xterm-256color", "NO_COLOR": "", "COLUMNS": "120"},
    )  # fmt: skip
    os.close(theirs)
    await read_until(process.stderr, "listening to")
    await play(embedded.url)
    await asyncio.wait_for(process.wait(), WAIT_S)
    output = read_to_the_end(ours)
    assert "\x1b[1;37;41mALERT" in output
    assert "ventricular tachycardia, since 0:02.00, high priority, 3 beats" in output


def read_to_the_end(terminal: int) -> str:
    """Read what a terminal still holds, which comes in pieces; nobody writes to it any more."""
    output = b""
    with os.fdopen(terminal, "rb", buffering=0) as screen, contextlib.suppress(OSError):
        while piece := screen.read(65_536):
            output += piece
    return output.decode()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--count", "0"], "--count is 0; expected 1 or more"),
        (["--for", "soon"], "expected a time such as 60s"),
        (["nowhere"], "is no MQTT URL"),
    ],
)
def test_nonsense_options_are_one_line(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from streamer.commands.cli import main

    assert main(["listen", *arguments]) == 1
    errors = capsys.readouterr().err
    assert words in errors
    assert errors.count("\n") == 1


def test_help_needs_no_heavy_import() -> None:
    before = set(sys.modules)
    from streamer.commands import listen

    assert listen.EXIT_OK == 0
    assert not {"rich", "torch", "scipy.signal"} & (set(sys.modules) - before)


async def test_a_missing_event_is_an_exit_code_for_scripts(embedded: EmbeddedBroker) -> None:
    process = await command(embedded.url, "--strict", "--count", "2", "--alarms")
    await read_until(process.stderr, "listening to")
    publisher = patient_sink(embedded.url)
    await begin(publisher, stream_info())
    for seq in (0, 5):
        publisher.publish(stream_info(), published(alarm(), seq=seq))
        publisher.publish(stream_info(), published(labeled_beat(label=Label.N), seq=seq + 1))
    await publisher.close()
    output, errors = await asyncio.wait_for(process.communicate(), WAIT_S)
    assert process.returncode == 3
    assert b"208: 3 events are missing" in errors
    assert output.count(b"ALERT") == 2
