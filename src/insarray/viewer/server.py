"""A small web server on this machine for the page and the chunks of results; it reads nothing else."""

import ctypes
import hmac
import json
import secrets
import sys
import threading
from collections.abc import Sequence
from functools import cache
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from itertools import zip_longest
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import xarray as xr
from zarr.core.buffer import Buffer
from zarr.storage import MemoryStore

from insarray.model.errors import ArgumentError, InsarrayError, StoreError
from insarray.model.secrets import shown
from insarray.model.text import printable
from insarray.viewer.chunks import Chunks
from insarray.viewer.layout import chunk_of, describe
from insarray.viewer.policy import headers, with_basemap
from insarray.viewer.results import Result, name_of_shown, open_or_error, signature

HOSTS = {"127.0.0.1", "localhost"}
"""Names by which a browser on this machine asks; another one means that a foreign page has had its name resolved here."""

_M_ARENA_MAX = -8  # malloc.h of glibc
_TYPES = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript",
    "css": "text/css",
    "txt": "text/plain; charset=utf-8",
    "svg": "image/svg+xml",
}


class Answer(NamedTuple):
    """What is sent."""

    body: bytes
    kind: str = "application/octet-stream"
    status: HTTPStatus = HTTPStatus.OK
    keep: bool = False


class _Opened:
    """A result that was opened, as it was then."""

    def __init__(self, path: str | xr.Dataset, gnss: str | None) -> None:
        self.signature = signature(path)
        self.name = name_of_shown(path)
        self.generation = secrets.token_hex(4)
        found = open_or_error(path, gnss)
        self.failure = found if isinstance(found, InsarrayError) else None
        self.error = None if isinstance(found, Result) else printable(shown(str(found)))
        self.chunks = Chunks(found) if isinstance(found, Result) else None
        self.metadata: dict[str, bytes] = {}
        if isinstance(found, Result):
            written: dict[str, Buffer] = {}
            describe(found, MemoryStore(written), packed=False)
            self.metadata = {key: buffer.to_bytes() for key, buffer in written.items()}

    def close(self) -> None:
        if self.chunks is not None:
            self.chunks.close()


class Site:
    """What the server answers: the page, the list of results, and their chunks.

    Parameters
    ----------
    paths
        Results, or datasets. Of a store that is not finished the page says so, and shows it when it is.
    gnss
        Comparisons with stations, of the first results.
    basemap
        Address of the tiles of a base map, with {x}, {y} and {z}; None: there is none.
    in_notebooks
        Whether pages of notebooks may have the page in a frame.

    Raises
    ------
    InsarrayError
        If another one cannot be opened.
    """

    def __init__(
        self,
        paths: Sequence[str | xr.Dataset],
        gnss: Sequence[str] = (),
        basemap: str | None = None,
        *,
        in_notebooks: bool = False,
    ) -> None:
        self.token = secrets.token_urlsafe(16)
        self.headers = headers(basemap, in_notebooks=in_notebooks)
        self._basemap = basemap
        self._paths, self._lock = with_stations(paths, gnss), threading.Lock()
        self._opened = [_Opened(*path) for path in self._paths]
        for one in self._opened:
            if one.failure is not None and not isinstance(one.failure, StoreError):
                self.close()
                raise one.failure

    def answer(self, path: str) -> Answer:
        """The answer for a path below the token."""
        if path in ("", "index.html"):
            return Answer(with_basemap(page()["index.html"], self._basemap), _TYPES["html"])
        if path in page():
            return Answer(page()[path], _TYPES.get(path.rpartition(".")[2], "application/octet-stream"), keep=True)
        if path == "view.json":
            return _json(self._view())
        if path == "status.json":
            return _json(self._status())
        if path.startswith("data/"):
            return self._data(path)
        return _refused(HTTPStatus.NOT_FOUND, "there is nothing here")

    def _view(self) -> dict[str, Any]:
        """The results; those that have changed since are opened again."""
        with self._lock:
            for number, (path, gnss) in enumerate(self._paths):
                if signature(path) != self._opened[number].signature or self._opened[number].error:
                    self._opened[number].close()
                    self._opened[number] = _Opened(path, gnss)
            return {
                "basemap": self._basemap,
                "stores": [
                    {"name": one.name, "error": one.error}
                    if one.error
                    else {"name": one.name, "url": f"data/{number}/{one.generation}"}
                    for number, one in enumerate(self._opened)
                ],
            }

    def _status(self) -> dict[str, Any]:
        return {
            "stores": [
                {
                    "changed": signature(path) != one.signature,
                    "progress": one.chunks.progress if one.chunks else 1.0,
                    "damage": [printable(text) for text in one.chunks.damage] if one.chunks else [],
                }
                for (path, _), one in zip(self._paths, self._opened, strict=True)
            ]
        }

    def _data(self, path: str) -> Answer:
        _, number, generation, key = (*path.split("/", 3), "", "", "")[:4]
        if not (number.isascii() and number.isdigit() and int(number) < len(self._opened)):
            return _refused(HTTPStatus.NOT_FOUND, "no such result")
        one = self._opened[int(number)]
        if generation != one.generation or one.chunks is None:
            return _refused(HTTPStatus.GONE, "the result has changed; reload the page")
        if key in one.metadata:
            kind = "application/json" if key.endswith(".json") else "application/octet-stream"
            return Answer(one.metadata[key], kind, keep=True)
        chunk = chunk_of(key)
        if chunk is None:
            return _refused(HTTPStatus.NOT_FOUND, "no such array")
        try:
            return Answer(one.chunks.encoded(chunk), keep=True)
        except ArgumentError as error:
            return _refused(HTTPStatus.NOT_FOUND, str(error))
        except Exception as error:  # codecs and readers raise errors of any kind
            return _refused(HTTPStatus.INTERNAL_SERVER_ERROR, f"{one.name}: cannot be read: {shown(str(error))}")

    def close(self) -> None:
        """Remove what was kept."""
        for one in self._opened:
            one.close()


def with_stations(paths: Sequence[str | xr.Dataset], gnss: Sequence[str]) -> list[tuple[str | xr.Dataset, str | None]]:
    """Results, each with its comparison with stations.

    Raises
    ------
    ArgumentError
        If there are more comparisons than results.
    """
    if len(gnss) > len(paths):
        raise ArgumentError(
            f"gnss: {len(gnss)} comparisons for {len(paths)} results; give one for each, in their order"
        )
    return list(zip_longest(paths, gnss))


class Server(ThreadingHTTPServer):
    """Server of a site on the loopback interface.

    Parameters
    ----------
    site
        What it answers.
    port
        Port; 0: any that is free.
    """

    daemon_threads = True

    def __init__(self, site: Site, port: int = 0) -> None:
        _limit_arenas()
        self.site = site
        super().__init__(("127.0.0.1", port), Handler)

    @property
    def url(self) -> str:
        """Address of the page."""
        return f"http://127.0.0.1:{self.server_address[1]}/{self.site.token}/"

    def server_close(self) -> None:
        """Close, and remove what was kept."""
        super().server_close()
        self.site.close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that has gone away is no error."""


class Handler(BaseHTTPRequestHandler):
    """Checks and answers a request."""

    server: Server
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "insarray", ""
    timeout = 60

    def do_GET(self) -> None:
        """Send the answer."""
        self._send(self._answer())

    def do_HEAD(self) -> None:
        """Send its headers."""
        self._send(self._answer(), body=False)

    def _answer(self) -> Answer:
        if not _is_here(self.headers.get_all("Host") or []):
            return _refused(HTTPStatus.FORBIDDEN, "this address is not that of the server")
        token, _, path = self.path.partition("?")[0].lstrip("/").partition("/")
        if not hmac.compare_digest(token.encode(), self.server.site.token.encode()):
            return _refused(HTTPStatus.FORBIDDEN, "use the whole address that insarray view has printed")
        return self.server.site.answer(path)

    def _send(self, answer: Answer, *, body: bool = True) -> None:
        self.send_response(answer.status)
        for name, value in self.server.site.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", answer.kind)
        self.send_header("Content-Length", str(len(answer.body)))
        self.send_header("Cache-Control", "private, max-age=3600" if answer.keep else "no-store")
        self.end_headers()
        if body:
            self.wfile.write(answer.body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the name that is overridden
        """Nothing: the address has the token."""


def _limit_arenas() -> None:
    """Let threads share freed memory: glibc keeps some for each of them, which is a third of the server's."""
    options = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if options is not None:
        options(_M_ARENA_MAX, 2)


def _is_here(hosts: list[str]) -> bool:
    """Whether a request names this machine, whatever the port, which may be forwarded."""
    try:
        return len(hosts) == 1 and urlsplit(f"//{hosts[0]}").hostname in HOSTS
    except ValueError:
        return False


@cache
def page() -> dict[str, bytes]:
    """Files of the page by their paths."""
    top = files("insarray.viewer").joinpath("page")
    found = {entry.name: entry.read_bytes() for entry in top.iterdir() if entry.is_file()}
    assets = top.joinpath("assets")
    return found | {f"assets/{entry.name}": entry.read_bytes() for entry in assets.iterdir()}


def _json(value: dict[str, Any]) -> Answer:
    return Answer(json.dumps(value).encode(), "application/json")


def _refused(status: HTTPStatus, why: str) -> Answer:
    return Answer(printable(why).encode(), "text/plain; charset=utf-8", status)
