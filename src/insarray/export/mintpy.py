"""Export results as MintPy's HDF5 files, block by block."""

import itertools
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal, get_args

import h5py
import numpy as np
import xarray as xr

from insarray.engine.graph.inputs import refuse_inputs
from insarray.export.files import complete_file, made_folder, require_free
from insarray.export.mintpy_layout import MintpyFile, files_of, shared_attributes
from insarray.io.layers.hdf5 import opened
from insarray.io.readers.mintpy import attributes_of
from insarray.model.dates import date_label
from insarray.model.errors import ArgumentError, StackWarning
from insarray.model.secrets import shown_values, without_secrets
from insarray.products.series.rereference import rereference
from insarray.products.stacks.quality import masked
from insarray.products.stacks.selection import Raster
from insarray.products.views.stacks import as_series

logger = logging.getLogger(__name__)

Nodata = Literal["nan", "zero"]

_BLOCK_BYTES = 64 * 2**20  # computed at a time if the data have no chunks


def to_mintpy(
    dataset: xr.Dataset,
    folder: str | Path,
    *,
    attrs: Mapping[str, object] | str | Path | None = None,
    nodata: Nodata = "nan",
    mask: Raster | None = None,
    overwrite: bool = False,
) -> list[Path]:
    """Write a series, a fitted model, or both, as the files that MintPy would write.

    All files are computed together, block by block: a lazy dataset may be larger than memory. The files appear when all
    of them are complete; if an error occurs, none does.

    Parameters
    ----------
    dataset
        Result of `insarray.invert`, `insarray.fit`, `insarray.open_series`, or several merged.
    folder
        Output folder; created if missing.
    attrs
        Additional attributes of MintPy (HEADING, ORBIT_DIRECTION, PLATFORM, ...), or a MintPy file with them, such as
        ``ifgramStack.h5``. Values from the dataset (place, size, dates, reference, wavelength) take precedence.
    nodata
        No-data value: "nan", or "zero" as in MintPy, for those of its tools that fail on NaN. With "zero", pixels that
        lack a date are 0 at all dates, as in MintPy, including their temporal coherence and number of pairs, as single
        zeros would appear as motion back and forth.
    mask
        Write only pixels where this raster, a file or an array (y, x), is neither 0 nor no-data, such as
        `insarray.quality_mask`; the others are no-data in every file.
    overwrite
        Replace existing files.

    Returns
    -------
    list of Path
        Those of the following for which the dataset has data: ``timeseries.h5`` (m, toward the satellite),
        ``timeseriesResidual.h5``, ``timeseriesDecorCov.h5``, ``temporalCoherence.h5``, ``maskTempCoh.h5`` (of `quality_mask`),
        ``numInvIfgram.h5``, ``velocity.h5``, ``demErr.h5``, ``geometryRadar.h5`` or ``geometryGeo.h5``.

    Raises
    ------
    ArgumentError
        If the dataset has nothing that MintPy stores, dates that its files cannot represent, or a CRS without EPSG
        code.
    FileError
        If the file with the attributes cannot be read.
    StoreError
        If a file exists or cannot be written.

    See Also
    --------
    insarray.open_series : open a series of MintPy.
    insarray.to_netcdf : write NetCDF.

    References
    ----------
    * Yunjun, Z., Fattahi, H. and Amelung, F. (2019), Small baseline InSAR time series analysis:
      Unwrapping error correction and noise reduction, Computers & Geosciences 133, 104331.

    Examples
    --------
    >>> import insarray as ia
    >>> stack, truth = ia.simulate_stack(shape=(20, 24), n_dates=6, missing=0, water=False)
    >>> series = ia.invert(stack, reference=(9, 12))
    >>> sorted(path.name for path in ia.to_mintpy(series.merge(ia.fit(series)), "mintpy"))
    ['numInvIfgram.h5', 'temporalCoherence.h5', 'timeseries.h5', 'velocity.h5']
    """
    target = Path(folder)
    with made_folder(target):
        written = write_mintpy(masked(dataset, mask), target, {}, attrs=attrs, nodata=nodata, overwrite=overwrite)
    logger.info("to_mintpy: %s", ", ".join(map(str, written)))
    return written


def write_mintpy(
    dataset: xr.Dataset,
    folder: Path,
    names: Mapping[str, Path],
    *,
    attrs: Mapping[str, object] | str | Path | None,
    nodata: Nodata,
    overwrite: bool,
) -> list[Path]:
    """Write files as `to_mintpy` does, with other paths for the files in `names`."""
    if nodata not in get_args(Nodata):
        raise ArgumentError(f"nodata: {nodata!r} is not one of {', '.join(get_args(Nodata))}")
    given = mintpy_attributes(attrs) if isinstance(attrs, str | Path) else attrs or {}
    dataset, given = _since_a_date_of_its_own(without_secrets(dataset)), shown_values(given)
    files = list(files_of(_whole_pixels(dataset) if nodata == "zero" else dataset))
    shared = shared_attributes(dataset, given, nodata)
    paths = _free_paths(files, folder, names, overwrite=overwrite)
    for path in paths:
        if path.exists():
            refuse_inputs(path, dataset, attrs)
    with ExitStack() as stack:
        temporary = [stack.enter_context(complete_file(path, overwrite=overwrite)) for path in paths]
        with ExitStack() as opening:
            outputs = [opening.enter_context(h5py.File(path, "w")) for path in temporary]
            for output, file in zip(outputs, files, strict=True):
                _create(output, file, shared)
            _fill(outputs, files, nodata)
    return paths


def _since_a_date_of_its_own(dataset: xr.Dataset) -> xr.Dataset:
    """Shift a series to be zero at one of its dates, as MintPy requires; the first one if it was cut in time."""
    if "displacement" not in dataset or "time" not in dataset.dims:
        return dataset
    view = as_series(dataset)
    if view.reference_time in view.times:
        return dataset
    first = view.labels[0]
    warnings.warn(
        f"the reference date {date_label(view.reference_time)} is not among the dates: written relative to {first}",
        StackWarning,
        stacklevel=3,
    )
    moved = rereference(dataset, date=first)
    terms = [
        name
        for name, layer in dataset.data_vars.items()
        if name not in moved and "time" not in layer.dims and not str(name).startswith("intercept")
    ]
    return moved.assign({name: dataset[name].variable for name in terms})


def mintpy_paths(dataset: xr.Dataset, folder: Path, names: Mapping[str, Path], *, overwrite: bool) -> list[Path]:
    """Return the paths that `write_mintpy` would write; raise as it does if one exists."""
    return _free_paths(list(files_of(dataset)), folder, names, overwrite=overwrite)


def _free_paths(files: Sequence[MintpyFile], folder: Path, names: Mapping[str, Path], *, overwrite: bool) -> list[Path]:
    if not files:
        raise ArgumentError("dataset: has nothing that MintPy has files for; give a series, a fit, or both merged")
    paths = [names.get(file.name, folder / file.name) for file in files]
    for path in paths:
        require_free(path, overwrite=overwrite)
    return paths


def _whole_pixels(dataset: xr.Dataset) -> xr.Dataset:
    """Set series to NaN at pixels that lack a date."""
    parts: dict[str, xr.DataArray] = {}
    if "fit_residual" in dataset:
        parts["fit_residual"] = dataset.fit_residual.where(_is_whole(dataset.fit_residual))
    if "displacement" in dataset:
        whole = _is_whole(dataset.displacement)
        parts |= {
            name: dataset[name].where(whole) for name in ("displacement", "temporal_coherence") if name in dataset
        }
        if "quality_mask" in dataset:
            parts["quality_mask"] = dataset.quality_mask & whole
        if "number_of_observations" in dataset:
            parts["number_of_observations"] = dataset.number_of_observations.where(whole, 0)
    return dataset.assign(parts)


def _is_whole(series: xr.DataArray) -> xr.DataArray:
    return xr.DataArray(np.isfinite(series)).all("time")


def mintpy_attributes(path: str | Path) -> dict[str, str]:
    """Return the attributes of a MintPy file.

    Raises
    ------
    FileError
        If it cannot be read.
    """
    with opened(path) as file:
        return attributes_of(file)


def _create(output: Any, file: MintpyFile, shared: Mapping[str, str]) -> None:
    """Create the datasets, tables and attributes of a file, without pixels."""
    output.attrs.update({**shared, **file.attrs})
    for name, values in file.tables.items():
        output.create_dataset(name, data=values)
    for layer in file.layers:
        dtype = np.bool_ if layer.data.dtype == np.bool_ else np.float32
        created = output.create_dataset(layer.name, layer.data.shape, dtype, chunks=True)
        if layer.unit is not None:
            created.attrs["UNIT"] = layer.unit


def _fill(outputs: Sequence[Any], files: Sequence[MintpyFile], nodata: Nodata) -> None:
    """Compute the layers of all files together, so that shared inputs are computed once, and write them."""
    targets, layers = [], []
    for output, file in zip(outputs, files, strict=True):
        for layer in file.layers:
            targets.append(output[layer.name])
            layers.append(layer.data.drop_vars([*layer.data.coords]).rename(None))
    together = xr.Dataset({str(k): (_dims(k, layer), layer.data) for k, layer in enumerate(layers)})
    for rows, cols in _windows(together):
        block = together.isel(y=rows, x=cols).compute()
        for k, target in enumerate(targets):
            values = block[str(k)].values
            if nodata == "zero" and values.dtype.kind == "f":
                values = np.nan_to_num(values, nan=0.0)
            target[..., rows, cols] = values


def _dims(k: int, layer: xr.DataArray) -> tuple[str, ...]:
    """Return the dimensions of a layer; residuals may have fewer dates than their series."""
    return (*(f"time_{k}", f"other_time_{k}")[: layer.ndim - 2], "y", "x")


def _windows(layers: xr.Dataset) -> Iterator[tuple[slice, slice]]:
    """Yield windows that cover the image, aligned with the chunks if there are any."""
    chunks = layers.chunksizes
    if "y" in chunks and "x" in chunks:
        rows, cols = (np.cumsum([0, *chunks[dim]]).tolist() for dim in ("y", "x"))
    else:
        height, width = layers.sizes["y"], layers.sizes["x"]
        step = max(1, _BLOCK_BYTES * height // max(1, layers.nbytes))
        rows, cols = [*range(0, height, step), height], [0, width]
    for row, col in itertools.product(itertools.pairwise(rows), itertools.pairwise(cols)):
        yield slice(*row), slice(*col)
