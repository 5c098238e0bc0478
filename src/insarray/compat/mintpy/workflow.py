"""Steps of MintPy on its own files: open, compute into a temporary store that can be resumed, write the files."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from insarray.cli.compute import store_into
from insarray.cli.options import Running
from insarray.cli.series_commands import chosen_dates
from insarray.compat.arrays import least_phase_of
from insarray.compat.mintpy import settings
from insarray.compat.mintpy.functions import moved_series, relaxations, without_functions
from insarray.compat.mintpy.height import centre_geometry, correct_by_displacement, correct_by_velocity
from insarray.engine.graph.inputs import refuse_inputs
from insarray.engine.jobs import fingerprint
from insarray.engine.store.zarr_store import Store, open_store
from insarray.export.mintpy import mintpy_attributes, mintpy_paths, to_mintpy, write_mintpy
from insarray.io.geometry.open import open_geometry
from insarray.io.layers.hdf5 import dataset, opened
from insarray.io.open import open_stack
from insarray.io.readers.mintpy_series import open_covariance, open_series
from insarray.model.dataset import grid_of
from insarray.model.dates import as_time, date_index
from insarray.model.errors import ArgumentError, FileError, ReferencePointError, StackWarning, StoreMismatchError
from insarray.products.series.covariance import covariance
from insarray.products.series.inversion import invert as invert_stack
from insarray.products.series.rereference import rereference
from insarray.products.stacks.quality import quality_mask
from insarray.products.stacks.selection import mask
from insarray.products.timefit.fit import fit

_WEIGHTS = {"var": "variance", "fim": "fisher", "coh": "coherence", "no": "none"}
_UNCERTAINTY = {"residue": "residuals", "covariance": "covariance", "bootstrap": "bootstrap"}
_INVERTED = ("displacement", "temporal_coherence", "number_of_observations")

_JOB = "insarray.job"
"""Attribute that identifies inputs, options and program of a file."""

Report = dict[str, Any]

_NO_MINIMUM: dict[str, Any] = {"min_dates": 0, "min_redundancy": 0}
"""MintPy fits pixels with any number of dates."""


def invert(stack_file: str, options: Mapping[str, Any]) -> Report:
    """Invert unwrapped phase as ifgram_inversion.py does.

    Parameters
    ----------
    stack_file
        Path of ifgramStack.h5.
    options
        Options of the command, by name.

    Raises
    ------
    InsarrayError
        See the messages. No output files have been written by then.
    """
    chosen = settings.inversion(options)
    if not chosen["variable"].startswith("unwrapPhase"):
        raise ArgumentError(
            f"-i: {chosen['variable']!r} is not unwrapped phase; offsets and ionosphere stay with MintPy"
        )
    stack = _without_zeros(open_stack(stack_file, product="mintpy", variable=chosen["variable"]))
    reference = None if options["skip_reference"] else _reference(stack, stack_file)
    masked = mask(
        stack,
        min_coherence=chosen["mask_threshold"] if chosen["mask_dataset"] == "coherence" else None,
        mask_components=chosen["mask_dataset"] == "connectComponent",
        mask=None if chosen["water_mask"] is None else _mask_raster(chosen["water_mask"]),
    )
    by_phase = chosen["min_norm_phase"] and options["gap"] == "min_norm"
    series = invert_stack(
        masked,
        norm=options["norm"],
        weights=_WEIGHTS[chosen["weights"]],  # type: ignore[arg-type]
        reference=reference,
        gap="subset" if by_phase else options["gap"],
    )
    series = series.assign_attrs(gap=options["gap"])
    if by_phase:
        series["displacement"] = _least_phase(series)
    if options["skip_reference"]:
        series = _referenced_before(series, stack)
    series = _with_redundancy(series, chosen["min_redundancy"])
    if options["ref_date"] is not None:
        series = rereference(series, date=options["ref_date"])
    main = ("timeseries.h5", "temporalCoherence.h5", "numInvIfgram.h5")
    names = {name: Path(path) for name, path in zip(main, options["output"], strict=True)}
    attrs = mintpy_attributes(stack_file) | _inversion_attributes(chosen, series)
    kept = (*_INVERTED, "network_subset") if options["gap"] == "subset" else _INVERTED
    needed = series.drop_vars([name for name in series.data_vars if name not in kept])  # pairs have the baselines
    needed = needed.assign(quality_mask=_reliable(series, stack_file, chosen))
    names["maskTempCoh.h5"] = _beside(names["temporalCoherence.h5"])
    if options["calc_cov"]:
        needed = needed.assign(displacement_covariance=_covariance(masked, chosen["weights"], options))
        series_path = names["timeseries.h5"]
        names["timeseriesDecorCov.h5"] = series_path.with_name(f"{series_path.stem}DecorCov.h5")
    return _through_store(needed, names, attrs, options)


def velocity(series_file: str, options: Mapping[str, Any]) -> Report:
    """Fit the velocity as timeseries2velocity.py does; parameters and errors as in `invert`."""
    chosen = settings.time_functions(options)
    series = moved_series(open_series(series_file), options)
    excluded = _among(series, chosen["exclude"])
    series = series.isel(time=chosen_dates(series.time.values, chosen["start"], chosen["end"], excluded))
    series, propagated = _with_covariance(series, chosen)
    model = fit(
        series,
        degree=chosen["degree"],
        periods=chosen["periods"],
        steps=chosen["steps"],
        velocity_changes=chosen["polylines"],
        exponentials=relaxations("--exp", chosen["exponentials"]),
        logarithms=relaxations("--log", chosen["logarithms"]),
        uncertainty=_UNCERTAINTY[chosen["uncertainty"]],  # type: ignore[arg-type]
        samples=chosen["samples"],
        covariance=propagated,
        **_NO_MINIMUM,
    )
    attrs, noted = mintpy_attributes(series_file), settings.noted("mintpy.timeFunc", chosen | {"exclude": excluded})
    names = {"velocity.h5": options["output"]}
    if options["save_residual"]:
        model = model.assign(fit_residual=without_functions(series, model, options["removed"]))
        names["timeseriesResidual.h5"] = options["residual_file"]
    return _through_store(model, names, attrs, options, noted=noted, source=series_file)


def dem_error(series_file: str, options: Mapping[str, Any]) -> Report:
    """Estimate the DEM error as dem_error.py does; parameters and errors as in `invert`."""
    chosen = settings.height_error(options)
    series = open_series(series_file)
    excluded = _among(series, chosen["exclude"])
    keep = chosen_dates(series.time.values, exclude_dates=excluded)
    attrs = mintpy_attributes(series_file)
    how: Mapping[str, Any]
    if options["geometry"] is None:
        geometry, how = series, centre_geometry(attrs, series_file)
    else:
        geometry = open_geometry(options["geometry"], series)
        how = {name: geometry.get(name) for name in ("slant_range", "incidence_angle")}
    baselines = geometry.get("perpendicular_baseline", series.get("perpendicular_baseline"))
    if baselines is None:
        other = "" if options["geometry"] is None else f", and {options['geometry']} neither"
        raise FileError(f"{series_file}: has no bperp{other}; give it in the file of -g")
    # relative to the reference date, as the subtracted part: the offset of the fit then contains no height error
    start = date_index(series.time.values, series.attrs.get("reference_date", series.time.values[0]))
    baselines = baselines - baselines.isel(time=start, drop=True)
    correct = correct_by_velocity if chosen["phase_velocity"] else correct_by_displacement
    both = correct(series, chosen, keep, baselines, how)
    stem = Path(series_file).with_suffix("")
    output = options["output"] or stem.with_name(f"{stem.name}_demErr.h5")
    names = {
        "timeseries.h5": output,
        "demErr.h5": options["dem_error_file"],
        "timeseriesResidual.h5": Path(output).parent / "timeseriesResidual.h5",
    }
    noted = settings.noted("mintpy.topographicResidual", chosen | {"exclude": excluded})
    return _through_store(both, names, attrs, options, noted=noted, source=series_file)


def export(store: str, folder: str, options: Mapping[str, Any]) -> Report:
    """Write a store as MintPy's files."""
    kept = ("attrs", "nodata", "overwrite")
    paths = to_mintpy(open_store(store), folder, **{name: options[name] for name in kept})
    return {"files": [str(path) for path in paths]}


def _with_covariance(series: xr.Dataset, chosen: Mapping[str, Any]) -> tuple[xr.Dataset, xr.DataArray | None]:
    """Return the series in the blocks of the covariance of its dates, if that is asked for, and the covariance."""
    path = chosen["covariance"]
    if chosen["uncertainty"] != "covariance":
        if path is not None:
            warnings.warn(f"--ts-cov: {path} has no effect without --uq covariance", StackWarning, stacklevel=2)
        return series, None
    if path is None:
        raise ArgumentError("--uq covariance: needs the covariance of the dates; give --ts-cov timeseriesDecorCov.h5")
    found = open_covariance(path, series)
    return series.chunk({dim: found.chunksizes[dim] for dim in ("y", "x")}), found


# -- inversion ------------------------------------------------------------------------------------------------------


def _reference(stack: xr.Dataset, stack_file: str) -> tuple[int, int]:
    """Return row and column that reference_point.py has written to the stack."""
    place = _stated(stack)
    if place is None:
        raise ReferencePointError(
            f"{stack_file}: has no REF_Y and REF_X; run reference_point.py on it, or give --skip-reference"
        )
    return place


def _stated(stack: xr.Dataset) -> tuple[int, int] | None:
    attrs = stack.attrs
    if {"mintpy_reference_row", "mintpy_reference_col"} <= set(attrs):
        return attrs["mintpy_reference_row"], attrs["mintpy_reference_col"]
    return None


def _without_zeros(stack: xr.Dataset) -> xr.Dataset:
    """Mask phases of exactly 0 regardless of their component, as MintPy does, except at the reference pixel."""
    phase, place = stack.unwrapped_phase, _stated(stack)
    observed = phase != 0
    if place is not None:
        y, x = (xr.DataArray(np.arange(phase.sizes[dim]), dims=dim) for dim in ("y", "x"))
        observed |= (y == place[0]) & (x == place[1])
    return stack.assign(unwrapped_phase=phase.where(observed))


def _referenced_before(series: xr.Dataset, stack: xr.Dataset) -> xr.Dataset:
    """Record the pixel at which the stack was already zero as the reference of the series."""
    place = _stated(stack)
    if place is None or not (0 <= place[0] < stack.sizes["y"] and 0 <= place[1] < stack.sizes["x"]):
        return series
    row, col = place
    where = {"reference_y": float(stack.y[row]), "reference_x": float(stack.x[col])}
    return series.assign_attrs(reference_row=row, reference_col=col, **where)


def _covariance(stack: xr.Dataset, weights: str, options: Mapping[str, Any]) -> xr.DataArray:
    """Return the covariance of the dates, relative to the reference date."""
    if options["norm"] != "l2":
        raise ArgumentError(f"--calc-cov: is that of least squares, not of --norm {options['norm']}; leave one out")
    found: xr.DataArray = covariance(stack, weights=_WEIGHTS[weights]).displacement_covariance  # type: ignore[arg-type]
    if options["ref_date"] is None:
        return found
    k = date_index(found.time.values, options["ref_date"])
    row, column = found.isel(other_time=k, drop=True), found.isel(time=k, drop=True)
    moved: xr.DataArray = found - row - column + row.isel(time=k, drop=True)
    return moved.assign_attrs(found.attrs)


def _reliable(series: xr.Dataset, stack_file: str, chosen: Mapping[str, Any]) -> xr.DataArray:
    """Return the mask of smallbaselineApp.py: temporal coherence, and no shadow in the geometry beside the stack."""
    lit = None
    name = "geometryRadar.h5" if grid_of(series).crs is None else "geometryGeo.h5"
    geometry = Path(stack_file).with_name(name)
    if chosen["shadow_mask"] and geometry.is_file():
        with opened(geometry) as file:
            shadow = dataset(file, "shadowMask")
            lit = None if shadow is None else xr.DataArray(shadow[:] != 1, dims=("y", "x"), name=str(geometry))
    return quality_mask(series, min_temporal_coherence=chosen["min_temporal_coherence"], mask=lit)


def _beside(coherence: Path) -> Path:
    """Return the path of the mask, named after the file of the temporal coherence as generate_mask.py names it."""
    known, own = "temporalCoherence", coherence.name
    return coherence.with_name(own.replace(known, "maskTempCoh") if known in own else f"maskTempCoh_{own}")


def _mask_raster(path: str) -> str | xr.DataArray:
    """Return a mask of MintPy as an array; other rasters as their path."""
    if Path(path).suffix.lower() not in (".h5", ".he5"):
        return path
    with opened(path) as file:
        for name in ("waterMask", "mask"):
            values = dataset(file, name)
            if values is not None and values.ndim == 2:
                return xr.DataArray(values[:], dims=("y", "x"))
    raise FileError(f"{path}: has neither waterMask nor mask (y, x); give another mask")


def _least_phase(series: xr.Dataset) -> xr.DataArray:
    """Return the displacement with the offsets of minimum phase for network subsets."""
    found: xr.DataArray = xr.apply_ufunc(
        least_phase_of, series.displacement, series.network_subset, dask="parallelized", output_dtypes=[np.float32]
    )
    return found.assign_attrs(series.displacement.attrs)


def _with_redundancy(series: xr.Dataset, fewest: float) -> xr.Dataset:
    """Mask dates with fewer pairs than `fewest`; mask whole pixels where MintPy does."""
    count, gap = series.number_of_observations, series.attrs["gap"]
    lacking = count < fewest
    if gap == "min_norm":  # as MintPy, without checking the first date
        lost = lacking.isel(time=slice(1, None)).any("time") | (count == 0).all("time")
        kept = {name: series[name].where(~lost) for name in ("displacement", "temporal_coherence")}
        return series.assign(kept).assign(number_of_observations=count.where(~lost, 0))
    drop = lacking | lacking.isel(time=0, drop=True) if gap == "nan" else lacking & (count > 0)
    return series.assign(displacement=series.displacement.where(~drop))


def _inversion_attributes(chosen: Mapping[str, Any], series: xr.Dataset) -> dict[str, str]:
    """Return the attributes of an inversion that later steps of MintPy read."""
    values = {
        "obsDatasetName": chosen["variable"],
        "numIfgram": series.attrs["number_of_pairs"],
        "weightFunc": chosen["weights"],
        "maskDataset": None if chosen["mask_dataset"] == "no" else chosen["mask_dataset"],
        "maskThreshold": chosen["mask_threshold"],
        "minRedundancy": chosen["min_redundancy"],
        "minNormVelocity": not chosen["min_norm_phase"],
    }
    return {f"mintpy.networkInversion.{name}": str(value) for name, value in values.items()}


def _among(series: xr.Dataset, dates: tuple[str, ...]) -> tuple[str, ...]:
    """Return the dates to exclude that the series has; others are ignored, as a list may serve several stacks."""
    days = set(series.time.values.astype("datetime64[D]"))
    known = tuple(date for date in dates if as_time(date).astype("datetime64[D]") in days)
    others = [date for date in dates if date not in known]
    if others:
        warnings.warn(
            f"--ex: {', '.join(others)}: not among the dates of the series; nothing to leave out",
            StackWarning,
            stacklevel=2,
        )
    return known


# -- files ----------------------------------------------------------------------------------------------------------


def _through_store(
    data: xr.Dataset,
    outputs: Mapping[str, str | Path],
    attrs: Mapping[str, str],
    options: Mapping[str, Any],
    *,
    noted: Mapping[str, str] | None = None,
    source: str = "",
) -> Report:
    """Compute into a hidden store beside the outputs, write these, and remove the store.

    The store keeps the results of an interrupted command, which the same command resumes. With `noted`, the settings
    that MintPy writes, files that its program made of the series `source` can be up to date, too.
    """
    names = {name: Path(path) for name, path in outputs.items()}
    first = next(iter(names.values()))
    job = f"{fingerprint(data)} {options['nodata']}"
    if options["update"] and all(path.is_file() for path in names.values()):
        own = all(mintpy_attributes(path).get(_JOB) == job for path in names.values())
        inputs = [source, *filter(None, (options.get("geometry"), options.get("covariance")))]
        if own or (options["nodata"] == "zero" and noted and _is_of_mintpy(first, attrs.get(_JOB), noted, inputs)):
            return {"files": [str(path) for path in names.values()], "up_to_date": True}
    attrs = {**attrs, **(noted or {}), _JOB: job}
    overwrite = options["overwrite"] or options["update"]
    for path in mintpy_paths(data, first.parent, names, overwrite=overwrite):
        if path.exists():
            refuse_inputs(path, data, *(options.get(name) for name in ("geometry", "water_mask", "covariance")))
    work = first.parent / f".{first.name}.insarray"
    running = Running(json=options["json"], workers=options["workers"])
    try:
        stored = store_into(data, str(work), running)
    except StoreMismatchError:  # from a command with other options; a running one holds its lock
        stored = store_into(data, str(work), replace(running, restart=True))
    report = {name: value for name, value in (stored or {}).items() if name != "url"}
    paths = write_mintpy(
        open_store(str(work)),
        first.parent,
        names,
        attrs=attrs,
        nodata=options["nodata"],
        overwrite=overwrite,
    )
    Store(str(work)).remove()
    return {"files": [str(path) for path in paths], **report}


def _is_of_mintpy(path: Path, inherited: str | None, noted: Mapping[str, str], inputs: Sequence[str]) -> bool:
    """Return whether a file was made by MintPy with these settings, and is newer than its inputs.

    MintPy copies all attributes of the series, thus the job that made this, and adds its settings.
    """
    found = mintpy_attributes(path)
    same = found.get(_JOB) == inherited and all(found.get(name) == value for name, value in noted.items())
    return same and path.stat().st_mtime_ns >= max(Path(name).stat().st_mtime_ns for name in inputs)
