"""Plan the link model of a wrapped stack: number of points and links, memory."""

import os
from dataclasses import asdict, dataclass
from typing import Any

import psutil
import xarray as xr

from insarray.engine.plan import BASE_BYTES
from insarray.model.choices import LinkNetwork
from insarray.model.errors import ArgumentError
from insarray.products.points.links import CHUNK, link_arcs
from insarray.products.points.selection import candidate_points

_PER_SAMPLE = 12  # phases of the points, collected, sorted and kept
_PER_PIXEL = 48  # quality maps, and output maps
_PER_SEARCHED = 60  # of each date: phases of a part in float64, their lattice and trial values
_PER_LINK = 60  # ends and results
_PER_INTEGRATED = 300  # network, weights and steps; measured 263 for 217,000 and 553,000 links
_REFINED, _UNWRAPPED = (1_900, 100), (500, 160)  # of a point, and of each of its dates
_COMPILED = 150_000_000  # compiled kernels of the search


@dataclass(frozen=True)
class LinkPlan:
    """Size of a link model, which is computed in one process.

    Parameters
    ----------
    points
        Number of pixels that pass the criteria; some of them may have no phase.
    links
        Number of arcs between them.
    dates
        Number of dates of the stack.
    pixels
        Number of pixels of the image.
    workers
        Number of parts of the links that are searched at the same time.
    """

    points: int
    links: int
    dates: int
    pixels: int
    workers: int

    @property
    def peak_bytes(self) -> int:
        """Estimated peak memory of the process in bytes: while searching or integrating links."""
        held = self.pixels * _PER_PIXEL + self.points * self.dates * _PER_SAMPLE + self.links * _PER_LINK
        searching = min(self.links, self.workers * CHUNK) * self.dates * _PER_SEARCHED
        return BASE_BYTES + _COMPILED + held + max(searching, self.links * _PER_INTEGRATED)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for ``--json``."""
        return {**asdict(self), "peak_bytes": self.peak_bytes}

    def require_memory(self) -> None:
        """Raise ArgumentError if less memory than `peak_bytes` is available."""
        available = psutil.virtual_memory().available
        if self.peak_bytes > available:
            raise ArgumentError(
                f"points: {self.points} points with {self.links} links need {self.peak_bytes / 1e9:.1f} GB, "
                f"{available / 1e9:.1f} GB are free; use stronger criteria or fewer neighbours"
            )


def bytes_per_point(dates: int, points: int, neighbours: int | None) -> int:
    """Return the memory of the most demanding step of the unwrapping of points, in bytes per point.

    Parameters
    ----------
    dates, points
        Numbers of them.
    neighbours
        Of a point in the link model, besides those of the triangulation; a link is shared by two points. None: no model.
    """
    if neighbours is None:
        return _UNWRAPPED[0] + dates * _UNWRAPPED[1]
    links = (3 + neighbours) // 2 + 1
    searched = min(links * points, CHUNK) * dates * _PER_SEARCHED // points
    steps = (point + dates * date for point, date in (_REFINED, _UNWRAPPED))
    return links * _PER_LINK + max(searched, links * _PER_INTEGRATED, *steps)


def plan_links(
    wrapped: xr.Dataset, criteria: dict[str, Any], *, network: LinkNetwork, neighbours: int, max_length: float | None
) -> LinkPlan:
    """Plan `select_points`, `estimate_links` and `integrate_links`; reads quality maps, but no phases.

    Parameters
    ----------
    wrapped
        As in `select_points`.
    criteria
        Keyword arguments of `select_points`.
    network, neighbours, max_length
        As in `estimate_links`.

    Raises
    ------
    ArgumentError
        If no point or no link is left.
    """
    points = candidate_points(wrapped, **criteria)
    arcs = link_arcs(points, network, neighbours, max_length)
    pixels = wrapped.sizes["y"] * wrapped.sizes["x"]
    return LinkPlan(points.sizes["point"], arcs.point_a.size, wrapped.sizes["time"], pixels, os.cpu_count() or 1)
