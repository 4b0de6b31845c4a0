"""Simulated paroxysms, and the tables counted from their beats."""

import numpy as np
import pytest

from replay.simulate.paroxysms import PAROXYSM_RANGES, PAROXYSMS
from streamer.commands.cli import main
from streamer.rhythm.atria.fibrillation_model import CHANGE, PAIR, SIMILARITY
from streamer.scoring.episodes import spans_of
from streamer.training.atria import (
    ECTOPIC,
    FIBRILLATION,
    REGULAR,
    AtrialEvidence,
    AtriaTrainingConfig,
    simulated_records,
    tables,
)

FS = 128.0


@pytest.mark.parametrize("name", PAROXYSMS)
def test_paroxysms_are_the_same_for_the_same_seed(name: str) -> None:
    record, again, other = (PAROXYSMS[name](FS, seed) for seed in (3, 3, 4))
    assert np.array_equal(record.signal, again.signal)
    assert not np.array_equal(record.signal, other.signal)
    assert np.isfinite(record.signal).all()
    assert record.annotations is not None
    assert (np.diff(record.annotations.samples) >= 0).all()


def test_fibrillation_takes_turns_and_is_irregular() -> None:
    for seed in range(4):
        record = PAROXYSMS["paroxysmal fibrillation"](FS, seed)
        assert record.annotations is not None
        spans = spans_of(record.annotations, "AF", record.n_samples)
        assert spans
        assert all(0 < stop - start < 2 * PAROXYSM_RANGES.bout_s[1] * FS for start, stop in spans)
        beats = record.annotations.samples[[s in "NAVj" for s in record.annotations.symbols]]
        start, stop = max(spans, key=lambda span: span[1] - span[0])
        inside = np.diff(np.log(np.diff(beats[(beats > start) & (beats < stop)])))
        assert np.median(np.abs(inside)) > 0.08


def test_ectopic_rhythm_has_no_fibrillation() -> None:
    record = PAROXYSMS["ectopic rhythm"](FS, 1)
    assert record.annotations is not None
    assert spans_of(record.annotations, "AF", record.n_samples) == []
    assert record.annotations.symbols.count("A") > 20


def test_every_other_simulated_record_has_one_lead() -> None:
    records = list(simulated_records(0, 2))
    assert [len(record.leads) for record in records] == [2, 1] * len(PAROXYSMS)
    assert {record.fs for record in records} == {128.0, 250.0}


def made_up(seed: int) -> AtrialEvidence:
    """Fibrillation changes a lot and looks like nothing; ectopy changes but has its P waves."""
    rng = np.random.default_rng(seed)
    kind = np.repeat([FIBRILLATION, REGULAR, ECTOPIC], 200)
    spread = np.array([0.3, 0.01, 0.2])[kind]
    return AtrialEvidence(
        change=np.abs(spread * rng.standard_normal(600)),
        pair=np.abs(0.4 * spread * rng.standard_normal(600)),
        similarity=np.where(kind == FIBRILLATION, rng.uniform(-1, 1, 600), 0.97),
        kind=kind,
    )


def test_tables_say_what_was_counted() -> None:
    config = AtriaTrainingConfig()
    change, pair, similarity = tables([made_up(1)], [made_up(2)], config)
    assert (change.shape, pair.shape, similarity.shape) == (
        CHANGE.shape,
        PAIR.shape,
        SIMILARITY.shape,
    )
    assert change[0, 0] > 1.0
    assert change[0, -2] < 0.0
    assert abs(change[1, -2]) < 0.4
    assert (similarity[:, -2] > 2.0).all()
    assert (similarity[:, 0] < -2.0).all()
    twice = tables([made_up(1)], [made_up(2)], AtriaTrainingConfig(pair=2 * config.pair))
    assert np.allclose(twice[1], 2 * pair)
    assert np.array_equal(twice[0], change)


def test_the_command_prints_three_tables_and_the_agreement(monkeypatch, capsys) -> None:
    records = [make(FS, 1) for make in PAROXYSMS.values()]
    monkeypatch.setattr("streamer.training.atria.real_records", lambda: iter(records))
    monkeypatch.setattr("streamer.training.atria.simulated_records", lambda *_: iter(records))
    assert main(["train", "atria"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.isupper()] == ["CHANGE", "PAIR", "SIMILARITY"]
    assert lines[-1].startswith("held-out paroxysms and ectopy, by duration: Se ")
