"""How kernels are compiled: once per machine, without the interpreter's lock, IEEE arithmetic, no threads of their own."""

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from numba import config, njit

Function = TypeVar("Function", bound=Callable[..., Any])


def jit(function: Function) -> Function:
    """Compile with Numba, strictly by IEEE; parallelism is the engine's, so never ``parallel=True``."""
    return _compile(function, fastmath=False)


def lane_jit(function: Function) -> Function:
    """`jit` with fused multiply-adds: for loops that do the same to every lane, a whole number of vectors of them.

    A fused multiply-add rounds once instead of twice, so it must not be left to the compiler where some pixels may
    take another loop (the remainder of a vector loop) than others.
    """
    return _compile(function, fastmath={"contract"})


def _cache_folder() -> str | None:
    """Folder for the machine code of exactly these sources; None if there is no writable place, as in some containers.

    Numba recompiles a function when its own file has changed, but not when that of a function it calls has.
    """
    sources = Path(__file__).parent
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in sorted(sources.rglob("*.py")))).hexdigest()[:16]
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    for base in [chosen] if chosen else [str(sources / "__pycache__"), "~/.cache/insarray"]:
        try:
            folder = Path(base).expanduser() / f"numba-{digest}"
            folder.mkdir(parents=True, exist_ok=True)
        except (OSError, RuntimeError):  # RuntimeError: there is no home
            continue
        if os.access(folder, os.W_OK):
            if folder.parent.parent == sources:  # what earlier versions of the sources have left here
                for old in folder.parent.glob("numba-*"):
                    if old != folder:
                        shutil.rmtree(old, ignore_errors=True)
            return str(folder)
    return None


_CACHE = _cache_folder()


def _compile(function: Function, *, fastmath: bool | set[str]) -> Function:
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": fastmath}
    if _CACHE is None:
        return njit(**options)(function)  # type: ignore[no-any-return]
    settings: Any = config
    usual = settings.CACHE_DIR
    settings.CACHE_DIR = _CACHE  # read when the function is decorated
    try:
        return njit(cache=True, **options)(function)  # type: ignore[no-any-return]
    finally:
        settings.CACHE_DIR = usual
