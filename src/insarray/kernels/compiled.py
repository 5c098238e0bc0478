"""How kernels are compiled: once per machine, without the interpreter's lock, IEEE arithmetic, no threads of their own."""

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit

Function = TypeVar("Function", bound=Callable[..., Any])


def jit(function: Function) -> Function:
    """Compile with Numba; parallelism is the engine's, so never ``parallel=True``.

    The cache of Numba notices a change of the function's own file only. A compiled function that calls others is
    therefore kept in the same file as these.
    """
    try:
        return njit(cache=True, nogil=True, error_model="numpy")(function)  # type: ignore[return-value]
    except RuntimeError:  # no writable place for the cache, as in a read-only container
        return njit(nogil=True, error_model="numpy")(function)  # type: ignore[return-value]
