import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamer.core.errors import OutputError
from streamer.messages.outgoing import Outgoing, Rank
from streamer.mqtt.disk_outbox import DiskOutbox, outbox_path
from streamer.mqtt.outbox import MemoryOutbox, Outbox, OutboxConfig

FORGETFUL = OutboxConfig(keep=0)


def message(number: int, rank: Rank = Rank.EVENT, expires_at: float | None = None) -> Outgoing:
    return Outgoing(topic="t", payload=str(number).encode(), rank=rank, expires_at=expires_at)


Make = Callable[..., Outbox]


@pytest.fixture(params=["memory", "disk"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """Make an outbox of each kind."""
    if request.param == "memory":
        return MemoryOutbox
    return lambda capacity, **options: DiskOutbox(capacity, tmp_path / "x.outbox", **options)


def taken(outbox: Outbox) -> list[int]:
    """Take everything."""
    numbers = []
    while (outgoing := outbox.take()) is not None:
        numbers.append(int(outgoing.payload))
    return numbers


def test_capacity_must_be_positive(make: Make) -> None:
    with pytest.raises(ValueError, match="expected 1 or more"):
        make(0)


def test_a_full_outbox_sheds_the_oldest_and_counts_it(make: Make) -> None:
    outbox = make(3)
    for i in range(5):
        outbox.put(message(i))
    outbox.commit()
    assert outbox.shed[Rank.EVENT] == 2
    assert taken(outbox) == [2, 3, 4]


def test_statistics_go_first_then_provisional_labels_then_the_rest(make: Make) -> None:
    outbox = make(4)
    ranks = [Rank.ALERT, Rank.EVENT, Rank.PROVISIONAL, Rank.STATISTICS, Rank.PROVISIONAL]
    for i, rank in enumerate(ranks):
        outbox.put(message(i, rank))
    outbox.commit()
    assert outbox.shed == {**dict.fromkeys(Rank, 0), Rank.STATISTICS: 1}
    outbox.put(message(5), message(6))
    outbox.commit()
    assert outbox.shed[Rank.PROVISIONAL] == 2
    outbox.put(message(7, Rank.PROVISIONAL))
    outbox.commit()
    assert outbox.shed[Rank.PROVISIONAL] == 3, "what came last goes first when it is worth least"
    outbox.put(message(8))
    outbox.commit()
    assert outbox.shed[Rank.EVENT] == 1
    assert taken(outbox) == [0, 5, 6, 8]


def test_what_is_in_flight_is_not_shed_and_comes_back_in_order_within_the_bound(make: Make) -> None:
    outbox = make(3)
    outbox.put(*(message(i) for i in range(3)))
    outbox.take()
    outbox.take()
    outbox.put(message(3), message(4))
    outbox.commit()
    assert sum(outbox.shed.values()) == 0
    outbox.recall()
    assert (outbox.waiting, sum(outbox.shed.values())) == (3, 2)
    assert taken(outbox) == [2, 3, 4]


def test_acknowledged_messages_are_kept_and_sent_again_after_a_break(make: Make) -> None:
    outbox = make(100, config=OutboxConfig(keep=3))
    outbox.put(*(message(i) for i in range(10)))
    taken(outbox)
    assert outbox.acknowledge(8) == 8
    assert (outbox.unacknowledged, outbox.is_idle) == (2, False)
    outbox.recall()
    assert outbox.waiting == 3 + 2
    assert taken(outbox) == [5, 6, 7, 8, 9]
    assert outbox.acknowledge(5) == 2, "the first three are not counted twice"
    assert outbox.is_idle


def test_kept_messages_age_but_not_while_nothing_is_acknowledged(make: Make) -> None:
    now = 1000.0
    outbox = make(100, config=OutboxConfig(keep_s=60.0), wall_time=lambda: now)
    outbox.put(*(message(i) for i in range(4)))
    taken(outbox)
    outbox.acknowledge(2)
    now += 3600.0  # The broker was away for an hour.
    outbox.recall()
    assert taken(outbox) == [0, 1, 2, 3]
    outbox.acknowledge(4)
    outbox.put(message(4))
    taken(outbox)
    now += 61.0
    outbox.acknowledge(1)
    outbox.recall()
    assert taken(outbox) == [4]


def test_stale_messages_are_dropped_and_counted(make: Make) -> None:
    now = 1000.0
    outbox = make(100, wall_time=lambda: now)
    outbox.put(message(0, expires_at=1010.0), message(1), message(2, expires_at=1020.0))
    now = 1015.0
    assert taken(outbox) == [1, 2]
    assert (outbox.expired, outbox.unacknowledged) == (1, 2)


def test_it_survives_in_a_file(tmp_path: Path) -> None:
    path = outbox_path(tmp_path / "new" / "folder", "208")
    outbox = DiskOutbox(3, path, config=FORGETFUL)
    for i in range(5):
        outbox.put(message(i, Rank.ALERT, expires_at=1e12), source="208", next_seq=i + 1)
    outbox.take()
    outbox.acknowledge()
    outbox.close()
    outbox.close()
    again = DiskOutbox(3, path)
    assert (again.next_seq("208"), again.shed[Rank.ALERT], again.unacknowledged) == (5, 2, 2)
    assert again.client_id == outbox.client_id
    assert again.take() == message(3, Rank.ALERT, expires_at=1e12)
    assert taken(again) == [4]
    again.close()


def test_two_publishers_of_one_source_are_refused(tmp_path: Path) -> None:
    first = DiskOutbox(3, tmp_path / "208.outbox")
    with pytest.raises(OutputError, match=r"208\.outbox: another process uses it"):
        DiskOutbox(3, tmp_path / "208.outbox")
    first.close()


@pytest.mark.parametrize("content", [b"no database" * 1000, b"SQLite format 3\0" + b"\xff" * 4000])
def test_a_damaged_file_is_one_clear_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "208.outbox"
    path.write_bytes(content)
    with pytest.raises(OutputError, match="move the file away") as caught:
        DiskOutbox(3, path)
    assert "\n" not in str(caught.value)


def test_a_file_of_another_version_is_refused(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "208.outbox") as tables:
        tables.execute("PRAGMA user_version = 99")
    tables.close()
    with pytest.raises(OutputError, match="version is 99, expected 3"):
        DiskOutbox(3, tmp_path / "208.outbox")


@pytest.mark.parametrize("version", [1, 2])
def test_a_file_of_an_earlier_version_goes_on(tmp_path: Path, version: int) -> None:
    path = tmp_path / "208.outbox"
    outbox = DiskOutbox(3, path)
    outbox.put(message(0), message(1), source="208", next_seq=7)
    outbox.close()
    with sqlite3.connect(path) as tables:
        tables.execute("DROP TABLE alerts")
        if version == 1:
            tables.execute("DROP TABLE source")
            tables.execute("ALTER TABLE state ADD COLUMN next_seq INTEGER NOT NULL DEFAULT 7")
        tables.execute(f"PRAGMA user_version = {version}")
    tables.close()
    again = DiskOutbox(3, path)
    assert (again.next_seq("208"), taken(again)) == (7, [0, 1])
    assert again.kept_alerts("208") is None
    again.keep_alerts("208", b"active")
    again.close()
    last = DiskOutbox(3, path)
    assert last.kept_alerts("208") == b"active"
    last.close()


def test_each_source_has_numbers_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "ward.outbox"
    outbox = DiskOutbox(100, path)
    outbox.put(message(0), source="a", next_seq=5)
    outbox.put(message(1), source="b", next_seq=9)
    outbox.close()
    again = DiskOutbox(100, path)
    assert [again.next_seq(source) for source in "abc"] == [5, 9, 0]
    again.close()


def test_a_folder_that_can_not_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="choose another with --outbox"):
        outbox_path(tmp_path / "file" / "folder", "208")


WRITER = """
    import sys
    from pathlib import Path
    from streamer.messages.outgoing import Outgoing
    from streamer.mqtt.disk_outbox import DiskOutbox

    outbox = DiskOutbox(10**6, Path(sys.argv[1]))
    for seq in range(outbox.next_seq("208"), 10**6):
        outbox.put(Outgoing(topic="t", payload=str(seq).encode()), source="208", next_seq=seq + 1)
        outbox.commit()
        print(seq, flush=True)
        if seq % 3 == 0:
            outbox.take()
            outbox.acknowledge()
"""


def test_kill_9_at_any_point_loses_nothing_that_was_put(tmp_path: Path) -> None:
    path = tmp_path / "208.outbox"
    last = -1
    for lines in (1, 40, 333, 7):
        writer = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(WRITER), str(path)], stdout=subprocess.PIPE
        )
        assert writer.stdout is not None
        seen = [int(writer.stdout.readline()) for _ in range(lines)]
        os.kill(writer.pid, signal.SIGKILL)
        seen += [int(line) for line in writer.stdout.read().split()]
        writer.wait()
        writer.stdout.close()
        assert seen == list(range(seen[0], seen[0] + len(seen)))
        # One more may have been put than was told of.
        assert last + 1 <= seen[0] <= last + 2
        last = seen[-1]
    outbox = DiskOutbox(10**6, path, config=FORGETFUL)
    rest = taken(outbox)
    assert rest == list(range(rest[0], outbox.next_seq("208")))
    assert last + 1 <= outbox.next_seq("208") <= last + 2
    assert outbox.unacknowledged <= len(rest)
    outbox.close()


STEPS = st.lists(st.sampled_from(["put", "take", "acknowledge", "recall", "reopen"]), max_size=120)


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(STEPS, st.booleans(), st.integers(0, 5))
def test_nothing_is_lost_or_reordered_whatever_happens(
    tmp_path: Path, steps: list[str], on_disk: bool, keep: int
) -> None:
    path = tmp_path / "x.outbox" if on_disk else None
    config = OutboxConfig(keep=keep, read_ahead=3)
    if path is not None:
        path.unlink(missing_ok=True)
    outbox: Outbox = MemoryOutbox(1000, config=config)
    if path is not None:
        outbox = DiskOutbox(1000, path, config=config)
    puts = in_flight = acknowledged = 0
    sent: list[int] = []
    for step in steps:
        if step == "put":
            outbox.put(message(puts), source="x", next_seq=puts + 1)
            puts += 1
        elif step == "take" and (outgoing := outbox.take()) is not None:
            sent.append(int(outgoing.payload))
            in_flight += 1
        elif step == "acknowledge" and in_flight:
            acknowledged += outbox.acknowledge()
            in_flight -= 1
        elif step == "recall":
            outbox.recall()
            in_flight = 0
        elif step == "reopen" and path is not None:
            outbox.close()
            outbox = DiskOutbox(1000, path, config=config)
            in_flight = 0
        assert outbox.unacknowledged == puts - acknowledged
    assert list(dict.fromkeys(sent)) == list(range(len(set(sent))))
    outbox.recall()
    rest = taken(outbox)
    assert rest == list(range(puts - len(rest), puts))
    assert min(puts, puts - acknowledged) <= len(rest) <= puts - acknowledged + keep
    outbox.close()
