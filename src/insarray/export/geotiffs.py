"""Export an unwrapped stack as one GeoTIFF per interferogram, and its link model as maps."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, get_args

import xarray as xr

from insarray.engine.graph.inputs import inputs_of, refuse_inputs
from insarray.engine.jobs import fingerprint
from insarray.export.files import made_folder, require_free
from insarray.export.rasters import band_tags, write_bands
from insarray.io.layers.headers import read_headers
from insarray.model.choices import ModelSigns
from insarray.model.conventions import VARIABLES
from insarray.model.dataset import network_of
from insarray.model.errors import ArgumentError, FileError, StackError, StoreError

logger = logging.getLogger(__name__)

_SUFFIXES = {
    "unwrapped_phase": ".unw.tif",
    "connected_component_labels": ".unw.conncomp.tif",
    "coherence": ".int.cor.tif",
}
_JOB = "insarray_job"
_SLAB = 64  # files written together: a block is read once for all of them

_HEIGHT_PHASE = "4 pi / wavelength * baseline / (slant range * sin(angle)) * error"

_ABOUT: dict[tuple[str, ModelSigns], dict[str, str]] = {
    ("dem_error_m", "insarray"): {"sign": f"phase = -{_HEIGHT_PHASE}: positive above the DEM"},
    ("velocity_mm_yr", "published"): {
        "long_name": "line-of-sight velocity, positive away from the satellite (year of 365.25 days)",
        "sign": "phase = 4 pi / wavelength * velocity * time: the opposite of insarray's velocity",
    },
    ("dem_error_m", "published"): {
        "long_name": "height error of the published link model",
        "sign": f"phase = {_HEIGHT_PHASE}: the opposite of insarray's height_error of the same baselines",
    },
}
"""Attributes of a map that depend on its sign; that of insarray's velocity is in its long name."""


class _Output(NamedTuple):
    """Files of one layer: of a map (y, x) one, of a layer (pair, y, x) one per pair."""

    layer: xr.DataArray
    paths: list[Path]


def to_geotiffs(
    stack: xr.Dataset, folder: str | Path, *, signs: ModelSigns = "insarray", overwrite: bool = False
) -> list[Path]:
    """Write each interferogram of a stack as a GeoTIFF named as by dolphin and spurt, and the maps of its link model.

    The blocks are read once for every 64 interferograms, so a lazy stack may be larger than memory. Each file appears
    when it is complete. Files of an interrupted call for the same stack are kept, and the others are written.

    Parameters
    ----------
    stack
        Canonical stack, such as that of `insarray.unwrap_stack`.
    folder
        Output folder; created if missing.
    signs
        Signs of `velocity_mm_yr.tif` and `dem_error_m.tif`: "insarray", the velocity positive toward the satellite,
        or "published", both with the opposite sign: those of phase = 4 pi / wavelength * (velocity * time + baseline /
        (slant range * sin(angle)) * height error).
    overwrite
        Replace existing files.

    Returns
    -------
    list of Path
        Those of the following for which the stack has data. Per interferogram: ``YYYYMMDD_YYYYMMDD.unw.tif`` (rad,
        positive away from the satellite, NaN without data), ``.unw.conncomp.tif`` (0 = not unwrapped) and
        ``.int.cor.tif``. Of the link model: ``velocity_mm_yr.tif``, ``dem_error_m.tif`` and
        ``link_model_coherence.tif``. Units, sign and attributes of the stack are in the tags.

    Raises
    ------
    ArgumentError
        If `signs` is unknown, or a file is an input of the stack.
    StackError
        If the stack has no interferograms.
    StoreError
        If a file exists that was not made from this stack, or cannot be written.

    See Also
    --------
    insarray.to_cog : write one layer as a single GeoTIFF.
    insarray.unwrap_stack : unwrap a wrapped stack.
    insarray.open_stack : open the interferograms again.

    References
    ----------
    * OGC 21-026, OGC Cloud Optimized GeoTIFF Standard, version 1.0.

    Examples
    --------
    >>> import insarray as ia
    >>> stack, truth = ia.simulate_stack(shape=(20, 24), n_dates=3, missing=0, water=False)
    >>> sorted(path.name for path in ia.to_geotiffs(stack[["unwrapped_phase"]], "unwrapped"))[:2]
    ['20190105_20190117.unw.tif', '20190105_20190129.unw.tif']
    """
    if signs not in get_args(ModelSigns):
        raise ArgumentError(f"signs: {signs!r} is not one of {', '.join(get_args(ModelSigns))}")
    if "unwrapped_phase" not in stack:
        raise StackError("stack: has no unwrapped_phase; give the result of insarray.unwrap_stack or open_stack")
    target, job = Path(folder), f"{fingerprint(stack)} {signs}"
    outputs = [*_pairs(stack, target), *_maps(stack, target, signs)]
    every = [path for output in outputs for path in output.paths]
    inputs = inputs_of(stack)
    for path in every:
        if path is every[0] or path.exists():
            refuse_inputs(path, *inputs)
    todo = {path for path in every if not _is_there(path, job, overwrite=overwrite)}
    with made_folder(target):
        for layer, paths in outputs:
            _write(layer, [path if path in todo else None for path in paths], {**stack.attrs, _JOB: job}, overwrite)
    logger.info("to_geotiffs: %s, %d files, %d of them written now", folder, len(every), len(todo))
    return every


def model_maps(data: xr.Dataset, signs: ModelSigns = "insarray") -> dict[str, xr.DataArray]:
    """Return velocity, height error and coherence (y, x) of a link model with the published names and units."""
    layers = {}
    if "velocity" in data:
        layers["velocity_mm_yr"] = (data.velocity * 1e3).assign_attrs({**data.velocity.attrs, "units": "mm/year"})
    if "height_error" in data:
        layers["dem_error_m"] = data.height_error
    for name, layer in layers.items():
        signed = -layer if signs == "published" else layer
        layers[name] = signed.assign_attrs({**layer.attrs, **_ABOUT.get((name, signs), {})})
    if layers and "link_model_coherence" in data:
        layers["link_model_coherence"] = data.link_model_coherence
    elif layers and "temporal_coherence" in data:  # of an unwrapped stack: that of its points
        about = {"long_name": VARIABLES["point_coherence"].long_name}
        layers["link_model_coherence"] = data.temporal_coherence.assign_attrs(about)
    return {name: layer.astype("float32").rename(name) for name, layer in layers.items()}


def _pairs(stack: xr.Dataset, folder: Path) -> Iterator[_Output]:
    labels = network_of(stack).labels
    for name, suffix in _SUFFIXES.items():
        if name in stack:
            yield _Output(stack[name].transpose("pair", "y", "x"), [folder / f"{label}{suffix}" for label in labels])


def _maps(stack: xr.Dataset, folder: Path, signs: ModelSigns) -> Iterator[_Output]:
    for name, layer in model_maps(stack, signs).items():
        yield _Output(layer.transpose("y", "x"), [folder / f"{name}.tif"])


def _is_there(path: Path, job: str, *, overwrite: bool) -> bool:
    """Return whether the file is that of this job; raise if another one is there that must not be replaced."""
    if path.is_file() and not overwrite:
        try:
            tags = read_headers([path])[0].tags
        except FileError as error:
            raise StoreError(f"{error}; choose another folder, or remove it") from error
        if tags.get(_JOB) == job:
            return True
    require_free(path, overwrite=overwrite)
    return False


def _write(layer: xr.DataArray, paths: list[Path | None], attrs: dict[Any, Any], overwrite: bool) -> None:  # noqa: FBT001
    """Write the bands of a layer that have a path, some at a time."""
    bands = layer if layer.dims[0] == "pair" else layer.expand_dims("band")
    missing = [k for k, path in enumerate(paths) if path is not None]
    for first in range(0, len(missing), _SLAB):
        slab = missing[first : first + _SLAB]
        targets = [path for path in (paths[k] for k in slab) if path is not None]
        write_bands(bands[slab], targets, band_tags(layer, attrs), overwrite=overwrite)
