"""From a record and a time to the explained beat, through the real chain."""

import dataclasses

import numpy as np
import pytest
import torch

from classifier.network.beat_cnn import BeatNetwork, NetworkConfig
from classifier.network.export import export_torchscript
from classifier.network.runtime import load_model
from classifier.network.spec import own_spec
from replay.records import open_record
from streamer.commands.cli import main
from streamer.core.events import LabeledBeat
from streamer.patient.chain import Chain
from streamer.report.explain.beat import beat_at

CONFIG = NetworkConfig(widths=(4, 6), hidden=8)
UNTIL_S = 40


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    torch.manual_seed(1)
    path = tmp_path_factory.mktemp("model") / "beat.pt"
    spec = own_spec(training_records=("demo",))
    extra = {"config": {"network": dataclasses.asdict(CONFIG)}}
    export_torchscript(BeatNetwork(CONFIG).eval(), path, spec, extra)
    return path


@pytest.fixture(scope="module")
def record():
    return open_record("demo")


@pytest.fixture(scope="module")
def beats(record, model_file):
    """Labels of the first part of the demo, as any stream gets them."""
    chain = Chain(fs=record.fs, n_leads=len(record.leads), model=load_model(model_file))
    stop = round(UNTIL_S * record.fs)
    events = [e for chunk in record.chunks(stop=stop, size=500) for e in chain.push(chunk)]
    return [event for event in events if isinstance(event, LabeledBeat)]


@pytest.mark.parametrize("revision", [0, 1])
def test_it_is_the_beat_of_the_stream(record, beats, model_file, revision):
    wanted = [beat for beat in beats if beat.revision == revision][12]
    sample = wanted.beat.rpeak.sample
    for offset in (0, -30, 30):
        found = beat_at(record, load_model(model_file), sample + offset, revision).labelled
        assert found.beat.rpeak == wanted.beat.rpeak
        assert found.probabilities == wanted.probabilities
        assert (found.label, found.decided_at) == (wanted.label, wanted.decided_at)
        assert np.array_equal(found.beat.window, wanted.beat.window, equal_nan=True)


def test_the_nearer_of_two_beats_is_taken(record, beats, model_file):
    first, second = [b.beat.rpeak.sample for b in beats if b.revision == 0][10:12]
    middle = (first + second) // 2
    model = load_model(model_file)
    for sample, wanted in ((middle - 5, first), (middle + 5, second)):
        assert beat_at(record, model, sample, 0).labelled.beat.rpeak.sample == wanted


def test_the_reference_beat_comes_along(record, model_file):
    found = beat_at(record, load_model(model_file), round(10 * record.fs), 1)
    reference = record.reference()
    nearest = np.abs(reference.samples - found.labelled.beat.rpeak.sample).argmin()
    assert found.symbol == reference.symbols[nearest]


@pytest.mark.parametrize("second", [1.0, 10.0])
def test_the_signal_about_it_comes_along(record, model_file, second):
    found = beat_at(record, load_model(model_file), round(second * record.fs), 1)
    stop = found.context_start + found.context.size
    (chunk,) = record.chunks(found.context_start, stop, size=found.context.size)
    assert np.array_equal(found.context, chunk.samples[0])
    assert found.context_start < found.labelled.beat.rpeak.sample < stop


def test_a_time_outside_the_record_is_refused(record, model_file):
    with pytest.raises(ValueError, match=r"is not inside record demo.*choose a time from 0:00 to"):
        beat_at(record, load_model(model_file), record.n_samples, 0)


def test_the_command_shows_and_draws(capsys, tmp_path, model_file, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    out = tmp_path / "beat.svg"
    arguments = ["explain", "demo", "--beat", "0:20", "--model", str(model_file), "--class", "V"]
    assert main([*arguments, "--revision", "provisional", "--out", str(out)]) == 0
    shown = capsys.readouterr().out
    assert "why V: probability" in shown
    assert "provisional; reference N (symbol N)" in shown
    assert "the model was trained on this record" in shown
    assert all(name in shown for name in ("gradient", "Grad-CAM", "none ▁"))
    assert b"</svg>" in out.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--beat", "0:20", "--out", "beat.gif"], "beat.gif is no picture; end it in .png or .svg"),
        (["--beat", "soon"], "soon"),
        (["--beat", "99:00"], "is not inside record demo"),
    ],
)
def test_what_is_wrong_is_one_line(capsys, model_file, arguments, message):
    assert main(["explain", "demo", "--model", str(model_file), *arguments]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
