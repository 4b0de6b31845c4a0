"""Beat windows, on a signal that encodes its own index."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest

from replay.chunk import Chunk
from streamer.beats.windower import BeatWindower, WindowerConfig
from streamer.core.errors import OverlapError, SnapshotError, StageClosedError
from streamer.core.events import Beat, Gap, GapReason, RPeak, Tick

Item = Chunk | RPeak | Gap | Tick


def ramp(start: int, stop: int) -> Chunk:
    return Chunk(start=start, samples=np.arange(start, stop, dtype=np.float32)[np.newaxis])


def peak(sample: int, decided_at: int | None = None) -> RPeak:
    return RPeak(
        sample=sample,
        amplitude_mv=1.0,
        decided_at=sample + 40 if decided_at is None else decided_at,
        search_back=False,
        quality=1.0,
    )


def gap(start: int, stop: int, reason: GapReason = GapReason.FLAT) -> Gap:
    return Gap(start=start, stop=stop, reason=reason, decided_at=stop)


def run(windower: BeatWindower, items: Sequence[Item]) -> list[Beat | Gap]:
    return [output for item in items for output in windower.push(item)]


def in_chunks_of(size: int, n: int, found: Sequence[RPeak | Gap]) -> list[Item]:
    """Interleave samples, what was found in them, and ticks, as the chain does."""
    items: list[Item] = []
    for start in range(0, n, size):
        stop = min(start + size, n)
        items.append(ramp(start, stop))
        items.extend(f for f in found if start <= f.decided_at < stop)
        items.append(Tick(sample=stop - 1))
    return items


def beats(outputs: Sequence[Beat | Gap]) -> list[Beat]:
    return [output for output in outputs if isinstance(output, Beat)]


def test_the_r_peak_stands_at_column_128() -> None:
    found = [peak(400), peak(700)]
    outputs = beats(run(BeatWindower(n_leads=1), in_chunks_of(1, 1000, found)))
    assert [beat.window_start for beat in outputs] == [272, 572]
    assert [beat.window[0, 128] for beat in outputs] == [400, 700]
    for beat in outputs:
        assert beat.window.dtype == np.float32
        np.testing.assert_array_equal(beat.window[0], np.arange(256) + beat.window_start)


def test_a_beat_is_known_when_window_and_detector_are_done() -> None:
    found = [peak(400, 440), peak(700, 1100)]
    outputs = beats(run(BeatWindower(n_leads=1), in_chunks_of(1, 1200, found)))
    assert [beat.decided_at for beat in outputs] == [527, 1100]


def test_rr_intervals_are_in_seconds_newest_last() -> None:
    found = [peak(360 * k) for k in range(1, 15)] + [peak(360 * 15 - 180)]
    outputs = beats(run(BeatWindower(n_leads=1), in_chunks_of(97, 6000, found)))
    assert outputs[0].rr_s.size == 0
    assert outputs[-1].rr_s.tolist() == [1.0] * 9 + [0.5]
    assert outputs[-1].rr_s.dtype == np.float32


def test_a_gap_empties_the_rr_history_and_keeps_the_order() -> None:
    found = [peak(300), peak(600), gap(800, 1000), peak(1200), peak(1500)]
    outputs = run(BeatWindower(n_leads=1), in_chunks_of(250, 2000, found))
    assert [type(output) for output in outputs] == [Beat, Beat, Gap, Beat, Beat]
    assert [beat.rr_s.size for beat in beats(outputs)] == [0, 1, 0, 1]


def test_the_start_and_the_end_are_padded_with_nan() -> None:
    windower = BeatWindower(n_leads=1)
    first = beats(run(windower, in_chunks_of(50, 300, [peak(60), peak(290, 299)])))
    last = beats(windower.flush())
    assert np.isnan(first[0].window[0]).sum() == 128 - 60
    assert [beat.rpeak.sample for beat in last] == [290]
    assert np.isnan(last[0].window[0]).sum() == 290 + 128 - 300
    assert last[0].decided_at == 299


def test_a_window_over_lost_samples_waits_for_the_stream_to_resume() -> None:
    windower = BeatWindower(n_leads=1)
    lost = gap(500, 900, GapReason.LOST)
    items = [ramp(0, 500), peak(450, 490), Tick(sample=499), ramp(900, 1000), lost]
    outputs = run(windower, items)
    assert [type(output) for output in outputs] == [Beat, Gap]
    beat = beats(outputs)[0]
    assert beat.decided_at == 900
    assert np.isnan(beat.window[0]).sum() == 450 + 128 - 500


def test_a_peak_that_the_loss_made_known_comes_before_the_gap() -> None:
    """The detector decides on what it held when it sees the jump."""
    windower = BeatWindower(n_leads=1)
    items = [
        *(ramp(0, 500), peak(200), Tick(sample=499)),
        *(ramp(900, 1000), peak(430, 900), gap(500, 900, GapReason.LOST), Tick(sample=999)),
        *(ramp(1000, 1400), peak(1100), Tick(sample=1399)),
    ]
    outputs = run(windower, items)
    assert [type(output) for output in outputs] == [Beat, Beat, Gap, Beat]
    assert [output.decided_at for output in outputs] == [327, 900, 900, 1227]
    assert [beat.rr_s.size for beat in beats(outputs)] == [0, 1, 0]


def test_outputs_ascend_in_decided_at() -> None:
    found = [peak(300, 900), peak(600, 901), gap(905, 910), peak(950)]
    outputs = run(BeatWindower(n_leads=1), in_chunks_of(1, 1200, found))
    assert [output.decided_at for output in outputs] == [900, 901, 910, 1077]


@pytest.mark.parametrize("size", [1, 7, 256, 5000])
def test_outputs_do_not_depend_on_the_cuts(size: int) -> None:
    found = [peak(200), peak(500), gap(640, 700), peak(950), peak(1100, 1400), peak(1390, 1450)]
    expected = run(BeatWindower(n_leads=1), in_chunks_of(33, 1800, found))
    outputs = run(BeatWindower(n_leads=1), in_chunks_of(size, 1800, found))
    assert len(outputs) == len(expected)
    for output, other in zip(beats(outputs), beats(expected), strict=True):
        assert output.rpeak == other.rpeak
        assert output.decided_at == other.decided_at
        np.testing.assert_array_equal(output.window, other.window)
        np.testing.assert_array_equal(output.rr_s, other.rr_s)


def test_a_restored_windower_continues() -> None:
    found = [peak(200), peak(500), peak(890, 899)]
    items = in_chunks_of(100, 2000, [*found, peak(1200), peak(1500)])
    half = items.index(next(i for i in items if isinstance(i, Tick) and i.sample == 899)) + 1
    windower = BeatWindower(n_leads=1)
    run(windower, items[:half])
    snapshot = windower.snapshot()
    expected = beats(run(windower, items[half:]))
    restored = BeatWindower(n_leads=1)
    restored.restore(snapshot)
    outputs = beats(run(restored, items[half:]))
    assert [beat.rpeak for beat in outputs] == [beat.rpeak for beat in expected]
    assert len(outputs) == 3
    for output, other in zip(outputs, expected, strict=True):
        np.testing.assert_array_equal(output.window, other.window)
        np.testing.assert_array_equal(output.rr_s, other.rr_s)


def test_a_snapshot_of_another_shape_is_refused() -> None:
    snapshot = BeatWindower(n_leads=2).snapshot()
    with pytest.raises(SnapshotError, match="same leads and configuration"):
        BeatWindower(n_leads=1).restore(snapshot)
    with pytest.raises(SnapshotError, match="version 2, expected BeatWindower version 2"):
        BeatWindower(n_leads=1).restore(dataclasses.replace(snapshot, stage="Other"))


def test_errors_say_what_came_and_what_is_legal() -> None:
    windower = BeatWindower(n_leads=1, config=WindowerConfig(rr_count=3))
    run(windower, [ramp(0, 500), peak(300)])
    with pytest.raises(ValueError, match="R peak at sample 300, expected one after 300"):
        windower.push(peak(300))
    with pytest.raises(OverlapError, match="starts at sample 499"):
        windower.push(ramp(499, 600))
    windower.flush()
    assert windower.flush() == []
    with pytest.raises(StageClosedError, match="reset it"):
        windower.push(Tick(sample=1))
