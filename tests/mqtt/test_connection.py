import random
from itertools import islice, pairwise

from streamer.mqtt.connection import ConnectionConfig, client_identifier
from streamer.mqtt.link import backoff


def test_backoff_grows_to_its_cap_with_jitter() -> None:
    config = ConnectionConfig(backoff_first_s=0.5, backoff_cap_s=4.0)
    delays = list(islice(backoff(config, random.Random(3)), 5000))
    for delay, longest in zip(delays, [0.5, 1.0, 2.0, 4.0, 4.0, 4.0], strict=False):
        assert longest / 2 <= delay <= longest
    assert all(2.0 <= delay <= 4.0 for delay in delays[3:])
    assert all(a != b for a, b in pairwise(delays))


def test_identifiers_differ() -> None:
    assert client_identifier("replay") != client_identifier("replay")
