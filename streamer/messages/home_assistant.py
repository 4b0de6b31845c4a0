"""Home Assistant's MQTT discovery: heart rate and last beat with no configuration by hand.

For each entity one retained message under the discovery prefix says on which of our topics it
lives; see https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery.
"""

import re
from importlib import metadata
from typing import Any, Final

from streamer.core.events import StreamInfo
from streamer.messages.payload import TopicKind, topic
from streamer.messages.wire import dumps

DISCOVERY_PREFIX: Final = "homeassistant"
EXPIRE_AFTER_S: Final = 30
"""A heart rate older than this is shown as unavailable, not as the present one."""

_NOT_IN_IDS: Final = re.compile(r"[^A-Za-z0-9_-]")
_AVAILABLE: Final = "{{ 'offline' if value_json.state == 'offline' else 'online' }}"


def discovery(info: StreamInfo, prefix: str) -> list[tuple[str, bytes]]:
    """Topics and payloads that announce one source; to be published retained.

    Parameters
    ----------
    info : StreamInfo
        The source.
    prefix : str
        First level of our topics.
    """
    node = _NOT_IN_IDS.sub("_", info.source)
    announced = []
    for component, entity, fields in _entities(info, prefix):
        payload = {
            "unique_id": f"ecg_stream_{node}_{entity}",
            "object_id": f"ecg_{node}_{entity}",
            "device": _device(info, node),
            "origin": {"name": "ecg-stream", "sw_version": metadata.version("ecg-stream")},
            **fields,
        }
        name = f"{DISCOVERY_PREFIX}/{component}/{node}/{entity}/config"
        announced.append((name, dumps(payload)))
    return announced


def _device(info: StreamInfo, node: str) -> dict[str, Any]:
    return {
        "identifiers": [f"ecg_stream_{node}"],
        "name": f"ECG {info.source}",
        "manufacturer": "ecg-stream",
        "model": f"{', '.join(info.leads)} at {info.fs:g} Hz, not a medical device",
    }


def _entities(info: StreamInfo, prefix: str) -> list[tuple[str, str, dict[str, Any]]]:
    """Component, name and particular fields of each entity."""
    beats, alerts, active, status = (
        topic(info.source, kind, prefix)
        for kind in (TopicKind.BEATS, TopicKind.ALERTS, TopicKind.ACTIVE, TopicKind.STATUS)
    )
    available = {"availability": [{"topic": status, "value_template": _AVAILABLE}]}
    return [
        ("sensor", "heart_rate", _heart_rate(beats) | available),
        ("sensor", "last_beat", _last_beat(beats) | available),
        ("sensor", "last_alert", _last_alert(alerts) | available),
        ("binary_sensor", "alert_active", _alert_active(active) | available),
        ("binary_sensor", "connection", _connection(status)),
    ]


def _heart_rate(beats: str) -> dict[str, Any]:
    return {
        "name": "Heart rate",
        "state_topic": beats,
        "value_template": "{{ value_json.heart_rate_bpm }}",
        "unit_of_measurement": "bpm",
        "state_class": "measurement",
        "icon": "mdi:heart-pulse",
        "expire_after": EXPIRE_AFTER_S,
    }


def _last_beat(beats: str) -> dict[str, Any]:
    return {
        "name": "Last beat",
        "state_topic": beats,
        "value_template": "{{ value_json.label }}",
        "json_attributes_topic": beats,
        "icon": "mdi:heart",
        "expire_after": EXPIRE_AFTER_S,
    }


def _last_alert(alerts: str) -> dict[str, Any]:
    return {
        "name": "Last alert",
        "state_topic": alerts,
        "value_template": "{{ value_json.condition }}",
        "json_attributes_topic": alerts,
        "icon": "mdi:alert",
    }


def _alert_active(active: str) -> dict[str, Any]:
    return {
        "name": "Alert active",
        "state_topic": active,
        "value_template": "{{ 'ON' if value_json.alerts | length else 'OFF' }}",
        "device_class": "problem",
    }


def _connection(status: str) -> dict[str, Any]:
    return {
        "name": "Connection",
        "state_topic": status,
        "value_template": "{{ 'OFF' if value_json.state == 'offline' else 'ON' }}",
        "device_class": "connectivity",
    }
