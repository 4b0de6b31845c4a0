"""Live samples: their two forms, and what the way here may do to them."""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sample_events import samples_json

from replay.chunk import Chunk
from streamer.messages.samples import SampleMessage, SamplesError, decode, encode
from streamer.sources.track import SampleTrack, TrackConfig

FS = 360.0
SIZE = 36


def messages(n: int, *, first: int = 5000, size: int = SIZE) -> list[SampleMessage]:
    """Two leads that encode their own index."""
    found = []
    for seq in range(n):
        start = first + seq * size
        index = np.arange(start, start + size, dtype=np.float32)
        samples = np.stack([index, -index])
        found.append(SampleMessage(seq=seq, first_sample=start, fs=FS, samples=samples))
    return found


@pytest.mark.parametrize("leads", [1, 2])
def test_float32_and_json_come_back_as_they_were(leads: int) -> None:
    (both,) = messages(1)
    message = dataclasses.replace(both, samples=both.samples[:leads])
    message.samples[0, 3] = np.nan
    for data in (encode(message), samples_json(message)):
        found = decode(data)
        assert (found.seq, found.first_sample, found.fs) == (0, 5000, FS)
        assert found.samples.dtype == np.float32
        np.testing.assert_array_equal(found.samples, message.samples)


def test_int16_comes_back_to_half_a_unit() -> None:
    samples = np.array([[0.0, 1.2345, -3.3, np.nan, 500.0]], np.float32)
    message = SampleMessage(seq=7, first_sample=-3, fs=250.0, samples=samples)
    found = decode(encode(message, gain=200.0)).samples
    np.testing.assert_allclose(found[0, :3], samples[0, :3], atol=0.0026)
    assert np.isnan(found[0, 3])
    assert found[0, 4] == np.float32(32767 / 200)


def test_the_documented_bytes() -> None:
    samples = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)
    data = encode(SampleMessage(seq=1, first_sample=2, fs=360.0, samples=samples), gain=100.0)
    assert data[:8] == b"ECG1\x01\x02\x00\x00"
    assert np.frombuffer(data[8:24], "<i8").tolist() == [1, 2]
    assert np.frombuffer(data[24:40], "<f8").tolist() == [360.0, 100.0]
    assert np.frombuffer(data[40:], "<i2").tolist() == [100, 300, 200, 400]


def test_names_of_leads_come_along_in_both_forms() -> None:
    message = dataclasses.replace(messages(1)[0], leads=("II", "aVF"))
    for data in (encode(message), encode(message, gain=1.0), samples_json(message)):
        found = decode(data)
        assert found.leads == ("II", "aVF")
        np.testing.assert_array_equal(found.samples, message.samples)
    with pytest.raises(SamplesError, match="1 names of 2 leads"):
        decode(encode(dataclasses.replace(message, leads=("II",))))
    with pytest.raises(SamplesError, match="can be printed"):
        decode(encode(dataclasses.replace(message, leads=("II", "\x1b[2J"))))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "neither binary samples nor JSON"),
        (b"ECG1", "the header alone has 40"),
        (b"[1, 2]", "neither binary"),
        (b'{"seq": 0, "first_sample": 0, "fs": 360}', "mv"),
        (b'{"seq": 0.5, "first_sample": 0, "fs": 360, "mv": [[1]]}', "Expected `int`"),
        (b'{"seq": 0, "first_sample": 0, "fs": 0, "mv": [[1]]}', "fs is 0"),
        (b'{"seq": 0, "first_sample": 0, "fs": 360, "mv": [[1, 2], [3]]}', "neither"),
        (b'{"seq": -1, "first_sample": 0, "fs": 360, "mv": [[1]]}', "out of range"),
        (b'{"seq": 0, "first_sample": 0, "fs": 360, "mv": [[]]}', "1 leads of 0 samples"),
        (encode(messages(1)[0])[:-1], "no multiple of 8"),
        (b"[" * 100_000, "neither"),
    ],
)
def test_what_is_not_in_our_form_is_refused_in_words(data: bytes, message: str) -> None:
    with pytest.raises(SamplesError, match=message):
        decode(data)


@given(st.binary(max_size=200))
@settings(max_examples=50, deadline=None, derandomize=True)
def test_no_bytes_break_the_decoder(data: bytes) -> None:
    for candidate in (data, b"ECG1" + data):
        try:
            decode(candidate)
        except SamplesError:
            continue


def indices(chunks: list[Chunk]) -> list[int]:
    for chunk in chunks:
        assert chunk.samples[0].tolist() == list(range(chunk.start, chunk.stop))
    return [n for chunk in chunks for n in range(chunk.start, chunk.stop)]


def test_duplicates_and_reordering_leave_no_trace_but_in_the_counts() -> None:
    track = SampleTrack()
    sent = messages(10)
    order = [0, 1, 1, 3, 2, 4, 6, 7, 5, 8, 0, 9]
    chunks = [c for k, seq in enumerate(order) for c in track.push(sent[seq], 0.01 * k)]
    assert indices(chunks) == list(range(5000, 5000 + 10 * SIZE))
    counts = track.counts
    assert (counts.duplicates, counts.reordered, counts.lost_samples) == (2, 2, 0)


def test_what_never_comes_is_lost_after_a_wait() -> None:
    track = SampleTrack(TrackConfig(wait_messages=8, wait_s=0.25))
    sent = messages(6)
    chunks = track.push(sent[0], 0.0) + track.push(sent[2], 0.2) + track.push(sent[3], 0.3)
    assert indices(chunks) == list(range(5000, 5000 + SIZE))
    assert track.tick(0.44) == []
    chunks += track.tick(0.45)
    assert chunks[1].start == 5000 + 2 * SIZE
    assert track.counts.lost_samples == SIZE
    assert track.push(sent[1], 0.5) == []
    assert track.counts.duplicates == 1


def test_a_flood_behind_a_hole_does_not_wait() -> None:
    track = SampleTrack(TrackConfig(wait_messages=3, wait_s=1e9))
    sent = messages(8)
    chunks = track.push(sent[0], 0.0)
    for message in sent[2:5]:
        assert track.push(message, 0.0) == []
    assert [c.start for c in track.push(sent[5], 0.0)] == [5000 + k * SIZE for k in (2, 3, 4, 5)]
    assert chunks


def test_a_clock_that_runs_slow_is_told_in_ppm() -> None:
    track = SampleTrack()
    rng = np.random.default_rng(1)
    for message in messages(3000):
        sent_s = (message.first_sample - 5000 + SIZE) / FS * (1 + 200e-6)
        track.push(message, 100.0 + sent_s + 0.02 * rng.random())
    assert track.drift_ppm == pytest.approx(200, abs=15)


def test_a_source_that_starts_anew_is_noticed() -> None:
    track = SampleTrack()
    sent = messages(70)
    for message in sent:
        track.push(message, 0.0)
    assert track.is_restart(sent[0])
    assert track.is_restart(dataclasses.replace(sent[69], fs=250.0))
    assert not track.is_restart(sent[69])
    with pytest.raises(SamplesError, match="started anew"):
        track.push(sent[0], 1.0)


@given(st.permutations(range(12)))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_any_order_gives_ascending_samples_each_once(order: list[int]) -> None:
    track = SampleTrack(TrackConfig(wait_messages=3))
    sent = messages(12)
    chunks = [c for seq in order for c in track.push(sent[seq], 0.0)] + track.tick(10.0)
    found = indices(chunks)
    assert found == sorted(set(found))
    skipped = 12 * SIZE - len(found)
    before_first = order[0] * SIZE
    assert skipped >= before_first
    assert json.dumps(dataclasses.asdict(track.counts))
