"""What a library user imports: every name is there, typed, and loaded only when it is used."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGES = ("streamer", "replay", "classifier")
HEAVY = ("torch", "numba", "neurokit2", "numpy", "scipy", "pandas", "matplotlib", "wfdb", "rich")
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("package", PACKAGES)
def test_every_name_can_be_imported(package: str) -> None:
    module = importlib.import_module(package)
    for name in module.__all__:
        assert getattr(module, name) is not None
        assert name in dir(module)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        module.nothing  # noqa: B018


@pytest.mark.parametrize("package", PACKAGES)
def test_type_checkers_see_the_same_names(package: str) -> None:
    module = importlib.import_module(package)
    tree = ast.parse((ROOT / package / "__init__.py").read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {
        alias.asname: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == module._HOME


@pytest.mark.parametrize("package", PACKAGES)
def test_importing_a_package_loads_nothing(package: str) -> None:
    code = f"import {package}, sys; print(*(set(sys.modules) & set({HEAVY!r})))"
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT
    )
    assert done.stdout.strip() == ""


def test_public_names_are_documented() -> None:
    page = (ROOT / "docs" / "library.md").read_text()
    for package in PACKAGES:
        for name in importlib.import_module(package).__all__:
            assert f"`{name}" in page, f"{package}.{name} is not in docs/library.md"
