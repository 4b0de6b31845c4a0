import numpy as np
import pytest
from bench_cases import short_excerpt

from streamer.bench.detection.peers import PEERS, Peer, run_peer, select_peers
from streamer.scoring.matching import match_beats


def failing(lead, fs):
    raise IndexError("no peaks\nat all")


def test_no_peers_unless_asked():
    assert select_peers(None) == ([], [])


def test_all_peers_are_installed_or_missing():
    installed, missing = select_peers([])
    assert sorted(peer.key for peer in [*installed, *missing]) == sorted(p.key for p in PEERS)


def test_peers_are_chosen_once_each():
    installed, missing = select_peers(["gqrs", "xqrs", "gqrs"])
    assert [peer.key for peer in [*installed, *missing]] == ["gqrs", "xqrs"]


def test_unknown_peer_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"no peer 'osea'; choose from gqrs, xqrs"):
        select_peers(["osea"])


def test_peer_without_its_module_is_missing():
    assert not Peer("x", "X", ("no_such_module",), failing).is_installed


def test_failure_is_one_line_and_no_beats():
    peer = Peer("x", "X", (), failing)
    result = run_peer(peer, np.zeros(10, np.float32), 360.0)
    assert result.samples.size == 0
    assert result.error == "IndexError: no peaks"


def test_invalid_samples_are_held_and_results_put_in_order():
    seen = []

    def record(lead, fs):
        seen.append(lead)
        return [7.0, 2.0, np.nan, 7.0]

    peer = Peer("x", "X", (), record)
    lead = np.array([np.nan, 1.0, np.nan, np.nan, 2.0], np.float32)
    result = run_peer(peer, lead, 360.0)
    assert seen[0].tolist() == [0.0, 1.0, 1.0, 1.0, 2.0]
    assert result.samples.tolist() == [2, 7]
    assert result.error is None


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.key)
def test_every_installed_peer_finds_the_beats_of_a_clean_record(peer):
    if not peer.is_installed:
        pytest.skip(f"{' '.join(peer.modules)} not installed")
    excerpt = short_excerpt(20.0)
    result = run_peer(peer, excerpt.samples[0], excerpt.fs)
    assert result.error is None
    found = match_beats(excerpt.beats.samples, result.samples, 54)
    assert found.missed.size + found.extra.size <= 4
