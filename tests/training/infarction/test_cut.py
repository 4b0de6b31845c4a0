import dataclasses

import numpy as np
import pytest
from twelve_leads import SHARES, twelve_leads

from classifier.errors import DatasetError
from classifier.recipes.infarction.recipe import LEADS, R_COLUMN, WINDOW_SAMPLES
from streamer.training.infarction.cut import cut_beats


def test_beats_are_where_the_chain_finds_them_in_the_order_of_the_leads():
    record = twelve_leads("a", 1, is_ill=True)
    upside = dataclasses.replace(record, leads=record.leads[::-1], signal=record.signal[::-1])
    beats, same = cut_beats(record, 24), cut_beats(upside, 24)
    assert beats.shape[1:] == (12, WINDOW_SAMPLES)
    assert 4 <= len(beats) <= 6
    assert np.array_equal(beats, same)
    shares = beats[:, :, R_COLUMN] / beats[:, 1:2, R_COLUMN]
    assert shares == pytest.approx(np.broadcast_to(SHARES, shares.shape), abs=0.01)
    # ST is measured against the PR segment.
    assert beats[:, 1, R_COLUMN + 40].min() > 0.25
    assert (
        np.abs(cut_beats(twelve_leads("b", 1, is_ill=False), 24)[:, 1, R_COLUMN + 40]).max() < 0.1
    )


def test_names_in_any_case_and_no_more_beats_than_asked_for():
    record = twelve_leads("a", 1, is_ill=False)
    lower = dataclasses.replace(record, leads=tuple(name.lower() for name in LEADS))
    assert len(cut_beats(lower, 2)) == 2


def test_a_missing_lead_is_one_line():
    record = twelve_leads("a", 1, is_ill=False)
    part = dataclasses.replace(record, leads=record.leads[:10], signal=record.signal[:10])
    with pytest.raises(DatasetError, match="record a has no lead V5, V6; the recipe takes"):
        cut_beats(part, 24)
