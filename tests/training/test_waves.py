"""The fit of the waves' log-odds: on windows whose answer is known, and on a small collection."""

from dataclasses import replace

import numpy as np
import pytest

from replay.simulate.arrests import ARRESTS
from replay.simulate.rhythms import TEMPTING_RHYTHMS
from streamer.commands.cli import main
from streamer.core.events import CHAIN_FS
from streamer.rhythm.waveform.waves import FEATURES, TERMS
from streamer.training.waves import (
    Windows,
    area,
    collect,
    expanded,
    fit,
    held_out_area,
    weights_of,
)


def random_windows(n: int = 400) -> Windows:
    """Windows whose first feature says what they are."""
    rng = np.random.default_rng(0)
    features = rng.uniform(0.0, 1.0, (n, FEATURES))
    kinds = np.array([f"kind {k % 8}" for k in range(n)])
    return Windows(features=features, waves=features[:, 0] > 0.5, kinds=kinds)


def test_kinds_and_classes_weigh_alike() -> None:
    windows = random_windows()
    many = replace(windows, kinds=np.where(np.arange(400) < 300, "many", "few"))
    weights = weights_of(many)
    for is_wave in (False, True):
        chosen = many.waves == is_wave
        assert weights[chosen].sum() == pytest.approx(1.0)
        few, lot = (weights[chosen & (many.kinds == kind)].sum() for kind in ("few", "many"))
        assert few == pytest.approx(lot, rel=0.2)


def test_the_fit_finds_the_feature_that_matters() -> None:
    windows = random_windows()
    weights = weights_of(windows)
    found = fit(windows, weights)
    assert found.shape == (TERMS,)
    scores = expanded(windows.features) @ found
    assert area(scores, windows.waves, weights) > 0.98
    assert held_out_area(windows, weights) > 0.95


def test_area_is_that_of_the_curve() -> None:
    waves, weights = np.array([True, False, True, False]), np.ones(4)
    assert area(np.array([4.0, 3.0, 2.0, 1.0]), waves, weights) == 0.75
    assert area(np.array([4.0, 1.0, 3.0, 2.0]), waves, weights) == 1.0


def flutter_and_sinus():
    onset = ARRESTS["ventricular flutter"](CHAIN_FS, 1)
    sinus = TEMPTING_RHYTHMS["sinus rhythm"](CHAIN_FS, 1)
    yield "flutter", onset.record.signal, [(onset.onset_s, np.inf)], 0.5
    yield "sinus", sinus.signal[:, :7200], [], 1.0


def test_windows_that_are_half_waves_are_left_out() -> None:
    windows = collect(flutter_and_sinus())
    assert set(windows.kinds[windows.waves]) == {"flutter"}
    assert 15 <= windows.waves.sum() <= 19
    weights = weights_of(windows)
    assert area(expanded(windows.features) @ fit(windows, weights), windows.waves, weights) == 1.0


def test_the_command_prints_a_weight_for_each_term(monkeypatch, capsys) -> None:
    monkeypatch.setattr("streamer.training.waves.pieces", lambda _: flutter_and_sinus())
    monkeypatch.setattr("streamer.training.waves.held_out_area", lambda *_: 1.0)
    assert main(["train", "waves"]) == 0
    counts, areas, weights = capsys.readouterr().out.splitlines()
    assert "windows" in counts
    assert areas == "area under the curve 1.0000, kinds held out 1.0000"
    assert len(weights.split(", ")) == TERMS
