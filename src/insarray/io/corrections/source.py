"""What files of zenith delays have in common: when, where, what; windows of them, and the few that are kept in memory."""

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import ClassVar, NamedTuple

import numpy as np

from insarray.model.errors import FileError

WET, HYDROSTATIC, TOTAL = "troposphere_wet", "troposphere_hydrostatic", "troposphere"

_KEPT_BYTES = 64_000_000


class Bounds(NamedTuple):
    """Latitudes and longitudes in degrees; longitudes may go on beyond 180."""

    south: float
    north: float
    west: float
    east: float


class Delays(NamedTuple):
    """Delays on nodes, one way.

    Parameters
    ----------
    heights
        Of the levels in m, ascending; None: at the ground.
    lat, lon
        Of the nodes, ascending.
    values
        By name, (level, lat, lon) or (lat, lon), in m, positive.
    """

    heights: np.ndarray | None
    lat: np.ndarray
    lon: np.ndarray
    values: dict[str, np.ndarray]


@dataclass(frozen=True)
class DelayFile:
    """Delays at one time in a file.

    Parameters
    ----------
    path
        The file.
    time
        UTC; at midnight if only the day is known.
    timed
        Whether the time of day is known.
    fingerprint
        Of the file and of how it is read.
    """

    path: str
    time: np.datetime64
    timed: bool
    fingerprint: str

    names: ClassVar[tuple[str, ...]] = (WET, HYDROSTATIC)
    product: ClassVar[str] = ""
    reference: ClassVar[str] = "geoid"
    at_ground: ClassVar[bool] = False
    slant: ClassVar[bool] = False

    def read(self, bounds: Bounds, top: float) -> Delays:
        """Delays about the bounds, up to a level above `top`.

        Raises
        ------
        FileError
            If the file cannot be read, or lies elsewhere.
        """
        raise NotImplementedError

    @property
    def top(self) -> float:
        """Height of the highest level, m."""
        return np.inf


_Key = tuple[str, Bounds, float]


class _Kept:
    """The windows that were read last, as far as they fit; what several blocks want at once is read by one."""

    def __init__(self) -> None:
        self._found: OrderedDict[_Key, Delays] = OrderedDict()
        self._reading: dict[_Key, Lock] = {}
        self._bytes, self._lock = 0, Lock()

    def read(self, file: DelayFile, bounds: Bounds, top: float) -> Delays:
        """Window of a file, from memory if it is there."""
        key = (file.fingerprint, bounds, top)
        with self._lock:
            reading = self._reading.setdefault(key, Lock())
        with reading:
            found = self._get(key)
            if found is None:
                found = file.read(bounds, top)
                self._put(key, found)
        return found

    def _get(self, key: _Key) -> Delays | None:
        with self._lock:
            if key in self._found:
                self._found.move_to_end(key)
            return self._found.get(key)

    def _put(self, key: _Key, delays: Delays) -> None:
        with self._lock:
            if _size(delays) <= _KEPT_BYTES // 4:
                self._found[key] = delays
                self._bytes += _size(delays)
            while self._bytes > _KEPT_BYTES:
                self._bytes -= _size(self._found.popitem(last=False)[1])
            self._reading = {one: lock for one, lock in self._reading.items() if lock.locked()}


def _size(delays: Delays) -> int:
    return sum(values.nbytes for values in delays.values.values())


_KEPT = _Kept()


def read_kept(file: DelayFile, bounds: Bounds, top: float) -> Delays:
    """As `DelayFile.read`; what is small is kept in memory for the next block."""
    return _KEPT.read(file, bounds, top)


def window(lat: np.ndarray, lon: np.ndarray, bounds: Bounds, path: str) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the latitudes and longitudes about the bounds, so that both ascend; longitudes that go round are put together.

    Raises
    ------
    FileError
        If the bounds do not lie, in part, between the nodes.
    """
    turned = beside(lon, bounds)
    picked = []
    for axis, low, high, what in ((lat, *bounds[:2], "latitudes"), (turned, *bounds[2:], "longitudes")):
        order = np.argsort(axis, kind="stable")
        values = axis[order]
        if len(values) < 2:
            raise FileError(f"{path}: has a single one of its {what}, between which nothing can be interpolated")
        if low > values[-1] or high < values[0]:
            raise FileError(
                f"{path}: has the {what} {values[0]:.6g} to {values[-1]:.6g}, the data {low:.6g} to {high:.6g}; give the "
                "file of this place"
            )
        first = max(0, int(np.searchsorted(values, low, side="right")) - 1)
        last = min(len(values) - 1, int(np.searchsorted(values, high, side="left")))
        if last == first:
            first, last = max(0, first - 1), min(len(values) - 1, last + 1)
        picked.append(order[first : last + 1])
    return picked[0], picked[1]


def beside(lon: np.ndarray, bounds: Bounds) -> np.ndarray:
    """Longitudes counted as the bounds count them."""
    middle = (bounds.west + bounds.east) / 2
    return np.asarray(middle + (lon - middle + 180.0) % 360.0 - 180.0)
