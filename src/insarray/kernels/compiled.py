"""How kernels are compiled: once per machine, without the interpreter's lock, IEEE arithmetic, no threads of their own."""

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit

Function = TypeVar("Function", bound=Callable[..., Any])


def jit(function: Function) -> Function:
    """Compile with Numba, strictly by IEEE; parallelism is the engine's, so never ``parallel=True``.

    The cache of Numba notices a change of the function's own file only. A compiled function that calls others is
    therefore kept in the same file as these.
    """
    return _compile(function, fastmath=False)


def lane_jit(function: Function) -> Function:
    """`jit` with fused multiply-adds: for loops that do the same to every lane, a whole number of vectors of them.

    A fused multiply-add rounds once instead of twice, so it must not be left to the compiler where some pixels may
    take another loop (the remainder of a vector loop) than others.
    """
    return _compile(function, fastmath={"contract"})


def _compile(function: Function, *, fastmath: bool | set[str]) -> Function:
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": fastmath}
    try:
        return njit(cache=True, **options)(function)  # type: ignore[no-any-return]
    except RuntimeError:  # no writable place for the cache, as in a read-only container
        return njit(**options)(function)  # type: ignore[no-any-return]
