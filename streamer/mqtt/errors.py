"""Why a connection failed or ended, in a few words, and whether trying again can help."""

from typing import Any, Final

import aiomqtt
from aiomqtt.exceptions import MqttCodeError, MqttConnectError

from streamer.core.errors import BrokerError
from streamer.mqtt.access import PASSWORD_VARIABLE, USERNAME_VARIABLE
from streamer.mqtt.address import Address

VERSION_REFUSED: Final = "Unsupported protocol version"
_LOGIN_REFUSED: Final = ("Bad user name or password", "Not authorized")
"""As paho names the return codes 4 and 5 of CONNACK."""
_NO_REASON: Final = "Unspecified error"
"""As paho names an end of stream."""
_SUBACK_FAILURE: Final = 0x80
"""MQTT 3.1.1, section 3.9.3."""


class MessageRefusedError(aiomqtt.MqttError):
    """The broker doesn't take what we publish."""


def explain(error: BaseException) -> str:
    """Say in a few words why a connection failed or ended."""
    if isinstance(error, MqttConnectError):
        return f"it refuses us: {error.rc}"
    cause = error.__cause__
    if isinstance(cause, MqttCodeError):
        reason = str(cause.rc)
        return "it closed the connection" if reason == _NO_REASON else reason.lower()
    return str(cause or error) or type(error).__name__


def is_login_refused(error: BaseException) -> bool:
    """Whether the broker rejects our credentials or messages, which no waiting cures."""
    if isinstance(error, MessageRefusedError):
        return True
    return isinstance(error, MqttConnectError) and str(error.rc) in _LOGIN_REFUSED


def is_refused(code: Any) -> bool:
    """Whether one code of a SUBACK says no, in either version of the protocol."""
    return bool(getattr(code, "is_failure", code == _SUBACK_FAILURE))


def unreachable(address: Address, error: BaseException, advice: str) -> BrokerError:
    """Make the one-line error for a broker that can't be used from the start."""
    if isinstance(error, MessageRefusedError):
        advice = f"ask for the right to publish there, or {advice}"
    elif isinstance(error, MqttConnectError) and str(error.rc) == VERSION_REFUSED:
        advice = f"try another --mqtt-version, or {advice}"
    elif isinstance(error, MqttConnectError):
        advice = f"check {USERNAME_VARIABLE} and {PASSWORD_VARIABLE}, or {advice}"
    else:
        advice = f"start a broker there, or {advice}"
    return BrokerError(f"MQTT broker {address.url} can't be used: {explain(error)}; {advice}")
