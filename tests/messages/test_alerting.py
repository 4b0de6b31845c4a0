"""Acknowledgements from the network, and what is kept of active alerts."""

from sample_events import alarm, stream_info

from streamer.core.events import AlarmState
from streamer.messages.alerting import Alerting
from streamer.messages.wire import dumps
from streamer.rhythm.alerting.patients import PatientAlerts


def alerting(alerts: PatientAlerts) -> Alerting:
    made = Alerting(stream_info(), "ecg", None, lambda: 0.0, alerts)
    alerts.take(stream_info(), alarm(state=AlarmState.ONGOING))
    return made


def test_a_silent_source_can_be_taken_off_the_ward_over_the_network() -> None:
    removed: list[str] = []
    alerts = PatientAlerts()
    made = alerting(alerts)
    asked = dumps({"type": "acknowledge", "source": "208", "remove": True})
    alerts.on_remove = lambda source: False
    assert made.acknowledge(asked) == 1
    alerts.on_remove = lambda source: not removed.append(source)
    made.acknowledge(dumps({"type": "acknowledge", "source": "208"}))
    assert removed == []
    made.acknowledge(asked)
    assert removed == ["208"]


def test_what_is_kept_is_what_was_told_last() -> None:
    alerts = PatientAlerts()
    made = alerting(alerts)
    kept = made.to_keep()
    assert kept is not None
    assert made.to_keep() is None, "nothing has changed"
    again = Alerting(stream_info(), "ecg", None, lambda: 0.0)
    again.recall(kept)
    assert again.changed() == made.changed()
    before = again.policy.active
    again.recall(b"nonsense")
    again.recall(dumps({"type": "acknowledge", "source": "208"}))
    assert again.policy.active == before


def test_a_source_that_starts_anew_keeps_what_nobody_has_seen() -> None:
    alerts = PatientAlerts()
    alerting(alerts)
    alerts.close("208")
    assert [one.ended for one in alerts.open(stream_info()).active] == [True]
    assert alerts.open(stream_info()).active[0].began_s == stream_info().started_at + 2.0
    alerts.acknowledge("208")
    alerts.close("208")
    assert alerts.open(stream_info()).active == ()
