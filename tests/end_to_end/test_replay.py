"""The whole program from the command line: record in, events out.

The golden file holds the first minute of the demo, in the fields that are the same on every
machine. After a change that is meant to change them, write it anew with
``ECG_STREAM_UPDATE_GOLDEN=1 pytest tests/end_to_end/test_replay.py`` and look at the difference.
"""

import asyncio
import contextlib
import gc
import json
import os
import resource
import signal
import subprocess
import tracemalloc
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from command import ECG_STREAM
from echo_ward import Unscheduled
from mosquitto_broker import Mosquitto
from stage_cases import N_LEADS, SumModel, ecg

from replay.chunk import Chunk
from streamer.core.events import StreamInfo
from streamer.patient.ward import Ward
from streamer.runner.runner import Runner
from streamer.sinks.jsonl import JsonLinesSink
from streamer.sources.paced import PacedSource

COMMAND = (*ECG_STREAM, "replay")
GOLDEN = Path(__file__).parents[1] / "golden" / "demo_60s.jsonl"
STABLE = ("seq", "type", "sample", "decided_at", "revision", "label", "rhythm", "priority", "stop")
"""Fields without floating-point noise and without the clock."""
FROM_THE_CLOCK = ("time", "compute_ms")
TIMEOUT_S = 300
TOPIC = "ecg/208/beats"
LAST_WORD = "that was all"
Event = dict[str, Any]


def replay(*arguments: str) -> list[Event]:
    """Run the command and return the events from its standard output."""
    done = subprocess.run(
        [*COMMAND, *arguments, "--mqtt", "off", "--events", "-"],
        check=False,
        capture_output=True,
        timeout=TIMEOUT_S,
    )
    assert done.returncode == 0, done.stderr.decode()
    return [json.loads(line) for line in done.stdout.splitlines()]


def without_clock(events: Sequence[Event]) -> list[Event]:
    return [{k: v for k, v in event.items() if k not in FROM_THE_CLOCK} for event in events]


def stable(events: Sequence[Event]) -> list[Event]:
    return [{name: event[name] for name in STABLE if name in event} for event in events]


@pytest.fixture(scope="module")
def minute() -> list[Event]:
    """The first minute of the demo."""
    return replay("demo", "--speed", "max", "--stop", "1:00")


def test_the_first_minute_of_the_demo_is_the_golden_one(minute: list[Event]) -> None:
    if os.environ.get("ECG_STREAM_UPDATE_GOLDEN"):
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_text("".join(json.dumps(event) + "\n" for event in stable(minute)))
    expected = [json.loads(line) for line in GOLDEN.read_text().splitlines()]
    assert stable(minute) == expected


def test_events_are_numbered_without_holes_and_in_order(minute: list[Event]) -> None:
    assert [event["seq"] for event in minute] == list(range(len(minute)))
    decided = [event["decided_at"] for event in minute]
    assert decided == sorted(decided)
    beats = [event["sample"] for event in minute if event["type"] == "beat"]
    assert sorted(beats) == sorted([*set(beats), *set(beats)])


@pytest.mark.parametrize("chunk", ["1", "97", "100000"])
def test_events_do_not_depend_on_the_chunk_size(minute: list[Event], chunk: str) -> None:
    """Also: two runs give the same."""
    events = replay("demo", "--speed", "max", "--stop", "1:00", "--chunk", chunk)
    assert without_clock(events) == without_clock(minute)


def test_a_part_of_the_record_keeps_its_sample_index(minute: list[Event]) -> None:
    """Started at 20 s, the same beats come at the same samples once the detector has learnt."""
    events = replay("demo", "--speed", "max", "--start", "0:20", "--stop", "0:40")
    whole = {event["sample"] for event in minute if event["type"] == "beat"}
    part = {event["sample"] for event in events if event["type"] == "beat"}
    late = range(23 * 360, 39 * 360)
    assert {s for s in part if s in late} == {s for s in whole if s in late} != set()
    assert min(part) >= 20 * 360


def test_output_goes_to_lines_and_files_alike(tmp_path: Path, minute: list[Event]) -> None:
    path = tmp_path / "events.jsonl"
    arguments = ["demo", "--speed", "max", "--stop", "1:00", "--mqtt", "off"]
    done = subprocess.run(
        [*COMMAND, *arguments, "--events", str(path), "--annotations", str(tmp_path)],
        check=True,
        capture_output=True,
        timeout=TIMEOUT_S,
    )
    events = [json.loads(line) for line in path.read_text().splitlines()]
    assert without_clock(events) == without_clock(minute)
    assert (tmp_path / "demo.pred").stat().st_size > 0
    assert b"heart rate" in done.stdout
    assert b"\x1b" not in done.stdout


def test_an_interrupt_gives_the_last_beats_and_a_whole_file() -> None:
    """Every line that was written is complete, and the numbers go on to the end."""
    # Unbuffered: communicate() would not see what readline() had read ahead.
    command = [*COMMAND, "demo", "--speed", "20", "--mqtt", "off", "--events", "-"]
    with subprocess.Popen(
        command, bufsize=0, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(10)]
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 130, errors.decode()
    assert b"Traceback" not in errors
    events = [json.loads(line) for line in [*lines, *rest.splitlines()]]
    assert [event["seq"] for event in events] == list(range(len(events)))
    beats = [event["sample"] for event in events if event["type"] == "beat"]
    assert all(beats.count(sample) == 2 for sample in beats)


@pytest.mark.parametrize(
    ("arguments", "message", "code"),
    [
        (["demo", "--speed", "0"], "'0' is no speed; give 1", 2),
        (["demo", "--chunk", "1.5"], "'1.5' is no whole number of 1 or more", 2),
        (["demo", "--start", "9:99"], "'9:99' is no time", 2),
        (["demo", "--start", "4:00", "--stop", "3:00"], "stop 3:00 is not after start 4:00", 2),
        (["demo", "--start", "9:00"], "start 9:00 is not inside record demo", 2),
        (["demo", "--budget-ms", "nan"], "'nan' is no number above 0", 2),
        (["demo", "--mqtt", "foo"], "'foo' is no MQTT URL", 2),
        (["demo", "--monitor"], "--monitor needs a terminal", 2),
        (["demo", "--lead", "X"], "record demo has no lead 'X'", 1),
        (["no-such-record"], "no record 'no-such-record'", 1),
        (["demo", "--mqtt", "mqtt://127.0.0.1:1"], "MQTT broker mqtt://127.0.0.1:1", 1),
        (["demo", "--mqtt", "off", "--events", "/no/dir/e"], "can't write events to /no/dir/e", 1),
        (["demo", "--mqtt", "off", "--speed", "max", "--events", "/dev/full"], "No space left", 1),
    ],
)
def test_bad_input_is_one_clear_line(
    arguments: list[str], message: str, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ECG_STREAM_DATA", raising=False)
    done = subprocess.run(
        [*COMMAND, *arguments], check=False, capture_output=True, text=True, timeout=TIMEOUT_S
    )
    assert done.returncode == code
    last = done.stderr.splitlines()[-1]
    assert message in last
    assert "Traceback" not in done.stderr
    assert "to follow in a second terminal" not in done.stderr, "before the broker is reached"


def test_memory_does_not_grow_with_the_length(tmp_path: Path) -> None:
    """Histories of fixed length are full after 400 s; 500 s more hold nothing else."""
    samples = ecg(36_000, 360.0)

    async def endless(repeats: int) -> AsyncIterator[Chunk]:
        for start in range(0, repeats * 36_000, 360):
            column = start % 36_000
            yield Chunk(start=start, samples=samples[:, column : column + 360].copy())

    async def held_after(repeats: int) -> int:
        model = SumModel()
        info = StreamInfo(
            source="long",
            fs=360.0,
            leads=("MLII", "V1"),
            first_sample=0,
            n_samples=None,
            training_record=False,
            started_at=0.0,
        )
        sink = JsonLinesSink(tmp_path / "events.jsonl")
        source = PacedSource(Unscheduled(endless(repeats)), info, is_real_time=False)
        runner = Runner(source, model, [sink], ward=Ward(model, n_leads=N_LEADS))
        with traced_memory():
            report = await runner.run()
            assert report.n_beats > 100 * repeats
            gc.collect()  # The interpreter's own lists of free objects are no histories.
            return tracemalloc.get_traced_memory()[0]

    async def compare() -> None:
        await held_after(1)
        short, long = await held_after(4), await held_after(9)
        assert long < short + 32 * 1024

    asyncio.run(compare())


@contextlib.contextmanager
def traced_memory() -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
    finally:
        tracemalloc.stop()


@pytest.mark.database
def test_half_an_hour_takes_no_more_memory_than_a_minute(mitdb: Path, tmp_path: Path) -> None:
    def peak_kb(stop: str) -> int:
        arguments = [str(mitdb / "208"), "--speed", "max", "--stop", stop, "--mqtt", "off"]
        process = subprocess.Popen(
            [*COMMAND, *arguments, "--events", str(tmp_path / stop)], stdout=subprocess.DEVNULL
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        return int(resource.struct_rusage(usage).ru_maxrss)

    peak_kb("0:05")  # Compiles what isn't compiled yet, which takes memory of its own.
    short, long = peak_kb("1:00"), peak_kb("30:00")
    assert long < short + 20 * 1024


@pytest.mark.database
@pytest.mark.mosquitto
async def test_mosquitto_sub_gets_every_beat_exactly_once(
    mosquitto: str, mitdb: Path, tmp_path: Path
) -> None:
    """Five minutes of record 208, watched by a subscriber that shares no code with us."""
    path = tmp_path / "events.jsonl"
    arguments = [str(mitdb / "208"), "--speed", "max", "--start", "5:00", "--stop", "10:00"]
    async with Mosquitto(mosquitto, tmp_path) as broker:
        client = ["-p", str(broker.port), "-q", "1", "-t", TOPIC]
        subscriber = await asyncio.create_subprocess_exec(
            "stdbuf", "-oL", "mosquitto_sub", *client, "-d", "-F", "%p", stdout=subprocess.PIPE
        )
        try:
            await lines_until(subscriber.stdout, "Subscribed")
            hearing = asyncio.create_task(lines_until(subscriber.stdout, LAST_WORD))
            errors = await finished(
                *COMMAND, *arguments, "--mqtt", broker.url, "--events", str(path)
            )
            assert "is lost" not in errors, "what was sent again may come twice"
            # Comes behind all that the replay sent. A signal would not do for an end: caught while
            # it prints a line, mosquitto_sub prints that line twice.
            await finished("mosquitto_pub", *client, "-m", LAST_WORD)
            heard = await asyncio.wait_for(hearing, TIMEOUT_S)
        finally:
            subscriber.kill()
            await subscriber.communicate()
    events = [json.loads(line) for line in path.read_text().splitlines()]
    beats = [event for event in events if event["type"] == "beat"]
    assert len(beats) > 2 * 400
    assert [json.loads(line) for line in heard if line.startswith("{")] == beats


async def finished(*command: str) -> str:
    """Run a process to its end while others are listened to; return what it complained of."""
    done = await asyncio.to_thread(
        subprocess.run, command, check=False, capture_output=True, text=True, timeout=TIMEOUT_S
    )
    assert done.returncode == 0, done.stderr
    return str(done.stderr)


async def lines_until(stream: asyncio.StreamReader | None, words: str) -> list[str]:
    """Read lines as they come, so that their writer never waits, up to one with such a start."""
    assert stream is not None
    lines: list[str] = []
    while not (lines and lines[-1].startswith(words)):
        line = await stream.readline()
        assert line, lines[-3:]
        lines.append(line.decode())
    return lines
