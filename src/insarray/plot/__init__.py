"""Plots with matplotlib: networks, closure, maps, points, links, assessments, and time series of points."""

from insarray.plot.assessments import assessment
from insarray.plot.comparison import compare
from insarray.plot.figures import save
from insarray.plot.gnss import components, gnss, gnss_profile, validation
from insarray.plot.maps import map, velocity  # noqa: A004  the field's word
from insarray.plot.multiples import multiples
from insarray.plot.networks import closure, network
from insarray.plot.points import point
from insarray.plot.profiles import profile
from insarray.plot.scattered import links, points

__all__ = [
    "assessment",
    "closure",
    "compare",
    "components",
    "gnss",
    "gnss_profile",
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
