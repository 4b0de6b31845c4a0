from dataclasses import asdict

import pytest
import torch

from classifier.inputs.features import N_NEXT
from classifier.network.beat_cnn import MATURITY, BeatNetwork, NetworkConfig
from classifier.network.explanation import load_network
from classifier.network.export import example_inputs, export_torchscript
from classifier.network.folded import FoldedNetwork, can_fold
from classifier.network.runtime import quiet_torchscript
from classifier.network.spec import own_spec


@pytest.fixture
def network() -> BeatNetwork:
    """Return a network none of whose normalisations, offsets and rules is without effect."""
    torch.manual_seed(4)
    network = BeatNetwork()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            torch.nn.init.normal_(module.running_mean)
            torch.nn.init.uniform_(module.running_var, 0.5, 2.0)
            torch.nn.init.normal_(module.weight)
            torch.nn.init.normal_(module.bias)
    n = len(network.feature_mean)
    network.set_normalisation(torch.randn(n), torch.rand(n) + 0.5)
    network.set_offsets(torch.randn_like(network.offsets))
    network.set_noise_bonus(2.0)
    return network.eval()


def test_folded_equals_the_network_it_was_made_of(network: BeatNetwork) -> None:
    signal, features = example_inputs(64)
    # Both revisions, and both sides of each rule.
    features *= 2.0
    features[:, -N_NEXT] = torch.arange(64) % 2
    features[::3, MATURITY] = 0.0
    with torch.inference_mode():
        expected = network(signal, features)
        found = FoldedNetwork(network)(signal, features)
    assert torch.allclose(found, expected, atol=1e-5)
    assert expected.std(dim=0).min() > 0.01


def test_served_in_far_fewer_operations(network: BeatNetwork) -> None:
    with quiet_torchscript():
        plain, folded = (
            torch.jit.freeze(torch.jit.trace(module.eval(), example_inputs(), check_trace=False))
            for module in (network, FoldedNetwork(network))
        )
    n_plain, n_folded = (
        sum(node.kind().startswith("aten::") for node in module.graph.nodes())
        for module in (plain, folded)
    )
    assert n_folded < 0.6 * n_plain


def test_the_weights_keep_their_names(network: BeatNetwork, tmp_path) -> None:
    extra = {"config": {"network": asdict(NetworkConfig())}}
    export_torchscript(network, tmp_path / "m.pt", own_spec(), extra)
    rebuilt = load_network(tmp_path / "m.pt")
    for name, weight in network.state_dict().items():
        assert torch.equal(rebuilt.state_dict()[name], weight)


@pytest.mark.parametrize(
    "change", [{"use_template": False}, {"use_signal": False}, {"ensemble_share": 0.0}]
)
def test_a_network_without_some_of_its_parts_is_served_as_it_is(change, tmp_path) -> None:
    network = BeatNetwork(NetworkConfig(**change)).eval()
    assert not can_fold(network)
    export_torchscript(network, tmp_path / "m.pt", own_spec())
    with quiet_torchscript():
        served = torch.jit.load(tmp_path / "m.pt")
    assert torch.allclose(served(*example_inputs(3)), network(*example_inputs(3)), atol=1e-6)
