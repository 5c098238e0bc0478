"""PyGMTSAR's cubes, as its sync_cube writes them (coordinates in attributes) or as xarray does."""

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from tests.io.products.scene import DEGREES, Scene


def cube(scene: Scene, *, geocoded: bool = True, components: bool = True, west: float = 0.0) -> xr.Dataset:
    """What unwrapping makes: phase and conncomp (pair, y, x), ref and rep; rows from south to north if geocoded."""
    rows, cols = scene.shape
    phase = np.stack([np.where(scene.seen, scene.phase(k), np.nan) for k in range(len(scene.pairs))])
    labels = np.broadcast_to(scene.seen, phase.shape).astype(np.uint8)
    dims = ("pair", "lat", "lon") if geocoded else ("pair", "y", "x")
    pairs = [[f"{date[:4]}-{date[4:6]}-{date[6:]}" for date in pair] for pair in scene.pairs]
    y = DEGREES.f + DEGREES.e * (np.arange(rows) + 0.5) if geocoded else 4.0 * np.arange(rows) + 1.5
    x = DEGREES.c + DEGREES.a * (np.arange(cols) + 0.5) + west if geocoded else 16.0 * np.arange(cols) + 7.5
    data = xr.Dataset(
        {"phase": (dims, phase), "conncomp": (dims, labels), "correlation": (dims, scene.coherence)},
        {
            "pair": ("pair", np.array([" ".join(pair) for pair in pairs], object)),
            "ref": ("pair", pd.to_datetime([first for first, _ in pairs])),
            "rep": ("pair", pd.to_datetime([second for _, second in pairs])),
            dims[1]: y,
            dims[2]: x,
        },
    )
    data = data.isel({dims[1]: slice(None, None, -1)}) if geocoded else data
    return data if components else data.drop_vars("conncomp")


def sync_cube(path: Path, data: xr.Dataset | xr.DataArray) -> Path:
    """Write a cube as PyGMTSAR does: NetCDF called .grd, axes as attributes of the data set or of the array."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for dim in data.dims[1:] if isinstance(data, xr.DataArray) else [str(dim) for dim in data.dims if dim != "pair"]:
        axis = data[dim].values
        data = data.drop_vars(dim).assign_attrs(
            {
                f"start_{dim}": axis[0],
                f"step_{dim}": axis[1] - axis[0],
                f"stop_{dim}": axis[-1],
                f"size_{dim}": len(axis),
            }
        )
    if isinstance(data, xr.DataArray):
        data = data.to_dataset().assign_attrs(dataarray=data.name)
    data.to_netcdf(path, engine="h5netcdf")
    return path


def write_products(folder: Path, scene: Scene, **options: bool) -> Path:
    """Write the cubes of phase and coherence; returns that of the phase."""
    data = cube(scene, **options)
    sync_cube(folder / "corr90m.grd", data.correlation)
    return sync_cube(folder / "unwrap90m.grd", data.drop_vars("correlation"))
