"""No private name of another library is used but those listed here, each in an adapter of its own.

A name is private if it begins with one underscore. What a named tuple or an enum documents under
such names is public.
"""

import ast
import importlib
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import aiomqtt
import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("streamer", "classifier", "replay")
DOCUMENTED = {"_typeshed", "_make", "_asdict", "_fields", "_replace", "_value_", "_missing_"}
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))

Found = tuple[str, str]
ALLOWED: set[Found] = set()
"""File and name; each stands in an adapter, with its reason and a test."""


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name not in DOCUMENTED


def is_ours(module: str | None) -> bool:
    return (module or "").partition(".")[0] in PACKAGES


def imported(tree: ast.AST) -> Iterator[str]:
    """Private names and modules of others that are imported."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names if not is_ours(alias.name)]
        elif isinstance(node, ast.ImportFrom) and not is_ours(node.module):
            names = [node.module or "", *(alias.name for alias in node.names)]
        else:
            continue
        yield from (part for name in names for part in name.split(".") if is_private(part))


def defined(tree: ast.AST) -> set[str]:
    """Names that a file gives to things of its own."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
        elif isinstance(node, ast.Attribute) and is_of_self(node) and is_set(node):
            names.add(node.attr)
    return names


def is_of_self(node: ast.Attribute) -> bool:
    return isinstance(node.value, ast.Name) and node.value.id in {"self", "cls"}


def is_set(node: ast.Attribute) -> bool:
    return isinstance(node.ctx, ast.Store)


def accessed(tree: ast.AST) -> Iterator[str]:
    """Private attributes of something that isn't this file's own."""
    own = defined(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr) and node.attr not in own:
            if not (is_of_self(node) or is_super(node.value)):
                yield node.attr
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield from named_in_text(node)


def is_super(node: ast.expr) -> bool:
    return (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "super"
    )


def named_in_text(call: ast.Call) -> Iterator[str]:
    """Private names given to `getattr` and its like as text."""
    if isinstance(call.func, ast.Name) and call.func.id in {"getattr", "setattr", "hasattr"}:
        for argument in call.args[1:2]:
            if isinstance(argument, ast.Constant) and is_private(str(argument.value)):
                yield str(argument.value)


def inherited(tree: ast.AST, module: ModuleType) -> Iterator[str]:
    """Private names that a class shares with a base of another library, knowingly or not."""
    for node in ast.walk(tree):
        kind = getattr(module, node.name, None) if isinstance(node, ast.ClassDef) else None
        if not isinstance(kind, type):
            continue
        of_bases = {
            name for base in kind.__mro__[1:] if is_library(base) for name in names_of(base)
        }
        for part in ast.walk(node):
            name = None
            if isinstance(part, ast.Attribute) and (is_of_self(part) or is_super(part.value)):
                name = part.attr
            elif isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef):
                name = part.name
            if name is not None and is_private(name) and name in of_bases:
                yield name


def is_library(base: type) -> bool:
    top = base.__module__.partition(".")[0]
    return top not in PACKAGES and top not in sys.stdlib_module_names


def names_of(base: type) -> set[str]:
    """Names of a class: its own, and those that its methods set."""
    names = set(vars(base))
    try:
        tree = ast.parse(inspect.cleandoc("\n" + inspect.getsource(base)))
    except (OSError, TypeError, SyntaxError):
        return names
    return names | defined(tree)


def found() -> set[Found]:
    """Every use, as (file, name)."""
    uses: set[Found] = set()
    for path in SOURCES:
        where = path.relative_to(ROOT).as_posix()
        tree = ast.parse(path.read_text())
        uses |= {(where, name) for name in imported(tree)}
        uses |= {(where, name) for name in accessed(tree)}
        if any(isinstance(n, ast.ClassDef) and n.bases for n in ast.walk(tree)):
            module = importlib.import_module(where.removesuffix(".py").replace("/", "."))
            uses |= {(where, name) for name in inherited(tree, module)}
    return uses


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_private_names_of_other_libraries_are_those_listed() -> None:
    surprising = sorted(found() - ALLOWED)
    assert not surprising, "use public calls, or an adapter with a reason and a test, and list it"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("from lib._inner import x", ["_inner"]),
        ("from lib import _x", ["_x"]),
        ("import lib._inner", ["_inner"]),
        ("from streamer.x import _y", []),
    ],
)
def test_imports_are_seen(text: str, names: list[str]) -> None:
    assert list(imported(ast.parse(text))) == names


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("client._queue.get()", ["_queue"]),
        ("getattr(client, '_queue')", ["_queue"]),
        ("self._queue", []),
        ("super()._start()", []),
        ("row._asdict()", []),
        ("class A:\n def f(self, b):\n  self._x = b._x", []),
    ],
)
def test_attributes_are_seen(text: str, names: list[str]) -> None:
    assert list(accessed(ast.parse(text))) == names


def test_what_a_class_takes_from_its_base_is_seen() -> None:
    text = "class Own(Client):\n def f(self): super()._queue\n def _on_connect(self): pass"
    module = ModuleType("own")
    vars(module)["Own"] = type("Own", (aiomqtt.Client,), {})
    assert set(inherited(ast.parse(text), module)) == {"_queue", "_on_connect"}
