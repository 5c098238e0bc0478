"""Expand input files and patterns, and compute fingerprints that detect changed inputs."""

import glob
import hashlib
import os
import re
import shlex
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatch
from itertools import takewhile
from pathlib import Path

import numpy as np

from insarray.io.given import give
from insarray.io.locations import exists, is_url, local, location, matches, path_text, stamp, with_literal_folders
from insarray.io.source import Files
from insarray.model.errors import ArgumentError, FileError
from insarray.model.secrets import shown, without_query

_LITTER = {
    *("@eaDir", "#recycle", "@Recycle", "$RECYCLE.BIN", "lost+found", "System Volume Information", "__MACOSX"),
    *("Thumbs.db", "desktop.ini", ".DS_Store"),
}
"""Names that disks, file managers and servers leave in folders."""

_SUSPECT, _DENSEST = 10_000_000, 100
"""Bytes above which a member of an archive is a bomb if it is packed to less than this fraction; text is to a tenth."""

_ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".7z")


def expand(files: Files, argument: str) -> list[Path]:
    """Return the existing paths of a path, a glob pattern (including ``**``), a URL or a list of them; sorted, unique.

    Raises
    ------
    ArgumentError
        If a pattern matches nothing, nothing was given, or an item is not a path.
    FileError
        If a path does not exist.
    """
    given = _listed(files)
    if not given:
        raise ArgumentError(f"{argument}: the list is empty; give a folder, a pattern or files")
    found: set[Path] = set()
    for item in given:
        text = path_text(item, argument)
        path = location(text)
        if exists(path):
            found.add(path)
            _give(path)
        elif glob.has_magic(text):
            found |= _matches(text, argument)
            _give_fixed_part(text)
        else:
            raise FileError(f"{argument}: {text} does not exist" + _here(text))
    return sorted(found, key=str)


def _give(path: Path) -> None:
    """Register a given folder, or the folder of a file and that of the target of a link to it."""
    if not is_url(path):
        give(*((path,) if path.is_dir() else (path.parent, Path(os.path.realpath(path)).parent)))


def _give_fixed_part(pattern: str) -> None:
    if not is_url(pattern):
        literal = with_literal_folders(os.path.expanduser(local(pattern)))
        parts = Path(os.path.abspath(literal)).parts[:-1]
        fixed = takewhile(lambda part: not glob.has_magic(part) or glob.escape(_unescaped(part)) == part, parts)
        give(Path(*map(_unescaped, fixed)))


def _unescaped(part: str) -> str:
    return re.sub(r"\[([*?[])\]", r"\1", part)


def expand_one(file: Files, argument: str, remedy: str = "give one") -> Path:
    """Return the single path given; raise as `expand`, or ArgumentError with the remedy if there are several."""
    found = expand(file, argument)
    if len(found) != 1:
        raise ArgumentError(f"{argument}: {file!r} matches {len(found)} files; {remedy}")
    return found[0]


def _listed(files: object) -> list[object]:
    """Return the items of an argument; numbers, arrays of them and datasets are one (invalid) item."""
    if isinstance(files, np.ndarray) and files.dtype.kind in "UO":
        return files.ravel().tolist()
    one = isinstance(files, str | os.PathLike | Mapping) or hasattr(files, "shape") or hasattr(files, "protocol")
    return [files] if one or not isinstance(files, Iterable) else list(files)


def _matches(pattern: str, argument: str) -> set[Path]:
    found = set(matches(pattern))
    if not found:
        raise ArgumentError(f"{argument}: nothing matches {pattern!r}" + _here(pattern))
    return found


def _here(text: str) -> str:
    return "" if is_url(text) else f" (working directory {os.getcwd()})"


def below(folder: Path, pattern: str = "*", *, deep: bool = True) -> Iterator[Path]:
    """Yield files and folders whose names match in a folder and, if `deep`, below it; follows links to folders.

    Hidden names (with a leading dot) are skipped, as in the shell: copies by macOS and Jupyter are named like the
    files. A folder with several links to it is visited once. The order is arbitrary.
    """
    if is_url(folder):
        found = folder.rglob(pattern) if deep else folder.glob(pattern)
        depth = len(folder.parts)
        yield from (path for path in found if not any(map(_is_hidden, path.parts[depth:])))
        return
    seen = {os.path.realpath(folder)}
    for top, folders, files in os.walk(folder, followlinks=True):
        listed = sorted(name for name in folders if not _is_hidden(name))
        yield from (Path(top, name) for name in (*listed, *sorted(files)) if _named(name, pattern))
        folders[:] = [name for name in listed if deep and _first_time(os.path.join(top, name), seen)]


def _named(name: str, pattern: str) -> bool:
    return not _is_hidden(name) and fnmatch(name, pattern)


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name in _LITTER


def _first_time(folder: str, seen: set[str]) -> bool:
    place = os.path.realpath(folder)
    new = place not in seen
    seen.add(place)
    return new


def archives(folder: Path) -> tuple[str, ...]:
    """Return a note on unread archives in a folder, with the command that unpacks zip files, or an empty tuple."""
    found = sorted(path for path in below(folder, deep=False) if is_archive(path))
    if not found:
        return ()
    told = f"archives are not read, unpack them: {names(found, 3)}"
    if is_url(folder) or any(path.suffix != ".zip" for path in found):
        return (told,)
    where = shlex.quote(str(folder))
    return (f'{told}; with: for zip in {where}/*.zip; do python -m zipfile -e "$zip" {where}; done',)


def unpacking(archive: Path) -> str:
    """Return the end of a message with the command that unpacks a zip file into a folder beside it; empty for others."""
    if is_url(archive) or archive.suffix.lower() != ".zip":
        return ""
    folder = archive.with_suffix("")
    return f" {folder} after: python -m zipfile -e {shlex.quote(str(archive))} {shlex.quote(str(folder))}"


def require_plausible(path: Path, member: zipfile.ZipInfo, largest: int | None = None) -> None:
    """Raise FileError if a member of a zip archive unpacks to more than any table does.

    Parameters
    ----------
    path
        The archive.
    member
        File in it.
    largest
        Bytes that it has at most.
    """
    size = member.file_size
    bomb = size > _SUSPECT and size > _DENSEST * member.compress_size
    if bomb or (largest is not None and size > largest):
        raise FileError(f"{path}: {member.filename} unpacks to {size / 1e6:.0f} MB, which no such table has")


def is_archive(path: Path) -> bool:
    """Return whether a file name is that of an archive."""
    return path.name.lower().endswith(_ARCHIVES)


def fingerprint(paths: Iterable[str | Path], *decoding: object) -> str:
    """Return the SHA-256 (hex) of absolute paths, sizes and modification times, and of the decoding.

    URLs are hashed without user and signature, which may change while the files do not.
    """
    digest = hashlib.sha256()
    for path in paths:
        for name, version in stamp(str(path)) if is_url(path) else _members(path):
            digest.update(f"{name}\0{version}\n".encode())
    digest.update(repr(decoding).encode())
    return digest.hexdigest()


def _members(path: str | Path) -> Iterable[tuple[str, str]]:
    """Return the file, or every file of a folder (a Zarr store), with size and modification time."""
    text = os.path.abspath(path)
    try:
        if not os.path.isdir(text):
            return [(text, _version(text))]
        return [(name, _version(name)) for name in sorted(_inside(text))]
    except OSError as error:
        raise FileError(f"{error.filename or text}: cannot be read ({error.strerror})") from error


def _inside(top: str) -> Iterator[str]:
    """Yield the files below a folder, without those that other programs leave there."""
    for folder, folders, files in os.walk(top):
        folders[:] = [name for name in folders if name not in _LITTER]
        yield from (os.path.join(folder, name) for name in files if name not in _LITTER and not name.startswith("._"))


def _version(path: str) -> str:
    stat = os.stat(path)
    return f"{stat.st_size}\0{stat.st_mtime_ns}"


def name_of(path: str | Path) -> str:
    """Return the last part of a path or URL, without secrets."""
    return shown(without_query(str(path)).rstrip("/").rpartition("/")[2])


def names(paths: Iterable[str | Path], limit: int = 5) -> str:
    """Return the first few file names, for a message."""
    listed = [name_of(path) for path in paths]
    return ", ".join(listed[:limit]) + (f" and {len(listed) - limit} more" if len(listed) > limit else "")
