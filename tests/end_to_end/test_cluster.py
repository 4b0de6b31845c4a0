"""A cluster as a program: on Ray, through a real broker, resized and killed while it works."""

import asyncio
import secrets
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest
from command import ECG_STREAM
from mosquitto_broker import Mosquitto

from streamer.bench.cluster.scene import Audit, Patients

pytestmark = pytest.mark.mosquitto
WAIT_S = 900.0
NAMES = [f"bed{n}" for n in range(4)]


async def ward(*arguments: str) -> tuple[int | None, str, str]:
    process = await asyncio.create_subprocess_exec(
        *(*ECG_STREAM, "ward", *arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    output, errors = await process.communicate()
    return process.returncode, output.decode(), errors.decode()


@asynccontextmanager
async def running(url: str, folder: Path, audit: Audit) -> AsyncIterator[tuple[int, str]]:
    """Run a cluster of one worker; yield the command's pid and Ray's address."""
    log = folder / "log"
    with log.open("w") as file:
        process = subprocess.Popen(  # noqa: ASYNC220 - its log is a file
            [
                *(*ECG_STREAM, "ward", "--live", "--cluster", "local", "--workers", "1"),
                *("--mqtt", url, "--snapshots", str(folder / "state"), "--snapshot-every", "5"),
            ],
            stdout=file,
            stderr=file,
        )
    try:
        await audit.until(lambda: audit.states.get("ward.w0") == "online", WAIT_S)
        (address,) = (
            line.split()[-1] for line in log.read_text().splitlines() if "Ray cluster" in line[:11]
        )
        yield process.pid, address
    finally:
        process.send_signal(signal.SIGINT)
        await asyncio.to_thread(process.wait)
    assert process.returncode == 0, log.read_text()


def worker_processes(command: int) -> list[psutil.Process]:
    return [
        child
        for child in psutil.Process(command).children(recursive=True)
        if child.cmdline() and child.cmdline()[0].startswith("ray::Worker")
    ]


async def test_a_cluster_that_is_resized_and_killed_says_everything_once(
    mosquitto: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every beat of every patient once, under a number of its own, with its undisturbed label."""
    pytest.importorskip("ray", reason="pip install 'ecg-stream[cluster]'")
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
    async with Mosquitto(mosquitto, tmp_path) as broker:
        audit, patients = Audit(), Patients(broker.url, NAMES)
        following = audit.client(broker.url)
        await following.start()
        async with running(broker.url, tmp_path, audit) as (command, address):
            sending = asyncio.create_task(patients.run())
            await audit.until_more(NAMES, 10, WAIT_S)
            code, output, errors = await ward("--cluster", address, "--workers", "2")
            assert code == 0, errors
            assert [line.split()[0] for line in output.splitlines()[2:4]] == ["w0", "w1"]
            await audit.until_more(NAMES, 10, WAIT_S)
            victims = worker_processes(command)
            assert len(victims) == 2
            for victim in victims:
                victim.kill()
            await audit.until_more(NAMES, 20, WAIT_S)
            patients.stop()
            await sending
            truth = patients.truth(audit.starts)
            end = patients.sent - (5 * 360)
            expected = {key for key in truth if key[1] < end}
            await audit.until(lambda: expected <= audit.labels.keys(), WAIT_S)
            other, _, errors = await ward("--cluster", address, "--status", "--name", "nobody")
        await patients.close()
        await following.close()
    verdict = audit.compare(truth, end)
    assert verdict.beats > 100
    assert verdict.is_perfect, verdict
    assert other == 1
    assert "there is no ward named nobody in the Ray cluster" in errors
    assert {audit.via[name] for name in NAMES} <= {"ward.w0", "ward.w1"}


SHARED = ("--live", "--cluster", "local", "--snapshots", "x", "--mqtt", "mqtt://broker")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--cluster", "local"), "--cluster is for live sources; add --live"),
        (("--live", "--cluster", "local"), "--cluster needs --snapshots DIR"),
        (("--live", "--cluster", "local", "--snapshots", "x"), "--cluster needs a broker"),
        ((*SHARED, "--lsl", "bed"), "over MQTT only; leave out --lsl;"),
        ((*SHARED, "--lsl-markers", "m"), "over MQTT only; leave out --lsl-markers"),
        (("--workers", "2"), "--workers and --status are for a cluster; add --cluster"),
    ],
)
async def test_options_that_make_no_cluster_are_one_line(
    arguments: tuple[str, ...], said: str
) -> None:
    code, _, errors = await ward(*arguments)
    assert code == 2
    assert said in errors
    assert len(errors.splitlines()) == 1
