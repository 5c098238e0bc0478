"""A small MintPy project with known truth: inputs/ifgramStack.h5 and the geometry beside it."""

from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
import xarray as xr

from insarray.model.dataset import grid_of, network_of
from insarray.model.dates import date_label
from insarray.simulate.stacks import WAVELENGTH, simulate_stack

REFERENCE = (11, 9)

ATTRS = {
    "WAVELENGTH": repr(WAVELENGTH),
    "FILE_TYPE": "ifgramStack",
    "UNIT": "radian",
    "PROCESSOR": "isce",
    "HEADING": "-168.0",
    "ORBIT_DIRECTION": "DESCENDING",
    "PLATFORM": "Sen",
    "ANTENNA_SIDE": "-1",
    "ALOOKS": "5",
    "RLOOKS": "15",
    "NCORRLOOKS": "20",
    "CENTER_LINE_UTC": "42584.0",
    "EARTH_RADIUS": "6371000.0",
    "HEIGHT": "698834.2",
    "RANGE_PIXEL_SIZE": "34.94",
    "AZIMUTH_PIXEL_SIZE": "70.5",
    "STARTING_RANGE": "846000.0",
    "beam_mode": "IW",
    "relative_orbit": "128",
    "REF_Y": str(REFERENCE[0]),
    "REF_X": str(REFERENCE[1]),
    **{f"{axis}_REF{k}": str(k) for axis in ("LAT", "LON") for k in range(1, 5)},
}


class Project(NamedTuple):
    """Files and what is behind them."""

    stack: Path
    geometry: Path
    truth: xr.Dataset


def write_project(folder: Path, *, geocoded: bool = False, **options: object) -> Project:
    """Write a simulated stack as MintPy would; no phase in water and where samples are missing is 0."""
    options = {"shape": (30, 34), "n_dates": 8, "missing": 0.0, "water": True, "looks": 20, "seed": 4} | options
    stack, truth = simulate_stack(**options)
    grid, network = grid_of(stack), network_of(stack)
    inputs = folder / "inputs"
    inputs.mkdir(parents=True, exist_ok=True)
    attrs = ATTRS | {"LENGTH": str(grid.height), "WIDTH": str(grid.width)}
    if geocoded:
        corner = {"X_FIRST": grid.left, "Y_FIRST": grid.top, "X_STEP": grid.dx, "Y_STEP": grid.dy}
        attrs |= {name: repr(float(value)) for name, value in corner.items()}
        attrs |= {"X_UNIT": "meters", "Y_UNIT": "meters", "EPSG": "32614", "UTM_ZONE": "14N"}
    dates = [[date_label(time) for time in network.times[list(pair)]] for pair in network.pairs]
    with h5py.File(inputs / "ifgramStack.h5", "w") as file:
        file.attrs.update(attrs)
        file["date"] = np.array(dates, "S8")
        file["bperp"] = stack.perpendicular_baseline.values
        file["dropIfgram"] = np.ones(network.n_pairs, bool)
        file["unwrapPhase"] = np.nan_to_num(stack.unwrapped_phase.values)
        file["coherence"] = np.where(np.isfinite(stack.unwrapped_phase), stack.coherence, 0)
        labels = np.where(np.isfinite(stack.unwrapped_phase), stack.connected_component_labels, 0)
        file["connectComponent"] = labels.astype(np.int16)
    geometry = inputs / ("geometryGeo.h5" if geocoded else "geometryRadar.h5")
    with h5py.File(geometry, "w") as file:
        file.attrs.update(attrs | {"FILE_TYPE": "geometry"})
        file["incidenceAngle"] = stack.incidence_angle.values
        file["slantRangeDistance"] = stack.slant_range.values
        file["height"] = np.zeros(grid.shape, np.float32)
        file["waterMask"] = truth.water_mask.values
    return Project(inputs / "ifgramStack.h5", geometry, truth)


def read(path: Path) -> dict[str, np.ndarray]:
    """Datasets of a file."""
    with h5py.File(path) as file:
        return {name: values[:] for name, values in file.items()}


def attributes(path: Path) -> dict[str, str]:
    """Attributes of a file."""
    with h5py.File(path) as file:
        return dict(file.attrs)


def edit(path: Path, **datasets: object) -> None:
    """Replace datasets of a file, or change its attributes: those in capitals; None takes away."""
    with h5py.File(path, "a") as file:
        for name, value in datasets.items():
            target = file.attrs if name.isupper() else file
            if name in target:
                del target[name]
            if value is not None:
                target[name] = value
