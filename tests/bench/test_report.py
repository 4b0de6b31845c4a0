"""The one form in which benchmarks report."""

import io
import json
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
import pytest

from streamer.bench.report import (
    Report,
    Section,
    page_of,
    print_report,
    quantiles,
    write_figures,
)
from streamer.commands.cli import build_parser
from streamer.report.table import Column, columns, table


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True)
class Figures:
    values: object
    counts: Counter[Colour]
    path: Path | None = None


def small_table():
    header = (*columns("name", "n"), Column("Se", ".1%"), Column("ms", ".0f"))
    return table("Small, %", header, [("a", 3, 0.987, 12.4), ("b", 0, None, None)])


def test_cells_are_written_by_their_column() -> None:
    assert small_table().rows == (("a", "3", "98.7", "12"), ("b", "0", "–", "–"))
    assert Column("").cell(None, "--") == "--"
    assert Column("", ".2%").cell("as it is") == "as it is"


def test_a_row_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        table("", columns("a", "b"), [(1,)])


def test_lines_come_first_and_other_reports_last() -> None:
    stream = io.StringIO()
    other = Report(title="other", introduction=["second"])
    print_report(
        Report(title="", introduction=["first"], tables=[small_table()], others=[other]), stream
    )
    expected = (
        "first\n\nSmall, %\nname  n    Se  ms\na     3  98.7  12\nb     0     –   –\nsecond\n"
    )
    assert stream.getvalue() == expected


def test_figures_become_json(tmp_path: Path) -> None:
    figures = Figures(
        values={"a": (np.float64(0.5), None), 2: np.arange(2)},
        counts=Counter({Colour.RED: 1}),
        path=Path("there"),
    )
    write_figures(Report(title="", figures=figures), tmp_path / "f.json")
    content = json.loads((tmp_path / "f.json").read_text())
    assert content["values"] == {"a": [0.5, None], "2": [0, 1]}
    assert (content["counts"], content["path"]) == ({"red": 1}, "there")
    with pytest.raises(TypeError, match="object is no figure"):
        write_figures(Report(title="", figures=[object()]), tmp_path / "f.json")


def test_a_page_has_every_part() -> None:
    parts = ["words & more", small_table(), lambda: "<svg></svg>"]
    section = Section(title="Part", parts=parts)
    content = page_of(Report(title="Title", tiles=[("1 ms", "delay")], sections=[section]))
    for expected in ("<h2>Part</h2>", "words &amp; more", "<caption>Small, %", "<svg>", "1 ms"):
        assert expected in content


def test_quantiles_of_nothing_are_undefined() -> None:
    assert set(quantiles(np.empty(0)).values()) == {None}
    assert quantiles(np.arange(101.0))["p95"] == 95.0


@pytest.mark.parametrize("words", [["throughput", "--stage", "ward"], ["latency"], ["soak"]])
def test_what_needs_a_broker_takes_one_that_runs(words: list[str]) -> None:
    url = "mqtt://127.0.0.1:1883"
    assert build_parser("bench").parse_args(["bench", *words, "--mqtt", url]).mqtt == url
