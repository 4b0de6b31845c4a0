"""The table is complete and the diagram shows every row of it."""

import re

import pytest

from streamer.core.events import Rhythm
from streamer.rhythm.diagram import diagram, table
from streamer.rhythm.rule import Layer, Transition, Trigger
from streamer.rhythm.state_machine import rows
from streamer.rhythm.table import EPISODES, TABLE

TRANSITIONS = [row for layer in TABLE.values() for row in layer]


def test_every_rhythm_has_a_rule() -> None:
    # That nothing comes any more is known where samples come in.
    assert {row.to for row in TRANSITIONS} - {None} == set(Rhythm) - {Rhythm.NO_SIGNAL}


@pytest.mark.parametrize(
    "row", [row for row in TRANSITIONS if row.priority is not None], ids=lambda row: row.to.name
)
def test_every_alarm_cites_its_source_and_states_its_time(row: Transition) -> None:
    assert row.source
    assert re.search(r"\d", row.time_to_alarm)


def test_every_episode_can_end() -> None:
    for episode in EPISODES - {None}:
        ends = [row for row in TABLE[Layer.EPISODE] if row.to is None]
        assert any(episode in (row.after or ()) for row in ends), episode


def test_rows_are_those_that_may_apply_in_their_order() -> None:
    found = rows(Layer.EPISODE, Trigger.SIGNAL, None)
    assert [row.to for row in found] == [
        Rhythm.VENTRICULAR_FIBRILLATION,
        Rhythm.ASYSTOLE,
        Rhythm.PAUSE,
    ]
    assert Rhythm.PAUSE not in [r.to for r in rows(Layer.EPISODE, Trigger.SIGNAL, Rhythm.ASYSTOLE)]


def test_the_diagram_has_an_edge_for_every_row_and_none_besides() -> None:
    drawn = diagram()
    edges = re.findall(r"^ +(\S+) --> (\S+)", drawn, re.MULTILINE)
    states = [row for row in TRANSITIONS if row not in TABLE[Layer.MOMENT]]
    expected = sum(1 if row.after is None else len(row.after) for row in states)
    regions = 4
    assert len(edges) == expected + regions
    for row in TRANSITIONS:
        assert row.rule.replace(";", ",").replace(":", " -") in drawn
    named = set(re.findall(r'state "([^"]+)" as', drawn))
    assert {str(row.to) for row in states if row.to is not None} <= named


def test_every_state_that_is_drawn_is_declared() -> None:
    drawn = diagram()
    declared = set(re.findall(r" as (\S+)", drawn)) | {"[*]"}
    used = {state for edge in re.findall(r"(\S+) --> (\S+)", drawn) for state in edge}
    assert used <= declared


def test_the_table_has_a_line_for_every_rule() -> None:
    lines = table().splitlines()
    assert len(lines) == 2 + sum(row.to is not None for row in TRANSITIONS)
    assert all(line.count("|") == 7 for line in lines)
