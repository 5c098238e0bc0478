"""Convert between canonical xarray datasets and model values: network, grid, CRS attributes."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import xarray as xr

from insarray.model.baselines import ATTRS
from insarray.model.dates import as_time, times_of
from insarray.model.errors import ArgumentError, StackError
from insarray.model.grid import Grid
from insarray.model.loops import Loops
from insarray.model.network import Network
from insarray.model.place import Area, Place


def pair_coords(network: Network) -> dict[str, xr.DataArray]:
    """Return the coordinates of the `pair` dimension."""
    about = {"long_name": "dates of the pair, reference_secondary"}
    coords = {
        # variable-length text: Zarr has no stable fixed-length form
        "pair": xr.DataArray(np.array(network.labels, object), dims="pair", attrs=about),
        "reference_time": _time(
            network.times[network.reference], "pair", "time of the reference (earlier) acquisition"
        ),
        "secondary_time": _time(network.times[network.secondary], "pair", "time of the secondary (later) acquisition"),
    }
    if network.perpendicular_baseline is not None:
        coords["perpendicular_baseline"] = xr.DataArray(
            network.perpendicular_baseline.astype(np.float32),
            dims="pair",
            attrs=dict(ATTRS),
        )
    return coords


def fingerprint_coords(fingerprints: Sequence[str]) -> dict[str, xr.DataArray]:
    """Return the coordinate `pair_fingerprint`, the first 60 bits of hexadecimal hashes; empty for none."""
    if not fingerprints:
        return {}
    values = np.array([int(text[:15], 16) for text in fingerprints], np.int64)
    about = "hash of the files of the pair and of how they are decoded"
    return {"pair_fingerprint": xr.DataArray(values, dims="pair", attrs={"long_name": about})}


def reference_coords(phase: np.ndarray | None) -> dict[str, xr.DataArray]:
    """Return the coordinate of the phase (rad) subtracted from each pair, which survives crops."""
    if phase is None:
        return {}
    attrs = {"units": "radian", "long_name": "phase of the reference, which was subtracted from the pair"}
    return {"reference_phase": xr.DataArray(phase, dims="pair", attrs=attrs)}


def loop_coords(network: Network, loops: Loops) -> dict[str, xr.DataArray]:
    """Return the coordinates of the `loop` dimension, and of the sides of each loop."""
    times = network.times[loops.dates].astype("datetime64[ns]")
    dims = ("loop", "side")
    return {
        "loop": xr.DataArray(np.arange(len(loops)), dims="loop"),
        "loop_pair": xr.DataArray(loops.pairs, dims=dims, attrs={"long_name": "pair of the side, -1 = no side"}),
        "loop_sign": xr.DataArray(
            loops.signs, dims=dims, attrs={"long_name": "1 forwards in time, -1 backwards, 0 = no side"}
        ),
        "loop_time": xr.DataArray(
            times,
            dims=dims,
            attrs={"long_name": "time at which the side begins; the first again where there is no side"},
        ),
    }


def loops_of(dataset: xr.Dataset, network: Network) -> Loops:
    """Return the loops of a closure result, from its coordinates and its network.

    Raises
    ------
    StackError
        If `dataset` has none.
    """
    for name in ("loop_pair", "loop_sign", "loop_time"):
        if name not in dataset.coords:
            raise StackError(f"loops: has no coordinate {name!r}; make it with insarray.closure")
    times, signs = dataset.loop_time.values.astype("datetime64[s]"), dataset.loop_sign.values.astype(np.int8)
    dates = np.searchsorted(network.times, times).clip(max=network.n_dates - 1)
    number = {(int(i), int(j)): k for k, (i, j) in enumerate(network.pairs)}
    ends = np.roll(dates, -1, axis=1)
    sides = [
        [number.get((min(a, b), max(a, b)), -1) if sign else -1 for a, b, sign in zip(*row, strict=True)]
        for row in zip(dates.tolist(), ends.tolist(), signs.tolist(), strict=True)
    ]
    pairs = np.array(sides, np.int32).reshape(signs.shape)
    if (network.times[dates] != times).any() or ((pairs < 0) & (signs != 0)).any():
        raise StackError("loops: pairs of them are not in the dataset; close the pairs that are left: insarray.closure")
    return Loops(dates.astype(np.int32), pairs, signs)


def time_coords(network: Network) -> dict[str, xr.DataArray]:
    """Return the coordinate of the `time` dimension of a series."""
    return {"time": _time(network.times, "time", "acquisition time", standard_name="time")}


def epoch_coords(times: np.ndarray, baseline: xr.DataArray | None) -> dict[str, xr.DataArray]:
    """Return the `time` coordinates of a wrapped stack; `baseline` (time) of each date in metres, if known."""
    coords = {"time": _time(times, "time", "acquisition time", standard_name="time")}
    if baseline is not None:
        attrs = {"units": "m", "long_name": "perpendicular baseline, date minus reference date"}
        coords["perpendicular_baseline"] = baseline.astype(np.float32).assign_attrs(attrs)
    return coords


def _time(values: np.ndarray, dim: str, long_name: str, **attrs: str) -> xr.DataArray:
    return xr.DataArray(values.astype("datetime64[ns]"), dims=dim, attrs={"long_name": long_name, **attrs})


def network_of(stack: xr.Dataset) -> Network:
    """Return the network of a stack, from its pair coordinates.

    Raises
    ------
    StackError
        If `stack` has no pair coordinates.
    """
    for name in ("reference_time", "secondary_time"):
        if name not in stack.coords:
            raise StackError(f"stack: has no coordinate {name!r}; open it with insarray.open_stack")
        if stack.coords[name].dims != ("pair",):
            raise StackError(
                f"stack: {name} has the dimensions {stack.coords[name].dims}, but no 'pair'; keep it when selecting "
                "(isel(pair=[0]) instead of isel(pair=0))"
            )
    baseline = stack.coords.get("perpendicular_baseline")
    ends = (times_of(stack[name].values, name) for name in ("reference_time", "secondary_time"))
    return Network.from_pairs(
        list(zip(*ends, strict=True)),
        None if baseline is None or baseline.dims != ("pair",) else baseline.values.astype(np.float64),
    )


def grid_coords(grid: Grid) -> dict[str, xr.DataArray]:
    """Return the coordinates y, x (pixel centres) and, with a CRS, `spatial_ref` as in rioxarray and CF."""
    if grid.crs is None:
        names = {"y": {"long_name": "azimuth line", "units": "1"}, "x": {"long_name": "range sample", "units": "1"}}
        return {
            "y": xr.DataArray(grid.y, dims="y", attrs=names["y"]),
            "x": xr.DataArray(grid.x, dims="x", attrs=names["x"]),
        }
    return _coords_in(grid.crs, {"y": ("y", grid.y), "x": ("x", grid.x)}, _extent(grid))


def point_coords(x: np.ndarray, y: np.ndarray, crs: str) -> dict[str, xr.DataArray]:
    """Return the coordinates of points without a grid: their numbers, y and x (point), and `spatial_ref`.

    Raises
    ------
    ArgumentError
        If the CRS is unknown.
    """
    from pyproj.exceptions import CRSError

    number = {"long_name": "number of the point", "cf_role": "timeseries_id"}
    try:
        coords = _coords_in(crs, {"y": ("point", y), "x": ("point", x)}, {})
    except CRSError as error:
        raise ArgumentError(f"crs: {crs!r} is not known ({error}); give a code such as 'EPSG:32633'") from error
    for name in ("y", "x"):
        del coords[name].attrs["axis"]  # not a dimension coordinate
    return {"point": xr.DataArray(np.arange(x.size), dims="point", attrs=number)} | coords


def _coords_in(
    crs: str, values: dict[str, tuple[str, np.ndarray]], extent: dict[str, object]
) -> dict[str, xr.DataArray]:
    """Return the coordinates y and x, and the `spatial_ref` of their CRS."""
    from pyproj import CRS

    axes, reference = _axes(crs), dict(CRS.from_user_input(crs).to_cf())
    reference["spatial_ref"] = reference["crs_wkt"]
    coords = {name: xr.DataArray(v, dims=dim, attrs=dict(axes[name])) for name, (dim, v) in values.items()}
    return coords | {"spatial_ref": xr.DataArray(np.int32(0), attrs=reference | extent)}


def crs_of(data: xr.Dataset | xr.DataArray) -> str | None:
    """Return the CRS, as WKT, of a canonical object or one written by rioxarray; None if there is none."""
    names = [data.attrs.get("grid_mapping"), data.encoding.get("grid_mapping"), "spatial_ref"]
    if isinstance(data, xr.Dataset):
        names += [of.get("grid_mapping") for array in data.data_vars.values() for of in (array.attrs, array.encoding)]
    names += [name for name, coord in data.coords.items() if coord.ndim == 0 and "crs_wkt" in coord.attrs]  # renamed
    known = data.variables if isinstance(data, xr.Dataset) else data.coords  # NetCDF files may have it as a variable
    for name in names:
        attrs = known[name].attrs if name in known else {}
        wkt = attrs.get("crs_wkt") or attrs.get("spatial_ref")
        if wkt:
            return str(wkt)
    return None


def on_grid_of(source: xr.Dataset, result: xr.Dataset) -> xr.Dataset:
    """Return `result` with y, x and CRS of `source`, and a reference to the CRS on each variable.

    Location attributes are recomputed from y and x. `grid_mapping` is set as an attribute, as an encoding would be lost
    by ``to_zarr(encoding=...)``. The NaN no-data value is set as encoding, as in files read by xarray: as an attribute
    it would survive ``astype(int)``, which then cannot be stored.
    """
    result = result.assign_coords({name: source.coords[name].variable for name in ("y", "x") if name in source.coords})
    if (crs := crs_of(source)) is not None:
        result = result.assign_coords(_named_axes(result, crs)).assign_coords(spatial_ref=_spatial_ref(source, crs))
        mapped = {
            name: layer.variable.copy(deep=False)
            for name, layer in result.data_vars.items()
            if {"y", "x"} <= set(layer.dims) and layer.attrs.get("grid_mapping") != "spatial_ref"
        }
        for variable in mapped.values():
            variable.attrs = {**variable.attrs, "grid_mapping": "spatial_ref"}
        result = result.assign(mapped)
    return with_nodata(result)


@lru_cache(maxsize=16)
def _axes(crs: str) -> dict[str, dict[str, str]]:
    """Return the CF attributes of y and x in a CRS."""
    from pyproj import CRS

    known = {axis["axis"]: axis for axis in CRS.from_user_input(crs).cs_to_cf()}
    return {dim: {"axis": dim.upper()} | known.get(dim.upper(), {}) for dim in ("y", "x")}


def _named_axes(dataset: xr.Dataset, crs: str) -> dict[str, xr.Variable]:
    """Return y and x with the standard names that GDAL needs to georeference, if they are missing."""
    named = {}
    for dim, attrs in _axes(crs).items():
        if dim in dataset.coords and "standard_name" not in dataset.coords[dim].attrs:
            named[dim] = dataset.coords[dim].variable.copy(deep=False)
            named[dim].attrs = {**attrs, **named[dim].attrs}
    return named


def with_nodata(dataset: xr.Dataset) -> xr.Dataset:
    """Set NaN as the no-data encoding of float layers, for rioxarray and files; return the same dataset."""
    for layer in dataset.data_vars.values():
        if layer.dtype.kind == "f" and {"y", "x"} <= set(layer.dims) and "_FillValue" not in layer.attrs:
            layer.encoding.setdefault("_FillValue", layer.dtype.type(np.nan))
    return dataset


def placed(dataset: xr.Dataset) -> xr.Dataset:
    """Return the dataset with a `spatial_ref` that matches y and x, whatever was done to them."""
    if crs_of(dataset) is None or not {"y", "x"} <= set(dataset.coords):
        return dataset
    return on_grid_of(dataset, dataset)


def _spatial_ref(source: xr.Dataset, crs: str) -> xr.DataArray:
    """Return `spatial_ref` with the transform of y and x; the same object if it is already correct."""
    attrs = dict(source.coords["spatial_ref"].attrs) if "spatial_ref" in source.coords else {"crs_wkt": crs}
    attrs["spatial_ref"] = crs
    try:
        extent = _extent(grid_of(source))
    except StackError:  # selected pixels have no regular grid
        extent = {}
    attrs = {name: value for name, value in attrs.items() if name not in ("GeoTransform", "pixel_size")} | extent
    made = xr.DataArray(np.int32(0), attrs=attrs)
    own = source.coords.get("spatial_ref")
    if own is not None and made.variable.identical(xr.Variable((), np.int32(0), own.attrs)):  # arrays occur
        made = own.reset_coords(drop=True)
    return made


def _extent(grid: Grid) -> dict[str, object]:
    """Return the pixel size as `spatial_ref` attributes, which single rows or columns do not imply.

    `GeoTransform` is only set for a single row or column: rioxarray prefers its pixel size to the coordinates, and it
    survives thinning, sorting and averaging. From y and x alone GDAL and rioxarray derive the same transform.
    """
    extent: dict[str, object] = {"pixel_size": f"{float(grid.dy)!r} {float(grid.dx)!r}"}
    return extent | ({"GeoTransform": grid.geotransform} if 1 in grid.shape else {})


def grid_of(data: xr.Dataset | xr.DataArray) -> Grid:
    """Return the grid of a canonical object, from its y, x and CRS.

    Raises
    ------
    StackError
        If x and y are missing or not evenly spaced.
    """
    steps = {}
    for name, position in (("y", 0), ("x", 1)):
        if name not in data.coords or data.coords[name].dims != (name,):
            raise StackError(f"dataset: has no coordinate {name!r} along its {name!r}; it is not an insarray dataset")
        values = np.asarray(data[name].values, np.float64)
        if not len(values):
            raise StackError(f"{name}: no pixel is selected; y often descends, so select with slice(high, low)")
        step = 1.0
        if len(values) > 1:
            step = (values[-1] - values[0]) / (len(values) - 1)
            if step == 0 or np.abs(np.diff(values) - step).max() > _unevenness(data[name].values) * abs(step):
                raise StackError(
                    f"{name}: the coordinate is not evenly spaced; sort it (.sortby({name!r})), or select every n-th pixel"
                )
        elif (declared := _pixel_size(data)) is not None:  # the pixel size is unknown
            step = declared[position]
        steps[name] = (values[0] - step / 2, step)
    (top, dy), (left, dx) = steps["y"], steps["x"]
    return Grid(data.sizes["y"], data.sizes["x"], float(left), float(top), float(dx), float(dy), crs_of(data))


def _unevenness(values: np.ndarray) -> float:
    """Return the permitted relative deviation of steps: 1 %, plus the rounding of float32 coordinates."""
    if values.dtype != np.float32:
        return 0.01
    step = abs(float(values[-1]) - float(values[0])) / (len(values) - 1)
    return max(0.01, 4 * float(np.spacing(np.abs(values).max())) / step) if step else 0.01


def _pixel_size(data: xr.Dataset | xr.DataArray) -> tuple[float, float] | None:
    """Return the declared pixel size (y, x), or None."""
    size = data.coords["spatial_ref"].attrs.get("pixel_size") if "spatial_ref" in data.coords else None
    if size is not None:
        height, width = str(size).split()
        return float(height), float(width)
    declared = _declared(data)
    return None if declared is None else (declared[5], declared[1])


def _declared(data: xr.Dataset | xr.DataArray) -> list[float] | None:
    reference = data.coords.get("spatial_ref")
    transform = None if reference is None else reference.attrs.get("GeoTransform")
    return None if transform is None else [float(value) for value in str(transform).split()]


def place_of(data: xr.Dataset) -> Place | None:
    """Return the recorded reference place; None if not recorded, or by rows and columns of an image before a crop.

    Nothing is read. Rows and columns alone, as written by earlier versions, are used if the coordinates show that the
    image is not cropped.
    """
    attrs = data.attrs
    try:
        grid = grid_of(data)
    except StackError:
        grid = None
    stated = Place.of_attributes(attrs, grid)
    if stated is not None or grid is None or not {"reference_row", "reference_area"} & set(attrs):
        return stated
    declared = _declared(data)
    lines = grid.crs is None and (grid.dy, grid.dx) == (1.0, 1.0)  # radar coordinates: row and column numbers
    if not lines and (declared is None or " ".join(map(repr, declared)) != grid.geotransform):
        return None
    y, x = (
        (grid.y, grid.x)
        if not lines
        else (np.arange(grid.top + 0.5 + grid.height), np.arange(grid.left + 0.5 + grid.width))
    )
    if "reference_area" in attrs:
        area = Area(*(int(value) for value in attrs["reference_area"]))
        if area.row_stop <= len(y) and area.col_stop <= len(x):
            return Place.of_area(y, x, area, int(attrs.get("reference_pixels", 0)))
        return None
    row, col = int(attrs["reference_row"]), int(attrs["reference_col"])
    return Place.of_pixel(y, x, row, col) if row < len(y) and col < len(x) else None


def reference_time_of(series: xr.Dataset) -> np.datetime64:
    """Return the date at which a series is zero: as recorded, else the first of its pairs, else its first."""
    stated = series.attrs.get("reference_date")
    if stated is not None:
        return as_time(str(stated))
    name = "reference_time" if "reference_time" in series.coords else "time"
    if name not in series.coords:
        raise StackError("reference_date: the dataset has no dates; give a series")
    return np.datetime64(times_of(series[name].values, name).min())


def reference_in(data: xr.Dataset) -> tuple[int, int] | Area | None:
    """Return row and column, or area, of the reference in this dataset; None if it is outside or unknown."""
    place = place_of(data)
    return None if place is None else place.on(data["y"].values, data["x"].values)


def geozarr_attributes(grid: Grid) -> dict[str, object]:
    """Return the root attributes by which viewers locate a Zarr group (GeoZarr `proj:` and `spatial:` conventions)."""
    attrs: dict[str, object] = {
        "spatial:dimensions": ["y", "x"],
        "spatial:shape": list(grid.shape),
        "spatial:transform": list(grid.affine),
        "spatial:bbox": list(grid.bounds),
        "spatial:registration": "pixel",
    }
    if grid.crs is not None:
        from pyproj import CRS

        crs = CRS.from_user_input(grid.crs)
        code = crs.to_authority(min_confidence=70)
        attrs |= {"proj:code": ":".join(code)} if code else {"proj:wkt2": crs.to_wkt()}
    return attrs


import insarray.model.accessor  # noqa: E402, F401  register the accessor
