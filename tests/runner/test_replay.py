"""Putting a replay together: names, defaults and exit codes."""

import asyncio
import json
from pathlib import Path

import pytest
from command import ECG_STREAM
from mosquitto_broker import Mosquitto, free_port
from mqtt_subscriber import subscriber

from streamer.messages.payload import check_source, source_name
from streamer.runner.options import ReplayOptions
from streamer.runner.replay import Replay
from streamer.runner.run_config import RunReport
from streamer.sources.paced import PacedSource


@pytest.mark.parametrize(
    ("record", "source"),
    [
        ("208", "208"),
        ("demo", "demo"),
        ("118e_6", "118e_6"),
        ("ward 3/bed#2+x", "ward-3-bed-2-x"),
        ("_-hidden", "hidden"),
        ("Müller", "M-ller"),
        ("...", "record"),
        ("x" * 100, "x" * 64),
    ],
)
def test_a_source_name_is_fit_for_a_topic(record: str, source: str) -> None:
    assert source_name(record) == source
    assert check_source(source) == source


def replay(**options: object) -> Replay:
    return Replay(ReplayOptions(**{"record": "demo", "mqtt": "off", **options}))  # type: ignore[arg-type]


def report(
    *, interrupted: bool = False, signal: int | None = None, failures: tuple[str, ...] = ()
) -> RunReport:
    return RunReport(
        n_samples=1,
        n_events=0,
        n_beats=0,
        n_late=0,
        n_given_up=0,
        n_not_shown=0,
        interrupted=interrupted,
        signal=signal,
        failures=failures,
    )


class Mqtt:
    """Counters of a sink that delivered nearly all."""

    def __init__(self, shed: int, undelivered: int, *, is_durable: bool = False) -> None:
        self.shed = shed
        self.undelivered = undelivered
        self.is_durable = is_durable


def test_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    conclude = replay()._conclude
    assert conclude(report(), None) == 0
    assert conclude(report(), Mqtt(0, 0)) == 0  # type: ignore[arg-type]
    assert conclude(report(interrupted=True), None) == 130
    assert conclude(report(interrupted=True, signal=15), None) == 143
    assert conclude(report(failures=("disk full",)), None) == 1
    assert capsys.readouterr().err == ""
    assert conclude(report(), Mqtt(2, 3)) == 1  # type: ignore[arg-type]
    assert "5 MQTT messages could not be delivered" in capsys.readouterr().err
    assert conclude(report(), Mqtt(0, 3, is_durable=True)) == 0  # type: ignore[arg-type]
    assert "3 MQTT messages wait in" in capsys.readouterr().err


def test_one_sample_at_a_time_unless_at_full_speed() -> None:
    assert replay()._player.chunk == 1
    assert replay(speed=None)._player.chunk == 360
    assert replay(speed=None, chunk=7)._player.chunk == 7


def test_times_are_those_of_the_record() -> None:
    player = replay(start="1:00", stop="90")._player
    assert (player.start, player.stop) == (21_600, 32_400)


def test_contradicting_outputs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="needs standard output for itself; add --no-monitor"):
        replay(monitor=True, events="-")
    with pytest.raises(ValueError, match="use ASCII letters and digits"):
        replay(annotations=str(tmp_path), annotator="a/b")


@pytest.mark.database
def test_a_training_record_is_called_one(mitdb: Path) -> None:
    def info_of(name: str) -> bool:
        source = Replay(ReplayOptions(record=str(mitdb / name), mqtt="off"))._source()
        assert isinstance(source, PacedSource)
        return source.info.training_record

    assert info_of("208")
    assert not info_of("100")


def test_a_hint_names_a_real_broker_and_leaves_out_an_embedded_one() -> None:
    def hint(mqtt: str) -> str:
        return Replay(ReplayOptions(record="demo", mqtt=mqtt))._listen("mqtt://10.0.0.7:1883")

    assert hint("embedded") == hint("embedded:1884") == "ecg-stream listen"
    assert hint("mqtt://10.0.0.7:1883") == "ecg-stream listen mqtt://10.0.0.7:1883"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"outbox": Path("x")}, "--outbox is for MQTT, which is off"),
        ({"mqtt": "embedded", "mqtt_version": "5"}, "embedded broker speaks MQTT 3.1.1 only"),
        ({"outbox_size": 5}, "--outbox-size needs --outbox DIR"),
        ({"mqtt_ca": Path("ca.pem")}, "are for mqtts://HOST"),
        ({"mqtt_key": Path("key.pem")}, "a TLS key needs its certificate"),
    ],
)
def test_mqtt_options_that_contradict_each_other(options: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        replay(**options)


def test_numbers_go_on_from_run_to_run_with_an_outbox(tmp_path: Path) -> None:
    """Two whole runs through the command, each into an events file of its own."""
    from streamer.commands.cli import main

    seqs = []
    for run in ("a", "b"):
        events = tmp_path / run
        arguments = ["--speed", "max", "--stop", "0:10", "--events", str(events)]
        mqtt = ["--mqtt", f"embedded:{free_port()}", "--outbox", str(tmp_path / "outbox")]
        assert main(["replay", "demo", "--no-monitor", *arguments, *mqtt]) == 0
        seqs += [json.loads(line)["seq"] for line in events.read_text().splitlines()]
    assert len(seqs) > 20
    assert seqs == list(range(len(seqs)))


@pytest.mark.mosquitto
async def test_kill_9_in_the_middle_of_a_replay_costs_no_event(
    mosquitto: str, tmp_path: Path
) -> None:
    """The real command, killed and started again; the broker is down when it is killed."""

    async def replay(events: Path, *options: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *ECG_STREAM, "replay", "demo", "--mqtt", broker.url,
            "--outbox", str(tmp_path / "outbox"), "--events", str(events), "--no-monitor", *options,
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip

    files = [tmp_path / "first", tmp_path / "second"]
    async with Mosquitto(mosquitto, tmp_path) as broker, subscriber(broker.url) as seen:
        # Five minutes in a quarter of one: long enough to be killed before the end.
        first = await replay(files[0], "--speed", "20")
        await seen.wait_for(lambda c: len(c.of("beats")) > 20)
        connections = seen.connections
        broker.kill()
        while files[0].read_text().count("\n") < 60:  # noqa: ASYNC110 - another process's file
            await asyncio.sleep(0.01)
        first.kill()
        await first.wait()
        await broker.start()
        await seen.wait_for(lambda c: c.connections > connections)
        second = await replay(files[1], "--speed", "max")
        assert await second.wait() == 0
        await seen.wait_for(lambda c: c.states()[-1] == "offline")
    lines = [line for file in files for line in file.read_text().splitlines()]
    written = [json.loads(line) for line in lines if line.endswith("}")]
    events = [p for _, p in seen.messages if p["type"] in {"beat", "rhythm", "alarm", "gap"}]
    came = {payload["seq"]: payload for payload in events}
    assert sorted(came) == list(range(len(came)))
    assert list(came) == sorted(came), "in order, once repeats are dropped"
    # Killed between the file and the outbox, one event at most stands in the file alone.
    unsent = [e for e in written if came.get(e["seq"], {}).get("time") != e["time"]]
    assert len(unsent) <= 1
    assert len(written) > 200
