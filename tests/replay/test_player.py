import asyncio
import time

import numpy as np
import pytest

from replay.player import LATE_S, AsyncioClock, Player, format_time, parse_time
from replay.simulate.record import SimulatedRecord, simulate_beats

FS = 360.0


def silence(duration_s, fs=FS):
    """A long record that costs no memory."""
    signal = np.broadcast_to(np.float32(0), (1, round(duration_s * fs)))
    return SimulatedRecord(name="silence", fs=fs, leads=("MLII",), signal=signal)


class FakeClock:
    """Time passes only while sleeping, or when the test says so; wake-ups are always late."""

    def __init__(self, wake_up_s=0.0, origin_s=1000.0):
        self.now = origin_s
        self.wake_up_s = wake_up_s
        self.sleeps = 0

    def monotonic(self):
        return self.now

    async def sleep_until(self, when):
        if when > self.now:
            self.sleeps += 1
            self.now = when + self.wake_up_s


async def play(player):
    return [chunk async for chunk in player]


async def test_chunks_are_those_of_the_record():
    record = simulate_beats([0.5], duration_s=1.0)
    chunks = await play(Player(record, start=10, stop=100, chunk=32, clock=FakeClock()))
    assert [(chunk.start, chunk.stop) for chunk in chunks] == [(10, 42), (42, 74), (74, 100)]
    joined = np.concatenate([chunk.samples for chunk in chunks], axis=1)
    assert np.array_equal(joined, record.signal[:, 10:100])


@pytest.mark.parametrize(("speed", "chunk"), [(1.0, 1), (1.0, 36), (4.0, 10), (0.5, 7)])
async def test_every_chunk_comes_when_its_last_sample_is_due(speed, chunk):
    clock = FakeClock()
    player = Player(silence(1), start=30, chunk=chunk, speed=speed, clock=clock)
    async for piece in player:
        due_s = (piece.stop - 1 - 30) / (FS * speed)
        assert clock.now - 1000.0 == pytest.approx(due_s, abs=1e-9)
        assert clock.now == player.due(piece.stop - 1)


async def test_no_drift_in_30_minutes_though_every_wake_up_is_late():
    clock = FakeClock(wake_up_s=0.0009)
    player = Player(silence(1800), clock=clock)
    count = 0
    async for _ in player:
        count += 1
    assert count == player.released == 1800 * 360
    assert clock.now - 1000.0 == pytest.approx(1800 - 1 / FS, abs=0.001)
    assert player.late == 0
    assert player.max_lateness_s == pytest.approx(0.0009, abs=1e-6)


async def test_catches_up_without_sleeping_and_counts_the_late():
    clock = FakeClock()
    player = Player(silence(3), chunk=36, clock=clock)
    stalled = False
    async for chunk in player:
        if chunk.start == 360 and not stalled:
            clock.now += 1.0
            stalled, sleeps = True, clock.sleeps
        elif stalled and chunk.start < 360 + 10 * 36:
            assert clock.sleeps == sleeps
    assert player.late == 9  # 0.9 s, 0.8 s ... 0.1 s behind; the tenth is on time again
    assert player.max_lateness_s == pytest.approx(0.9)
    assert clock.now - 1000.0 == pytest.approx(3 - 1 / FS)


async def test_a_little_late_is_not_counted():
    player = Player(silence(1), clock=FakeClock(wake_up_s=0.9 * LATE_S), chunk=36)
    await play(player)
    assert player.late == 0


async def test_no_speed_never_sleeps():
    clock = FakeClock()
    player = Player(silence(10), chunk=5, speed=None, clock=clock)
    assert len(await play(player)) == 720
    assert (clock.sleeps, clock.now, player.late) == (0, 1000.0, 0)
    assert player.due(3) is None


async def test_other_tasks_run_while_playing_at_full_speed():
    turns = 0

    async def count_turns():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(count_turns())
    await play(Player(silence(10), speed=None))
    other.cancel()
    assert turns >= 3600 // 64


async def test_a_player_can_play_again():
    clock = FakeClock()
    player = Player(silence(1), clock=clock, chunk=36)
    first = [chunk.start for chunk in await play(player)]
    clock.now += 100
    assert [chunk.start for chunk in await play(player)] == first
    assert (player.late, player.released) == (0, 10)


async def test_real_clock_never_wakes_early():
    clock = AsyncioClock()
    when = time.monotonic() + 0.002
    await clock.sleep_until(when)
    assert clock.monotonic() >= when
    await clock.sleep_until(when - 10)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"start": 3600}, "start 0:10 is not inside record silence; .* 0:00 to before 0:10"),
        ({"start": -360}, "start -0:01 is not inside"),
        ({"stop": 3601}, "stop 0:10.003 is beyond the end of record silence; .* up to 0:10"),
        ({"start": 720, "stop": 360}, "stop 0:01 is not after start 0:02"),
        ({"start": 720, "stop": 720}, "stop 0:02 is not after start 0:02"),
        ({"chunk": 0}, "chunk is 0; it must be 1 sample or more"),
        ({"speed": 0.0}, "speed is 0.0; it must be a number above 0"),
        ({"speed": float("nan")}, "speed is nan"),
    ],
)
def test_impossible_playing_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Player(silence(10), **arguments)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5:00", 300),
        ("1:02:03.5", 3723.5),
        ("90", 90),
        ("90s", 90),
        ("0", 0),
        (" 0:05.25 ", 5.25),
        ("120:00", 7200),
        ("2.5s", 2.5),
    ],
)
def test_times(text, seconds):
    assert parse_time(text, FS) == round(seconds * FS)


@pytest.mark.parametrize(
    "text", ["", "5:60", "1:60:00", "abc", "-5", "5:", ":30", "1:2:3:4", "1e3", "5:00s", "nan", "٣"]
)
def test_nonsense_times(text):
    with pytest.raises(ValueError, match=r"is no time; write 5:00, 1:02:03.5, or 90"):
        parse_time(text, FS)


@pytest.mark.parametrize(
    ("sample", "text"),
    [(0, "0:00"), (360, "0:01"), (650_000, "30:05.556"), (1_296_036, "1:00:00.1"), (-360, "-0:01")],
)
def test_time_as_text(sample, text):
    assert format_time(sample, FS) == text
