"""Where files are: on this machine, or behind a URL (s3, gs, https, ...) that fsspec and GDAL know."""

import glob
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import fsspec

from insarray.model.errors import ArgumentError, FileError

_GDAL = {"s3": "/vsis3/", "gs": "/vsigs/", "gcs": "/vsigs/", "http": "/vsicurl/http://", "https": "/vsicurl/https://"}
_BLOCK_BYTES = 2**20


def is_url(path: object) -> bool:
    """Whether it is a path that begins with a protocol, such as ``s3://``."""
    return not isinstance(path, list | tuple) and "://" in str(path)


def location(text: str | Path) -> Path:
    """A path; that of a URL has the same methods, over fsspec.

    Raises
    ------
    ArgumentError
        If no installed package knows the protocol.
    """
    if not is_url(text):
        return Path(os.path.abspath(os.path.expanduser(text)))
    from upath import UPath

    try:
        return cast("Path", UPath(str(text)))
    except (ImportError, ValueError) as error:
        raise ArgumentError(f"{text}: {error}; s3:// needs pip install 'insarray[s3]'") from error


def exists(path: Path) -> bool:
    """Whether there is such a file or folder, or a link to nothing.

    Raises
    ------
    FileError
        If a server does not answer, or refuses.
    """
    if not is_url(path):
        return os.path.lexists(path)
    with _server(path):
        cast("Any", path).fs.invalidate_cache()  # others write there, too
        return path.exists()


def matches(pattern: str) -> list[Path]:
    """Paths that match a pattern, ``**`` too.

    Raises
    ------
    FileError
        If a server does not answer, or refuses.
    """
    if not is_url(pattern):
        return [Path(os.path.abspath(match)) for match in glob.glob(os.path.expanduser(pattern), recursive=True)]
    with _server(pattern):
        filesystem, inside = fsspec.core.url_to_fs(pattern)
        filesystem.invalidate_cache()  # others write there, too
        found = filesystem.glob(inside)
    return [location(filesystem.unstrip_protocol(match)) for match in found]


def stamp(url: str) -> list[tuple[str, str]]:
    """Names and versions of a file behind a URL, or of all files of a folder: size, and what the server says of its age.

    Raises
    ------
    FileError
        If a server does not answer, or has no such file.
    """
    with _server(url):
        filesystem, inside = fsspec.core.url_to_fs(url)
        found = filesystem.find(inside, detail=True) or {inside: filesystem.info(inside)}
    ages = ("ETag", "etag", "LastModified", "mtime", "updated")
    return [(name, repr([_plain(info.get(key)) for key in ("size", *ages)])) for name, info in sorted(found.items())]


def _plain(value: object) -> object:
    """A time as seconds: the same one is told in UTC by one request and in the zone of this machine by another."""
    return value.timestamp() if isinstance(value, datetime) else value


def open_url(url: str) -> Any:
    """The file behind a URL, for reading parts of it; they are kept for the next part.

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
    """Turn whatever a protocol raises into FileError: each has errors of its own, with no common base."""
    try:
        yield
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise FileError(f"{url}: cannot be reached ({reason})") from error


# -- GDAL -----------------------------------------------------------------------------------------------------------


def gdal_name(path: Path) -> str:
    """GDAL's name for a file.

    Raises
    ------
    ArgumentError
        If GDAL does not know the protocol.
    """
    if not is_url(path):
        return str(path)
    protocol, _, inside = str(path).partition("://")
    if protocol not in _GDAL:
        raise ArgumentError(f"{path}: rasters are read from {', '.join(sorted(_GDAL))}, not {protocol}; copy them")
    return _GDAL[protocol] + inside


@cache
def gdal_options(protocols: frozenset[str]) -> dict[str, Any]:
    """Settings for files behind URLs: no listing of folders, patience, and the S3 endpoint of the environment."""
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
    """Protocols of GDAL's names that are not files of this machine."""
    starts = ((name, protocol) for name in names for protocol, start in _GDAL.items() if name.startswith(start))
    return frozenset(protocol for _, protocol in starts)
