"""EC57 statistics, VF stretches and shutdowns, gross and average; counts of bxb on real records."""

import os
from pathlib import Path

import numpy as np
import pytest

from classifier.labels import Label
from classifier.splits import DS1, DS2, PACED
from streamer.scoring.annotation_file import read_annotations
from streamer.scoring.ec57 import (
    LABELS,
    ROWS,
    STATISTICS,
    BeatAnnotations,
    RecordScore,
    aggregate,
    score_record,
)

ALL_RECORDS = tuple(sorted((*DS1, *DS2, *PACED)))
LEARNED = 300 * 360

GQRS = {
    "100": (1, 0, 0, 0), "101": (3, 3, 1, 2), "102": (0, 0, 0, 0), "103": (1, 0, 1, 0),
    "104": (12, 15, 8, 5), "105": (7, 22, 7, 22), "106": (1, 3, 1, 2), "107": (4, 1, 3, 1),
    "108": (11, 5, 9, 4), "109": (2, 0, 2, 0), "111": (8, 0, 8, 0), "112": (0, 0, 0, 0),
    "113": (0, 15, 0, 2), "114": (24, 4, 19, 2), "115": (0, 0, 0, 0), "116": (17, 3, 17, 3),
    "117": (0, 0, 0, 0), "118": (1, 1, 0, 1), "119": (0, 4, 0, 4), "121": (1, 1, 1, 1),
    "122": (1, 0, 0, 0), "123": (1, 0, 0, 0), "124": (1, 0, 1, 0), "200": (3, 5, 3, 4),
    "201": (28, 9, 27, 9), "202": (8, 1, 8, 1), "203": (46, 25, 41, 22), "205": (14, 0, 14, 0),
    "207": (14, 9, 1, 7), "208": (23, 3, 20, 3), "209": (0, 0, 0, 0), "210": (43, 3, 40, 2),
    "212": (0, 0, 0, 0), "213": (2, 0, 1, 0), "214": (2, 1, 0, 0), "215": (2, 0, 2, 0),
    "217": (3, 2, 3, 2), "219": (0, 27, 0, 27), "220": (1, 0, 0, 0), "221": (2, 0, 2, 0),
    "222": (17, 1, 15, 1), "223": (1, 0, 1, 0), "228": (2, 11, 2, 6), "230": (1, 0, 0, 0),
    "231": (0, 0, 0, 0), "232": (0, 12, 0, 7), "233": (3, 0, 2, 0), "234": (1, 0, 1, 0),
}  # fmt: skip
"""FN and FP of gqrs_detect on the first lead, from 0:00 and from 5:00."""

QUICK = ("104", "203", "207", "228")
"""Records whose gqrs figures are checked on every run; the others with ECG_STREAM_ALL_RECORDS=1."""


def beats(**labels: str) -> BeatAnnotations:
    """Make beats from `at_<sample>="N"`."""
    samples = [int(name.removeprefix("at_")) for name in labels]
    return BeatAnnotations.of(samples, [Label(label) for label in labels.values()])


def matrix(**counts: int) -> np.ndarray:
    """Make a confusion matrix from cells named as EC57 names them: Nv=3 is N called V."""
    found = np.zeros((len(ROWS), len(ROWS)), np.int64)
    for cell, count in counts.items():
        found[ROWS.index(cell[0]), ROWS.index(cell[1].upper())] = count
    return found


def test_pairs_fill_the_matrix_and_the_errors() -> None:
    reference = beats(at_100="N", at_400="V", at_700="S", at_1000="F")
    predicted = beats(at_103="N", at_400="N", at_900="V", at_991="V")
    score = score_record(reference, predicted, fs=360, name="x")
    assert (score.matrix == matrix(Nn=1, Vn=1, So=1, Fv=1, Ov=1)).all()
    assert (score.tp, score.fn, score.fp) == (3, 1, 1)
    assert score.errors_ms.tolist() == pytest.approx([3 / 0.36, 0, -25])
    assert score.error_ms(0.5) == pytest.approx(3 / 0.36)


def test_nothing_at_all_has_no_scores() -> None:
    score = score_record(BeatAnnotations.of([], []), BeatAnnotations.of([], []), fs=360)
    assert score.value("qrs_se") is None
    assert score.error_ms(0.5) is None
    assert set(aggregate([]).average.values()) == {None}


def test_statistics_are_those_of_ec57() -> None:
    """Against the standard's sums, cell by cell, with a different number in every cell."""
    rng = np.random.default_rng(57)
    found = rng.permutation(np.arange(1, 50)).reshape(7, 7)
    found[5:, 5:] = 0
    c = {r + p.lower(): int(found[i, j]) for i, r in enumerate(ROWS) for j, p in enumerate(ROWS)}
    total = {row: sum(c[row + p] for p in "nsvfqox") for row in "NSVFQ"}
    v_false = c["Nv"] + c["Sv"] + c["Ov"] + c["Xv"]
    v_right = sum(c[r + p] for r in "NSFQOX" for p in "nsfq")
    s_false = c["Ns"] + c["Vs"] + c["Fs"] + c["Os"] + c["Xs"]
    s_right = sum(c[r + p] for r in "NVFQOX" for p in "nvfq")
    f_false = sum(c[r + "f"] for r in "NSVQOX")
    tp = sum(c[r + p] for r in "NSVFQ" for p in "nsvfq")
    fn = sum(c[r + p] for r in "NSVFQ" for p in "ox")
    fp = sum(c[r + p] for r in "OX" for p in "nsvfq")
    expected = {
        "qrs_se": tp / (tp + fn),
        "qrs_ppv": tp / (tp + fp),
        "qrs_f1": 2 * tp / (2 * tp + fn + fp),
        "v_se": c["Vv"] / total["V"],
        "v_ppv": c["Vv"] / (c["Vv"] + v_false),
        "v_fpr": v_false / (v_false + v_right),
        "v_f1": 2 * c["Vv"] / (total["V"] + c["Vv"] + v_false),
        "s_se": c["Ss"] / total["S"],
        "s_ppv": c["Ss"] / (c["Ss"] + s_false),
        "s_fpr": s_false / (s_false + s_right),
        "f_se": c["Ff"] / total["F"],
        "f_ppv": c["Ff"] / (c["Ff"] + f_false),
        "q_se": c["Qq"] / total["Q"],
    }
    score = RecordScore(name="x", matrix=found)
    assert {name: score.value(name) for name in expected} == pytest.approx(expected)


def test_forgiven_confusions_change_no_predictivity() -> None:
    clean, forgiven = (
        matrix(Vv=8, Nv=2, Ss=5, Ns=5),
        matrix(Vv=8, Nv=2, Ss=5, Ns=5, Fv=9, Qv=9, Qs=9),
    )
    for name in ("v_ppv", "s_ppv"):
        assert STATISTICS[name](clean) == STATISTICS[name](forgiven)
    assert STATISTICS["s_ppv"](matrix(Ss=5, Fs=5)).value == 0.5


def test_symbols_become_classes_and_marks_are_no_beats() -> None:
    symbols = [*"NLRej", *"AaJS", *"VE", "F", *"/fQ", *'+~|x"']
    found = BeatAnnotations.from_symbols(range(len(symbols)), symbols)
    labels = "".join(LABELS[code] for code in found.codes)
    assert labels == "NNNNNSSSSVVFQQQ"


def test_vf_stretch_is_left_out_on_both_sides() -> None:
    reference = BeatAnnotations.from_symbols(
        [100, 500, 600, 700, 900, 1000], ["N", "[", "!", "V", "]", "N"]
    )
    assert reference.samples.tolist() == [100, 1000]
    predicted = beats(at_100="N", at_500="V", at_700="V", at_900="V", at_901="V", at_1000="N")
    score = score_record(reference, predicted, fs=360)
    assert (score.tp, score.fn, score.fp) == (2, 0, 1)


def test_prediction_inside_vf_may_belong_to_a_beat_just_outside() -> None:
    reference = BeatAnnotations.from_symbols([500, 900, 905], ["[", "]", "N"])
    score = score_record(reference, beats(at_895="V"), fs=360)
    assert (score.tp, score.fn, score.fp) == (1, 0, 0)


def test_vf_without_end_lasts_to_the_end() -> None:
    reference = BeatAnnotations.from_symbols([100, 500], ["N", "["])
    score = score_record(reference, beats(at_100="N", at_90000="V"), fs=360)
    assert score.fp == 0


def test_shutdown_beats_go_to_the_x_column_and_row() -> None:
    marks = {"samples": [100, 500, 900, 1500], "symbols": ["N", "~", "~", "N"]}
    one = BeatAnnotations.from_symbols(**marks, subtypes=[0, 0x30, 0, 0])
    two = beats(at_100="N", at_700="V", at_1500="N")
    assert score_record(one, two, fs=360).matrix[ROWS.index("X"), LABELS.index(Label.V)] == 1
    assert score_record(two, one, fs=360).matrix[LABELS.index(Label.V), ROWS.index("X")] == 1


def test_gross_weighs_beats_and_average_weighs_records() -> None:
    scores = [
        RecordScore(name="a", matrix=matrix(Nn=90, No=10), errors_ms=np.array([10.0])),
        RecordScore(name="b", matrix=matrix(Nn=10, Vv=5, Vn=5), errors_ms=np.array([-30.0])),
    ]
    summary = aggregate(scores)
    assert summary.gross.value("qrs_se") == pytest.approx(110 / 120)
    assert summary.average["qrs_se"] == pytest.approx((0.9 + 1) / 2)
    assert summary.average["v_se"] == 0.5
    assert summary.average["s_se"] is None
    assert summary.gross.error_ms(0.5) == 20.0


@pytest.mark.database
def test_reference_against_itself(mitdb: Path) -> None:
    total: dict[int, int] = {0: 0, LEARNED: 0}
    for record in ALL_RECORDS:
        reference = read_annotations(mitdb, record, "atr")
        for start in total:
            score = score_record(
                reference.beats, reference.beats, fs=360, start=start, stop=650_000
            )
            assert (score.fn, score.fp, score.value("qrs_f1")) == (0, 0, 1.0)
            assert score.matrix.sum() == np.trace(score.matrix)
            total[start] += score.tp
            if (record, start) == ("100", LEARNED):
                assert score.tp == 1902
    assert total == {0: 109_494, LEARNED: 91_285}


def test_gqrs_figures_add_up_to_those_of_bxb() -> None:
    assert sorted(GQRS) == list(ALL_RECORDS)
    assert [sum(column) for column in zip(*GQRS.values(), strict=True)] == [312, 186, 261, 140]


@pytest.mark.database
@pytest.mark.parametrize("record", ALL_RECORDS)
def test_gqrs_scores_as_bxb_scores_it(mitdb: Path, record: str) -> None:
    if record not in QUICK and not os.environ.get("ECG_STREAM_ALL_RECORDS"):
        pytest.skip("takes a second a record; set ECG_STREAM_ALL_RECORDS=1")
    import wfdb
    from wfdb.processing import gqrs_detect

    # Digital samples: wfdb says that only they give what the original gqrs gives.
    signal = wfdb.rdrecord(str(mitdb / record), channels=[0], physical=False)
    found = gqrs_detect(
        d_sig=signal.d_signal[:, 0],
        fs=signal.fs,
        adc_gain=signal.adc_gain[0],
        adc_zero=signal.adc_zero[0],
    )
    reference = read_annotations(mitdb, record, "atr").beats
    predicted = BeatAnnotations.of(found, [Label.N] * len(found))
    counts: list[int] = []
    for start in (0, LEARNED):
        score = score_record(reference, predicted, fs=360, start=start, stop=signal.sig_len)
        counts += [score.fn, score.fp]
    assert tuple(counts) == GQRS[record]
