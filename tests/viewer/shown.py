"""Series to look at, servers that show them, and requests."""

import http.client
import threading
from contextlib import contextmanager

import numpy as np
import xarray as xr

from insarray.model.dataset import grid_coords
from insarray.model.grid import Grid
from insarray.viewer.server import Server, Site

GRID = Grid(300, 520, 500_000.0, 4_100_000.0, 30.0, -30.0, "EPSG:32613")


def series_on(grid, dates=6, seed=0, **attrs):
    """A series with holes, whose first date is the reference."""
    rng = np.random.default_rng(seed)
    days = np.arange(dates) * 24
    rate = 0.02 * np.sin(np.arange(grid.height) / 40)[:, None] * np.cos(np.arange(grid.width) / 50)
    moved = days[:, None, None] / 365.25 * rate + rng.normal(0, 0.002, (dates, *grid.shape))
    moved[0] = 0
    moved[:, rng.random(grid.shape) < 0.1] = np.nan
    layers = {
        "displacement": (("time", "y", "x"), moved.astype(np.float32), {"units": "m"}),
        "displacement_std": (("time", "y", "x"), np.full(moved.shape, 0.002, np.float32), {"units": "m"}),
    }
    times = np.datetime64("2020-01-01", "ns") + days.astype("timedelta64[D]")
    return xr.Dataset(layers, {"time": times, **grid_coords(grid)}, {"reference_date": "2020-01-01T00:00:00", **attrs})


@contextmanager
def serving(*paths, **options):
    """Server in a thread."""
    server = Server(Site([str(path) for path in paths], **options))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def ask(server, path, *, host="127.0.0.1", method="GET", headers=()):
    """Status, headers and body of a request."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=30)
    connection.putrequest(method, path, skip_host=True)
    if host is not None:
        connection.putheader("Host", host)
    for name, value in headers:
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    found = answer.status, dict(answer.getheaders()), answer.read()
    connection.close()
    return found


def below(server, path):
    """Status and body of a path below the token."""
    status, _, body = ask(server, f"/{server.site.token}/{path}")
    return status, body
