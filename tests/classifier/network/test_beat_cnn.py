import numpy as np
import pytest
import torch

from classifier.inputs.features import FEATURE_NAMES, N_NEXT, Feature
from classifier.labels import MODEL_LABELS, Label
from classifier.network.beat_cnn import (
    MATURITY,
    RESIDUAL,
    BeatNetwork,
    NetworkConfig,
    count_parameters,
)
from classifier.network.export import example_inputs

MAX_PARAMETERS = 80_000


def test_probabilities_of_each_beat():
    network = BeatNetwork().eval()
    probabilities = network(*example_inputs(5))
    assert probabilities.shape == (5, len(MODEL_LABELS))
    assert torch.allclose(probabilities.sum(dim=1), torch.ones(5))


def test_it_is_small():
    assert count_parameters(BeatNetwork()) < MAX_PARAMETERS


def test_the_ensemble_has_its_share():
    signal, features = example_inputs(3)
    features[:, MATURITY], features[:, -N_NEXT:] = 1.0, 0.0
    no_rhythm = (0.0,) * 5
    config = NetworkConfig(ensemble_size=1, rhythm_shares=no_rhythm)
    single = NetworkConfig(ensemble_share=0.0, rhythm_shares=no_rhythm)
    logits = torch.randn(2, 3, len(MODEL_LABELS))
    alone, both = BeatNetwork(single), BeatNetwork(config)
    assert both.eval().classify(both.embed(signal), features).shape == logits.shape
    against_n = logits - logits[..., :1]
    assert torch.allclose(alone.combine(logits[:1], features), against_n[0], atol=1e-5)
    share = config.ensemble_share
    expected = (1 - share) * against_n[0] + share * against_n[1]
    assert torch.allclose(both.combine(logits, features), expected, atol=1e-5)


@pytest.mark.parametrize(
    "change",
    [
        {"use_template": False},
        {"use_features": False, "ensemble_share": 0.0},
        {"use_signal": False},
    ],
)
def test_inputs_that_are_switched_off_have_no_effect(change):
    network = BeatNetwork(NetworkConfig(**change)).eval()
    signal, features = example_inputs(3)
    other_signal, other_features = signal.clone(), features.clone()
    if "use_template" in change:
        other_signal[:, 1] += 1
    if "use_signal" in change:
        other_signal += 1
    if "use_features" in change:
        other_features[:, :-N_NEXT] += 1
    assert torch.equal(network(signal, features), network(other_signal, other_features))


def test_offsets_belong_to_a_revision():
    network = BeatNetwork().eval()
    signal, features = example_inputs(1)
    features[:, -N_NEXT:] = 0
    confirmed = features.clone()
    confirmed[:, -N_NEXT] = 1
    before = network(signal, features), network(signal, confirmed)
    network.set_offsets(torch.tensor([[0.0, 0, 0, 0, 0], [0, 9, 0, 0, 0]]))
    assert torch.equal(network(signal, features), before[0])
    assert network(signal, confirmed)[0, 1] > before[1][0, 1]


def test_normalisation_leaves_the_unknown_at_zero():
    network = BeatNetwork()
    k = len(FEATURE_NAMES)
    network.set_normalisation(torch.full((k,), 3.0), torch.full((k,), 2.0))
    assert np.array_equal(network.feature_mean[-N_NEXT:], np.zeros(N_NEXT))
    assert np.array_equal(network.feature_scale[-N_NEXT:], np.ones(N_NEXT))
    assert (network.feature_mean[:-N_NEXT] == 3).all()


def test_the_rhythm_model_has_its_share_in_each_class():
    shares = (0.0, 1.0, 0.0, 0.5, 0.25)
    network = BeatNetwork(NetworkConfig(rhythm_shares=shares)).eval()
    alone = BeatNetwork(NetworkConfig(rhythm_shares=(0.0,) * 5)).eval()
    alone.load_state_dict(network.state_dict())
    alone.rhythm_shares.zero_()
    signal, features = example_inputs(2)
    features[:, MATURITY] = 1.0
    features[0, -N_NEXT:] = 0
    features[1, -N_NEXT] = 1
    said = torch.stack(
        [
            features[0, Feature.SEQUENCE_S : Feature.SEQUENCE_Q + 1],
            features[1, Feature.NEXT_SEQUENCE_S : Feature.NEXT_SEQUENCE_Q + 1],
        ]
    )

    def log_odds(one):
        p = one(signal, features).detach()
        return torch.log(p[:, 1:] / p[:, :1])

    share = torch.tensor(shares[1:])
    expected = share * 4.0 * said + (1 - share) * log_odds(alone)
    assert torch.allclose(log_odds(network), expected, atol=1e-4)


def test_in_lasting_noise_beats_are_rather_not_judged():
    network = BeatNetwork().eval()
    signal, features = example_inputs(1)
    features[:, RESIDUAL] = -1.0
    embedding = network.embed(signal)

    def logits():
        return network.combine(network.classify(embedding, features), features)[0]

    before = logits()
    network.set_noise_bonus(3.0)
    gain = logits() - before
    noise = MODEL_LABELS.index(Label.Q)
    assert gain[noise].item() == pytest.approx(3.0, abs=0.01)
    gain[noise] = 0
    assert torch.allclose(gain, torch.zeros_like(gain), atol=1e-5)
    features[:, RESIDUAL] = -3.0
    network.set_noise_bonus(0.0)
    quiet = logits()
    network.set_noise_bonus(3.0)
    assert torch.allclose(logits(), quiet, atol=1e-3)


def test_a_first_beat_is_the_usual_one_unless_it_is_plainly_not():
    torch.manual_seed(2)
    network = BeatNetwork().eval()
    plain = BeatNetwork(NetworkConfig(first_beat_penalty=0.0)).eval()
    plain.load_state_dict(network.state_dict())
    signal, features = example_inputs(40)
    usual = MODEL_LABELS.index(Label.N)
    with torch.inference_mode():
        for maturity, factor in ((0.0, np.exp(4.0)), (0.05, 1.0), (1.0, 1.0)):
            features[:, MATURITY] = maturity
            found, before = network(signal, features), plain(signal, features)
            odds = (p[:, usual] / (1.0 - p[:, usual]) for p in (found, before))
            ratio = torch.div(*odds)
            assert torch.allclose(ratio, torch.full((40,), float(factor)), rtol=1e-3)
