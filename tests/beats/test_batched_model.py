"""Batches of every length are answered as beats alone are."""

import numpy as np
import pytest

from classifier.network.runtime import load_model
from streamer.beats.batched_model import LARGEST_BATCH, BatchedModel


@pytest.mark.parametrize("n", [0, 1, 3, 17, LARGEST_BATCH, LARGEST_BATCH + 5])
def test_a_batch_of_any_length_is_answered_in_full(n: int) -> None:
    model = load_model()
    spec, rng = model.spec, np.random.default_rng(n)
    signal = rng.standard_normal((n, len(spec.channels), spec.window_samples)).astype(np.float32)
    features = rng.standard_normal((n, len(spec.features))).astype(np.float32)
    batched = BatchedModel(model)
    found = batched.decide(batched.embed(signal), features)
    assert found.shape == (n, len(spec.classes))
    np.testing.assert_allclose(found, model.predict(signal, features), atol=1e-5)
