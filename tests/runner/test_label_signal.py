"""An array at once: its table is what the chain says, whatever form the array has."""

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from stage_cases import SumModel, ecg

from classifier.labels import MODEL_LABELS
from replay.chunk import Chunk
from streamer import Alarm, Chain, Event, Gap, GapReason, LabeledBeat, RhythmEvent, label_signal
from streamer.runner.array_input import whole_signal

FS = 360.0
MODEL = SumModel()


def signal(duration_s: float = 30.0, fs: float = FS) -> NDArray[np.float32]:
    samples = ecg(round(duration_s * fs), fs)
    samples[:, round(10 * fs) : round(11 * fs)] = np.nan
    return samples


def chain_events(samples: NDArray[np.float32], fs: float = FS) -> list[Event]:
    chain = Chain(fs=fs, n_leads=len(samples), model=MODEL)
    return chain.push(Chunk(start=0, samples=samples)) + chain.flush()


@pytest.mark.parametrize("fs", [128.0, 360.0, 500.0])
def test_the_table_is_what_the_chain_returns(fs: float) -> None:
    samples = signal(fs=fs)
    events = chain_events(samples, fs)
    found = label_signal(samples, fs=fs, model=MODEL)
    beats = [event for event in events if isinstance(event, LabeledBeat)]
    early = [event for event in beats if event.revision == 0]
    confirmed = [event for event in beats if event.revision == 1]
    table = found.beats
    assert len(table) == len(confirmed) > 20
    assert list(table["sample"]) == [event.beat.rpeak.sample for event in confirmed]
    np.testing.assert_array_equal(table["time_s"], np.array(table["sample"]) / fs)
    assert list(table["label"]) == [event.label for event in confirmed]
    assert list(table["provisional_label"]) == [event.label for event in early]
    assert list(table["provisional_at"]) == [event.decided_at for event in early]
    assert list(table["confirmed_at"]) == [event.decided_at for event in confirmed]
    assert list(table["reason"]) == [event.reason or "" for event in confirmed]
    assert list(table["quality"]) == [event.beat.rpeak.quality for event in confirmed]
    assert list(table["amplitude_mv"]) == [event.beat.rpeak.amplitude_mv for event in confirmed]
    assert list(table["search_back"]) == [event.beat.rpeak.search_back for event in confirmed]
    chances = np.stack([table[f"p_{label}"] for label in MODEL_LABELS], axis=1)
    np.testing.assert_array_equal(chances, [event.probabilities for event in confirmed])
    rr_ms = [1000.0 * event.beat.rr_s[-1] if event.beat.rr_s.size else None for event in confirmed]
    np.testing.assert_allclose(table["rr_ms"], np.array(rr_ms, np.float64), rtol=1e-6)
    assert found.rhythms == tuple(event for event in events if isinstance(event, RhythmEvent))
    assert found.alarms == tuple(event for event in events if isinstance(event, Alarm))


def test_a_gap_is_given_once_from_start_to_end() -> None:
    samples = signal()
    told = [event for event in chain_events(samples) if isinstance(event, Gap)]
    gaps = label_signal(samples, fs=FS, model=MODEL).gaps
    assert len(gaps) == len({gap.start for gap in told})
    assert [gap.reason for gap in gaps] == [GapReason.INVALID]
    assert not gaps[0].ongoing
    assert gaps[0].stop > gaps[0].start + 0.9 * FS


def test_one_lead_may_be_a_plain_row_a_list_or_masked() -> None:
    row = signal()[0]
    expected = label_signal(row, fs=FS, model=MODEL)
    masked = np.ma.masked_invalid(np.where(np.isnan(row), -5.0, row))
    masked[np.isnan(row)] = np.ma.masked
    for other in (row[None, :], row.tolist(), masked, row.astype(np.float64)):
        found = label_signal(other, fs=FS, model=MODEL)
        assert found.beats.equals(expected.beats)
    assert expected.leads == ("ECG",)


def test_named_columns_are_turned_into_rows() -> None:
    samples = signal()
    expected = label_signal(samples, fs=FS, model=MODEL)
    found = label_signal(samples.T, fs=FS, leads=("V1", "V5"), model=MODEL)
    assert found.beats.equals(expected.beats)


def test_mlii_becomes_the_primary_lead() -> None:
    samples = signal()
    found = label_signal(samples[::-1], fs=FS, leads=("V1", "MLII"), model=MODEL)
    assert found.leads == ("MLII", "V1")
    assert found.beats.equals(label_signal(samples, fs=FS, model=MODEL).beats)


def test_a_signal_without_beats_has_an_empty_table() -> None:
    for samples in (np.empty(0), np.empty((2, 0)), np.full(3600, np.nan), np.zeros((2, 3600))):
        found = label_signal(samples, fs=FS, model=MODEL)
        assert len(found.beats) == 0
        assert "p_V" in found.beats
    assert [gap.reason for gap in found.gaps] == [GapReason.FLAT]


def test_without_pandas_the_columns_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = signal()
    frame = label_signal(samples, fs=FS, model=MODEL).beats
    monkeypatch.setitem(sys.modules, "pandas", None)
    table = label_signal(samples, fs=FS, model=MODEL).beats
    assert table.dtype.names == tuple(frame.columns)
    for name in frame.columns:
        np.testing.assert_array_equal(table[name], frame[name].to_numpy())


def test_the_input_stays_as_it_was() -> None:
    samples = signal()
    before = samples.copy()
    label_signal(samples, fs=FS, model=MODEL)
    np.testing.assert_array_equal(samples, before)


@given(n=st.integers(0, 9), leads=st.integers(1, 9), named=st.booleans(), columns=st.booleans())
def test_shapes(n: int, leads: int, named: bool, columns: bool) -> None:
    """What can be told apart is taken, all else is refused in one line."""
    samples = np.arange(n * leads, dtype=np.float64).reshape(leads, n)
    names = [f"V{row}" for row in range(leads)] if named else None
    given_ = samples.T if columns else samples
    refused = given_.shape[0] == 0 if columns else False
    if named:
        refused = False
    elif columns:
        refused = n == 0 or n > leads
    else:
        refused = leads > n > 0
    if refused:
        with pytest.raises(ValueError, match=r"samples have shape \(\d, \d\).*expected") as caught:
            whole_signal(given_, names)
        assert "\n" not in str(caught.value)
        return
    array, found = whole_signal(given_, names)
    as_columns = columns and named and n != leads
    np.testing.assert_array_equal(array, samples if as_columns else given_)
    assert array.dtype == np.float32
    assert array.flags.c_contiguous
    assert len(found) == len(array)


@given(shape=st.lists(st.integers(0, 4), min_size=3, max_size=4))
def test_more_dimensions_are_refused(shape: list[int]) -> None:
    for names in (None, ("MLII", "V1")):
        with pytest.raises(ValueError, match="samples have shape"):
            whole_signal(np.zeros(shape), names)


@pytest.mark.parametrize("kind", ["i2", "i8", "u1", "?", "c16", "U1", "O"])
def test_what_is_not_float_is_refused(kind: str) -> None:
    with pytest.raises(ValueError, match=r"expected floats in mV"):
        whole_signal(np.zeros((2, 100)).astype(kind), None)


def test_other_errors_say_what_is_legal() -> None:
    with pytest.raises(ValueError, match=r"\(2, 100\); expected \(3, n\) for 3 leads \(I, II, V1"):
        whole_signal(np.zeros((2, 100)), ("I", "II", "V1"))
    with pytest.raises(ValueError, match="name each lead"):
        whole_signal(np.zeros((2, 100)), ())
    for fs in (49.0, 5001.0, 0.0, float("nan")):
        with pytest.raises(ValueError, match="use 50 to 5000 Hz"):
            label_signal(np.zeros(100), fs=fs, model=MODEL)
