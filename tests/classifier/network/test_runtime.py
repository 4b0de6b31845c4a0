import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import classifier
from classifier.errors import ModelMismatchError
from classifier.inputs.features import FEATURE_NAMES, N_NEXT
from classifier.inputs.sequence import N_OUTPUTS, step
from classifier.network.beat_cnn import BeatNetwork
from classifier.network.export import example_inputs, export_onnx, export_torchscript
from classifier.network.rhythm_model import example_step
from classifier.network.runtime import load_model, quiet_torchscript
from classifier.network.spec import own_spec
from classifier.splits import DS2

MAX_BYTES = 450_000


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(3)
    return BeatNetwork().eval()


@pytest.fixture(scope="module")
def model_file(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "beat.pt"
    export_torchscript(network, path, own_spec(quality_min=0.25), {"scores": {}})
    return path


@pytest.fixture
def own_copy(model_file, tmp_path):
    path = tmp_path / "beat.pt"
    shutil.copy(model_file, path)
    shutil.copy(model_file.with_suffix(".json"), path.with_suffix(".json"))
    return path


def inputs(n):
    signal, features = example_inputs(n)
    return signal.numpy(), features.numpy()


def test_torchscript_equals_the_network(network, model_file):
    signal, features = inputs(7)
    expected = network(torch.from_numpy(signal), torch.from_numpy(features)).detach().numpy()
    assert np.allclose(load_model(model_file).predict(signal, features), expected, atol=1e-5)


def test_the_file_names_no_folder_of_the_machine(model_file):
    content = model_file.read_bytes()
    assert str(Path(classifier.__file__).parent).encode() not in content
    assert b"site-packages" not in content


def test_onnx_equals_torchscript(network, model_file, tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    export_onnx(network, tmp_path / "beat.onnx")
    session = runtime.InferenceSession(tmp_path / "beat.onnx")
    signal, features = inputs(9)
    (found,) = session.run(None, {"signal": signal, "features": features})
    assert np.allclose(found, load_model(model_file).predict(signal, features), atol=1e-5)


def test_the_rhythm_models_step_is_the_same_everywhere(network, model_file, tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    export_onnx(network, tmp_path / "beat.onnx")
    session = runtime.InferenceSession(tmp_path / "beat.rhythm.onnx")
    with quiet_torchscript():
        scripted = torch.jit.load(model_file)
    hidden, features = (part.detach() for part in example_step())
    weights = load_model(model_file).spec.rhythm
    for _ in range(5):
        after, logits = scripted.step(hidden, features)
        given = {"hidden": hidden.numpy(), "features": features.numpy()}
        assert np.allclose(session.run(None, given)[1], logits.detach(), atol=1e-5)
        state, outputs = hidden[0].numpy().copy(), np.zeros(N_OUTPUTS, np.float32)
        step(weights[0], features[0].numpy(), state, outputs)
        assert np.allclose(outputs, logits[0].detach(), atol=1e-5)
        assert np.allclose(state, after[0].detach(), atol=1e-5)
        hidden = after.detach()


def test_a_beat_alone_and_among_others_gives_the_same_bits(model_file):
    model = load_model(model_file)
    signal, features = inputs(20)
    together = model.predict(signal, features)
    alone = [model.predict(signal[i : i + 1], features[i : i + 1])[0] for i in range(20)]
    assert np.array_equal(together, np.stack(alone))
    assert model.predict(signal[:0], features[:0]).shape == (0, 5)


def test_loading_twice_gives_the_same_bits(model_file):
    signal, features = inputs(5)
    first, second = (load_model(model_file).predict(signal, features) for _ in range(2))
    assert np.array_equal(first, second)


def test_loading_takes_one_thread(model_file):
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        load_model(model_file)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


def test_the_spec_comes_from_the_sidecar(model_file):
    spec = load_model(model_file).spec
    assert spec.quality_min == 0.25
    assert spec.classes == ("N", "S", "V", "F", "Q")
    assert spec.features == FEATURE_NAMES


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("fs_hz", 250.0),
        ("window_samples", 128),
        ("classes", ["N", "V"]),
        ("inputs_hash", "0"),
        ("n_leads", 2),
    ],
)
def test_a_model_for_other_inputs_is_refused(own_copy, field, value):
    sidecar = own_copy.with_suffix(".json")
    sidecar.write_text(json.dumps(json.loads(sidecar.read_text()) | {field: value}))
    with pytest.raises(ModelMismatchError, match=f"made for {field} = .*run ecg-stream train"):
        load_model(own_copy)


def test_another_file_than_the_sidecar_names_is_refused(own_copy):
    own_copy.write_bytes(own_copy.read_bytes() + b" ")
    with pytest.raises(ModelMismatchError, match="sha256"):
        load_model(own_copy)


def test_in_two_steps_as_in_one(model_file):
    with quiet_torchscript():
        served = torch.jit.load(model_file)
    model = load_model(model_file)
    signal, features = inputs(6)
    embedding = model.embed(signal)
    assert embedding.nbytes < signal.nbytes / 10
    found = model.decide(embedding, features)
    expected = served(torch.from_numpy(signal), torch.from_numpy(features)).detach().numpy()
    assert np.allclose(found, expected, atol=1e-5)
    assert np.array_equal(found, model.predict(signal, features))


def test_a_module_of_one_step_is_refused(network, own_copy):
    with quiet_torchscript():
        torch.jit.trace(network, example_inputs()).save(own_copy)
    digest = hashlib.sha256(own_copy.read_bytes()).hexdigest()
    sidecar = own_copy.with_suffix(".json")
    sidecar.write_text(json.dumps(json.loads(sidecar.read_text()) | {"sha256": digest}))
    with pytest.raises(ModelMismatchError, match=r"no method embed and no decide.*stream train"):
        load_model(own_copy)


def test_a_model_of_the_first_format_is_refused(own_copy):
    sidecar = own_copy.with_suffix(".json")
    sidecar.write_text(json.dumps(json.loads(sidecar.read_text()) | {"format_version": 1}))
    with pytest.raises(ModelMismatchError, match=r"format version 1, expected 3.*ecg-stream train"):
        load_model(own_copy)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format_version": 99}'])
def test_a_damaged_sidecar_is_refused(own_copy, content):
    own_copy.with_suffix(".json").write_text(content)
    with pytest.raises(ModelMismatchError, match="is no model sidecar"):
        load_model(own_copy)


def test_a_missing_model_says_what_to_do(tmp_path):
    with pytest.raises(ModelMismatchError, match=r"no model file .*nothing.json.*ecg-stream train"):
        load_model(tmp_path / "nothing.pt")


def test_the_shipped_model_fits_and_was_not_trained_on_ds2():
    model = load_model()
    assert not set(model.spec.training_records) & set(DS2)
    signal, features = inputs(3)
    features[:, -N_NEXT:] = 0
    assert model.predict(signal, features).shape == (3, 5)


def test_a_record_of_the_same_name_elsewhere_was_not_trained_on():
    spec = own_spec(training_records=("208", "800", "10"))
    assert spec.is_trained_on("mitdb", "208")
    assert spec.is_trained_on("svdb", "800")
    assert not spec.is_trained_on("mitdb", "209")
    assert not spec.is_trained_on("ltafdb", "10")
    assert not spec.is_trained_on(None, "208")


def test_the_shipped_model_is_small():
    from importlib import resources

    file = resources.files("classifier") / "weights" / "beat_cnn.pt"
    assert len(file.read_bytes()) < MAX_BYTES


def test_importing_the_package_and_the_stage_imports_no_torch():
    code = (
        "import sys, classifier.network.runtime, streamer.beats.label_requester;"
        "import streamer.training.cut_dataset;"
        "import streamer.commands.train; print('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "False"
