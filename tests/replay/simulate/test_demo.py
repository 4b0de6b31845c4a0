import numpy as np
import pytest

from replay.simulate.demo import parse_demo_name, simulate_demo
from replay.simulate.scenes import SCENES, DemoConfig, Disturbance, SceneRhythm

FS = DemoConfig().fs
BEATS = set("NVA")


@pytest.fixture(scope="module")
def demo():
    return simulate_demo()


def beats_between(record, start_s, stop_s):
    reference = record.reference()
    return [
        (sample / FS, symbol)
        for sample, symbol in zip(reference.samples, reference.symbols, strict=True)
        if symbol in BEATS and start_s <= sample / FS < stop_s
    ]


def scene_span(wanted):
    start_s = 0.0
    for scene in SCENES:
        if wanted(scene):
            return start_s, scene.stop_s
        start_s = scene.stop_s
    raise AssertionError("no such scene")


def test_shape_and_name(demo):
    assert (demo.name, demo.leads, demo.fs) == ("demo", ("MLII", "V1"), 360.0)
    assert demo.signal.shape == (2, 108_000)
    assert np.isfinite(demo.signal).all()
    assert np.abs(demo.signal).max() < 5


def test_same_seed_same_record_other_seed_another(demo):
    again, other = simulate_demo(), simulate_demo(7)
    assert np.array_equal(demo.signal, again.signal)
    assert demo.reference().samples.tolist() == again.reference().samples.tolist()
    assert other.name == "demo-7"
    assert not np.array_equal(demo.signal, other.signal)
    assert demo.reference().samples.tolist() != other.reference().samples.tolist()


def test_annotations_ascend_inside_the_record(demo):
    samples = demo.reference().samples
    assert (np.diff(samples) > 0).all()
    assert samples[0] >= 0
    assert samples[-1] < demo.n_samples


def test_every_clean_beat_peaks_where_it_is_annotated(demo):
    noisy = scene_span(lambda scene: scene.disturbance is Disturbance.NOISE)
    for time_s, symbol in beats_between(demo, 1, 299):
        if not noisy[0] <= time_s < noisy[1]:
            sample = round(time_s * FS)
            around = demo.signal[0, sample - 30 : sample + 31]
            assert abs(int(around.argmax()) - 30) <= 2, (time_s, symbol)


def test_rhythm_marks_in_order(demo):
    marks = [aux for aux in demo.reference().aux if aux]
    assert marks == ["(N", "(B", "(N", "(VT", "(N", "(AFIB", "(N"]


def test_isolated_ventricular_beat_has_a_compensatory_pause(demo):
    beats = beats_between(demo, 13, 38)
    first = next(i for i, (_, symbol) in enumerate(beats) if symbol == "V")
    before, after = np.diff([time_s for time_s, _ in beats[first - 1 : first + 2]])
    assert before < 0.6
    assert before + after == pytest.approx(2 * 60 / 74, rel=0.1)


def test_atrial_premature_beat_resets_the_sinus_node(demo):
    beats = beats_between(demo, 38, 62)
    first = next(i for i, (_, symbol) in enumerate(beats) if symbol == "A")
    before, after = np.diff([time_s for time_s, _ in beats[first - 1 : first + 2]])
    assert before < 0.62
    assert before + after < 1.9 * 60 / 74


def test_couplet_run_and_bigeminy(demo):
    symbols = "".join(symbol for _, symbol in beats_between(demo, 0, 300))
    assert "NVVN" in symbols
    assert "NVVVVVVN" in symbols
    assert "NVNVNVNVNV" in symbols


def test_fibrillation_is_irregular_and_without_p_waves(demo):
    start_s, stop_s = scene_span(lambda scene: scene.rhythm is SceneRhythm.ATRIAL_FIBRILLATION)
    rr_s = np.diff([time_s for time_s, _ in beats_between(demo, start_s + 1, stop_s - 1)])
    assert rr_s.std() / rr_s.mean() > 0.15
    sinus_rr_s = np.diff([time_s for time_s, _ in beats_between(demo, 183, 192)])
    assert sinus_rr_s.std() / sinus_rr_s.mean() < 0.06

    def average_before_r(beats):
        cuts = [demo.signal[0, round(t * FS) - 70 : round(t * FS) - 40] for t, _ in beats]
        return np.ptp(np.mean(cuts, axis=0))

    assert average_before_r(beats_between(demo, 183, 192)) > 0.08
    assert average_before_r(beats_between(demo, start_s + 1, stop_s - 1)) < 0.06


def test_one_pause(demo):
    rr_s = np.diff([time_s for time_s, _ in beats_between(demo, 0, 240)])
    assert (rr_s > 2.5).sum() == 1


def test_lead_off_is_flat_and_has_no_beats(demo):
    start_s, stop_s = scene_span(lambda scene: scene.disturbance is Disturbance.LEAD_OFF)
    flat = demo.signal[:, round(start_s * FS) : round(stop_s * FS)]
    assert np.ptp(flat, axis=1).max() == 0
    assert beats_between(demo, start_s, stop_s) == []


def test_noise_is_louder_than_the_rest(demo):
    start_s, stop_s = scene_span(lambda scene: scene.disturbance is Disturbance.NOISE)
    steps = np.diff(demo.signal[0])
    loud = np.median(np.abs(steps[round(start_s * FS) + 360 : round(stop_s * FS) - 360]))
    assert loud > 5 * np.median(np.abs(steps[: 10 * 360]))


def test_neurokit_finds_the_same_beats(demo):
    neurokit2 = pytest.importorskip("neurokit2")
    start, stop = 0, round(12 * FS)
    cleaned = neurokit2.ecg_clean(demo.signal[0, start:stop], sampling_rate=int(FS))
    _, found = neurokit2.ecg_peaks(cleaned, sampling_rate=int(FS))
    annotated = [round(t * FS) for t, _ in beats_between(demo, 0, 12)]
    assert np.abs(np.asarray(found["ECG_R_Peaks"]) - annotated).max() <= 3


@pytest.mark.parametrize(
    ("name", "seed"), [("demo", 1), ("demo:7", 7), ("demo-12", 12), ("208", None), ("x/demo", None)]
)
def test_names(name, seed):
    assert parse_demo_name(name) == seed


@pytest.mark.parametrize("name", ["demo:x", "demo:", "demo:-1", "demo:1.5"])
def test_nonsense_seed(name):
    with pytest.raises(ValueError, match="is not a whole number; write demo:7"):
        parse_demo_name(name)
