"""How the loops over samples and beats are compiled.

Compiling is what a first start waits for, and numba's own generic functions are most of it: a sort
or a median of theirs takes seconds. So kernels are plain loops, take one form of each argument (an
array, not now and then the field of a record; a number, not now and then a constant), and what only
one kernel calls is compiled inside it.

What was compiled is kept by numba's own cache, in a folder that `classifier.kernel_folder` chooses.
"""

from collections.abc import Callable
from typing import Any, Final, TypeVar

import numba
import numpy as np
from numba import config
from numba.core import event
from numpy.typing import NDArray

from classifier.first_start import announce_compiling
from classifier.kernel_folder import kernel_folder

_Result = TypeVar("_Result")

_OPTIONS: Final[Any] = {"nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True}
"""No fast-math, so that results are the same on every push. Nobody calls kernels from C."""


class _Announcer(event.Listener):
    """Hears of each kernel that has to be compiled, by numba's event interface."""

    def on_start(self, event: Any) -> None:
        announce_compiling(kernel_folder() is not None)

    def on_end(self, event: Any) -> None:
        """Nothing waits for the end of a kernel."""


# Numba reports every compilation, whoever asked for it.
event.register("numba:compile", _Announcer())  # type: ignore[no-untyped-call]


def jit(kernel: Callable[..., _Result]) -> Callable[..., _Result]:
    """Have a kernel compiled at its first call, and kept until something in it changes."""
    return _compiled(kernel, _OPTIONS)


def inlined(kernel: Callable[..., _Result]) -> Callable[..., _Result]:
    """Have a step of one or two kernels compiled as a part of them."""
    return _compiled(kernel, _OPTIONS | {"inline": "always"})


def _compiled(kernel: Callable[..., _Result], options: Any) -> Callable[..., _Result]:
    folder = None if config.DISABLE_JIT else kernel_folder()  # type: ignore[attr-defined]
    if folder is None:
        # Without a folder every process compiles anew: slow, but it works.
        return numba.njit(**options)(kernel)  # type: ignore[no-any-return]
    # The setting is of the whole process; other libraries' kernels stay where they were.
    before, config.CACHE_DIR = config.CACHE_DIR, str(folder)  # type: ignore[attr-defined]
    try:
        return numba.njit(cache=True, **options)(kernel)  # type: ignore[no-any-return]
    except RuntimeError:
        # Numba found no place after all, such as where another user made the inner folder.
        return numba.njit(**options)(kernel)  # type: ignore[no-any-return]
    finally:
        config.CACHE_DIR = before  # type: ignore[attr-defined]


@jit
def sort_few(values: NDArray[np.float64]) -> None:
    """Sort in place, by insertion: as fast as any other way where values are few."""
    for i in range(1, values.size):
        value, at = values[i], i
        while at > 0 and values[at - 1] > value:
            values[at] = values[at - 1]
            at -= 1
        values[at] = value
