"""Many leads on the command line: chosen, shown, overridden; a lead that goes bad is replaced."""

import numpy as np
import pytest
from record_files import GAIN, write_edf

from replay.simulate.record import simulate_beats
from streamer.commands.cli import main

LEADS = ("I", "II", "V1", "V5")
FS = 360
SECONDS = 80


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """Four leads; muscle noise on II from 40 s on."""
    two = simulate_beats(np.arange(0.5, 79.0, 0.8).tolist(), fs=FS, duration_s=SECONDS).signal
    rng = np.random.default_rng(0)
    mix = np.array([[0.7, 0.2], [1.0, 0.0], [0.0, 1.0], [0.8, -0.3]])
    signal = mix @ two + 0.005 * rng.standard_normal((4, two.shape[1]))
    signal[1, 40 * FS :] = 0.6 * rng.standard_normal(40 * FS)
    path = tmp_path_factory.mktemp("many") / "many.edf"
    write_edf(path, np.rint(signal.T * GAIN).astype(int), FS, leads=LEADS)
    return str(path)


def replay(path, capsys, *options):
    quiet = ("--speed", "max", "--no-monitor", "--mqtt", "off")
    assert main(["replay", path, *quiet, *options]) == 0
    return capsys.readouterr().out


def test_the_best_two_are_used_shown_and_replaced(many, capsys):
    said = replay(many, capsys)
    assert "many: leads II V1 of 4 leads, 360 Hz" in said
    (change,) = [line for line in said.splitlines() if "leads changed at" in line]
    assert " and V1 from now on" in change
    assert "II and" not in change
    at = said.index(change)
    assert "(noise)" in said[:at]
    assert "(noise)" not in said[at:]


def test_leads_that_are_named_stay(many, capsys):
    said = replay(many, capsys, "--leads", "v5,I", "--stop", "0:10")
    assert "many: leads V5 I of 4 leads" in said
    assert "leads changed" not in said


def test_a_lead_and_leads_contradict(many, capsys):
    with pytest.raises(SystemExit):
        main(["replay", many, "--lead", "I", "--leads", "II,V1", "--mqtt", "off"])
    assert "give --lead or --leads, not both" in capsys.readouterr().err


def test_records_lists_every_lead_of_an_edf_file(many, capsys):
    assert main(["records", many.removesuffix("many.edf"), "--json"]) == 0
    listed = capsys.readouterr().out
    assert '"record": "many"' in listed
    assert all(f'"{lead}"' in listed for lead in LEADS)
