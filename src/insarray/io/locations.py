"""Where files are: on this machine, or behind a URL (s3, gs, https, ...) that fsspec and GDAL know."""

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


def local(text: str) -> str:
    """The path of a ``file://`` URL; other text as it is.

    Raises
    ------
    ArgumentError
        If it names another machine.
    """
    if text[:5].lower() != "file:":
        return text
    host, path = re.fullmatch(r"(?://([^/]*))?(.*)", text[5:], re.DOTALL).groups()  # type: ignore[union-attr]
    if host not in (None, "", "localhost") or not path.startswith("/"):
        raise ArgumentError(f"{text}: a file of this machine is file:///folder/name, with three slashes, or a path")
    return unquote(path)


def path_text(path: object, argument: str = "path", remedy: str = "give a folder, a pattern or files") -> str:
    """Text of a path: str, `os.PathLike`, or a path of universal_pathlib.

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
    """An object in a few words of one line."""
    shape = getattr(given, "shape", None)
    if shape is not None:
        return f"{type(given).__name__} of shape {tuple(shape)}"
    text = " ".join(repr(given).split())
    return text if len(text) <= 80 else f"{text[:80]} ..."


def is_url(path: object) -> bool:
    """Whether it is a path on another machine: one that begins with a protocol, such as ``s3://``."""
    if not isinstance(path, str | os.PathLike) and not hasattr(path, "protocol"):
        return False
    text = str(path)
    return "://" in text and text[:5].lower() != "file:"


def location(text: object) -> Path:
    """A path; that of a URL has the same methods, over fsspec.

    Raises
    ------
    ArgumentError
        If it is no path, or no installed package knows the protocol.
    """
    path = path_text(text)
    if not is_url(path):
        return Path(os.path.abspath(os.path.expanduser(path)))
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
    """What to install for a protocol."""
    protocol = str(url).partition("://")[0]
    remedy = _INSTALL.get(protocol, "install the package that is named, or copy the files")
    return ArgumentError(f"{url}: {protocol}:// needs a package that is not installed ({_line(error)}); {remedy}")


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


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
        pattern = local(pattern)
        pattern = with_literal_folders(os.path.expanduser(pattern))
        return [Path(os.path.abspath(match)) for match in glob.glob(pattern, recursive=True)]
    with _server(pattern):
        filesystem, inside = fsspec.core.url_to_fs(pattern)
        filesystem.invalidate_cache()  # others write there, too
        try:
            found = filesystem.glob(inside)
        except FileNotFoundError:  # an empty bucket, for some versions
            found = []
    return [location(filesystem.unstrip_protocol(match)) for match in found]


def with_literal_folders(pattern: str) -> str:
    """A pattern in which the folders that are there by their very names, such as ``run [1]``, are no patterns."""
    parts = pattern.split(os.sep)
    there = 0
    while there < len(parts) - 1 and os.path.isdir(os.sep.join(parts[: there + 1]) or os.sep):
        there += 1
    return os.sep.join([*map(glob.escape, parts[:there]), *parts[there:]])


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
    return [
        (identity(name), repr([_plain(info.get(key)) for key in ("size", *ages)]))
        for name, info in sorted(found.items())
    ]


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
    except ImportError as error:
        raise _needs(url, error) from cause_of(error)
    except Exception as error:
        raise FileError(f"{url}: cannot be reached ({_line(error)})") from cause_of(error)


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
