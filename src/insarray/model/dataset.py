"""Between canonical xarray objects and the values behind them: network, grid, CRS attributes."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from insarray.model.baselines import ATTRS
from insarray.model.dates import as_time
from insarray.model.errors import StackError
from insarray.model.grid import Grid
from insarray.model.loops import Loops
from insarray.model.network import Network


def pair_coords(network: Network) -> dict[str, xr.DataArray]:
    """Coordinates of the `pair` dimension."""
    coords = {
        "pair": xr.DataArray(np.arange(network.n_pairs), dims="pair"),
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
    """Coordinate that says by what files each pair is known: the first 60 bits of hexadecimal hashes; none of none."""
    if not fingerprints:
        return {}
    values = np.array([int(text[:15], 16) for text in fingerprints], np.int64)
    about = "hash of the files of the pair and of how they are decoded"
    return {"pair_fingerprint": xr.DataArray(values, dims="pair", attrs={"long_name": about})}


def kept_fingerprints(stack: xr.Dataset) -> dict[str, xr.DataArray]:
    """The coordinate of `fingerprint_coords`, as far as a stack has it, for what is made of it."""
    return {name: stack.coords[name] for name in ("pair_fingerprint",) if name in stack.coords}


def loop_coords(network: Network, loops: Loops) -> dict[str, xr.DataArray]:
    """Coordinates of the `loop` dimension, and of the sides of each loop."""
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


def loops_of(dataset: xr.Dataset) -> Loops:
    """Loops of the result of a closure, from its coordinates.

    Raises
    ------
    StackError
        If `dataset` has none.
    """
    for name in ("loop_pair", "loop_sign", "loop_time"):
        if name not in dataset.coords:
            raise StackError(f"loops: has no coordinate {name!r}; make it with insarray.closure")
    times = dataset.loop_time.values
    dates = np.searchsorted(network_of(dataset).times, times.astype("datetime64[s]"))
    return Loops(
        dates.astype(np.int32),
        dataset.loop_pair.values.astype(np.int32),
        dataset.loop_sign.values.astype(np.int8),
    )


def time_coords(network: Network) -> dict[str, xr.DataArray]:
    """Coordinate of the `time` dimension of a series."""
    return {"time": _time(network.times, "time", "acquisition time", standard_name="time")}


def epoch_coords(times: np.ndarray, baseline: xr.DataArray | None) -> dict[str, xr.DataArray]:
    """Coordinates of the `time` dimension of a wrapped stack; `baseline` (time) of each date in metres, if known."""
    coords = {"time": _time(times, "time", "acquisition time", standard_name="time")}
    if baseline is not None:
        attrs = {"units": "m", "long_name": "perpendicular baseline, date minus reference date"}
        coords["perpendicular_baseline"] = baseline.astype(np.float32).assign_attrs(attrs)
    return coords


def _time(values: np.ndarray, dim: str, long_name: str, **attrs: str) -> xr.DataArray:
    return xr.DataArray(values.astype("datetime64[ns]"), dims=dim, attrs={"long_name": long_name, **attrs})


def network_of(stack: xr.Dataset) -> Network:
    """Network of a stack, from its pair coordinates.

    Raises
    ------
    StackError
        If `stack` has no pair coordinates.
    """
    for name in ("reference_time", "secondary_time"):
        if name not in stack.coords:
            raise StackError(f"stack: has no coordinate {name!r}; open it with insarray.open_stack")
    baseline = stack.coords.get("perpendicular_baseline")
    return Network.from_pairs(
        [
            (as_time(a), as_time(b))
            for a, b in zip(stack.reference_time.values, stack.secondary_time.values, strict=True)
        ],
        None if baseline is None or baseline.dims != ("pair",) else baseline.values.astype(np.float64),
    )


def grid_coords(grid: Grid) -> dict[str, xr.DataArray]:
    """Coordinates y, x (pixel centres) and, if there is a CRS, `spatial_ref` as rioxarray and CF want them."""
    if grid.crs is None:
        names = {"y": {"long_name": "azimuth line", "units": "1"}, "x": {"long_name": "range sample", "units": "1"}}
        return {
            "y": xr.DataArray(grid.y, dims="y", attrs=names["y"]),
            "x": xr.DataArray(grid.x, dims="x", attrs=names["x"]),
        }
    from pyproj import CRS

    crs = CRS.from_user_input(grid.crs)
    axes = {axis["axis"]: {k: v for k, v in axis.items() if k != "axis"} for axis in crs.cs_to_cf()}
    reference = dict(crs.to_cf())
    reference["spatial_ref"] = reference["crs_wkt"]
    reference["GeoTransform"] = " ".join(
        repr(float(value)) for value in (grid.left, grid.dx, 0.0, grid.top, 0.0, grid.dy)
    )
    return {
        "y": xr.DataArray(grid.y, dims="y", attrs={"axis": "Y", **axes.get("Y", {})}),
        "x": xr.DataArray(grid.x, dims="x", attrs={"axis": "X", **axes.get("X", {})}),
        "spatial_ref": xr.DataArray(np.int32(0), attrs=reference),
    }


def on_grid_of(source: xr.Dataset, result: xr.Dataset) -> xr.Dataset:
    """`result` with y, x and CRS of `source`, each variable pointing to the CRS.

    `grid_mapping` is an attribute, not an encoding: there it would be lost by ``to_zarr(encoding=...)``.
    """
    names = [name for name in ("y", "x", "spatial_ref") if name in source.coords]
    result = result.assign_coords({name: source.coords[name] for name in names})
    if "spatial_ref" in names:
        for variable in result.data_vars.values():
            variable.attrs["grid_mapping"] = "spatial_ref"
    return result


def grid_of(data: xr.Dataset | xr.DataArray) -> Grid:
    """Grid of any canonical object, from x, y and `spatial_ref`.

    Raises
    ------
    StackError
        If x and y are missing or not evenly spaced.
    """
    steps = {}
    reference = data.coords.get("spatial_ref")
    transform = None if reference is None else reference.attrs.get("GeoTransform")
    declared = None if transform is None else [float(v) for v in str(transform).split()]
    for name, position in (("y", 5), ("x", 1)):
        if name not in data.coords:
            raise StackError(f"dataset: has no coordinate {name!r}; it is not an insarray dataset")
        values = np.asarray(data[name].values, np.float64)
        if len(values) > 1:
            step = (values[-1] - values[0]) / (len(values) - 1)
            if step == 0 or np.abs(np.diff(values) - step).max() > 0.01 * abs(step):
                raise StackError(f"coordinate {name}: is not evenly spaced")
        else:
            step = declared[position] if declared else 1.0
        steps[name] = (values[0] - step / 2, step)
    crs = None if reference is None else reference.attrs.get("crs_wkt") or reference.attrs.get("spatial_ref")
    (top, dy), (left, dx) = steps["y"], steps["x"]
    return Grid(data.sizes["y"], data.sizes["x"], left, top, dx, dy, crs)


def geozarr_attributes(grid: Grid) -> dict[str, object]:
    """Root attributes by which viewers place a Zarr group (GeoZarr `proj:` and `spatial:` conventions)."""
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


@xr.register_dataset_accessor("insar")  # type: ignore[no-untyped-call, unused-ignore]
class InsarAccessor:
    """What is derived from a canonical dataset: ``stack.insar.network``, ``series.insar.grid``."""

    def __init__(self, dataset: xr.Dataset) -> None:
        self._dataset = dataset

    @property
    def network(self) -> Network:
        """Network of a stack."""
        return network_of(self._dataset)

    @property
    def grid(self) -> Grid:
        """Grid of any canonical dataset."""
        return grid_of(self._dataset)
