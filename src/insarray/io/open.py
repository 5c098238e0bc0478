"""`open_stack`: choose the reader, check the options, and open the lazy stack."""

import logging
import math
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, cast, get_args

import xarray as xr

from insarray.io.files import archives, expand
from insarray.io.given import collects_folders
from insarray.io.layers.headers import read_headers
from insarray.io.layers.lazy import to_dataset
from insarray.io.layers.raster_files import is_raster
from insarray.io.layers.windows import within
from insarray.io.plugins import asked, problem_of, scanned, third_party, third_party_named, third_party_names
from insarray.io.readers.aria import AriaReader
from insarray.io.readers.dolphin import DolphinReader
from insarray.io.readers.flatsim import FlatsimReader
from insarray.io.readers.generic import GenericReader
from insarray.io.readers.gmtsar import GmtsarReader
from insarray.io.readers.hyp3 import Hyp3Reader
from insarray.io.readers.isce2 import Isce2Reader
from insarray.io.readers.licsar import LicsarReader
from insarray.io.readers.mintpy import AnyHdf5Reader, MintpyReader
from insarray.io.readers.nisar import NisarReader
from insarray.io.readers.opera_disp import OperaDispReader
from insarray.io.readers.pygmtsar import PygmtsarReader
from insarray.io.readers.raster_folder import FolderReader
from insarray.io.readers.snap import SnapReader
from insarray.io.readers.stored import StoredReader, is_zarr
from insarray.io.source import AreaLike, Extent, Files, Options, PathLike, ProductLayer, Reader, Sign, Units
from insarray.model.conventions import metres_per_radian
from insarray.model.errors import ArgumentError, InsarrayError, StackWarning

logger = logging.getLogger(__name__)

Product = Literal[
    "generic",
    "folder",
    "aria",
    "dolphin",
    "flatsim",
    "gmtsar",
    "hyp3",
    "isce2",
    "licsar",
    "mintpy",
    "netcdf",
    "nisar",
    "opera-disp",
    "pygmtsar",
    "snap",
]

SPECIFIC: tuple[Reader, ...] = (
    MintpyReader(),
    OperaDispReader(),
    AriaReader(),
    NisarReader(),
    StoredReader(),
    DolphinReader(),
    Hyp3Reader(),
    LicsarReader(),
    SnapReader(),
    FlatsimReader(),
    GmtsarReader(),
    PygmtsarReader(),
    Isce2Reader(),
)
"""Readers of one product each, in the order in which they are tried."""

GENERAL: tuple[Reader, ...] = (AnyHdf5Reader(), FolderReader(), GenericReader())
"""Tried after those of other packages (`insarray.io.plugins`); the last one accepts all remaining files."""

READERS = (*SPECIFIC, *GENERAL)


@collects_folders
def open_stack(
    files: Files,
    *,
    coherence: Files | None = None,
    components: Files | None = None,
    baselines: PathLike | None = None,
    product: Product | str | Reader | None = None,
    wavelength: float | None = None,
    sign: Sign | None = None,
    units: Units | None = None,
    nodata: float | None = None,
    dates: str | None = None,
    variable: str | None = None,
    extent: Extent | None = None,
    resample: bool = False,
    dem: PathLike | None = None,
    layers: Sequence[ProductLayer] = (),
    area: AreaLike | None = None,
    block: int | None = None,
) -> xr.Dataset:
    r"""Open a stack of unwrapped interferograms lazily; only headers are read and checked.

    Parameters
    ----------
    files
        Folder of a product (ARIA, dolphin, FLATSIM, GMTSAR, HyP3, ISCE2, LiCSAR, MintPy, NISAR, OPERA DISP, PyGMTSAR,
        SNAP; its files are found in it), a stack in NetCDF or Zarr, a pattern, files, or a CSV table with the columns
        ``reference,secondary,unwrapped[,coherence][,components][,bperp_m]``.
    coherence, components
        Patterns or files of coherence and connected components, matched to the phase by the dates in their names.
    baselines
        CSV table of perpendicular baselines in metres: ``date,bperp_m``, relative to any one date, or
        ``reference,secondary,bperp_m``, secondary minus reference in the order of the row. Matched by date.
    product
        Reader to use instead of recognising the files: ``"aria"``, ``"dolphin"``, ``"flatsim"``, ``"folder"``,
        ``"generic"``, ``"gmtsar"``, ``"hyp3"``, ``"isce2"``, ``"licsar"``, ``"mintpy"``, ``"netcdf"``, ``"nisar"``,
        ``"opera-disp"``, ``"pygmtsar"`` or ``"snap"``, the name of a reader of another package, or a reader object with
        the protocol of `insarray.io.source.Reader`.
    wavelength
        Radar wavelength in metres. None: from the files, if they state it.
    sign
        ``"away"`` (default) if positive values mean motion away from the satellite when the earlier date is the
        reference, ``"toward"`` if they mean motion toward it.
    units
        ``"radian"``, ``"metre"`` or ``"millimetre"``; None: from tags or names of the files, else radian.
    nodata
        No-data value in addition to NaN and the values that the files state; NaN: no other value is no-data.
    dates
        Regular expression with two groups, the reference and the secondary date, for other naming schemes.
    variable
        Variable of NetCDF files with several variables, phase of MintPy other than ``unwrapPhase``, grid of GMTSAR such
        as ``unwrap_mask_ll``, or frequency and polarisation of NISAR such as ``"frequencyA/HH"``.
    extent
        For files of different extents on the same pixels: ``"intersection"`` uses the pixels of all files, ``"union"``
        those of any file. None is the intersection for products whose extents differ between pairs, and an error for
        others.
    resample
        Warp files with another CRS or pixel size to the grid of the majority while they are read: phase and coherence
        bilinearly, labels by nearest neighbour.
    dem
        Raster of heights (m, above the ellipsoid) at which the geometry cubes of ARIA and NISAR are interpolated.
    layers
        Additional layers of ARIA, NISAR and OPERA DISP, if available: ``"ionosphere"``, ``"troposphere_wet"``,
        ``"troposphere_hydrostatic"``, ``"solid_earth_tide"`` (radian: contributions to `unwrapped_phase`, not
        subtracted from it), ``"recommended_mask"``. Layers on height levels need `dem`.
    area
        Read only this part of the image: ``"W,S,E,N"`` in degrees (W > E across the date line),
        ``"left,bottom,right,top@EPSG:32614"``, a tuple (left, bottom, right, top) with or without a CRS as its fifth
        member, ``"rows:ROW:ROW,COL:COL"`` or `insarray.area`, or a vector file (GeoJSON; others need
        ``insarray[vector]``), of which the bounding box is used, without masking pixels outside the geometries. Every
        pixel that the area touches is included.
    block
        Edge of the blocks in pixels; None: chosen from the tiles of the files, the number of pairs and memory.

    Returns
    -------
    xarray.Dataset
        Lazy, dimensions (pair, y, x), pairs in the order of their dates: `unwrapped_phase` (float32, radian, later
        minus earlier date, positive away from the satellite, NaN = no-data) and, if available, `coherence` (float32, 0
        to 1), `connected_component_labels` (uint16, 0 = none) and static maps. If the no-data value is 0, a phase of
        exactly 0 is kept where the component is not 0 (and the coherence positive), as at the reference; without
        components it is missing, since masked pixels may well be coherent. `pair` is one chunk: a block reads the
        window of all its pairs.

    Raises
    ------
    ArgumentError
        If an option is invalid or does not apply to the product, or nothing matches.
    FileError
        If a file is missing, unreadable or not what it claims to be.
    StackError
        If the files do not belong together.

    See Also
    --------
    insarray.select_pairs : select pairs.
    insarray.mask : mask samples.
    insarray.invert : invert pairs to displacement series.
    insarray.open : open a stored result.
    insarray.open_wrapped : open wrapped phase.
    insarray.open_geometry : open angles, ranges and baselines.

    Examples
    --------
    >>> import insarray as ia
    >>> stack, truth = ia.simulate_stack(shape=(20, 24), n_dates=6, missing=0, water=False)
    >>> from insarray.simulate.stacks import write_geotiffs
    >>> paths = write_geotiffs(stack, "ifgs")
    >>> stack = ia.open_stack("ifgs/*.unw.tif", coherence="ifgs/*.cor.tif", wavelength=0.0555)
    >>> dict(stack.sizes)
    {'pair': 12, 'y': 20, 'x': 24}
    >>> stack.insar.network
    <Network 6 dates 20190105..20190306, 12 pairs, 1 component(s)>
    """
    options = Options(
        coherence,
        components,
        baselines,
        wavelength,
        sign,
        units,
        nodata,
        dates,
        variable,
        extent,
        resample or None,
        dem,
        ((layers,) if isinstance(layers, str) else tuple(layers)) or None,  # type: ignore[arg-type]
    )
    _check(options)
    paths = expand(files, "files")
    reader = _reader(paths, product)
    refused = options.given() - reader.options
    if refused:
        raise ArgumentError(_refusal(refused, reader, paths))
    source = reader.scan(paths, options) if reader in READERS else scanned(reader, paths, options)
    source = within(source, area)
    skipped = [note for path in paths if path.is_dir() and not is_zarr(path) for note in archives(path)]
    source = replace(source, notes=(*source.notes, *skipped)) if skipped else source
    for note in source.notes:
        warnings.warn(note, StackWarning, stacklevel=2)
    network, grid = source.network, source.grid
    logger.info(
        "open_stack: %s, %d pairs of %d dates, %d x %d pixels",
        reader.name,
        network.n_pairs,
        network.n_dates,
        *grid.shape,
    )
    logger.debug(
        "open_stack: recognised by %s; %d files; wavelength %s m",
        reader.looks_for,
        len(source.paths),
        source.wavelength,
    )
    return to_dataset(source, reader.name, block).assign_attrs(recognised_by=reader.looks_for)


def _refusal(refused: set[str], reader: Reader, paths: list[Path]) -> str:
    """Describe why options do not apply, and suggest the generic reader if it could read the files."""
    other = reader.name != "generic" and all(is_raster(path) for path in paths) and _is_readable(paths[0])
    remedy = ", or take product='generic' (--product generic)" if other else ""
    return f"{', '.join(sorted(refused))}: does not apply to the product {reader.name}; leave it out{remedy}"


def _is_readable(raster: Path) -> bool:
    """Return whether the generic reader can read the file; it cannot read FLATSIM's two-band files."""
    try:
        read_headers([raster])
    except InsarrayError:
        return False
    return True


def _check(options: Options) -> None:
    for name, value, known in (
        ("sign", options.sign, get_args(Sign)),
        ("units", options.units, get_args(Units)),
        ("extent", options.extent, get_args(Extent)),
    ):
        if value is not None and value not in known:
            raise ArgumentError(f"{name}: {value!r} is not one of {', '.join(known)}")
    for name in options.layers or ():
        if name not in get_args(ProductLayer):
            raise ArgumentError(f"layers: {name!r} is not one of {', '.join(get_args(ProductLayer))}")
    if options.wavelength is not None:
        metres_per_radian(options.wavelength)
    if options.nodata is not None and math.isinf(options.nodata):
        raise ArgumentError("nodata: infinite values are no-data anyway; give a number")


def _reader(paths: list[Path], product: object) -> Reader:
    if product is not None:
        return _named(product) if isinstance(product, str) else _given(product)
    for reader in SPECIFIC:
        if all(reader.recognises(path) for path in paths):
            return reader
    for reader in third_party():
        if all(asked(reader, path) for path in paths):
            return reader
    for reader in GENERAL:
        if all(reader.recognises(path) for path in paths):
            return reader
    raise ArgumentError(_unknown(next(path for path in paths if path.is_dir())))


def _unknown(folder: Path) -> str:
    """Describe a folder that no reader recognises; what each looks for is too long for a message."""
    held = sorted(path.name for path in folder.iterdir())
    holds = ", ".join(held[:3]) + (f" and {len(held) - 3} more" if len(held) > 3 else "") if held else "nothing"
    packed = "".join(f"; {note}" for note in archives(folder))
    return (
        f"files: {folder} is no known product, it holds {holds}{packed}; give the folder of one of {', '.join(_names())} (what "
        "each is known by is in docs/how_to/open_your_files.md), or a pattern of rasters such as 'ifgs/*.unw.tif'"
    )


def _names() -> list[str]:
    return sorted({reader.name for reader in READERS} | set(third_party_names()))


def _named(product: str) -> Reader:
    found = next((reader for reader in READERS if reader.name == product), None) or third_party_named(product)
    if found is None:
        raise ArgumentError(f"product: {product!r} is not one of {', '.join(_names())}")
    return found


def _given(reader: object) -> Reader:
    problem = problem_of(reader)
    if problem is not None:
        kind = reader.__name__ if isinstance(reader, type) else type(reader).__name__
        raise ArgumentError(f"product: {kind} {problem}")
    return cast("Reader", reader)
