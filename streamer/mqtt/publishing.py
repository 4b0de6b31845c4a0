"""From the options of a command to the publisher over MQTT."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from streamer.mqtt.access import TlsFiles
from streamer.mqtt.broker import EMBEDDED, OFF, check_option
from streamer.mqtt.client import Incoming
from streamer.mqtt.disk_outbox import DiskOutbox, outbox_path
from streamer.mqtt.protocol import AUTO, Version
from streamer.mqtt.publisher import WARD_OUTBOX, WARD_QUEUE_SIZE, MqttPublisher
from streamer.patient.journal import Journal
from streamer.rhythm.alerting.patients import PatientAlerts

OUTBOX_SIZE: Final = 100_000
"""Messages that an outbox on disk holds: half a day of one patient, some 60 MB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Publishing:
    """How events are published over MQTT.

    Raises
    ------
    ValueError
        If the options contradict each other.
    """

    mqtt: str = EMBEDDED
    """`off`, `embedded`, `embedded:PORT` or a URL."""
    version: str = AUTO
    tls: TlsFiles | None = None
    outbox: Path | None = None
    """Folder; None keeps the queue in memory."""
    outbox_size: int | None = None
    ha_discovery: bool = False
    """Whether to announce the source to Home Assistant."""

    def __post_init__(self) -> None:
        check_option(self.mqtt)
        if self.is_embedded and self.version == Version.V5:
            raise ValueError("the embedded broker speaks MQTT 3.1.1 only; leave --mqtt-version out")
        if self.mqtt == OFF and self.outbox is not None:
            raise ValueError("--outbox is for MQTT, which is off")
        if self.outbox_size is not None and self.outbox is None:
            raise ValueError("--outbox-size needs --outbox DIR")

    @property
    def is_embedded(self) -> bool:
        """Whether the broker is our own."""
        return self.mqtt == EMBEDDED or self.mqtt.startswith(f"{EMBEDDED}:")

    def publisher(
        self,
        url: str,
        name: str,
        on_notice: Callable[[str], None],
        *,
        alerts: PatientAlerts,
        is_ward: bool = False,
        on_samples: Incoming | None = None,
        journal: Journal | None = None,
        client_id: str | None = None,
        permit: Callable[[], None] | None = None,
    ) -> MqttPublisher:
        """Make the publisher of one source, or of a ward.

        With a journal what is said is kept there, and `client_id` names the session in which the
        broker keeps samples while nobody reads them.

        Raises
        ------
        OutputError
            If the outbox can't be used.
        """
        outbox = None
        if self.outbox is not None:
            size = self.outbox_size or (WARD_QUEUE_SIZE if is_ward else OUTBOX_SIZE)
            kept = WARD_OUTBOX if is_ward else None
            outbox = DiskOutbox(size, outbox_path(self.outbox, name), config=kept)
        # What the embedded broker speaks is known; another one is asked.
        version = Version.V311.value if self.is_embedded else self.version
        return MqttPublisher(
            url,
            ward=name if is_ward else None,
            alerts=alerts,
            outbox=outbox,
            tls=self.tls,
            version=version,
            ha_discovery=self.ha_discovery,
            on_samples=on_samples,
            on_notice=on_notice,
            journal=journal,
            client_id=client_id,
            keeps_session=journal is not None,
            permit=permit,
        )
