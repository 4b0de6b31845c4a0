"""The publisher of the fault matrix, a process of its own, made to be killed.

``python -m streamer.bench.faults.publisher URL OUTBOX ACCEPTED RATE`` publishes numbered beats with
the real sink and an outbox on disk, notes in the file ACCEPTED each number that `publish` has
accepted, and goes on where the last process of this outbox stopped. SIGTERM ends it in order: it
delivers the rest and prints how many events there are in all.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Final

import numpy as np

from classifier.labels import Label
from streamer.core.events import Beat, LabeledBeat, Published, RPeak, StreamInfo
from streamer.mqtt.access import Credentials
from streamer.mqtt.connection import ConnectionConfig
from streamer.mqtt.disk_outbox import DiskOutbox, outbox_path
from streamer.mqtt.protocol import Version
from streamer.mqtt.publisher import ClientConfig, MqttPublisher

SOURCE: Final = "faults"
SAMPLES_APART: Final = 300
"""Between two beats; makes the sample a second name of an event, independent of its number."""
IMPATIENT: Final = ConnectionConfig(
    timeout_s=1.0, keepalive_s=2, backoff_first_s=0.02, backoff_cap_s=0.3
)
"""Notices a dead connection within a second, so that many faults fit into minutes."""
_CAPACITY: Final = 1_000_000
_FLUSH_TIMEOUT_S: Final = 60.0
_STARTED_AT: Final = 1_700_000_000.0
_EVERY_S: Final = 0.02


def numbered_beat(number: int) -> LabeledBeat:
    """Make the event of one number; every fifth is a confirmed V beat, every other provisional."""
    sample = number * SAMPLES_APART
    rpeak = RPeak(
        sample=sample, amplitude_mv=1.0, decided_at=sample, search_back=False, quality=1.0
    )
    beat = Beat(
        rpeak=rpeak,
        window_start=sample,
        window=np.zeros((1, 0), np.float32),
        rr_s=np.array([SAMPLES_APART / 360.0], np.float32),
        decided_at=sample,
    )
    return LabeledBeat(
        beat=beat,
        label=Label.V if number % 5 == 0 else Label.N,
        probabilities=(0.1, 0.1, 0.7, 0.1),
        revision=(number + 1) % 2,
        decided_at=sample,
    )


async def publish(url: str, outbox: DiskOutbox, accepted: Path, rate: float) -> int:
    """Publish until SIGTERM; return how many events there are in all."""
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    publisher = MqttPublisher(
        url,
        outbox=outbox,
        credentials=Credentials(),
        connection_config=IMPATIENT,
        config=ClientConfig(flush_timeout_s=_FLUSH_TIMEOUT_S),
        version=Version.V5.value,
    )
    info = StreamInfo(
        source=SOURCE,
        fs=360.0,
        leads=("MLII",),
        first_sample=0,
        n_samples=None,
        training_record=False,
        started_at=_STARTED_AT,
    )
    publisher.open(info)
    await publisher.start()
    log = os.open(accepted, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    number = publisher.next_seq(SOURCE)
    while not stopping.is_set():
        for _ in range(max(1, round(rate * _EVERY_S))):
            message = Published(seq=number, event=numbered_beat(number), compute_ms=0.0)
            publisher.publish(info, message)
            os.write(log, b"%d\n" % number)
            number += 1
        await asyncio.sleep(_EVERY_S)
    await publisher.close()
    if publisher.undelivered or publisher.shed:
        raise SystemExit(f"{publisher.undelivered} undelivered, {publisher.shed} shed")
    return number


def main() -> None:
    """Run as a process."""
    url, folder, accepted, rate = sys.argv[1:]
    outbox = DiskOutbox(_CAPACITY, outbox_path(Path(folder), SOURCE))
    sys.stdout.write(f"{asyncio.run(publish(url, outbox, Path(accepted), float(rate)))}\n")


if __name__ == "__main__":
    main()
