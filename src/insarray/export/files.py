"""Output files that appear when they are complete."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from insarray.model.errors import StoreError


@contextmanager
def complete_file(path: str | Path, *, overwrite: bool) -> Iterator[Path]:
    """Yield a temporary file that is renamed to `path` on success, and removed otherwise.

    It is alone in a folder next to `path`, so that renaming is atomic and side files are removed.
    """
    target = Path(path)
    require_free(target, overwrite=overwrite)
    try:
        folder = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    except OSError as error:
        raise StoreError(
            f"{target}: cannot write into its folder ({error.strerror}); make it, or choose another"
        ) from error
    try:
        temporary = folder / target.name
        yield temporary
        os.replace(temporary, target)
    except OSError as error:
        raise StoreError(f"{target}: not written ({error})") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def made_folder(folder: Path) -> Iterator[None]:
    """Create a folder, and remove it on exit if it was created and is empty."""
    made = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{folder}: cannot be made ({error.strerror}); choose another folder") from error
    try:
        yield
    finally:
        if made and not any(folder.iterdir()):
            folder.rmdir()


def require_free(target: Path, *, overwrite: bool) -> None:
    """Raise StoreError if the file exists and must not be replaced, or is a folder."""
    if not overwrite and (target.exists() or target.is_symlink()):
        raise StoreError(f"{target}: exists; choose another name, or pass overwrite=True (--overwrite) to replace it")
    if target.is_dir():
        raise StoreError(f"{target}: is a folder; give the name of a file")
