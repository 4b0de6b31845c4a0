"""What Prometheus gets from a ward."""

import urllib.request

import pytest
from mosquitto_broker import free_port

from streamer.core.errors import OutputError
from streamer.runner.metrics import WardFigures, serving_metrics

pytest.importorskip("prometheus_client", reason="pip install 'ecg-stream[metrics]'")


def test_figures_of_every_worker_are_answered() -> None:
    port = free_port()
    figures = {
        "w0": WardFigures(patients=3, beats=7, added_p99_s=0.25),
        "w1": WardFigures(patients=2),
    }
    with serving_metrics(port, lambda: figures, lambda: 4):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            lines = answer.read().decode().splitlines()
        with (
            pytest.raises(OutputError, match=f"can't answer on port {port}: .*another --metrics"),
            serving_metrics(port, lambda: figures),
        ):
            pass
    assert 'ecg_stream_patients{worker="w0"} 3.0' in lines
    assert 'ecg_stream_patients{worker="w1"} 2.0' in lines
    assert 'ecg_stream_beats_total{worker="w0"} 7.0' in lines
    assert 'ecg_stream_added_p99_s{worker="w0"} 0.25' in lines
    assert not any(line.startswith('ecg_stream_added_p99_s{worker="w1"}') for line in lines)
    assert "ecg_stream_unwatched 4.0" in lines


def test_without_a_port_nothing_answers() -> None:
    with serving_metrics(None, dict):
        pass
