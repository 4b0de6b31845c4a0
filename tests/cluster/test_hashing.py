"""Who has which patient, and who moves when workers come or go."""

import pytest

from streamer.cluster.hashing import moves, shares, worker_of

SOURCES = [f"bed{n}" for n in range(3000)]


def owners(workers: list[str]) -> dict[str, str]:
    return {source: worker_of(source, workers) for source in SOURCES}


def test_every_worker_has_its_share() -> None:
    found = shares(SOURCES, ["w0", "w1", "w2"])
    assert sorted(s for share in found.values() for s in share) == sorted(SOURCES)
    # 1,000 each; by chance the largest of three differs by 5 standard deviations (26) in no run.
    assert all(abs(len(share) - 1000) < 130 for share in found.values())


def test_who_joins_takes_from_all_and_nobody_else_moves() -> None:
    found = moves(owners(["w0", "w1"]), ["w0", "w1", "w2"])
    assert set(found) == {("w0", "w2"), ("w1", "w2")}
    assert abs(sum(map(len, found.values())) - 1000) < 130


def test_who_leaves_is_followed_by_all_others() -> None:
    before = owners(["w0", "w1", "w2"])
    found = moves(before, ["w0", "w2"])
    assert set(found) == {("w1", "w0"), ("w1", "w2")}
    assert sorted(s for some in found.values() for s in some) == sorted(
        source for source, worker in before.items() if worker == "w1"
    )


def test_the_order_of_workers_is_no_matter() -> None:
    assert moves(owners(["w0", "w1"]), ["w1", "w0"]) == {}


def test_without_a_worker_nobody_has_a_patient() -> None:
    with pytest.raises(ValueError, match="there is no worker"):
        worker_of("bed", [])
