import asyncio
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from mosquitto_broker import Mosquitto
from mqtt_subscriber import PATIENT, QUICK, begin, subscriber
from sample_events import labeled_beat, published, stream_info

from streamer.messages.home_assistant import discovery
from streamer.messages.payload import to_payload, topic_of
from streamer.mqtt.access import Credentials
from streamer.mqtt.publisher import MqttPublisher


def announced(source: str = "208") -> dict[str, dict[str, object]]:
    info = replace(stream_info(), source=source)
    return {topic: json.loads(payload) for topic, payload in discovery(info, "ecg")}


def test_heart_rate_and_last_beat_are_announced_on_the_topics_that_carry_them() -> None:
    payload = to_payload(published(labeled_beat()), stream_info())
    rate = announced()["homeassistant/sensor/208/heart_rate/config"]
    assert rate["state_topic"] == topic_of(payload)
    assert rate["unit_of_measurement"] == "bpm"
    for name, field in (("heart_rate", "heart_rate_bpm"), ("last_beat", "label")):
        template = announced()[f"homeassistant/sensor/208/{name}/config"]["value_template"]
        assert re.fullmatch(r"\{\{ value_json\.(\w+) \}\}", str(template))[1] == field  # type: ignore[index]
        assert hasattr(payload, field)


def test_topics_and_ids_use_only_what_home_assistant_takes() -> None:
    configs = announced("ward.3-bed_4")
    ids = [str(config["unique_id"]) for config in configs.values()]
    assert len(set(ids)) == len(ids) == 5
    for topic, config in configs.items():
        assert re.fullmatch(r"homeassistant/\w+/[A-Za-z0-9_-]+/[A-Za-z0-9_-]+/config", topic)
        assert re.fullmatch(r"[A-Za-z0-9_-]+", str(config["unique_id"]))
        assert str(config["state_topic"]).startswith("ecg/ward.3-bed_4/")
    assert len({json.dumps(config["device"]) for config in configs.values()}) == 1


def test_it_is_no_medical_device() -> None:
    assert "not a medical device" in json.dumps(announced())


@pytest.mark.mosquitto
@pytest.mark.parametrize("wanted", [True, False])
async def test_a_late_home_assistant_finds_the_retained_announcement(
    mosquitto: str, tmp_path: Path, wanted: bool
) -> None:
    async with Mosquitto(mosquitto, tmp_path) as broker:
        sink = MqttPublisher(
            broker.url,
            credentials=Credentials(),
            config=PATIENT,
            connection_config=QUICK,
            ha_discovery=wanted,
        )
        await begin(sink, stream_info())
        await sink.close()
        async with subscriber(broker.url, "#") as seen:
            await seen.wait_for(lambda c: c.states() == ["offline"])
            if wanted:
                await seen.wait_for(lambda c: len(c.of("config")) == 5)
            await asyncio.sleep(0)
    assert len(seen.of("config")) == (5 if wanted else 0)
