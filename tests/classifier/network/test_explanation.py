"""Gradients, Grad-CAM and the features' say, held against what they must be by definition."""

import io
import json

import numpy as np
import pytest
import torch

from classifier.errors import ModelMismatchError
from classifier.inputs.features import FEATURE_NAMES, Feature
from classifier.inputs.geometry import GEOMETRY
from classifier.labels import MODEL_LABELS, Label
from classifier.network.beat_cnn import BeatNetwork, NetworkConfig
from classifier.network.explanation import explain, load_network, require_same
from classifier.network.export import example_inputs, export_torchscript
from classifier.network.runtime import quiet_torchscript
from classifier.network.spec import own_spec

CONFIG = NetworkConfig(widths=(4, 6, 8), hidden=16)
N_FEATURES = len(FEATURE_NAMES)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(5)
    built = BeatNetwork(CONFIG)
    mean = torch.linspace(-1, 1, N_FEATURES)
    mean[Feature.MATURITY] = 1.0  # No first beat on the way: its rule is too steep to integrate.
    built.set_normalisation(mean, torch.linspace(0.5, 2, N_FEATURES))
    built.set_offsets(torch.tensor([[0.0, 0.3, -0.2, 0, 0], [0, 0.1, 0.4, 0, 0]]))
    return built.eval()


@pytest.fixture(scope="module")
def inputs():
    signal, features = example_inputs(1)
    features[:, Feature.MATURITY] = 1.0
    return signal.numpy(), features.numpy()


@pytest.fixture
def model_file(network, tmp_path):
    path = tmp_path / "beat.pt"
    config = {"network": {"widths": list(CONFIG.widths), "hidden": CONFIG.hidden}}
    export_torchscript(network, path, own_spec(), {"config": config})
    return path


def log_odds(network, signal, features, label):
    p = network.double()(torch.as_tensor(signal).double(), torch.as_tensor(features).double())[0]
    network.float()
    own = p[MODEL_LABELS.index(label)].item()
    return np.log(own / (1 - own))


def test_the_network_comes_back_from_the_exported_file(network, inputs, model_file):
    signal, features = (torch.from_numpy(one) for one in inputs)
    assert torch.equal(load_network(model_file)(signal, features), network(signal, features))


def test_a_file_without_names_says_what_to_do(network, model_file):
    buffer = io.BytesIO()
    with quiet_torchscript():
        traced = torch.jit.trace(network, example_inputs(), check_trace=False)
        torch.jit.save(torch.jit.freeze(traced), buffer)
    model_file.write_bytes(buffer.getvalue())
    with pytest.raises(ModelMismatchError, match=r"without the names .*run ecg-stream train"):
        load_network(model_file)


@pytest.mark.parametrize(
    "config",
    [{}, {"config": {"network": {"widths": [4, 6]}}}, {"config": {"network": {"depth": 3}}}],
)
def test_a_sidecar_of_another_network_is_refused(model_file, config):
    sidecar = model_file.with_suffix(".json")
    values = {k: v for k, v in json.loads(sidecar.read_text()).items() if k != "config"}
    sidecar.write_text(json.dumps(values | config))
    with pytest.raises(ModelMismatchError, match="is not of the network that this program has"):
        load_network(model_file)


def test_the_gradient_is_that_of_small_changes(network, inputs):
    signal, features = inputs
    why = explain(network, signal, features, Label.V)
    step = 1e-5
    for channel, column in ((0, 10), (0, GEOMETRY.r_column), (1, 200)):
        ends = []
        for sign in (-1, 1):
            changed = signal.astype(np.float64)
            changed[0, channel, column] += sign * step
            ends.append(log_odds(network, changed, features, Label.V))
        slope = abs(ends[1] - ends[0]) / (2 * step)
        assert why.saliency[channel, column] == pytest.approx(slope, rel=1e-3, abs=1e-7)


def test_what_the_features_say_adds_up(network, inputs):
    signal, features = inputs
    why = explain(network, signal, features, Label.S)
    assert why.log_odds == pytest.approx(log_odds(network, signal, features, Label.S))
    usual = network.feature_mean.numpy()[None]
    assert why.baseline_log_odds == pytest.approx(log_odds(network, signal, usual, Label.S))
    assert why.contributions.sum() == pytest.approx(why.log_odds - why.baseline_log_odds, abs=1e-2)


def test_a_feature_at_its_mean_says_nothing(network, inputs):
    signal, features = inputs
    features = features.copy()
    features[0, 3] = network.feature_mean[3].item()
    why = explain(network, signal, features)
    assert (why.contributions[3], why.deviations[3]) == (0.0, 0.0)
    assert np.abs(why.contributions).max() > 0


def test_the_likeliest_class_is_explained_unless_another_is_asked_for(network, inputs):
    why = explain(network, *inputs)
    assert why.label is MODEL_LABELS[int(why.probabilities.argmax())]
    other = MODEL_LABELS[int(why.probabilities.argmin())]
    assert explain(network, *inputs, other).log_odds < why.log_odds
    assert explain(network, *inputs, Label.Q).label is Label.Q


def test_the_network_is_left_as_it_is(network, inputs):
    before = {name: value.clone() for name, value in network.state_dict().items()}
    explain(network, *inputs)
    after = network.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert next(network.parameters()).dtype == torch.float32
    assert all(weight.grad is None for weight in network.parameters())


def test_a_network_that_ignores_the_signal_has_no_saliency(inputs):
    blind = BeatNetwork(NetworkConfig(widths=(4, 6), use_signal=False)).eval()
    why = explain(blind, *inputs)
    assert not why.saliency.any()
    assert not why.grad_cam.any()
    assert why.contributions.any()


class Bump(torch.nn.Module):
    """Finds V wherever its one map, a mean over 16 columns, is large."""

    stride = 16

    def __init__(self, sign):
        super().__init__()
        self.sign = sign
        half = self.stride // 2
        self.trunk = torch.nn.Conv1d(2, 1, self.stride + 1, self.stride, half, bias=False)
        with torch.no_grad():
            self.trunk.weight.copy_(torch.zeros_like(self.trunk.weight))
            self.trunk.weight[0, 0] = 1 / self.stride
        self.register_buffer("feature_mean", torch.zeros(N_FEATURES))
        self.register_buffer("feature_scale", torch.ones(N_FEATURES))

    def forward(self, signal, features):
        found = self.sign * self.trunk(signal).mean(dim=2)
        none = torch.zeros_like(found)
        return torch.softmax(torch.cat([none, none, found, none], dim=1), dim=1)


@pytest.mark.parametrize("place", [32, 112, 208])
def test_grad_cam_shows_where_the_evidence_is(place):
    signal = np.zeros((1, 2, GEOMETRY.window_samples), np.float32)
    signal[0, 0, place - 4 : place + 5] = 1.0
    features = np.zeros((1, N_FEATURES), np.float32)
    why = explain(Bump(1.0), signal, features, Label.V)
    assert why.grad_cam.argmax() == place
    assert why.grad_cam.max() == 1.0
    assert not why.grad_cam[: place - Bump.stride].any()
    assert not why.grad_cam[place + Bump.stride :].any()


def test_grad_cam_is_nothing_where_all_speaks_against():
    signal = np.ones((1, 2, GEOMETRY.window_samples), np.float32)
    features = np.zeros((1, N_FEATURES), np.float32)
    assert not explain(Bump(-1.0), signal, features, Label.V).grad_cam.any()


def test_other_probabilities_than_the_served_ones_are_refused(network, inputs):
    why = explain(network, *inputs)
    require_same(why, [float(p) for p in why.probabilities])
    with pytest.raises(ModelMismatchError, match="other probabilities"):
        require_same(why, [1.0, 0.0, 0.0, 0.0, 0.0])
