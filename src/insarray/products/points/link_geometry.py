"""Columns of the link model: phase per unit of velocity and of height error (DEM error)."""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from insarray.model.conventions import metres_per_radian
from insarray.model.dates import years_since
from insarray.model.errors import ArgumentError, StackError
from insarray.products.timefit.geometry import within_limits
from insarray.products.views.aligning import aligned
from insarray.products.views.points import PointsView


@dataclass(frozen=True)
class PhaseColumns:
    """Columns of the phase model of points, for velocity and height error.

    A height error h changes the displacement toward the satellite by baseline h / (slant_range sin(incidence_angle)),
    and phase = -4 pi / wavelength times that displacement.

    Parameters
    ----------
    scale
        -4 pi / wavelength, rad/m.
    years
        Years since the first epoch, (time,).
    baseline
        Perpendicular baselines in m, (time,) or (time, point); None: the model has no height error.
    slant_range, incidence_angle
        m and degrees, a number or (point,).
    """

    scale: float
    years: np.ndarray
    baseline: np.ndarray | None
    slant_range: np.ndarray | float
    incidence_angle: np.ndarray | float

    @property
    def time(self) -> np.ndarray:
        """Column of the velocity, rad per (m/year), (time,)."""
        return self.scale * self.years

    def height(self, a: np.ndarray, b: np.ndarray) -> np.ndarray | None:
        """Return the height error column, rad/m, of links between points a and b, with the mean geometry of both.

        (time,) if all links share it, else (time, link); for a and b the same, the column of the points.
        """
        if self.baseline is None:
            return None
        distance, angle = (_mean(value, a, b) for value in (self.slant_range, self.incidence_angle))
        factor = self.scale / (distance * np.sin(np.deg2rad(angle)))
        if self.baseline.ndim == 1:
            return self.baseline * factor if np.ndim(factor) == 0 else self.baseline[:, None] * factor
        return np.asarray((self.baseline[:, a] + self.baseline[:, b]) / 2 * factor)

    def phase(
        self,
        velocity: np.ndarray,
        height_error: np.ndarray,
        a: np.ndarray,
        b: np.ndarray,
        epochs: slice = slice(None),
    ) -> np.ndarray:
        """Return the model phase, rad, (epoch, link), of links between a and b, or of points if a equals b."""
        total = self.time[epochs, None] * velocity
        column = self.height(a, b)
        if column is not None:
            # an undetermined height error is not part of the model
            total += (column[epochs] if column.ndim == 2 else column[epochs, None]) * np.nan_to_num(height_error)
        return np.asarray(total)


def _mean(value: np.ndarray | float, a: np.ndarray, b: np.ndarray) -> np.ndarray | float:
    return (value[a] + value[b]) / 2 if isinstance(value, np.ndarray) else value


def phase_columns(
    points: PointsView,
    *,
    height_error: bool,
    baselines: xr.DataArray | None = None,
    slant_range: xr.DataArray | float | None = None,
    incidence_angle: xr.DataArray | float | None = None,
) -> PhaseColumns:
    """Return the columns of points, from the arguments or else the dataset.

    Parameters
    ----------
    points
        Points with the attribute `wavelength`.
    height_error
        Whether the model includes a height error.
    baselines
        m, (time) or (time, point).
    slant_range, incidence_angle
        m and degrees, a number or (point).

    Raises
    ------
    StackError
        If baselines or geometry are missing.
    ArgumentError
        If an argument has the wrong dimensions or is invalid.
    """
    scale = 1.0 / metres_per_radian(points.require_wavelength())
    years = years_since(points.times, points.times[0])
    if not height_error:
        return PhaseColumns(scale, years, None, np.nan, np.nan)
    found = baselines if baselines is not None else points.data.get("perpendicular_baseline")
    if found is None:
        raise StackError(
            "height_error: there are no perpendicular baselines; give baselines=... (--baselines), or leave the "
            "height error out"
        )
    values = aligned("baselines", found, points, ("time",), ("time", "point")).values.astype(np.float64)
    if not np.isfinite(values).all():
        raise StackError("baselines: some are NaN or infinite; every one must be known")
    return PhaseColumns(
        scale,
        years,
        values,
        _geometry(points, "slant_range", slant_range),
        _geometry(points, "incidence_angle", incidence_angle),
    )


def _geometry(points: PointsView, name: str, given: xr.DataArray | float | None) -> np.ndarray | float:
    """Return the geometry of the points, or one number for all of them."""
    found = given if given is not None else points.data.get(name)
    if found is None:
        raise StackError(f"height_error: there is no {name}; give it as a number or per point")
    values = aligned(name, found, points, ("point",)).values if np.ndim(found) else np.asarray(found)
    checked = within_limits(name, values.astype(np.float64))
    if np.isnan(checked).any():
        raise ArgumentError(f"{name}: is missing (0 or NaN) at {int(np.isnan(checked).sum())} points; leave them out")
    return checked if checked.ndim else float(checked)
