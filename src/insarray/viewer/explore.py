"""The page in a notebook: a server in a thread of the kernel, and a frame that shows it."""

import threading
import weakref
from html import escape

import xarray as xr

from insarray.model.errors import ArgumentError
from insarray.viewer.server import Server, Site

_OPEN: set["Explorer"] = set()


class Explorer:
    """A dataset as a page on this machine, as long as the program runs or until `close`.

    A notebook shows the page; `url` opens it in a browser.
    """

    def __init__(self, server: Server, height: int) -> None:
        self._server, self._height = server, height
        self.url = server.url
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True).start()
        self._end = weakref.finalize(self, _stop, server)
        _OPEN.add(self)  # a cell that shows it need not keep it

    def close(self) -> None:
        """End the server."""
        _OPEN.discard(self)
        self._end()

    def __repr__(self) -> str:
        return f"<insarray page: {self.url if self._end.alive else 'closed'}>"

    def _repr_html_(self) -> str:
        if not self._end.alive:
            return "<p>closed</p>"
        url = escape(self.url)
        return (
            f'<iframe src="{url}" title="insarray view" allow="clipboard-write" '
            f'style="width:100%;height:{self._height}px;border:1px solid #8888"></iframe>'
            f'<p><a href="{url}" target="_blank" rel="noopener">in a window of its own</a>; shown while this kernel runs</p>'
        )


def explore(
    dataset: xr.Dataset, *, height: int = 700, port: int = 0, gnss: str | None = None, basemap: str | None = None
) -> Explorer:
    """Show a result as a page to click: maps, series, profiles, another reference.

    Parameters
    ----------
    dataset
        Series, model or maps (y, x), or points.
    height
        Height in a notebook, in pixels.
    port
        Port on this machine; 0: any free port.
    gnss
        Comparison with stations; see `insarray.compare_gnss`.
    basemap
        Tiles of a base map, which the browser then asks for: an address with {z}, {x} and {y}.

    Raises
    ------
    ArgumentError
        If there is nothing to show, or the port is taken.
    """
    site = Site([dataset], () if gnss is None else (gnss,), basemap, in_notebooks=True)
    try:
        return Explorer(Server(site, port), height)
    except (OSError, OverflowError) as error:
        site.close()
        raise ArgumentError(
            f"port: {port} cannot be used ({error}); choose another one, or 0 for any free port"
        ) from error


def _stop(server: Server) -> None:
    server.shutdown()
    server.server_close()
