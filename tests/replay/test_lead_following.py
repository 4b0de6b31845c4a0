"""A lead that goes bad for long is replaced: at a fixed sample, causally, and once."""

import numpy as np
import pytest

from replay.lead_following import FollowedLeads, with_best_leads
from replay.record import read_samples
from replay.simulate.record import SimulatedRecord, simulate_beats

LEADS = ("I", "II", "V1", "V5")
FS = 100.0
BAD_FROM = 4000
LENGTH = 10_000


@pytest.fixture(scope="module")
def clean():
    two = simulate_beats(np.arange(0.5, 99.0, 0.8).tolist(), fs=FS, duration_s=LENGTH / FS)
    mix = np.array([[0.7, 0.2], [1.0, 0.0], [0.0, 1.0], [0.8, -0.3]])
    noise = 0.005 * np.random.default_rng(0).standard_normal((4, LENGTH))
    signal = (mix @ two.signal + noise).astype(np.float32)
    return SimulatedRecord(name="x", fs=FS, leads=LEADS, signal=signal)


def spoiled(record, name, start, stop=LENGTH, *, off=False):
    """Put muscle noise on a lead, or take its electrode off."""
    signal = record.signal.copy()
    noise = 0.5 * np.random.default_rng(1).standard_normal(stop - start)
    signal[LEADS.index(name), start:stop] = 0.0 if off else noise
    return SimulatedRecord(name="x", fs=FS, leads=LEADS, signal=signal)


def used(record, size=1000):
    """Return when which leads came into use."""
    found = []
    for chunk in record.chunks(size=size):
        if not found or found[-1][1] != chunk.leads:
            found.append((chunk.start, chunk.leads))
    return found


def test_good_leads_are_kept(clean):
    assert used(with_best_leads(clean)) == [(0, ("II", "V1"))]


@pytest.mark.parametrize("off", [False, True])
def test_a_lead_that_is_bad_for_long_is_replaced(clean, off):
    record = with_best_leads(spoiled(clean, "II", BAD_FROM, off=off))
    first, (at, leads) = used(record)
    assert first == (0, ("II", "V1"))
    assert leads[1] == "V1"
    assert leads[0] in {"I", "V5"}
    assert BAD_FROM + 15 * FS <= at <= BAD_FROM + 30 * FS


def test_a_lead_that_is_bad_for_a_moment_is_kept(clean):
    record = with_best_leads(spoiled(clean, "II", BAD_FROM, BAD_FROM + 1000))
    assert used(record) == [(0, ("II", "V1"))]


def test_the_second_lead_is_replaced_too(clean):
    record = with_best_leads(spoiled(clean, "V1", BAD_FROM))
    assert [leads for _, leads in used(record)] == [("II", "V1"), ("II", "V5")]


def test_a_primary_that_was_asked_for_stays(clean):
    record = with_best_leads(spoiled(clean, "II", BAD_FROM), "II")
    assert used(record) == [(0, ("II", "V1"))]


def test_nothing_is_replaced_where_no_lead_is_better(clean):
    record = clean
    for name in LEADS:
        record = spoiled(record, name, BAD_FROM)
    assert len(used(with_best_leads(record))) == 1


def test_chunks_of_any_size_and_parts_read_again_have_the_same_leads(clean):
    bad = spoiled(clean, "II", BAD_FROM)
    record = with_best_leads(bad)
    change = used(record)[1]
    for size in (1, 77, LENGTH):
        assert used(with_best_leads(bad), size)[1] == change
    whole = read_samples(record)
    row = LEADS.index(change[1][0])
    np.testing.assert_array_equal(whole[0, change[0] :], bad.signal[row, change[0] :])
    np.testing.assert_array_equal(whole[0, : change[0]], bad.signal[1, : change[0]])
    np.testing.assert_array_equal(read_samples(record, 6900, 9000), whole[:, 6900:9000])


def test_the_future_decides_nothing(clean):
    bad = spoiled(clean, "II", BAD_FROM)
    at = used(with_best_leads(bad))[1][0]
    signal = bad.signal.copy()
    signal[:, at:] = 0.0
    cut = SimulatedRecord(name="x", fs=FS, leads=LEADS, signal=signal)
    assert used(with_best_leads(cut))[1][0] == at
    assert isinstance(with_best_leads(cut), FollowedLeads)
