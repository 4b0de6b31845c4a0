"""Where compiled kernels are kept, and when one that is kept still holds.

Numba asks whether the file that holds a kernel has changed. That is too little, as whatever a
kernel calls or takes from another file is compiled into it, and too much, as most changes of a file
leave its kernels alone. Here a kernel holds as long as all it was made of: bytecode, constants and
global values, its own and those of every kernel that it calls.

This goes beyond numba's documented calls; `tests/classifier/test_kernel_cache.py` tells if a later
version does it another way.
"""

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from types import CodeType, FunctionType, ModuleType
from typing import Any, Final

import numpy as np
from numba.core import caching as _caching
from numba.core.dispatcher import Dispatcher

from classifier.first_start import announce_compiling

caching: Final[Any] = _caching
"""Without types, which most of it lacks."""


def fingerprint(kernel: FunctionType) -> str:
    """Return a hash of everything that a kernel is compiled from, but for its arguments' types."""
    found = hashlib.sha256()
    waiting, seen = [kernel], {kernel}
    while waiting:
        function = waiting.pop()
        for code in _codes(function.__code__):
            constants = [c for c in code.co_consts if c != function.__doc__]
            plain = [repr(c) for c in constants if not isinstance(c, CodeType)]
            found.update(repr((code.co_code, plain, code.co_names, code.co_varnames)).encode())
            for name in code.co_names:
                if name not in function.__globals__:
                    continue
                value = function.__globals__[name]
                if not isinstance(value, Dispatcher):
                    found.update(_described(value).encode())
                elif value.py_func not in seen:
                    seen.add(value.py_func)
                    waiting.append(value.py_func)
    return found.hexdigest()


def _codes(code: CodeType) -> Iterator[CodeType]:
    """Yield a function's code and that of the functions inside it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _described(value: Any) -> str:
    """Describe a global, in the same words in every process."""
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {value.shape} {value.tobytes()!r}"
    if isinstance(value, ModuleType):
        return value.__name__
    if callable(value):
        named = f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', '')}"
        members = [(name, repr(member.value)) for name, member in _members(value).items()]
        return f"{named} {getattr(value, '_fields', ())} {members}"
    return repr(value)


def _members(value: Any) -> Mapping[str, Any]:
    """Return the members of an enum, whose values are compiled in; of anything else none."""
    found: Mapping[str, Any] = getattr(value, "__members__", {})
    return found


class _BesideSource(caching._CacheLocator):  # type: ignore[misc]
    """The folder beside the source, where another user may have left kernels: it is only read."""

    def __init__(self, source: str) -> None:
        self._source = source

    def get_cache_path(self) -> str:
        return os.path.join(os.path.dirname(self._source), "__pycache__")  # noqa: PTH118, PTH120

    def get_source_stamp(self) -> str:
        return self._source

    def get_disambiguator(self) -> str:
        return ""

    @classmethod
    def from_function(cls, py_func: FunctionType, py_file: str) -> "_BesideSource":
        return cls(py_file)


class _Place(caching.CompileResultCacheImpl):  # type: ignore[misc]
    """Numba's choice of a folder, and one more where it would give up."""

    _locator_classes = (*caching.CompileResultCacheImpl._locator_classes, _BesideSource)

    def get_filename_base(self, fullname: str, abiflags: str) -> str:
        """Leave the line out, so that a kernel that moves in its file leaves nothing behind."""
        with_line = super().get_filename_base(fullname, abiflags)
        return str(with_line).replace(f"-{self.locator.get_disambiguator()}.py", ".py")


class _Index(caching.IndexDataCacheFile):  # type: ignore[misc]
    """Numba's index of one kernel's files."""

    def _load_index(self) -> Any:
        """Read the index; one that names a type which is gone is of another version: empty."""
        try:
            return super()._load_index()
        except (AttributeError, ImportError):
            return {}


class KernelCache(caching.FunctionCache):  # type: ignore[misc]
    """Compiled forms of one kernel, in numba's format, stamped with its `fingerprint`.

    A stamp that differs makes all of them void; they are then overwritten. What can't be written (a
    full disk, a folder of somebody else) is not kept, and compiled anew the next time.
    """

    _impl_class = _Place

    def __init__(self, kernel: Callable[..., Any]) -> None:
        super().__init__(kernel)
        self._kernel = kernel
        self._is_stamped = False
        self._shipped: Any = None

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return what is kept for these arguments; None, and say so, if nothing is."""
        self._stamp()
        found = super().load_overload(sig, target_context)
        if found is None:
            announce_compiling(not isinstance(self._impl.locator, _BesideSource))
        return found

    def _load_overload(self, sig: Any, target_context: Any) -> Any:
        found = super()._load_overload(sig, target_context)
        if found is None and self._shipped is not None:
            kept = self._shipped.load(self._index_key(sig, target_context.codegen()))
            found = None if kept is None else self._impl.rebuild(target_context, kept)
        return found

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep what was compiled, if it can be written."""
        self._stamp()
        with contextlib.suppress(OSError):
            super().save_overload(sig, data)

    def _stamp(self) -> None:
        """Open the files; only now is all defined that the kernel refers to."""
        if self._is_stamped:
            return
        self._is_stamped = True
        stamp = fingerprint(self._kernel)  # type: ignore[arg-type]
        name = self._impl.filename_base
        self._cache_file = _Index(self._cache_path, name, stamp)
        beside = _BesideSource(self._kernel.__code__.co_filename).get_cache_path()
        if beside != self._cache_path:
            self._shipped = _Index(beside, name, stamp)
