"""Pictures of what the package computes: networks, closure, maps, points, links, and the history of a point, with matplotlib."""

from insarray.faces.plot.figures import save
from insarray.faces.plot.maps import map, velocity  # noqa: A004  the field's word
from insarray.faces.plot.multiples import multiples
from insarray.faces.plot.networks import closure, network
from insarray.faces.plot.points import point
from insarray.faces.plot.scattered import links, points

__all__ = ["closure", "links", "map", "multiples", "network", "point", "points", "save", "velocity"]
