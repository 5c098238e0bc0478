"""Open tables of points with displacement time series: EGMS, and CSV files of other PS programs."""

import logging
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import numpy as np
import xarray as xr

from insarray.io.files import expand_one, fingerprint, name_of
from insarray.io.layers.dated_table import OWN_UNITS, Cells, Layout, layout_of, table_text
from insarray.io.locations import location
from insarray.io.sidecars import SENTINEL1_WAVELENGTH
from insarray.io.source import PathLike
from insarray.io.tables import found_in
from insarray.model.choices import Sign
from insarray.model.conventions import attributes, shown_units, variable
from insarray.model.dataset import epoch_coords, point_coords
from insarray.model.errors import ArgumentError, FileError, InsarrayError

logger = logging.getLogger(__name__)

PointUnits = Literal["metre", "millimetre"]
"""Units of the displacement in a table."""

_SCALE = {"metre": 1.0, "centimetre": 1e-2, "millimetre": 1e-3}
_SUFFIX = {"mm": "millimetre", "cm": "centimetre", "m": "metre"}
_TABLES = {".csv", ".txt", ".zip"}


class _Column(NamedTuple):
    """Variable made from a column: name, attributes, and factor of its values."""

    name: str
    units: str
    long_name: str
    factor: float = 1.0


# Names, units and meanings: European Environment Agency, "EGMS Product Description and Format Specification" 2.0,
# tables 5 (Basic L2a and Calibrated L2b) and 6 (Ortho L3); time series in mm under bare yyyymmdd, ETRS89-LAEA. Displacement
# is along the direction cosines, which point up (los_up is positive): toward the satellite.
_EGMS: dict[str, _Column] = {
    "latitude": _Column("latitude", "degrees_north", "latitude"),
    "longitude": _Column("longitude", "degrees_east", "longitude"),
    "height": _Column("height", "m", "orthometric height above the geoid EGM2008"),
    "height_wgs84": _Column("height_wgs84", "m", "height above the ellipsoid WGS 84"),
    "rmse": _Column("rmse", "m", "RMS of the series about a cubic polynomial and a season", 1e-3),
    "temporal_coherence": _Column("temporal_coherence", "1", "coherence with respect to the linear velocity"),
    "amplitude_dispersion": _Column("amplitude_dispersion", "1", "standard deviation of the amplitude over its mean"),
    "incidence_angle": _Column("incidence_angle", "degree", "incidence angle"),
    "los_east": _Column("los_east", "1", "east component of the unit vector from ground to satellite"),
    "los_north": _Column("los_north", "1", "north component of the unit vector from ground to satellite"),
    "los_up": _Column("los_up", "1", "up component of the unit vector from ground to satellite"),
    "mean_velocity": _Column("velocity", "m/year", "velocity of EGMS, from a line and a season", 1e-3),
    "mean_velocity_std": _Column("velocity_std", "m/year", "standard error of EGMS' velocity", 1e-3),
}
_EGMS_NAMES = {"pid", "easting", "northing", "mean_velocity"}
_EGMS_CRS, _DEGREES = "EPSG:3035", "EPSG:4326"
_MEASURED = ("velocity", "velocity_std", "rmse")
"""Variables; the rest of the columns of EGMS are coordinates."""

_RENAMED = {"mean_velocity": "velocity", "mean_velocity_std": "velocity_std"}
_GEOMETRY = ("height", "height_wgs84", "incidence_angle", "slant_range", "los_east", "los_north", "los_up")
"""Coordinates; the rest of the columns of our own tables are variables."""

# names of Ortho files: EGMS_L3_E32N34_100km_U_2018_2022_1.csv
_ORTHO = re.compile(r"EGMS_L3_E\d+N\d+_100km_([UE])(?:_|\.)", re.IGNORECASE)
_COMPONENTS = {
    "U": ("vertical displacement, positive up", (0.0, 0.0, 1.0)),
    "E": ("eastward displacement", (1.0, 0.0, 0.0)),
}


def open_points(
    path: PathLike, *, units: PointUnits | None = None, sign: Sign | None = None, crs: str | None = None
) -> xr.Dataset:
    """Open a table of points with displacement time series: EGMS, or a CSV of another PS program.

    Parameters
    ----------
    path
        ``EGMS_L2a_*.csv``, ``EGMS_L2b_*.csv`` or ``EGMS_L3_*.csv``, or the ``.zip`` with it; what `insarray.to_table` has
        written as CSV; or any table with a column for each
        date (``20190105``, ``D20190105``, ``2019-01-05``) and columns ``lat`` and ``lon``, or ``easting`` and ``northing``.
    units
        Of the displacement: "metre" or "millimetre". EGMS and `insarray.to_table` say so themselves, and so do columns such as
        ``20190105_mm``.
    sign
        "toward" or "away" from the satellite, what a positive displacement means. EGMS and `to_table` need none.
    crs
        CRS of eastings and northings. Not needed for EGMS.

    Returns
    -------
    xarray.Dataset
        In memory: `displacement` (time, point) in m, positive toward the satellite; `x`, `y` (point), and EGMS' values
        of velocity, geometry and quality. EGMS Ortho has no line of sight: its displacement is along `los_east`,
        `los_north`, `los_up`, which are (0, 0, 1) for the vertical and (1, 0, 0) for the eastward component. `notes`
        lists the columns that were not used.

    Raises
    ------
    ArgumentError
        If an option is invalid.
    FileError
        If it is not such a table, or lacks required information; the message names line, column and remedy.

    See Also
    --------
    insarray.open : open a result, including EGMS tables.
    insarray.fit : fit time functions with standard errors.
    insarray.save_points : store points or links.

    References
    ----------
    * European Environment Agency (2023), European Ground Motion Service: Product Description and Format Specification 2.0.

    Examples
    --------
    >>> from pathlib import Path
    >>> import insarray as ia
    >>> table = Path("points.csv")
    >>> with table.open("w") as file:
    ...     print("code,lat,lon,D20190105,D20190117", "A1,45.1,9.2,0,1.5", "A2,45.2,9.2,0,-2.5", sep=chr(10), file=file)
    >>> points = ia.open_points(table, units="millimetre", sign="toward")
    >>> round(float(points.displacement[1, 0]), 6)
    0.0015
    """
    file = expand_one(path, "path", "give a CSV table of points")
    for name, given, known in (("units", units, get_args(PointUnits)), ("sign", sign, get_args(Sign))):
        if given is not None and given not in known:
            raise ArgumentError(f"{name}: {given!r} is not one of {', '.join(known)}")
    with table_text(file) as text:
        layout = layout_of(file, text)
    if layout is None:
        raise FileError(
            f"{file}: is no table of points: needs a column for each date (20190105, D20190105 or 2019-01-05) and lat, lon or "
            "easting, northing"
        )
    told = _told(file, layout, units, sign, crs)
    cells = Cells.read(file, layout, told.columns)
    points = told.dataset(file, layout, cells)
    points.encoding["source"] = str(file)  # so that exports do not overwrite it
    logger.info("open_points: %d dates of %d points", *points.displacement.shape)
    return points


def is_point_table(path: PathLike) -> bool:
    """Return whether a file is a table with a column per date, or an archive of one; never raises for other files."""
    try:
        file = location(path)
        if file.suffix.lower() not in _TABLES or not file.is_file():
            return False
        with table_text(file) as text:
            return layout_of(file, text) is not None
    except InsarrayError:
        return False


# -- meaning of the numbers ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Told:
    """Metadata of a table, from the table itself or from options.

    Parameters
    ----------
    factor
        Factor from the displacement to metres toward the satellite.
    crs
        CRS of x and y.
    known
        Columns by their position.
    measured
        Names of those that become variables; the others become coordinates.
    component
        Component of an Ortho product, "U" or "E".
    """

    factor: float
    crs: str
    known: Mapping[int, _Column]
    product: str
    place: tuple[int, int]
    measured: Collection[str] = ()
    component: str | None = None

    @property
    def columns(self) -> list[int]:
        """Indices of the numeric columns to read, without the time series."""
        return [*self.place, *(k for k in self.known if k not in self.place)]

    def dataset(self, path: Path, layout: Layout, cells: Cells) -> xr.Dataset:
        """Return the points as a dataset of the data model."""
        x, y = _placed(path, cells.columns[self.place[0]], cells.columns[self.place[1]], self.crs)
        order = np.argsort(np.array(layout.times), kind="stable")
        times = np.array(layout.times, "datetime64[s]")[order]
        if (np.diff(times) == np.timedelta64(0)).any():
            raise FileError(f"{path}: has a date more than once; keep one column of each")
        displacement = (cells.series[order] * self.factor).astype(np.float32, copy=False)
        points = xr.Dataset(
            {"displacement": (("time", "point"), displacement, attributes("displacement"))},
            epoch_coords(times, None) | point_coords(x, y, self.crs),
        )
        if cells.names:
            points = points.assign_coords(
                pid=("point", np.array(cells.names, object), {"long_name": "name of the point in the table"})
            )
        for position, column in self.known.items():
            exact = column.units.startswith("degrees_")
            values = (cells.columns[position] * column.factor).astype(np.float64 if exact else np.float32)
            layer = ("point", values, {"units": column.units, "long_name": column.long_name})
            points = (
                points.assign({column.name: layer})
                if column.name in self.measured
                else points.assign_coords({column.name: layer})
            )
        known = {"product": self.product, "input_fingerprint": fingerprint([path]), "input_files": 1}
        points = points.assign_attrs(
            known | {"sign": "displacement is positive toward the satellite"} | self._notes(layout)
        )
        return points.assign_attrs(wavelength=SENTINEL1_WAVELENGTH) if self._is_los else self._along(points)

    @property
    def _is_los(self) -> bool:
        return self.product == "egms" and self.component is None

    def _along(self, points: xr.Dataset) -> xr.Dataset:
        """Add the direction of the displacement to points of an Ortho product."""
        if self.component is None:
            return points
        words, vector = _COMPONENTS[self.component]
        ones = np.ones(points.sizes["point"], np.float32)
        los = {
            n: ("point", v * ones, attributes(n))
            for n, v in zip(("los_east", "los_north", "los_up"), vector, strict=True)
        }
        points = points.assign_coords(los).assign_attrs(sign=words)
        points["displacement"].attrs["long_name"] = words
        return points

    def _notes(self, layout: Layout) -> dict[str, object]:
        used = {*layout.series, *self.columns, layout.names, layout.units}
        left = [name for k, name in enumerate(layout.header) if k not in used and name]
        return {"notes": [f"columns that were left out: {', '.join(left)}"]} if left else {}


def _told(path: Path, layout: Layout, units: PointUnits | None, sign: Sign | None, crs: str | None) -> _Told:
    x, y, degrees = layout.place or (0, 0, False)
    double = next((name for name in (layout.header[x], layout.header[y]) if layout.header.count(name) > 1), None)
    if double is not None:
        raise FileError(f"{path}: has the column {double} more than once; keep one of them")
    if set(layout.header) >= _EGMS_NAMES:
        _refuse_given(f"{path} is of EGMS", units, sign, crs)
        component = _component(path, layout)
        left = {"los_east", "los_north", "los_up", "incidence_angle"} if component else set()
        known = {
            layout.header.index(name): c for name, c in _EGMS.items() if name in layout.header and name not in left
        }
        return _Told(1e-3, _EGMS_CRS, known, "egms", (x, y), _MEASURED, component)
    if layout.stated is not None:
        return _own(path, layout, units, sign, crs)
    said = {None if word is None else _SUFFIX[word] for word in layout.suffix}
    found = units if said == {None} else next(iter(said))
    if len(said) > 1 or (units is not None and found != units):
        raise FileError(
            f"{path}: names of its columns say {', '.join(map(str, said))}; units must agree with all of them"
        )
    if found is None or sign is None or not (degrees or crs):
        options = (
            f"{'' if found and not units else ', units=' + repr(units or 'millimetre')}, sign={sign or 'toward'!r}"
        )
        options += "" if degrees or crs else ", crs='EPSG:...'"
        raise FileError(
            f"{path}: does not say what its numbers are; say it, insarray.open_points({name_of(path)!r}{options}), as the program "
            "that wrote it documents"
        )
    if degrees and crs is not None:
        raise ArgumentError(f"crs: {path} has longitudes and latitudes ({found_in(layout.header)}); leave crs out")
    factor = _SCALE[found] * (1.0 if sign == "toward" else -1.0)
    return _Told(factor, _DEGREES if degrees else str(crs), {}, "point table", (x, y))


def _refuse_given(what: str, units: object, sign: object, crs: object) -> None:
    given = next((n for n, v in (("units", units), ("sign", sign), ("crs", crs)) if v is not None), None)
    if given is not None:
        raise ArgumentError(f"{given}: {what}, which says so itself; leave {given} out")


def _own(path: Path, layout: Layout, units: PointUnits | None, sign: Sign | None, crs: str | None) -> _Told:
    """What is known of a table that `insarray.to_table` has written."""
    _refuse_given(f"{path} is of insarray", units, sign, crs)
    x, y, degrees = layout.place or (0, 0, False)
    if not degrees:
        raise FileError(f"{path}: is of insarray, but has lost its columns latitude and longitude; write it again")
    found = {position: _own_column(name) for position, name in enumerate(layout.header) if position not in (x, y)}
    known = {position: column for position, column in found.items() if column is not None}
    measured = {column.name for column in known.values()} - set(_GEOMETRY)
    component = OWN_UNITS[str(layout.stated)]
    known = {k: c for k, c in known.items() if not (component and c.name.startswith("los_"))}
    return _Told(1e-3, _DEGREES, known, "insarray table", (x, y), measured, component)


def _own_column(name: str) -> _Column | None:
    """What a column of our own tables is, by its name; None if it is nothing of the data model."""
    source = _RENAMED.get(name, name)
    try:
        entry = variable(source)
    except KeyError:
        return _EGMS.get(name)
    return _Column(source, entry.units, entry.long_name, 1 / shown_units(source, entry.units)[1])


def _component(path: Path, layout: Layout) -> str | None:
    """Return "U" or "E" for an Ortho product, None for the line of sight."""
    named = _ORTHO.search(name_of(path))
    if named is None and "los_up" not in layout.header:
        raise FileError(
            f"{path}: EGMS Ortho says in the name of its file alone whether it is vertical or eastward; give it its own "
            "name back, such as EGMS_L3_E32N34_100km_U_2018_2022_1.csv"
        )
    return named[1].upper() if named else None


def _placed(path: Path, x: np.ndarray, y: np.ndarray, crs: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the coordinates of the points, longitudes from -180 to 180."""
    missing = np.flatnonzero(~np.isfinite(x) | ~np.isfinite(y))
    if missing.size:
        raise FileError(f"{path}: point {missing[0] + 1} has no coordinates; leave its line out")
    if crs != _DEGREES:
        return x, y
    if np.abs(y).max() > 90 or np.abs(x).max() > 540:
        raise FileError(f"{path}: its longitudes and latitudes are not degrees; eastings and northings need crs")
    return np.where(np.abs(x) > 180, (x + 180) % 360 - 180, x), y  # values within the range are unchanged
