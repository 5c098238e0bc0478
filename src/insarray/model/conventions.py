"""Table of all variable names, units, dtypes, signs and CF attributes; they are defined nowhere else."""

import math
import re
from dataclasses import dataclass, field

import numpy as np

from insarray.model.errors import ArgumentError

DAYS_PER_YEAR = 365.25
"""Length of the year in all rates and periods."""

SIGN = (
    "phase = secondary minus reference, positive away from the satellite; "
    "displacement = -wavelength / (4 pi) * phase, positive toward the satellite"
)


@dataclass(frozen=True, slots=True)
class Variable:
    """Dimensions, dtype, units, long name and attributes of a variable."""

    dims: tuple[str, ...]
    dtype: str
    units: str
    long_name: str
    attrs: dict[str, object] = field(default_factory=dict)


_PAIR = ("pair", "y", "x")
_TIME = ("time", "y", "x")
_MAP = ("y", "x")
_LOOP = ("loop", "y", "x")
_LINK = ("link",)
_POINT = ("point",)

SOLVER_FLAGS = ("no_data", "complete", "missing_pairs", "dates_untied", "reference_date_missing", "not_converged")
"""Meanings of `solver_flag` 0, 1, 2, ... in this order."""

FIT_FLAGS = ("no_data", "determined", "no_redundancy", "undetermined_terms", "too_few_observations", "masked")
"""Meanings of `fit_flag` 0, 1, 2, ... in this order."""

UNWRAPPING_FLAGS = ("no_data", "closed", "corrected", "ambiguous", "no_loops")
"""Meanings of `unwrapping_flag` 0, 1, 2, ... in this order."""

COMPONENT_FLAGS = (
    "no_data",
    "determined",
    "no_redundancy",
    "too_few_tracks",
    "weak_geometry",
    "north_unknown",
    "dates_undetermined",
)
"""Meanings of `component_flag` 0, 1, 2, ... in this order."""

FLAGS = {
    "solver_flag": SOLVER_FLAGS,
    "fit_flag": FIT_FLAGS,
    "unwrapping_flag": UNWRAPPING_FLAGS,
    "component_flag": COMPONENT_FLAGS,
}
"""Flags of pixels, with their meanings."""

LINK_FLAGS = (
    "velocity_at_bound",
    "height_error_at_bound",
    "height_error_undetermined",
    "velocity_undetermined",
    "too_few_epochs",
)
"""Meanings of the bits 1, 2, 4, ... of `link_flag`."""


def _flags(names: tuple[str, ...]) -> dict[str, object]:
    return {"flag_values": list(range(len(names))), "flag_meanings": " ".join(names)}


VARIABLES: dict[str, Variable] = {
    "unwrapped_phase": Variable(
        _PAIR, "float32", "radian", "unwrapped interferometric phase, positive away from the satellite"
    ),
    "wrapped_phase": Variable(
        _TIME,
        "float32",
        "radian",
        "phase in (-pi, pi] of the date minus that of the reference date, positive away from the satellite",
    ),
    "amplitude_dispersion": Variable(_MAP, "float32", "1", "standard deviation of the amplitude over its mean"),
    "coherence": Variable(_PAIR, "float32", "1", "interferometric coherence"),
    "connected_component_labels": Variable(
        _PAIR, "uint16", "1", "connected component of the unwrapping, 0 = not unwrapped"
    ),
    "corrected_phase": Variable(
        _PAIR, "float32", "radian", "unwrapped phase with unwrapping errors corrected, positive away from the satellite"
    ),
    "unwrapping_cycles": Variable(_PAIR, "int16", "1", "whole cycles that the correction has added"),
    "unwrapping_flag": Variable(_MAP, "uint8", "1", "what the correction did at the pixel", _flags(UNWRAPPING_FLAGS)),
    "residual": Variable(_PAIR, "float32", "radian", "phase of the pair minus that of the series"),
    "residual_of_date": Variable(_TIME, "float32", "radian", "mean absolute residual of the pairs at the date"),
    "residual_sum_of_date": Variable(
        _TIME, "float32", "radian", "sum of the absolute residuals of the pairs at the date"
    ),
    "residual_sum": Variable(_MAP, "float32", "radian", "sum of the absolute residuals of the pairs"),
    "residual_square_sum": Variable(_MAP, "float32", "radian^2", "sum of the squared residuals of the pairs"),
    "displacement": Variable(
        _TIME, "float32", "m", "line-of-sight displacement since the reference date, positive toward the satellite"
    ),
    "displacement_std": Variable(_TIME, "float32", "m", "standard deviation of the displacement"),
    "uncorrected_displacement": Variable(_TIME, "float32", "m", "displacement before the first correction"),
    "uncorrected_phase": Variable(_PAIR, "float32", "radian", "unwrapped phase before the first correction"),
    "number_of_observations": Variable(_TIME, "uint16", "1", "number of pairs that observe the date"),
    "network_subset": Variable(
        _TIME,
        "uint8",
        "1",
        "piece of the pair network the date belongs to: 0 unobserved, 1 tied to the reference date, 2.. others",
    ),
    "temporal_coherence": Variable(_MAP, "float32", "1", "agreement of the pairs with the series, |mean exp(j r)|"),
    "residual_rms": Variable(_MAP, "float32", "radian", "root mean square of the pair residuals"),
    "solver_flag": Variable(
        _MAP,
        "uint8",
        "1",
        "how the pixel was determined",
        _flags(SOLVER_FLAGS),
    ),
    "duality_gap": Variable(
        _MAP,
        "float32",
        "1",
        "certified bound of the excess of the objective over its minimum, relative to the objective",
    ),
    "number_of_iterations": Variable(_MAP, "uint16", "1", "steps of the robust estimator"),
    "velocity": Variable(
        _MAP, "float32", "m/year", "line-of-sight velocity, positive toward the satellite (year of 365.25 days)"
    ),
    "velocity_std": Variable(_MAP, "float32", "m/year", "standard error of the velocity"),
    "intercept": Variable(_MAP, "float32", "m", "displacement of the time functions at the first date"),
    "intercept_std": Variable(_MAP, "float32", "m", "standard error of the intercept"),
    "height_error": Variable(_MAP, "float32", "m", "height above the one with which the topography was removed"),
    "height_error_std": Variable(_MAP, "float32", "m", "standard error of the height error"),
    "degrees_of_freedom": Variable(_MAP, "uint16", "1", "dates or pairs less what was fitted to them"),
    "reduced_chi_square": Variable(
        _MAP, "float32", "1", "sum of squared residuals over their variances, by degrees of freedom"
    ),
    "fit_residual_std": Variable(
        _MAP, "float32", "m", "standard deviation of the dates or pairs about the time functions"
    ),
    "fit_residual": Variable(_TIME, "float32", "m", "displacement less the time functions"),
    "pair_fit_residual": Variable(_PAIR, "float32", "m", "displacement of the pair less that of the time functions"),
    "fit_flag": Variable(_MAP, "uint8", "1", "how the time functions were determined", _flags(FIT_FLAGS)),
    "displacement_covariance": Variable(
        ("time", "other_time", "y", "x"), "float32", "m^2", "covariance of the displacement of two dates"
    ),
    "quality_mask": Variable(_MAP, "bool", "1", "True where the pixel passes every criterion of quality"),
    "closure_phase": Variable(_LOOP, "float32", "radian", "sum of the phases of the pairs around the loop"),
    "integer_closure": Variable(_LOOP, "float32", "1", "whole cycles in the closure phase, NaN where not observed"),
    "number_of_loops": Variable(_MAP, "uint16", "1", "number of loops of which every pair has data"),
    "nonzero_closure_count": Variable(
        _MAP, "uint16", "1", "number of observed loops whose integer closure is not 0; see number_of_loops"
    ),
    "loop_pixels": Variable(("loop",), "int64", "1", "pixels where the loop is observed"),
    "loop_nonzero_fraction": Variable(
        ("loop",), "float64", "1", "share of these pixels where the integer closure of the loop is not 0"
    ),
    "loop_closure_rms": Variable(
        ("loop",), "float64", "radian", "root mean square of the closure phase without its whole cycles"
    ),
    "loop_unclosed": Variable(("loop",), "bool", "1", "True where loop_nonzero_fraction is more than the threshold"),
    "pair_loops": Variable(("pair",), "int64", "1", "number of loops of the pair"),
    "pair_pixels": Variable(("pair",), "int64", "1", "pixels where some loop of the pair is observed"),
    "pair_nonzero_fraction": Variable(
        ("pair",), "float64", "1", "share of non-zero integer closures, over all loops of the pair and all pixels"
    ),
    "pair_closure_rms": Variable(
        ("pair",), "float64", "radian", "root mean square of the rest of the closure, over all loops of the pair"
    ),
    "pair_drop_order": Variable(
        ("pair",), "uint16", "1", "pairs that explain the unclosed loops: 1 first; 0 = not among them"
    ),
    "average_coherence": Variable(_MAP, "float32", "1", "mean coherence over all pairs, missing counted as 0"),
    "complete": Variable(_MAP, "bool", "1", "True where every pair has data"),
    "nonzero_component_count": Variable(
        _TIME, "uint16", "1", "number of pairs with the date whose connected component is not 0"
    ),
    "component_intersection": Variable(_MAP, "bool", "1", "True where the connected component is not 0 in any pair"),
    "ramp_of_date": Variable(_TIME, "float32", "m", "surface that deramping has taken from the displacement"),
    "ramp_of_pair": Variable(_PAIR, "float32", "radian", "surface that deramping has taken from the phase"),
    "velocity_difference": Variable(
        _LINK, "float32", "m/year", "line-of-sight velocity of point b minus point a, positive toward the satellite"
    ),
    "velocity_difference_std": Variable(_LINK, "float32", "m/year", "standard error of the velocity difference"),
    "height_error_difference": Variable(_LINK, "float32", "m", "height error of point b minus that of point a"),
    "height_error_difference_std": Variable(_LINK, "float32", "m", "standard error of the height error difference"),
    "link_coherence": Variable(_LINK, "float32", "1", "agreement of the phases with the link's model"),
    "second_coherence": Variable(_LINK, "float32", "1", "agreement with the best other model, 0 if there is none"),
    "false_alarm": Variable(_LINK, "float32", "1", "probability that noise alone reaches the link's coherence"),
    "link_flag": Variable(
        _LINK,
        "uint8",
        "1",
        "what is to be known about the estimate, as bits",
        {"flag_masks": [1 << bit for bit in range(len(LINK_FLAGS))], "flag_meanings": " ".join(LINK_FLAGS)},
    ),
    "component": Variable(
        _POINT, "int32", "1", "connected component of the links: 1 is the largest, 0 = no link ends at the point"
    ),
    "point_coherence": Variable(
        _POINT, "float32", "1", "agreement of the point's phases with its model and those of the points around it"
    ),
    "link_model_coherence": Variable(_POINT, "float32", "1", "mean coherence of the links that end at the point"),
    "incidence_angle": Variable(_MAP, "float32", "degree", "incidence angle from the vertical"),
    "slant_range": Variable(_MAP, "float32", "m", "distance from the satellite"),
    "los_east": Variable(_MAP, "float32", "1", "east component of the unit vector from ground to satellite"),
    "los_north": Variable(_MAP, "float32", "1", "north component of the unit vector from ground to satellite"),
    "los_up": Variable(_MAP, "float32", "1", "up component of the unit vector from ground to satellite"),
    "height": Variable(_MAP, "float32", "m", "height above the reference surface of the DEM"),
    "water_mask": Variable(_MAP, "bool", "1", "True on land"),
}

_CORRECTION: dict[str, object] = {
    "sign": "as unwrapped_phase, later minus earlier date, positive away from the satellite; subtract it to correct the phase"
}

VARIABLES |= {
    name: Variable(_PAIR, "float32", "radian", f"contribution of {cause} to the phase, of the product", _CORRECTION)
    for name, cause in (
        ("ionosphere", "the ionosphere"),
        ("troposphere_wet", "the water vapour of the troposphere"),
        ("troposphere_hydrostatic", "the hydrostatic troposphere"),
        ("solid_earth_tide", "the solid Earth tide"),
    )
}
VARIABLES["recommended_mask"] = Variable(_PAIR, "bool", "1", "True where the product recommends its values")

COMPONENTS = {"east": "eastward", "north": "northward", "up": "upward"}
"""Components of motion, with what each is called in long names."""

COMPONENT_PAIRS = (("east", "up"), ("east", "north"), ("north", "up"))
"""Components of whose errors the covariance is given."""

for _quantity, _dims, _units in (("velocity", _MAP, "m/year"), ("displacement", _TIME, "m")):
    _square = "m^2/year^2" if _dims == _MAP else "m^2"
    for _name, _ward in COMPONENTS.items():
        VARIABLES[f"{_quantity}_{_name}"] = Variable(_dims, "float32", _units, f"{_ward} {_quantity}")
        VARIABLES[f"{_quantity}_{_name}_std"] = Variable(
            _dims, "float32", _units, f"standard error of the {_ward} {_quantity}"
        )
    for _one, _other in COMPONENT_PAIRS:
        VARIABLES[f"{_quantity}_covariance_{_one}_{_other}"] = Variable(
            _dims,
            "float32",
            _square,
            f"covariance of the errors of {COMPONENTS[_one]} and {COMPONENTS[_other]} {_quantity}",
        )

VARIABLES |= {
    "component_flag": Variable(_MAP, "uint8", "1", "how the components were determined", _flags(COMPONENT_FLAGS)),
    "observed_tracks": Variable(_MAP, "uint32", "1", "tracks that observe the pixel, as bits: 1 is the first"),
    "observed_tracks_of_date": Variable(
        _TIME, "uint32", "1", "tracks that observe the motion about the date, as bits: 1 is the first"
    ),
    "plate_velocity": Variable(
        _MAP, "float32", "m/year", "line-of-sight velocity of the plate, positive toward the satellite"
    ),
}

VARIABLES |= {
    "velocity_observed": Variable(
        _MAP, "float32", "m/year", "velocity along the mean line of sight, where components are not determined"
    ),
    "velocity_observed_std": Variable(_MAP, "float32", "m/year", "standard error of velocity_observed"),
    **{
        f"observed_{name}": Variable(_MAP, "float32", "1", f"{ward} part of the direction of velocity_observed")
        for name, ward in COMPONENTS.items()
    },
}

VARIABLES |= {
    f"plate_{name}": Variable(_MAP, "float32", "m/year", f"{ward} velocity of the plate")
    for name, ward in COMPONENTS.items()
}

_TERMS: tuple[tuple[str, str, str], ...] = (
    ("acceleration", "m/year^2", "acceleration of the line-of-sight displacement"),
    ("jerk", "m/year^3", "change of the acceleration of the line-of-sight displacement"),
    ("step_", "m", "step of the line-of-sight displacement at the date"),
    ("velocity_change_", "m/year", "change of the line-of-sight velocity at the date"),
    ("exponential_", "m", "displacement that relaxes exponentially after the date"),
    ("logarithmic_", "m", "factor of the logarithm of the time after the date"),
)
"""Terms of time models, whose names end in dates and numbers: prefix, units, meaning."""

_PERIODIC = {
    "_amplitude": ("m", "amplitude A of the periodic displacement A cos(2 pi t / T - phase)"),
    "_phase": (
        "radian",
        "phase of A cos(2 pi t / T - phase), t since the first date: 2 pi times the time of the maximum",
    ),
}


_STATISTICS = {
    "mean_": "mean of the ",
    "median_": "median of the ",
    "std_": "standard deviation of the ",
    "statistic_": "statistic of the ",
}
"""Maps of statistics over pairs or dates, which are named after the layer."""


def variable(name: str) -> Variable:
    """Return the entry of `VARIABLES`, or that of a time model term (or its ``_std``) or a statistic over time.

    Raises
    ------
    KeyError
        If there is no such variable.
    """
    if name in VARIABLES:
        return VARIABLES[name]
    for begin, words in _STATISTICS.items():
        layer = VARIABLES.get(name.removeprefix(begin))
        if name.startswith(begin) and layer is not None:
            return Variable(_MAP, "float32", layer.units, words + layer.long_name)
    term = name.removesuffix("_std")
    for begin, units, meaning in _TERMS:
        if term.startswith(begin):
            return Variable(_MAP, "float32", units, meaning if term == name else f"standard error of the {meaning}")
    for end, (units, meaning) in _PERIODIC.items():
        if term.endswith(end):
            return Variable(_MAP, "float32", units, meaning if term == name else f"standard error of the {meaning}")
    raise KeyError(name)


class _Fill(dict[str, float | int | bool | complex]):
    """No-data value by dtype name, with defaults for dtypes that the table does not use."""

    def __missing__(self, name: str) -> float | int | complex:
        kind = np.dtype(name).kind
        return math.nan if kind == "f" else complex(math.nan, math.nan) if kind == "c" else 0


FILL = _Fill({"float32": math.nan, "uint8": 0, "uint16": 0, "int16": 0, "bool": False})
"""No-data by dtype: NaN for floats, 0 = none for integer layers."""


_MOTION = re.compile(
    r"((displacement|velocity)(_(east|north|up))?|plate_velocity|acceleration|jerk|velocity_difference|intercept"
    r"|fit_residual|rmse|\w+_amplitude"
    r"|(step|velocity_change|exponential|logarithmic)_\w+?)(_std)?"
)


def shown_units(name: str, units: str) -> tuple[str, float]:
    """Units in which people read a variable, and the factor to them: of the moving ground mm, of heights m."""
    in_metres = units == "m" or units.startswith("m/year")
    return (f"m{units}", 1000.0) if in_metres and _MOTION.fullmatch(name) else (units, 1.0)


UNITS = {
    "1": {
        *("1", "", "-", "none", "unitless", "dimensionless", "fraction", "ratio", "number", "count", "counts", "index"),
        *("n/a", "na", "nan", "bool", "boolean", "flag", "flags", "mask", "label", "labels", "cycle", "cycles"),
    },
    "m": {"m", "meter", "meters", "metre", "metres"},
    "radian": {"rad", "radian", "radians"},
    "degree": {"deg", "degree", "degrees"},
    "m^2": {"m^2", "m2", "m**2", "m 2", "meter^2", "meters^2", "metre^2", "metres^2"},
    "m/year": {"m/year", "m/yr", "m/a", "m yr-1", "m year-1", "m a-1", "meters/year", "metres/year"},
}
"""Other names of a unit, in lower case; units that are missing here are not checked."""


def attributes(name: str) -> dict[str, object]:
    """Return the CF attributes of the variable `name`."""
    entry = variable(name)
    return {"units": entry.units, "long_name": entry.long_name, **entry.attrs}


def metres_per_radian(wavelength: float) -> float:
    """Return the displacement (m, toward the satellite) of one radian of phase: -wavelength / (4 pi).

    Raises
    ------
    ArgumentError
        If `wavelength` (m) is not finite and between 1 mm and 1 m, which also detects centimetres.
    """
    if not (math.isfinite(wavelength) and 1e-3 <= wavelength <= 1.0):
        raise ArgumentError(
            f"wavelength: {wavelength!r} is not a radar wavelength in metres; Sentinel-1 for example is 0.05546576"
        )
    return -wavelength / (4 * math.pi)
