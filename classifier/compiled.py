"""How the loops over samples and beats are compiled.

Compiling is what a first start waits for, and numba's own generic functions are most of it: a sort
or a median of theirs takes seconds. So kernels are plain loops, take one form of each argument (an
array, not now and then the field of a record; a number, not now and then a constant), and what only
one kernel calls is compiled inside it.
"""

from typing import Final

import numba
import numpy as np
from numpy.typing import NDArray

jit: Final = numba.njit(cache=True, nogil=True, error_model="numpy", no_cfunc_wrapper=True)
"""How every kernel is compiled; no fast-math, so that results are the same on every push."""
inlined: Final = numba.njit(
    inline="always", cache=True, nogil=True, error_model="numpy", no_cfunc_wrapper=True
)
"""For a step that one or two kernels take: it is compiled as a part of them."""


@jit
def sort_few(values: NDArray[np.float64]) -> None:
    """Sort in place, by insertion: as fast as any other way where values are few."""
    for i in range(1, values.size):
        value, at = values[i], i
        while at > 0 and values[at - 1] > value:
            values[at] = values[at - 1]
            at -= 1
        values[at] = value
