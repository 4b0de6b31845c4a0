"""Which channels of an LSL stream are an ECG, and what a number is in mV."""

import sys
from typing import Any

import numpy as np
import pytest

from streamer.core.errors import StreamerError
from streamer.sources.lsl.description import (
    Channels,
    Description,
    StreamName,
    choose_channels,
    parse_stream_name,
)
from streamer.sources.lsl.library import load_pylsl


def choose(unit: str | None = None, **said: Any) -> Channels:
    stream = Description(**{"name": "bed", "fs": 250.0, "n_channels": 2, **said})
    return choose_channels(stream, unit, lowest_fs=50.0, highest_fs=5000.0)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("lsl://bed4", StreamName(name="bed4")),
        ("Dr.%20No?unit=uV", StreamName(name="Dr. No", unit="uV")),
        ("lsl://a?unit=V&source_id=x1", StreamName(name="a", unit="V", source_id="x1")),
    ],
)
def test_names(text: str, wanted: StreamName) -> None:
    assert parse_stream_name(text) == wanted


@pytest.mark.parametrize("text", ["lsl://", "lsl://a?units=mV", "lsl://a?unit=furlong"])
def test_what_names_none(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        parse_stream_name(text)


@pytest.mark.parametrize(
    ("unit", "scale"),
    [("microvolts", 1e-3), ("uV", 1e-3), ("µV", 1e-3), ("μV", 1e-3), ("mV", 1.0), ("Volts", 1e3)],
)
def test_units_become_millivolts(unit: str, scale: float) -> None:
    found = choose(units=[unit, unit]).millivolts([[2.0, np.nan], [np.inf, -1.0]])
    expected = np.array([[2.0 * scale, np.nan], [np.nan, -scale]], np.float32)
    np.testing.assert_array_equal(found, expected)


def test_mlii_comes_first_and_channels_that_are_no_voltage_are_left_out() -> None:
    found = choose(n_channels=3, labels=["V1", "counter", "MLII"], units=["uV", "items", "mV"])
    assert (found.leads, found.columns, found.scales) == (("MLII", "V1"), (2, 0), (1.0, 1e-3))
    found = choose(n_channels=3, types=["EEG", "ECG", "EEG"], units=["uV", "uV", "uV"])
    assert (found.leads, found.columns) == (("lead1",), (1,))


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ({"fs": 0.0, "units": ["mV", "mV"]}, "an irregular rate; .* 50 to 5000 Hz"),
        ({"fs": 20.0, "units": ["mV", "mV"]}, "20 Hz; expected 50 to 5000"),
        ({"is_text": True}, "text; an ECG has numbers"),
        ({}, r"doesn't state its unit; say which it is: lsl://bed\?unit=mV"),
        ({"units": ["celsius", "celsius"]}, r"no channel in volts \(units: celsius\)"),
    ],
)
def test_what_is_no_ecg_is_refused_in_one_line(said: dict[str, Any], line: str) -> None:
    with pytest.raises(StreamerError, match=line) as caught:
        choose(**said)
    assert "\n" not in str(caught.value)


def test_the_unit_that_is_missing_may_be_given() -> None:
    assert choose("uV").scales == (1e-3, 1e-3)
    assert choose("uV", units=["mV", "mV"]).scales == (1.0, 1.0), "what the stream says counts"


def test_without_the_library_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pylsl", None)
    with pytest.raises(StreamerError, match=r"pip install 'ecg-stream\[lsl\]'"):
        load_pylsl()
