"""What a browser may do with the page: content security, and the one host of a base map."""

import re
from urllib.parse import urlsplit

from insarray.model.errors import ArgumentError

_IMAGES = "img-src 'self' data: blob:"
_HOST = re.compile(r"[A-Za-z0-9.-]+(:\d{1,5})?", re.ASCII)
_NOTEBOOKS = "http://localhost:* http://127.0.0.1:* https://localhost:* vscode-webview:"
"""Pages of notebooks on this machine."""


def host_of(basemap: str) -> str:
    """Scheme and host of the tiles of a base map, as a policy names them.

    Raises
    ------
    ArgumentError
        If it is no template of an address.
    """
    found = urlsplit(basemap)
    names = [name for name in ("{x}", "{z}") if name not in basemap]
    if found.scheme not in ("http", "https") or not _HOST.fullmatch(found.netloc) or "{" in found.netloc:
        names = ["a host"]
    elif not ({"{y}", "{-y}"} & set(re.findall(r"\{-?\w\}", basemap))):
        names.append("{y}")
    if names:
        raise ArgumentError(
            f"basemap: {basemap!r} lacks {' and '.join(names)}; give the address of tiles in Web Mercator, such as "
            "https://tiles.example/{z}/{x}/{y}.png"
        )
    return f"{found.scheme}://{found.netloc}"


def headers(basemap: str | None = None, *, in_notebooks: bool = False) -> dict[str, str]:
    """Headers of every answer.

    Parameters
    ----------
    basemap
        Address of the tiles of a base map; only its host may be asked for pictures.
    in_notebooks
        Whether pages of notebooks may have the page in a frame.
    """
    ancestors = _NOTEBOOKS if in_notebooks else "'none'"
    return {
        "Content-Security-Policy": (
            f"default-src 'none'; script-src 'self'; style-src 'self'; {_images(basemap)}; connect-src 'self'; "
            f"base-uri 'none'; form-action 'none'; frame-ancestors {ancestors}"
        ),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer" if basemap is None else "origin",  # servers of tiles ask who it is
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
    }


def with_basemap(index: bytes, basemap: str | None) -> bytes:
    """The page, which says its policy as well, for web servers that do not."""
    return index.replace(_IMAGES.encode(), _images(basemap).encode())


def _images(basemap: str | None) -> str:
    return _IMAGES if basemap is None else f"{_IMAGES} {host_of(basemap)}"
