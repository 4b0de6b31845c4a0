"""Refusals in words."""

from aiomqtt import MqttError
from aiomqtt.exceptions import MqttCodeError, MqttConnectError
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

from streamer.mqtt.protocol import explain, is_login_refused


def test_ends_of_connections_are_explained_in_words() -> None:
    for cause, words in [
        (MqttCodeError(ReasonCode(PacketTypes.DISCONNECT, identifier=128)), "it closed the conn"),
        (MqttCodeError(ReasonCode(PacketTypes.DISCONNECT, identifier=141)), "keep alive timeout"),
        (ConnectionResetError(104, "Connection reset by peer"), "reset by peer"),
    ]:
        error = MqttError("Disconnected during message iteration")
        error.__cause__ = cause
        assert words in explain(error)
    assert explain(MqttError("Operation timed out")) == "Operation timed out"


def test_only_a_rejected_login_is_hopeless() -> None:
    def refusal(identifier: int) -> MqttConnectError:
        return MqttConnectError(ReasonCode(PacketTypes.CONNACK, identifier=identifier))

    bad_password, not_authorized, busy = refusal(134), refusal(135), refusal(136)
    assert is_login_refused(bad_password)
    assert is_login_refused(not_authorized)
    assert not is_login_refused(busy)
    assert not is_login_refused(MqttError("Operation timed out"))
    assert explain(busy).startswith("it refuses us: Server unavailable")
