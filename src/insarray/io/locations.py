"""Locations of files: local, or URLs (s3, gs, https, ...) known to fsspec and GDAL."""

import glob
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote, urlsplit

import fsspec

from insarray.model.errors import ArgumentError, FileError
from insarray.model.secrets import cause_of, identity

_GDAL = {"s3": "/vsis3/", "gs": "/vsigs/", "gcs": "/vsigs/", "http": "/vsicurl/http://", "https": "/vsicurl/https://"}
_INSTALL = {
    "s3": "pip install 'insarray[s3]'",
    **dict.fromkeys(("http", "https"), "pip install 'insarray[http]'"),
    "gs": "pip install gcsfs",
    "gcs": "pip install gcsfs",
}
_BLOCK_BYTES = 2**20
_CHAINED = ("simplecache", "zip")


def local(text: str) -> str:
    """Return the path of a ``file://`` URL; other text unchanged.

    Raises
    ------
    ArgumentError
        If it names another host.
    """
    if text[:5].lower() != "file:":
        return text
    host, path = re.fullmatch(r"(?://([^/]*))?(.*)", text[5:], re.DOTALL).groups()  # type: ignore[union-attr]
    if host not in (None, "", "localhost") or not path.startswith("/"):
        raise ArgumentError(f"{text}: a file of this machine is file:///folder/name, with three slashes, or a path")
    return unquote(path)


def path_text(path: object, argument: str = "path", remedy: str = "give a folder, a pattern or files") -> str:
    """Return the text of a path: str, `os.PathLike`, or a path of universal_pathlib.

    Raises
    ------
    ArgumentError
        If it is none of these.
    """
    if isinstance(path, str):
        return local(path)
    if hasattr(path, "protocol") and hasattr(path, "fs"):
        return local(str(path))
    if isinstance(path, os.PathLike):
        return os.fsdecode(path)
    raise ArgumentError(f"{argument}: {_what(path)} is not a path; {remedy}")


def _what(given: object) -> str:
    """Describe an object in a few words on one line."""
    shape = getattr(given, "shape", None)
    if shape is not None:
        return f"{type(given).__name__} of shape {tuple(shape)}"
    text = " ".join(repr(given).split())
    return text if len(text) <= 80 else f"{text[:80]} ..."


def is_url(path: object) -> bool:
    """Return whether a path is a remote URL: one that begins with a protocol, such as ``s3://``."""
    if not isinstance(path, str | os.PathLike) and not hasattr(path, "protocol"):
        return False
    text = str(path)
    return "://" in text and text[:5].lower() != "file:"


def refuse_chain(url: str, *, written: bool = False) -> None:
    """Raise ArgumentError for chained URLs (``::``), except of one store or file to be read in an archive or by a cache.

    Parameters
    ----------
    url
        Location.
    written
        Whether it is an output.
    """
    if "::" not in url or not is_url(url):
        return
    remedy = "give a plain URL or path; unpack or copy the files if need be"
    first, *others = url.split("::")
    if written:
        raise ArgumentError(f"{url}: a chained URL (::) cannot be written to; {remedy}")
    if "*" in url:
        raise ArgumentError(f"{url}: a chained URL (::) cannot have a pattern; {remedy}")
    if first.partition("://")[0] not in _CHAINED or not all(others):
        raise ArgumentError(f"{url}: of chained URLs (::) only {' and '.join(_CHAINED)} are read; {remedy}")


def location(text: object) -> Path:
    """Return a path; for a URL one with the same methods, based on fsspec.

    Raises
    ------
    ArgumentError
        If it is not a path, it is a chained URL that is not read, or the protocol needs a package that is not installed.
    """
    path = path_text(text)
    if not is_url(path):
        return Path(os.path.abspath(os.path.expanduser(path)))
    refuse_chain(path)
    from upath import UPath

    try:
        return cast("Path", UPath(path))
    except ImportError as error:
        raise _needs(path, error) from cause_of(error)
    except ValueError as error:
        raise ArgumentError(
            f"{path}: {error}; known are s3://, https:// and what fsspec has packages for"
        ) from cause_of(error)


def _needs(url: object, error: ImportError) -> ArgumentError:
    """Return the error that says what to install for a protocol."""
    protocol = str(url).partition("://")[0]
    remedy = _INSTALL.get(protocol, "install the package that is named, or copy the files")
    return ArgumentError(f"{url}: {protocol}:// needs a package that is not installed ({_line(error)}); {remedy}")


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def exists(path: Path) -> bool:
    """Return whether a file or folder exists, including broken links.

    Raises
    ------
    FileError
        If a server does not answer or refuses access.
    """
    if not is_url(path):
        return os.path.lexists(path)
    with _server(path):
        cast("Any", path).fs.invalidate_cache()  # others may write there
        return path.exists()


def matches(pattern: str) -> list[Path]:
    """Return the paths that match a pattern, which may contain ``**``.

    Raises
    ------
    FileError
        If a server does not answer or refuses access.
    """
    if not is_url(pattern):
        pattern = local(pattern)
        pattern = with_literal_folders(os.path.expanduser(pattern))
        return [Path(os.path.abspath(match)) for match in glob.glob(pattern, recursive=True)]
    with _server(pattern):
        filesystem, inside = fsspec.core.url_to_fs(pattern)
        filesystem.invalidate_cache()  # others may write there
        try:
            found = filesystem.glob(inside)
        except FileNotFoundError:  # some versions raise this for an empty bucket
            found = []
    return [location(filesystem.unstrip_protocol(match)) for match in found]


def with_literal_folders(pattern: str) -> str:
    """Escape the leading folders of a pattern that exist literally, such as ``run [1]``."""
    parts = pattern.split(os.sep)
    there = 0
    while there < len(parts) - 1 and os.path.isdir(os.sep.join(parts[: there + 1]) or os.sep):
        there += 1
    return os.sep.join([*map(glob.escape, parts[:there]), *parts[there:]])


def stamp(url: str) -> list[tuple[str, str]]:
    """Return names and versions (size, timestamps) of a file behind a URL, or of all files of a folder.

    Raises
    ------
    FileError
        If a server does not answer, or has no such file.
    """
    with _server(url):
        filesystem, inside = fsspec.core.url_to_fs(url)
        found = filesystem.find(inside, detail=True) or {inside: filesystem.info(inside)}
    ages = ("ETag", "etag", "LastModified", "mtime", "updated")
    return [
        (identity(name), repr([_plain(info.get(key)) for key in ("size", *ages)]))
        for name, info in sorted(found.items())
    ]


def _plain(value: object) -> object:
    """Return a time as seconds, as servers report the same time in different time zones."""
    return value.timestamp() if isinstance(value, datetime) else value


def open_url(url: str) -> Any:
    """Open the file of a URL for partial reads, with a block cache.

    Raises
    ------
    FileError
        If a server does not answer, or has no such file.
    """
    with _server(url):
        filesystem, inside = fsspec.core.url_to_fs(url)
        return filesystem.open(inside, "rb", block_size=_BLOCK_BYTES, cache_type="blockcache")


@contextmanager
def _server(url: object) -> Iterator[None]:
    """Convert exceptions of a protocol, which have no common base class, to FileError."""
    try:
        yield
    except ImportError as error:
        raise _needs(url, error) from cause_of(error)
    except Exception as error:  # each file system of fsspec has errors of its own
        raise FileError(f"{url}: cannot be reached ({_line(error)})") from cause_of(error)


# -- GDAL -----------------------------------------------------------------------------------------------------------


def gdal_name(path: Path) -> str:
    """Return GDAL's name for a file.

    Raises
    ------
    ArgumentError
        If GDAL does not support the protocol.
    """
    if not is_url(path):
        return str(path)
    protocol, _, inside = str(path).partition("://")
    if protocol not in _GDAL:
        raise ArgumentError(f"{path}: rasters are read from {', '.join(sorted(_GDAL))}, not {protocol}; copy them")
    return _GDAL[protocol] + inside


@cache
def gdal_options(protocols: frozenset[str]) -> dict[str, Any]:
    """Return GDAL settings for URLs: no folder listings, retries, and the S3 endpoint of the environment."""
    if not protocols:
        return {}
    options: dict[str, Any] = {
        "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
        "GDAL_HTTP_MAX_RETRY": 5,
        "GDAL_HTTP_RETRY_DELAY": 0.5,
        "GDAL_HTTP_TIMEOUT": 60,
        "VSI_CACHE": True,
    }
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if "s3" in protocols and endpoint:
        parts = urlsplit(endpoint)
        options |= {
            "AWS_S3_ENDPOINT": parts.netloc,
            "AWS_HTTPS": "YES" if parts.scheme == "https" else "NO",
            "AWS_VIRTUAL_HOSTING": False,
        }
    return options


def protocols_of(names: Sequence[str]) -> frozenset[str]:
    """Return the protocols of those GDAL names that are not local files."""
    starts = ((name, protocol) for name in names for protocol, start in _GDAL.items() if name.startswith(start))
    return frozenset(protocol for _, protocol in starts)
