"""How the loops over samples and beats are compiled.

Compiling is what a first start waits for, and numba's own generic functions are most of it: a sort
or a median of theirs takes seconds. So kernels are plain loops, take one form of each argument (an
array, not now and then the field of a record; a number, not now and then a constant), and what only
one kernel calls is compiled inside it.
"""

from collections.abc import Callable
from typing import Any, Final, TypeVar

import numba
import numpy as np
from numba import config
from numpy.typing import NDArray

from classifier.kernel_cache import KernelCache

_Result = TypeVar("_Result")

_OPTIONS: Final[Any] = {"nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True}
"""No fast-math, so that results are the same on every push. Nobody calls kernels from C."""


def jit(kernel: Callable[..., _Result]) -> Callable[..., _Result]:
    """Have a kernel compiled at its first call, and kept until something in it changes."""
    return _compiled(kernel, _OPTIONS)


def inlined(kernel: Callable[..., _Result]) -> Callable[..., _Result]:
    """Have a step of one or two kernels compiled as a part of them."""
    return _compiled(kernel, _OPTIONS | {"inline": "always"})


def _compiled(kernel: Callable[..., _Result], options: Any) -> Callable[..., _Result]:
    dispatcher: Any = numba.njit(**options)(kernel)
    if not config.DISABLE_JIT:  # type: ignore[attr-defined]
        dispatcher._cache = KernelCache(kernel)
    return dispatcher  # type: ignore[no-any-return]


@jit
def sort_few(values: NDArray[np.float64]) -> None:
    """Sort in place, by insertion: as fast as any other way where values are few."""
    for i in range(1, values.size):
        value, at = values[i], i
        while at > 0 and values[at - 1] > value:
            values[at] = values[at - 1]
            at -= 1
        values[at] = value
