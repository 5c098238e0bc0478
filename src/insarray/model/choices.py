"""Literal types of arguments; without imports, so that the command line can use them quickly."""

from typing import Literal

Sign = Literal["away", "toward"]
"""Direction of motion of a positive phase or displacement."""

Units = Literal["radian", "metre", "millimetre"]
"""Units of files."""

Extent = Literal["intersection", "union"]
"""Pixels to use from files of different extents."""

ProductLayer = Literal[
    "ionosphere", "troposphere_wet", "troposphere_hydrostatic", "solid_earth_tide", "recommended_mask"
]
"""Optional layers of products besides phase, coherence and components."""

Weights = Literal["none", "coherence", "variance", "fisher"]
"""Weights of pairs."""

Norm = Literal["l2", "l1", "huber"]
"""Norm that an inversion minimises."""

Gap = Literal["nan", "subset", "nsbas", "min_norm"]
"""Treatment of dates that no pair connects to the first."""

CorrectionMethod = Literal["pixel", "component", "bridging"]
"""Methods of unwrapping error correction."""

Uncertainty = Literal["residuals", "covariance", "bootstrap"]
"""Source of the standard errors of time functions."""

Ramp = Literal["linear", "quadratic", "linear_range", "linear_azimuth", "quadratic_range", "quadratic_azimuth"]
"""Surfaces of ramps; range is along the columns, azimuth along the rows."""

Average = Literal["mean", "median", "std"]
"""Statistics over pairs or dates."""

LinkNetwork = Literal["delaunay", "nearest", "both"]
"""Networks of links between points."""

LinkMethod = Literal["insarray", "published"]
"""How links are estimated."""

MissingDates = Literal["error", "nan"]
"""What becomes of dates that a correction lacks."""

Look = Literal["right", "left"]
"""Side to which the radar looks."""

HeightReference = Literal["geoid", "ellipsoid"]
"""What heights of a DEM are above."""

HeightModel = Literal["linear", "power"]
"""How the delay of a stratified troposphere depends on the height."""

EpochNetwork = Literal["single", "hop3"]
"""Networks of pairs of the dates of a wrapped stack: each with the first, or each with the next three."""

ModelSigns = Literal["insarray", "published"]
"""Signs of the maps of a link model."""

Resampling = Literal["nearest", "bilinear"]
"""How maps come to the pixels of another grid."""

North = Literal["zero", "gnss", "free"]
"""What is assumed of the motion to the north where components are estimated."""

TrackWeights = Literal["variance", "none"]
"""Weights of the velocities of tracks."""

MergeSurface = Literal["offset", "plane", "quadratic"]
"""Surface by which a track is adjusted to its neighbours."""

Quantity = Literal["velocity", "displacement"]
"""What is decomposed."""

AtStation = Literal["nearest", "mean", "median"]
"""Which pixels about a station count."""

TieSurface = Literal["offset", "plane", "quadratic", "auto"]
"""Surfaces by which data are tied to GNSS."""

Up = Literal["gnss", "zero"]
"""What is taken for the vertical velocity of GNSS."""

PlateModel = Literal["ITRF2014", "ITRF2020"]
"""Models of plates: Altamimi et al. (2017), table 1; Altamimi et al. (2023), table 1."""

FrameChange = Literal["remove", "add"]
"""What is done with the motion of a plate."""

Looks = Literal["right", "left"]
"""To which side of its flight a radar looks."""

Requirement = Literal["nisar_secular", "nisar_coseismic", "nisar_transient", "nisar_permafrost", "opera_disp"]
"""Requirements of missions."""

Picture = Literal["network", "closure", "velocity", "map", "multiples", "point", "points", "profile", "compare"]
"""Kinds of pictures."""
