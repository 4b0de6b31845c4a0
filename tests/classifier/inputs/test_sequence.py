import numpy as np
import pytest
import torch
from beat_windows import beat, bump

from classifier.inputs.features import NEXT_BEAT, Feature, Source, columns_of
from classifier.inputs.memory import PatientMemory
from classifier.inputs.sequence import (
    HIDDEN,
    LOG_ODDS_LIMIT,
    LOG_ODDS_STEP,
    N_OUTPUTS,
    run,
    step,
    untrained,
)
from classifier.network.rhythm_model import RhythmModel, compiled_weights, split_logits

SEQUENCE = columns_of(Source.SEQUENCE)
NEXT = slice(Feature.NEXT_SEQUENCE_S.value, NEXT_BEAT.stop)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(4)
    model = RhythmModel().requires_grad_(False).eval()
    model.mean.normal_()
    model.scale.uniform_(0.5, 2.0)
    model.ventricular.normal_()
    model.is_trained.fill_(1)
    return model


@pytest.fixture(scope="module")
def weights(model):
    return compiled_weights(model.state_dict())


def drawn(n, seed=0):
    return np.random.default_rng(seed).normal(size=(n, len(Feature))).astype(np.float32) * 3


def stepped(weights, rows):
    hidden, outputs = np.zeros(HIDDEN, np.float32), np.zeros(N_OUTPUTS, np.float32)
    for row in rows:
        step(weights[0], row, hidden, outputs)
    return hidden, outputs


def test_the_compiled_step_equals_the_network_trained(model, weights):
    features, found = drawn(80), np.zeros((80, N_OUTPUTS), np.float32)
    run(weights, features, np.ones(80, bool), np.zeros(HIDDEN, np.float32), found)
    given = torch.from_numpy(features)
    assert np.allclose(found, model(model.standardise(given)[None])[0], atol=1e-5)
    hidden, logits = model.step(
        torch.from_numpy(stepped(weights, features[:40])[0])[None], given[40:41]
    )
    after, outputs = stepped(weights, features[:41])
    assert np.allclose(hidden[0], after, atol=1e-5)
    assert np.allclose(logits[0], outputs, atol=1e-5)


def test_it_remembers_the_order_of_beats(weights):
    features = drawn(30)
    _, forward = stepped(weights, features)
    _, shuffled = stepped(weights, features[[*range(28, -1, -1), 29]])
    assert np.abs(forward - shuffled).max() > 0.01


def test_a_beat_that_is_not_learned_leaves_no_trace(weights):
    features, learns = drawn(20), np.ones(20, bool)
    learns[7] = False
    found, without = np.zeros((20, N_OUTPUTS), np.float32), np.zeros((19, N_OUTPUTS), np.float32)
    run(weights, features, learns, np.zeros(HIDDEN, np.float32), found)
    kept = np.delete(features, 7, axis=0)
    run(weights, kept, np.ones(19, bool), np.zeros(HIDDEN, np.float32), without)
    assert np.array_equal(np.delete(found, 7, axis=0), without)


def test_what_is_not_a_number_is_no_evidence(weights):
    unknown, mean = drawn(1)[0], drawn(1)[0]
    unknown[:] = np.nan
    columns = [int(f) for f in Feature if f.source is not Source.NEXT_BEAT]
    mean[columns] = 0
    hidden, outputs = stepped(weights, [unknown])
    assert np.isfinite(hidden).all()
    assert np.isfinite(outputs).all()


def test_the_measures_are_those_of_the_step(weights):
    patient, before, seen = PatientMemory(weights), None, []
    for n in range(30):
        window = beat() if n % 5 else bump(0.01, 0.05, 1.6)
        found, completed = patient.describe_and_learn(
            window[None].astype(np.float32), 0.8 if n % 5 else 0.5, before=before
        )
        seen.append(found.features.copy())
        before = found
    _, outputs = stepped(weights, seen)
    now, earlier, fibrillation = (part.numpy() for part in split_logits(torch.from_numpy(outputs)))
    limit = LOG_ODDS_LIMIT / LOG_ODDS_STEP

    def log_odds(logits):
        return ((logits[1:] - logits[0]) / LOG_ODDS_STEP).clip(-limit, limit)

    assert np.allclose(seen[-1][SEQUENCE][:-1], log_odds(now), atol=1e-5)
    assert seen[-1][Feature.SEQUENCE_FIBRILLATION] == pytest.approx(
        float(fibrillation) / LOG_ODDS_STEP, abs=1e-5
    )
    assert not seen[-1][NEXT_BEAT].any()
    assert np.allclose(completed[NEXT], log_odds(earlier), atol=1e-5)


def test_without_training_the_measures_say_nothing():
    patient = PatientMemory(untrained())
    first, _ = patient.describe_and_learn(beat()[None].astype(np.float32), 0.8)
    _, completed = patient.describe_and_learn(beat()[None].astype(np.float32), 0.8, before=first)
    assert not first.features[SEQUENCE].any()
    assert not completed[NEXT].any()
