import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from classifier import kernel_cache
from classifier.compiled import sort_few
from classifier.first_start import listen_for_compiling
from classifier.kernel_cache import fingerprint

STEPS = """
from classifier.compiled import jit
{comment}
FACTOR = {factor}

@jit
def step(x):
    return FACTOR * x + {offset}
"""
OUTER = """
from classifier.compiled import jit
from kernel_steps import FACTOR, step
{comment}
@jit
def outer(x):
    return step(x) - FACTOR
"""


class Program:
    """Two files, of which the second one's kernel is made of the first one's as well."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, factor: int = 2, offset: int = 1, comment: str = "") -> None:
        texts = {"kernel_steps": STEPS, "kernel_outer": OUTER}
        for name, text in texts.items():
            filled = text.format(factor=factor, offset=offset, comment=comment)
            (self._folder / f"{name}.py").write_text(filled)

    def run(self, x: int) -> tuple[int, int]:
        """Return what comes of `x` in a new process's place, and how many kernels it compiled."""
        for name in ("kernel_steps", "kernel_outer"):
            sys.modules.pop(name, None)
        importlib.invalidate_caches()
        compiled: list[bool] = []
        with listen_for_compiling(compiled.append):
            result = importlib.import_module("kernel_outer").outer(x)
        return result, len(compiled)

    def kept(self) -> set[str]:
        return {path.name for path in self._folder.rglob("*.nb?")}


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    found = Program(tmp_path)
    found.write()
    return found


def test_a_kernel_is_kept_and_found_again(program: Program) -> None:
    assert program.run(10) == (19, 2)
    assert program.run(10) == (19, 0)


COLUMN = """
from enum import IntEnum
from classifier.compiled import jit

class Column(IntEnum):
    FIRST = {first}

@jit
def first_of(x):
    return x[Column.FIRST]
"""


def test_a_kernel_is_compiled_anew_when_an_enum_it_uses_gets_other_values(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    for first in (0, 1):
        (tmp_path / "kernel_column.py").write_text(COLUMN.format(first=first))
        sys.modules.pop("kernel_column", None)
        importlib.invalidate_caches()
        assert importlib.import_module("kernel_column").first_of(np.array([5, 7])) == (5, 7)[first]


POINT = """
from typing import NamedTuple
from classifier.compiled import jit

class {name}(NamedTuple):
    x: int

@jit
def x_of(point):
    return point.x
"""


def test_a_kernel_whose_argument_type_is_renamed_is_compiled_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    for name in ("Point", "Place"):
        (tmp_path / "kernel_point.py").write_text(POINT.format(name=name))
        sys.modules.pop("kernel_point", None)
        importlib.invalidate_caches()
        compiled: list[bool] = []
        with listen_for_compiling(compiled.append):
            module = importlib.import_module("kernel_point")
            assert module.x_of(getattr(module, name)(3)) == 3
        assert len(compiled) == 1


def test_a_change_in_another_file_is_seen(program: Program) -> None:
    program.run(10)
    program.write(offset=5)
    assert program.run(10) == (23, 2)
    program.write(factor=3, offset=5)
    assert program.run(10) == (32, 2)
    assert program.run(10) == (32, 0)


def test_a_change_that_leaves_kernels_alone_compiles_nothing(program: Program) -> None:
    program.run(10)
    program.write(comment="# said anew\n\nOTHER = 7")
    assert program.run(10) == (19, 0)


def test_changes_leave_no_files_behind(program: Program) -> None:
    program.run(10)
    kept = program.kept()
    assert len(kept) == 4
    for offset in range(3):
        program.write(offset=offset, comment="#\n" * offset)
        program.run(10)
    assert program.kept() == kept


def _read_only(*_: Any) -> None:
    raise PermissionError("read-only")


@pytest.fixture
def nothing_writable(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    def forbid() -> None:
        locators = (kernel_cache._BesideSource,)
        monkeypatch.setattr(kernel_cache._Place, "_locator_classes", locators)
        monkeypatch.setattr(kernel_cache._BesideSource, "ensure_cache_path", _read_only)

    return forbid


def test_kernels_run_where_nothing_can_be_written(
    program: Program, nothing_writable: Callable[[], None]
) -> None:
    nothing_writable()
    assert program.run(10) == (19, 2)
    assert program.run(10) == (19, 2)
    assert not program.kept()


def test_kernels_that_another_user_left_are_used(
    program: Program, nothing_writable: Callable[[], None]
) -> None:
    program.run(10)
    nothing_writable()
    assert program.run(10) == (19, 0)


def test_kernels_beside_the_source_are_used_from_a_folder_of_ones_own(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program.run(10)
    monkeypatch.setattr("numba.config.CACHE_DIR", str(tmp_path / "own"))
    assert program.run(10) == (19, 0)
    program.write(offset=5)
    assert program.run(10) == (23, 2)
    assert (tmp_path / "own").is_dir()


def test_a_full_disk_stops_nothing(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("numba.core.caching.IndexDataCacheFile.save", _read_only)
    assert program.run(10) == (19, 2)


def test_a_fingerprint_tells_constants_apart() -> None:
    def with_globals(**values: Any) -> str:
        names: dict[str, Any] = {}
        exec("def kernel(x):\n    return TABLE[x]", values, names)
        return fingerprint(names["kernel"])

    first = with_globals(TABLE=np.arange(2000.0))
    changed = np.arange(2000.0)
    changed[1000] = -1.0
    assert first == with_globals(TABLE=np.arange(2000.0))
    assert first != with_globals(TABLE=changed)
    assert first != with_globals(TABLE=np.arange(2000.0, dtype=np.float32))


@pytest.mark.parametrize("values", [[], [1.0], [3.0, 1.0, 2.0, 1.0, -5.0]])
def test_a_few_values_are_sorted(values: list[float]) -> None:
    array = np.array(values)
    sort_few(array)
    assert array.tolist() == sorted(values)
