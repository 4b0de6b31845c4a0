import json
from dataclasses import replace

import numpy as np
import pytest
from bench_cases import FS, short_excerpt

from replay.noise import NoiseConfig, add_noise, noise_segments
from streamer.bench.detection.noise import (
    THRESHOLDS,
    NoiseRecord,
    NoiseResults,
    measure_noisy,
    noise_records,
    score_segments,
)
from streamer.bench.detection.noise_report import noise_report
from streamer.bench.report import OWN, page_of, plain
from streamer.commands.cli import main
from streamer.core.errors import ScoringError

SHORT = NoiseConfig(learning_s=8.0, period_s=6.0)


def noisy_result(snr_db: int, base: str):
    clean = short_excerpt(32.0, name=f"{base}e{snr_db}")
    rng = np.random.default_rng(3)
    noise = np.cumsum(rng.standard_normal((2, clean.n_samples)), axis=1)
    noise = (noise - np.convolve(noise[0], np.ones(360) / 360, "same")).astype(np.float32)
    samples = add_noise(
        clean.samples, noise, r_peaks=clean.beats.samples, fs=FS, snr_db=snr_db, config=SHORT
    )
    record = NoiseRecord(source=clean.name, base=base, snr_db=snr_db)
    return measure_noisy(replace(clean, samples=samples), record, config=SHORT)


@pytest.fixture(scope="module")
def measured():
    results = [noisy_result(snr_db, base) for base in ("118", "119") for snr_db in (24, -6)]
    return NoiseResults(results=tuple(results), missing=())


def test_only_the_noisy_stretches_count():
    excerpt = short_excerpt(32.0)
    stretches = list(noise_segments(excerpt.n_samples, FS, SHORT))
    assert [is_noisy for *_, is_noisy in stretches] == [False, True, False, True, False]
    beats = excerpt.beats.samples
    inside = sum(
        int(((beats >= start) & (beats < stop)).sum()) for start, stop, noisy in stretches if noisy
    )
    nothing = score_segments(excerpt, np.empty(0, np.int64), SHORT, noisy=True)
    assert (nothing.tp, nothing.fn, nothing.fp) == (0, inside, 0)
    clean = score_segments(excerpt, beats, SHORT, noisy=False)
    assert (clean.tp, clean.fn, clean.fp) == (beats.size - inside, 0, 0)


def test_more_noise_more_errors(measured):
    def errors(snr_db):
        score = measured.score(OWN, snr_db)
        return score.fn + score.fp

    assert measured.ratios_db == (24, -6)
    assert errors(24) < errors(-6)


def test_higher_threshold_keeps_fewer_beats(measured):
    for snr_db in (None, 24, -6):
        kept = [measured.kept(number, snr_db) for number in range(len(THRESHOLDS))]
        found = [score.tp + score.fp for score in kept]
        assert found == sorted(found, reverse=True)
    assert measured.kept(0, 24).tp == measured.score(OWN, 24).tp


def test_tables_and_json_have_every_ratio(measured):
    report = noise_report(measured)
    for content in report.tables:
        assert content.header[-2:] == ("24 dB", "-6 dB")
        assert {len(row) for row in content.rows} == {len(content.header)}
    content = json.loads(json.dumps(plain(report.figures)))
    assert len(content["detectors"][OWN]) == 4
    assert len(content["quality"]) == 3 * len(THRESHOLDS)
    assert "118 and 119" in report.introduction[0]


def test_page_has_curves_and_tables(measured):
    content = page_of(noise_report(measured))
    assert content.count("<svg") == 3
    assert "Trading Se for +P" in content


def test_name_tells_heart_and_ratio():
    found = noise_records(["118e06", "/data/nstdb/119e_6"])
    assert [(record.base, record.snr_db) for record in found] == [("118", 6), ("119", -6)]
    assert [record.source for record in found] == ["nstdb/118e06", "/data/nstdb/119e_6"]


def test_other_records_are_refused():
    with pytest.raises(ScoringError, match=r"em is no record with noise; choose from"):
        noise_records(["em"])


@pytest.mark.database
def test_command_on_a_real_record(nstdb, tmp_path, capsys):
    assert len(noise_records()) == 12
    arguments = ["bench", "noise", "--records", str(nstdb / "118e24"), "--stop", "6:00"]
    output = ["--json", str(tmp_path / "n.json"), "--html", str(tmp_path / "n.html")]
    assert main([*arguments, "--peers", "gqrs", *output]) == 0
    printed = capsys.readouterr().out
    assert "F1 in noise, all records, %" in printed
    score = json.loads((tmp_path / "n.json").read_text())["detectors"][OWN][0]
    assert (score["beats"], score["fn"], score["fp"]) == (74, 0, 0)


@pytest.mark.database
def test_stop_before_the_noise_is_an_error(nstdb, capsys):
    arguments = ["bench", "noise", "--records", str(nstdb / "118e24"), "--stop", "0:30"]
    assert main(arguments) == 1
    assert "the noise begins at 5:00" in capsys.readouterr().err
