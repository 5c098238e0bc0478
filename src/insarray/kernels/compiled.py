"""How kernels are compiled: once per machine, without the interpreter's lock, IEEE arithmetic, no threads of their own."""

import hashlib
import logging
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import llvmlite.binding  # type: ignore[import-untyped]
from numba import config, njit

logger = logging.getLogger(__name__)
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
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

    What it holds is unpickled and run: it belongs to this user, and nobody else can write to it or exchange it. Numba
    recompiles a function when its own file has changed, but not when that of a function it calls has.
    """
    sources = Path(__file__).parent
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in sorted(sources.rglob("*.py")))).hexdigest()[:16]
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    for base in [chosen] if chosen else [str(sources / "__pycache__"), "~/.cache/insarray"]:
        try:
            folder = Path(os.path.realpath(Path(base).expanduser())) / f"numba-{digest}{_user()}"
            folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.mkdir(mode=0o700, exist_ok=True)
        except (OSError, RuntimeError):  # RuntimeError: there is no home
            continue
        if not os.access(folder, os.W_OK):
            continue
        if (open_to := _open_to_others(folder)) is not None:
            logger.warning(
                "compiled kernels are not kept in %s: others can write to %s, also those of its group; until that is "
                "changed (chmod go-w), or NUMBA_CACHE_DIR names another folder, each start compiles again",
                folder,
                open_to,
            )
            continue
        if folder.parent.parent == sources:  # what earlier versions of the sources have left here
            for old in folder.parent.glob("numba-*"):
                if old != folder and old.stat().st_uid == folder.stat().st_uid:
                    shutil.rmtree(old, ignore_errors=True)
        return str(folder)
    return None


def _user() -> str:
    """Part of the name of a folder that several users may want to have side by side."""
    return f"-{os.getuid()}" if hasattr(os, "getuid") else ""


def _open_to_others(folder: Path) -> Path | None:
    """The folder, one above it or a file in it by which somebody else could put code into it; None if there is none."""
    if not hasattr(os, "getuid"):
        return None
    for path in (folder, *folder.rglob("*")):
        found = path.lstat()
        if found.st_uid != os.getuid() or (found.st_mode & _OTHERS_WRITE and not stat.S_ISLNK(found.st_mode)):
            return path
    for path in folder.parents:
        found = path.stat()
        mine = found.st_uid in (os.getuid(), 0)
        # in a folder such as /tmp everybody removes and renames only what is his own
        if not (mine and (not found.st_mode & _OTHERS_WRITE or found.st_mode & stat.S_ISVTX)):
            return path
    return None


_CACHE = _cache_folder()


def can_keep() -> bool:
    """Return whether compiled kernels are kept for other processes."""
    return _CACHE is not None


def is_compiled(job: str) -> bool:
    """Return whether `note_compiled` has been called for a job of this name: with these sources, on such a processor."""
    return _CACHE is not None and _note(_CACHE, job).exists()


def note_compiled(job: str) -> None:
    """Note that all kernels of a job are compiled and kept."""
    if _CACHE is not None:
        os.close(os.open(_note(_CACHE, job), os.O_CREAT, 0o600))  # not writable by others, whatever the umask


def _note(folder: str, job: str) -> Path:
    return Path(folder) / f"{job.replace(' ', '-')}.{llvmlite.binding.get_host_cpu_name()}.compiled"


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
