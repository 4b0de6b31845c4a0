"""Training on simulated recordings: small enough for seconds, real enough to learn from."""

import json
from pathlib import Path

import numpy as np
import pytest

from replay.simulate.record import simulate_beats
from streamer.commands.cli import main
from streamer.signal.detector.peak_scorer import amplitude_scorer, load_peak_scorer
from streamer.training import detector as training
from streamer.training.augmentation import (
    Recording,
    band_limited,
    hum,
    interrupted,
    leads_of,
    motion,
    noisy,
    paced,
    stretched,
    variants,
)

FS = 360
NOISE = {"bw": np.random.default_rng(0).normal(0, 1, (2, 5000)).astype(np.float32)}


def recording(name: str = "simulated", *, duration_s: float = 120.0, seed: int = 0) -> Recording:
    rng = np.random.default_rng(seed)
    times = np.cumsum(rng.uniform(0.6, 1.0, int(duration_s)))
    times = times[times < duration_s - 0.5]
    record = simulate_beats(times, "N", fs=FS, duration_s=duration_s, seed=seed, noise_mv=0.02)
    samples = record.signal.astype(np.float32)
    return Recording(name=name, samples=samples, beats=record.reference().samples, ignored=())


def test_labels_go_to_the_nearest_candidate_and_not_into_flutter() -> None:
    original = recording()
    flutter = Recording(
        name="x", samples=original.samples, beats=np.array([1000, 2000]), ignored=((5000, 6000),)
    )
    peaks = np.array([900, 990, 1005, 1060, 2100, 5500], np.float32)
    assert training.label_candidates(peaks, flutter).tolist() == [0, 0, 1, 0, 0, -1]


def test_the_bare_amplitude_threshold_is_improved_on() -> None:
    pool = [recording(f"r{seed}", seed=seed) for seed in range(2)]
    config = training.DetectorTrainingConfig(epochs=(2, 2), batch=64)
    lines: list[str] = []
    scorer = training.train(pool, NOISE, config, lines.append)
    assert len(lines) == 2
    unseen = recording("unseen", seed=9)
    before = sum(training.errors(unseen, amplitude_scorer(), 150.0))
    after = sum(training.errors(unseen, scorer, 150.0))
    assert after <= min(before, 2)


def test_a_held_out_record_is_never_trained_on(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = [recording(f"r{seed}", duration_s=20.0, seed=seed) for seed in range(4)]
    seen: list[set[str]] = []

    def remember(recordings, noise, config, report):
        seen.append({r.name for r in recordings})
        return amplitude_scorer()

    monkeypatch.setattr(training, "train", remember)
    config = training.DetectorTrainingConfig()
    result = training.cross_validate(pool, NOISE, config, 2, lambda _: None)
    assert seen == [{"r1", "r3"}, {"r0", "r2"}]
    assert sorted(result) == ["r0", "r1", "r2", "r3"]


def test_errors_inside_flutter_do_not_count() -> None:
    original = recording(duration_s=30.0)
    extra = Recording(
        name="x",
        samples=original.samples,
        beats=original.beats[original.beats > 3600],
        ignored=((0, 3600),),
    )
    assert training.errors(extra, load_peak_scorer(), 150.0) == (0, 0)


def test_variants_keep_beats_where_they_are() -> None:
    original = recording(duration_s=60.0)
    rng = np.random.default_rng(1)
    swapped = leads_of(original, 1, 0, rng=rng)
    np.testing.assert_array_equal(np.abs(swapped.samples[1]), np.abs(original.samples[0]))
    slow = stretched(original, 1.5)
    np.testing.assert_allclose(slow.beats, original.beats * 1.5, atol=0.5)
    assert slow.samples.shape[1] == pytest.approx(1.5 * original.samples.shape[1], abs=3)
    for changed in (
        noisy(original, NOISE, 1.0, rng),
        hum(original, rng),
        motion(original, rng),
        band_limited(original, rng),
        paced(original, (0.05, 0.06), rng),
    ):
        assert changed.samples.shape == original.samples.shape
        assert not np.array_equal(changed.samples, original.samples)
        np.testing.assert_array_equal(changed.beats, original.beats)


def test_an_interruption_takes_its_beats_with_it() -> None:
    original = recording(duration_s=120.0)
    changed = interrupted(
        leads_of(original, 0, rng=np.random.default_rng(0)), np.random.default_rng(5)
    )
    assert 0 < changed.beats.size < original.beats.size
    assert set(changed.beats) < set(original.beats)


def test_a_record_has_many_variants_and_none_touches_the_original() -> None:
    original = recording(duration_s=60.0)
    copy = original.samples.copy()
    made = list(variants(original, NOISE, np.random.default_rng(2)))
    assert len(made) >= 12
    assert {1, 2} == {variant.samples.shape[0] for variant in made}
    np.testing.assert_array_equal(original.samples, copy)


@pytest.mark.database
def test_the_command_writes_weights_and_figures(
    mitdb: Path, nstdb: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = training.load_recording
    monkeypatch.setattr(training, "load_recording", lambda name: _excerpt(short(name)))
    monkeypatch.setattr(training.DetectorTrainingConfig, "__init__", _quick(training))
    arguments = ["train", "detector", "--out", str(tmp_path), "--records", "mitdb/100", "mitdb/101"]
    assert main([*arguments, "--folds", "2"]) == 0
    figures = json.loads((tmp_path / "peak_scorer.json").read_text())
    assert sorted(figures["cross_validation"]) == ["mitdb/100", "mitdb/101"]
    load_peak_scorer(tmp_path / "peak_scorer.npz")


def _excerpt(whole: Recording) -> Recording:
    return Recording(
        name=whole.name,
        samples=whole.samples[:, : 60 * FS],
        beats=whole.beats[whole.beats < 60 * FS],
        ignored=(),
    )


def _quick(module):
    original = module.DetectorTrainingConfig.__init__

    def init(self, **options):
        original(self, **(options | {"epochs": (1,), "batch": 64}))

    return init
