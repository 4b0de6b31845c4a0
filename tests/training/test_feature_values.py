"""The measures of some hundred beats, by name, as the shipped model was trained on them.

Written anew, after a change that is meant, by running this file.
"""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from classifier.inputs.features import FEATURE_NAMES
from classifier.network.runtime import load_model
from classifier.training.sequences import outputs_of, sequence_of, with_rhythm
from replay.records import open_record
from streamer.training.cut_dataset import cut_record

GOLDEN = Path(__file__).parents[1] / "golden" / "beat_features.json"


def summary(features):
    """Mean and mean weighed by position of each measure: a shifted column or beat changes both."""
    weights = np.linspace(-1.0, 1.0, len(features))[:, None]
    pairs = zip(features.mean(axis=0), (weights * features).mean(axis=0), strict=True)
    return {
        name: [round(float(value), 6) for value in pair]
        for name, pair in zip(FEATURE_NAMES, pairs, strict=True)
    }


def measured(name):
    dataset = cut_record(open_record(name), quality_min=0.0)
    sequence = sequence_of(dataset)
    said = outputs_of(load_model().spec.rhythm, sequence)
    filled = with_rhythm(dataset, {(sequence.record, sequence.variant): said})
    return summary(filled.confirmed.astype(np.float64))


@pytest.mark.parametrize("name", ["demo", pytest.param("mitdb/208", marks=pytest.mark.database)])
def test_names_places_and_values_of_the_measures_are_those_of_the_shipped_model(name):
    golden = json.loads(GOLDEN.read_text())[name]
    found = measured(name)
    assert list(found) == list(golden)
    for feature, values in golden.items():
        assert found[feature] == pytest.approx(values, abs=1e-5), feature


if __name__ == "__main__":
    values = {name: measured(name) for name in ("demo", "mitdb/208")}
    pairs = re.compile(r"\[\s+(\S+),\s+(\S+)\s+\]")
    GOLDEN.write_text(pairs.sub(r"[\1, \2]", json.dumps(values, indent=1)) + "\n")
