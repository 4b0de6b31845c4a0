"""Compiled kernels are kept as long as nothing that they are made of has changed."""

import ast
import importlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from classifier import kernel_folder
from classifier.compiled import sort_few
from classifier.first_start import listen_for_compiling

STEPS = """
from classifier.compiled import jit
FACTOR = {factor}

@jit
def step(x):
    return FACTOR * x + {offset}
"""
OUTER = """
from classifier.compiled import jit
from kernel_steps import FACTOR, step
@jit
def outer(x):
    return step(x) - FACTOR
"""


class Program:
    """Two files, of which the second one's kernel is made of the first one's as well."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, factor: int = 2, offset: int = 1) -> None:
        for name, text in {"kernel_steps": STEPS, "kernel_outer": OUTER}.items():
            (self._folder / f"{name}.py").write_text(text.format(factor=factor, offset=offset))

    def run(self, x: int) -> tuple[int, list[bool]]:
        """Return what comes of `x` in a new process's place, and of each kernel if it was kept."""
        for name in ("kernel_steps", "kernel_outer"):
            sys.modules.pop(name, None)
        importlib.invalidate_caches()
        kernel_folder.kernel_folder.cache_clear()
        compiled: list[bool] = []
        with listen_for_compiling(compiled.append):
            result = importlib.import_module("kernel_outer").outer(x)
        return result, compiled

    def kept(self) -> list[Path]:
        return sorted(self._folder.rglob("kernels-*"))


KEPT = [True, True]
"""Both kernels compiled and kept."""


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Program]:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setattr(kernel_folder, "ROOT", tmp_path)
    monkeypatch.setattr(kernel_folder, "SOURCES", ("kernel_*.py",))
    monkeypatch.setattr("numba.config.CACHE_DIR", "")
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda _: str(tmp_path / "user"))
    found = Program(tmp_path)
    found.write()
    yield found
    kernel_folder.kernel_folder.cache_clear()


def test_a_kernel_is_kept_and_found_again(program: Program) -> None:
    assert program.run(10) == (19, KEPT)
    assert program.run(10) == (19, [])


def test_a_change_in_another_file_is_seen(program: Program) -> None:
    program.run(10)
    program.write(offset=5)
    assert program.run(10) == (23, KEPT)
    program.write(factor=3, offset=5)
    assert program.run(10) == (32, KEPT)
    assert program.run(10) == (32, [])


def test_a_change_elsewhere_compiles_nothing(program: Program, tmp_path: Path) -> None:
    program.run(10)
    (tmp_path / "other.py").write_text("OTHER = 7")
    assert program.run(10) == (19, [])


def test_kernels_of_the_last_few_versions_are_kept(program: Program) -> None:
    for offset in range(8):
        program.write(offset=offset)
        program.run(10)
        os.utime(max(program.kept(), key=lambda folder: folder.stat().st_mtime), (offset, offset))
    assert len(program.kept()) == 5
    assert program.run(10) == (25, [])
    program.write(offset=3)
    assert program.run(10) == (21, []), "a former version's are found again"


def _refuse(*_: Any, **__: Any) -> None:
    raise PermissionError("read-only")


def test_kernels_run_where_nothing_can_be_written(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.TemporaryFile", _refuse)
    assert program.run(10) == (19, [False, False])
    assert program.run(10) == (19, [False, False])


@pytest.fixture
def read_only_source(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    usable = kernel_folder._is_usable

    def forbid() -> None:
        monkeypatch.setattr(
            kernel_folder, "_is_usable", lambda folder: "user" in folder.parts and usable(folder)
        )

    return forbid


def test_the_users_cache_is_taken_where_the_source_cant_be_written(
    program: Program, read_only_source: Callable[[], None], tmp_path: Path
) -> None:
    read_only_source()
    assert program.run(10) == (19, KEPT)
    assert [folder.parent for folder in program.kept()] == [tmp_path / "user"]
    assert program.run(10) == (19, [])


def test_kernels_that_another_user_left_are_used(
    program: Program, read_only_source: Callable[[], None]
) -> None:
    program.run(10)
    read_only_source()
    assert program.run(10) == (19, [])


def test_kernels_beside_the_source_are_used_from_a_folder_of_ones_own(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program.run(10)
    monkeypatch.setattr("numba.config.CACHE_DIR", str(tmp_path / "own"))
    assert program.run(10) == (19, [])
    program.write(offset=5)
    assert program.run(10) == (23, KEPT)
    assert (tmp_path / "own").is_dir()


def test_a_disk_without_room_stops_nothing(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full:
        def __enter__(self) -> "Full":
            return self

        def __exit__(self, *_: object) -> None: ...

        def write(self, _: bytes) -> None:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", lambda **_: Full())
    assert program.run(10) == (19, [False, False])


def test_the_stamp_is_of_all_files_that_kernels_are_made_of() -> None:
    """Whatever a file with kernels imports, and what that imports, may be compiled into them."""
    listed = {
        file for pattern in kernel_folder.SOURCES for file in kernel_folder.ROOT.glob(pattern)
    }
    packages = [kernel_folder.ROOT / name for name in ("classifier", "streamer", "replay")]
    waiting = [
        file
        for package in packages
        for file in package.rglob("*.py")
        if "from classifier.compiled import" in file.read_text()
    ]
    assert len(waiting) > 15
    seen: set[Path] = set()
    while waiting:
        file = waiting.pop()
        if file not in seen:
            seen.add(file)
            # Beside an installed package lie those of others.
            waiting += [f for f in _imported(file) if any(p in f.parents for p in packages)]
    assert seen <= listed


def _imported(file: Path) -> list[Path]:
    """List the files of ours that one imports when it is imported itself."""
    found = []
    for node in ast.parse(file.read_text()).body:
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            path = (kernel_folder.ROOT / name.replace(".", "/")).with_suffix(".py")
            found += [path] if path.exists() else []
    return found


@pytest.mark.parametrize("values", [[], [1.0], [3.0, 1.0, 2.0, 1.0, -5.0]])
def test_a_few_values_are_sorted(values: list[float]) -> None:
    array = np.array(values)
    sort_few(array)
    assert array.tolist() == sorted(values)
