"""Which leads of many are used: the preferred ones unless noise, a flat line or NaN spoils them."""

import numpy as np
import pytest

from replay.lead_choice import choose, lead_quality
from replay.lead_following import with_best_leads
from replay.record import offered_leads, read_samples
from replay.simulate.record import SimulatedRecord, simulate_beats

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
FS = 360.0


@pytest.fixture(scope="module")
def twelve():
    """Twelve leads mixed of the simulator's two, each with noise of its own."""
    two = simulate_beats(np.arange(0.5, 40.0, 0.8).tolist(), fs=FS, duration_s=40.0)
    rng = np.random.default_rng(0)
    mix = rng.uniform(0.4, 1.0, (12, 2))
    signal = mix @ two.signal + 0.01 * rng.standard_normal((12, two.n_samples))
    return SimulatedRecord(name="x", fs=FS, leads=LEADS, signal=signal.astype(np.float32))


def spoiled(record, **changes):
    """Return the record with some leads replaced, by name."""
    signal = record.signal.copy()
    for name, change in changes.items():
        row = record.leads.index(name)
        signal[row] = change(signal[row])
    return SimulatedRecord(name="x", fs=FS, leads=record.leads, signal=signal)


def noise(lead):
    return 0.5 * np.random.default_rng(1).standard_normal(lead.size)


def test_preferred_leads_where_all_are_good(twelve):
    chosen = with_best_leads(twelve)
    assert chosen.leads == ("II", "V1")
    assert offered_leads(chosen) == LEADS
    np.testing.assert_array_equal(read_samples(chosen, 50, 90), twelve.signal[[1, 6], 50:90])


@pytest.mark.parametrize("change", [noise, np.zeros_like, lambda lead: np.full_like(lead, np.nan)])
def test_a_spoiled_lead_is_not_used(twelve, change):
    record = spoiled(twelve, II=change, V1=change)
    primary, second = with_best_leads(record).leads
    quality = lead_quality(record.signal, FS)
    assert primary == LEADS[int(np.argmax(quality))]
    assert second == "V5"
    assert quality[[1, 6]].max() < 0.5 * quality[[0, 2, 10]].min()


def test_a_primary_that_is_asked_for_is_used_with_the_best_beside_it(twelve):
    assert with_best_leads(twelve, "v3").leads == ("V3", "V1")
    assert with_best_leads(spoiled(twelve, V3=noise), "V3").leads == ("V3", "V1")


def test_one_or_two_leads_stay_as_they_are(twelve):
    two = SimulatedRecord(name="x", fs=FS, leads=("V5", "II"), signal=twelve.signal[:2])
    assert with_best_leads(two) is two


def test_a_record_shorter_than_a_beat_has_no_quality(twelve):
    assert lead_quality(twelve.signal[:, :5], FS).tolist() == [0.0] * 12
    assert choose(LEADS, np.zeros(12)) == (1, 6)
