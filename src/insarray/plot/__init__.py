"""Pictures of what the package computes: networks, closure, maps, points, links, and the history of a point, with matplotlib."""

from insarray.plot.figures import save
from insarray.plot.gnss import components, gnss, profile, validation
from insarray.plot.maps import map, velocity  # noqa: A004  the field's word
from insarray.plot.multiples import multiples
from insarray.plot.networks import closure, network
from insarray.plot.points import point
from insarray.plot.scattered import links, points

__all__ = [
    "closure",
    "components",
    "gnss",
    "links",
    "map",
    "multiples",
    "network",
    "point",
    "points",
    "profile",
    "save",
    "validation",
    "velocity",
]
