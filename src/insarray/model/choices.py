"""What arguments of a few fixed words may be. Nothing is imported, so that the command line can offer them at once."""

from typing import Literal

Sign = Literal["away", "toward"]
"""What a positive phase or displacement means."""

Units = Literal["radian", "metre", "millimetre"]
"""Units of files."""

Extent = Literal["intersection", "union"]
"""Pixels of files that cover different areas."""

ProductLayer = Literal[
    "ionosphere", "troposphere_wet", "troposphere_hydrostatic", "solid_earth_tide", "recommended_mask"
]
"""Layers of products beside phase, coherence and components, which are opened when they are asked for."""

Weights = Literal["none", "coherence", "variance", "fisher"]
"""Weights of pairs."""

Norm = Literal["l2", "l1", "huber"]
"""What an inversion minimises."""

Gap = Literal["nan", "subset", "nsbas", "min_norm"]
"""What becomes of dates that no pair ties to the first."""

CorrectionMethod = Literal["pixel", "component", "bridging"]
"""Methods that correct unwrapping errors."""

Uncertainty = Literal["residuals", "covariance", "bootstrap"]
"""Where standard errors of time functions are from."""

Ramp = Literal["linear", "quadratic", "linear_range", "linear_azimuth", "quadratic_range", "quadratic_azimuth"]
"""Surfaces; range is along the columns, azimuth along the rows."""

Average = Literal["mean", "median", "std"]
"""Statistics over pairs or dates."""

LinkNetwork = Literal["delaunay", "nearest", "both"]
"""Which points are linked."""

LinkMethod = Literal["insarray", "published"]
"""How links are estimated."""

Resampling = Literal["nearest", "bilinear"]
"""How maps come to the pixels of another grid."""

North = Literal["zero", "gnss", "free"]
"""What is assumed of the motion to the north where components are estimated."""

TrackWeights = Literal["variance", "none"]
"""Weights of the velocities of tracks."""

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
